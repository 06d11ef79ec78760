package query

import "github.com/itchyny/gojq"

// seenBy returns the fields of an event that an expression can see. It is allFields
// where the event as a whole is a result, or goes into something that is not known
// here to take one field of it.
func seenBy(q *gojq.Query) fields {
	var s sight
	if s.query(q, true) {
		return allFields
	}
	return s.fields
}

// A sight collects fields. Its methods report whether an expression can have the
// event as its result, if whole tells whether the event is its input.
type sight struct{ fields fields }

// use notes that the event goes somewhere, if it does.
func (s *sight) use(whole bool) {
	if whole {
		s.fields = allFields
	}
}

func (s *sight) query(q *gojq.Query, whole bool) bool {
	if q == nil {
		return false
	}
	if len(q.FuncDefs) > 0 || len(q.Patterns) > 0 || q.Meta != nil || len(q.Imports) > 0 {
		s.use(true) // names may stand for anything
	}
	switch q.Op {
	case 0:
		return q.Term != nil && s.term(q.Term, whole)
	case gojq.OpPipe:
		return s.query(q.Right, s.query(q.Left, whole))
	case gojq.OpComma, gojq.OpAlt:
		left, right := s.query(q.Left, whole), s.query(q.Right, whole)
		return left || right
	case gojq.OpAnd, gojq.OpOr, gojq.OpEq, gojq.OpNe, gojq.OpLt, gojq.OpLe, gojq.OpGt, gojq.OpGe,
		gojq.OpAdd, gojq.OpSub, gojq.OpMul, gojq.OpDiv, gojq.OpMod:
		s.use(s.query(q.Left, whole))
		s.use(s.query(q.Right, whole))
		return false
	}
	s.use(whole) // assignments
	return whole
}

func (s *sight) term(t *gojq.Term, whole bool) bool {
	result := s.simple(t, whole)
	for _, suffix := range t.SuffixList {
		switch {
		case suffix.Index != nil:
			result = s.index(suffix.Index, result, whole)
		case suffix.Iter:
			s.use(result)
			result = false
		}
	}
	return result
}

// index takes the index of a term, if of tells whether the event is what is indexed.
func (s *sight) index(index *gojq.Index, of, whole bool) bool {
	if step, ok := newStep(index); ok && step.index < 0 {
		if of {
			s.fields |= fieldNamed(step.key)
		}
		return false
	}
	s.use(of)
	s.use(s.query(index.Start, whole))
	s.use(s.query(index.End, whole))
	s.text(index.Str, whole)
	return false
}

func (s *sight) text(text *gojq.String, whole bool) {
	if text != nil {
		for _, q := range text.Queries {
			s.use(s.query(q, whole))
		}
	}
}

// simple takes a term without its suffixes.
func (s *sight) simple(t *gojq.Term, whole bool) bool {
	switch t.Type {
	case gojq.TermTypeNull, gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber:
		return false
	case gojq.TermTypeIdentity:
		return whole
	case gojq.TermTypeIndex:
		return s.index(t.Index, whole, whole)
	case gojq.TermTypeQuery:
		return s.query(t.Query, whole)
	case gojq.TermTypeUnary:
		s.use(s.term(t.Unary.Term, whole))
		return false
	case gojq.TermTypeString:
		s.text(t.Str, whole)
		return false
	case gojq.TermTypeFormat:
		s.use(whole && t.Str == nil)
		s.text(t.Str, whole)
		return false
	case gojq.TermTypeArray:
		s.use(s.query(t.Array.Query, whole))
		return false
	case gojq.TermTypeObject:
		for _, pair := range t.Object.KeyVals {
			s.pair(pair, whole)
		}
		return false
	case gojq.TermTypeIf:
		return s.choice(t.If, whole)
	case gojq.TermTypeTry:
		body := s.query(t.Try.Body, whole)
		s.use(s.query(t.Try.Catch, false))
		return body
	case gojq.TermTypeFunc:
		return s.function(t.Func, whole)
	}
	s.use(whole)
	return whole
}

func (s *sight) pair(pair *gojq.ObjectKeyVal, whole bool) {
	switch {
	case pair.Val != nil:
		s.use(s.query(pair.Val, whole))
	case pair.KeyQuery != nil || pair.KeyString != nil && pair.KeyString.Queries != nil:
		s.use(whole)
	case whole && pair.KeyString != nil:
		s.fields |= fieldNamed(pair.KeyString.Str)
	case whole:
		s.fields |= fieldNamed(pair.Key)
	}
	s.use(s.query(pair.KeyQuery, whole))
	s.text(pair.KeyString, whole)
}

func (s *sight) choice(c *gojq.If, whole bool) bool {
	s.use(s.query(c.Cond, whole))
	result := s.query(c.Then, whole)
	for _, other := range c.Elif {
		s.use(s.query(other.Cond, whole))
		result = s.query(other.Then, whole) || result
	}
	if c.Else == nil {
		return whole || result
	}
	return s.query(c.Else, whole) || result
}

func (s *sight) function(f *gojq.Func, whole bool) bool {
	switch {
	case f.Name == "empty" && len(f.Args) == 0:
		return false
	case f.Name == "select" && len(f.Args) == 1:
		s.use(s.query(f.Args[0], whole))
		return whole
	}
	s.use(whole)
	return false
}
