package query

import (
	"regexp"
	"strconv"

	"github.com/itchyny/gojq"
)

// plan returns how to answer an expression without gojq, nil if it is not one of
// these: paths of keys and indexes from 0 on, each with ? or not, literals,
// comparisons, and, or, not, //, empty, select, test and IN with literals, ?, and
// pipes of them. None has more than one result.
func (in *Input) plan(q *gojq.Query) node {
	p := planner{in: in}
	n, _ := p.query(q, place{})
	return n
}

// A place is where the input of an expression is from.
type place struct {
	field fields // of the event; 0 is the event as a whole
	steps []step
	// computed means that it is no place of the event, but the input of the
	// node.
	computed bool
}

type planner struct{ in *Input }

// query returns a node for q, nil if there is none, and the place of its result.
func (p planner) query(q *gojq.Query, at place) (node, place) {
	result := place{computed: true}
	if len(q.FuncDefs) > 0 || len(q.Patterns) > 0 || q.Meta != nil || len(q.Imports) > 0 {
		return nil, result
	}
	switch q.Op {
	case 0:
		if q.Term == nil {
			return nil, result
		}
		return p.term(q.Term, at)
	case gojq.OpPipe:
		left, middle := p.query(q.Left, at)
		if left == nil {
			return nil, result
		}
		right, result := p.query(q.Right, middle)
		if right == nil {
			return nil, result
		}
		return pipe{left, right}, result
	case gojq.OpAnd, gojq.OpOr, gojq.OpAlt, gojq.OpEq, gojq.OpNe, gojq.OpLt, gojq.OpLe, gojq.OpGt, gojq.OpGe:
		left, right := p.operand(q.Left, at), p.operand(q.Right, at)
		if left == nil || right == nil {
			return nil, result
		}
		switch q.Op {
		case gojq.OpAnd, gojq.OpOr:
			return logic{left, right, q.Op == gojq.OpOr}, result
		case gojq.OpAlt:
			return alternative{left, right}, result
		}
		return comparison{left, right, q.Op}, result
	}
	return nil, result
}

// operand is query for an expression whose place does not matter.
func (p planner) operand(q *gojq.Query, at place) node {
	n, result := p.query(q, at)
	if isWhole(result) {
		return nil
	}
	return n
}

// isWhole reports whether a place is the event as a whole, which is no value here.
func isWhole(at place) bool { return !at.computed && at.field == 0 }

func (p planner) term(t *gojq.Term, at place) (node, place) {
	result := place{computed: true}
	if n := len(t.SuffixList); n > 0 && t.Type == gojq.TermTypeQuery {
		if n > 1 || !t.SuffixList[0].Optional {
			return nil, result
		}
		if body := p.operand(t.Query, at); body != nil {
			return attempt{body}, result
		}
		return nil, result
	}
	switch t.Type {
	case gojq.TermTypeIdentity, gojq.TermTypeIndex:
		return p.path(t, at)
	}
	if len(t.SuffixList) > 0 {
		return nil, result
	}
	switch t.Type {
	case gojq.TermTypeQuery:
		return p.query(t.Query, at)
	case gojq.TermTypeFunc:
		return p.function(t.Func, at)
	}
	if v := literal(&gojq.Query{Term: t}); v != nil {
		return *v, result
	}
	return nil, result
}

// literal returns the value of a literal, nil if q is none.
func literal(q *gojq.Query) *value {
	t := q.Term
	if t == nil || len(t.SuffixList) > 0 || len(q.FuncDefs) > 0 {
		return nil
	}
	switch t.Type {
	case gojq.TermTypeNull:
		return &value{kind: null}
	case gojq.TermTypeTrue:
		return &value{kind: truth}
	case gojq.TermTypeFalse:
		return &value{kind: falsehood}
	case gojq.TermTypeString:
		if t.Str.Queries == nil {
			return &value{kind: text, text: []byte(t.Str.Str)}
		}
	case gojq.TermTypeUnary:
		if t.Unary.Term.Type != gojq.TermTypeNumber || len(t.Unary.Term.SuffixList) > 0 {
			break
		}
		fallthrough
	case gojq.TermTypeNumber:
		v, _ := q.Run(nil).Next() // gojq reads numbers in its own way
		return &value{kind: number, literal: v}
	}
	return nil
}

// path plans a term such as .json.choices[0].text, with or without ? after steps.
func (p planner) path(t *gojq.Term, at place) (node, place) {
	computed := place{computed: true}
	suffixes := t.SuffixList
	if t.Type == gojq.TermTypeIndex {
		suffixes = append([]*gojq.Suffix{{Index: t.Index}}, suffixes...)
	}
	if at.computed {
		if len(suffixes) == 0 {
			return input{}, computed
		}
		return nil, computed
	}
	at.steps = append([]step(nil), at.steps...)
	for i, suffix := range suffixes {
		switch {
		case suffix.Index != nil:
			s, ok := newStep(suffix.Index)
			switch {
			case !ok:
				return nil, computed
			case at.field == 0 && s.index >= 0, at.field == 0 && fieldNamed(s.key) == 0:
				return nil, computed
			case at.field == 0:
				at.field = fieldNamed(s.key)
			default:
				at.steps = append(at.steps, s)
			}
		case suffix.Optional && i > 0 && suffixes[i-1].Index != nil:
			// It is about the one step before, and a field of an event is there.
			if n := len(at.steps); n > 0 {
				at.steps[n-1].optional = true
			}
		default:
			return nil, computed
		}
	}
	m := &p.in.root
	for i := range at.steps {
		if at.field == fieldJSON {
			m = m.child(at.steps[i].key, at.steps[i].index)
		}
		at.steps[i].member = m
	}
	return path{at.field, at.steps}, at
}

func newStep(index *gojq.Index) (s step, ok bool) {
	s.index = -1
	switch {
	case index.IsSlice:
		return s, false
	case index.Name != "":
		s.key = index.Name
		return s, true
	case index.Str != nil:
		s.key = index.Str.Str
		return s, index.Str.Queries == nil
	}
	v := literal(index.Start)
	switch {
	case v == nil:
		return s, false
	case v.kind == text:
		s.key = string(v.text)
		return s, true
	}
	s.index, ok = v.literal.(int)
	return s, ok && s.index >= 0
}

func (p planner) function(f *gojq.Func, at place) (node, place) {
	computed := place{computed: true}
	of := func() node {
		n, _ := p.path(&gojq.Term{Type: gojq.TermTypeIdentity}, at)
		return n
	}
	switch f.Name + "/" + strconv.Itoa(len(f.Args)) {
	case "empty/0":
		return value{kind: absent}, computed
	case "not/0":
		if !isWhole(at) {
			return negation{of()}, computed
		}
	case "select/1":
		if condition := p.operand(f.Args[0], at); condition != nil {
			return selection{condition, of()}, at
		}
	case "test/1":
		pattern := literal(f.Args[0])
		if pattern == nil || pattern.kind != text || isWhole(at) {
			break
		}
		if expression, err := regexp.Compile(string(pattern.text)); err == nil {
			return match{of(), expression}, computed
		}
	case "IN/1":
		if choices := literals(f.Args[0]); choices != nil && !isWhole(at) {
			return choice{of(), choices}, computed
		}
	}
	return nil, computed
}

// literals returns the values of literals with commas between them, nil if q is
// something else.
func literals(q *gojq.Query) []value {
	if q.Op == gojq.OpComma && len(q.FuncDefs) == 0 {
		left, right := literals(q.Left), literals(q.Right)
		if left == nil || right == nil {
			return nil
		}
		return append(left, right...)
	}
	if v := literal(q); v != nil {
		return []value{*v}
	}
	return nil
}
