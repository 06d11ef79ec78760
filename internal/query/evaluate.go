package query

import (
	"regexp"

	"github.com/itchyny/gojq"
)

// A node is a part of a simple expression. It has one result, which is [absent] if
// there is none, or [failed] or [unknown]. A node whose place is not in the event
// gets the result of the node before it in the pipe, as it.
type node interface {
	eval(in *Input, it value) value
}

// stops reports whether there is no result to go on with.
func (v value) stops() bool { return v.kind >= absent }

// eval makes a literal a node.
func (v value) eval(*Input, value) value { return v }

// An input is the result of the node before.
type input struct{}

func (input) eval(_ *Input, it value) value { return it }

// A path is a part of the event, or without a field the event itself.
type path struct {
	field fields
	steps []step
}

// A step goes from a value to a member of it.
type step struct {
	key      string
	index    int // -1 for a key
	optional bool
	member   *member
}

func (p path) eval(in *Input, _ value) value {
	if p.field == 0 {
		return value{kind: event}
	}
	v := in.field(p.field)
	for _, s := range p.steps {
		switch {
		case v.kind == null: // has no members, but none is missed
		case v.kind == object && s.index < 0, v.kind == array && s.index >= 0:
			v = s.member.value
		case v.kind == text && s.index >= 0:
			return value{kind: unknown} // a character
		case s.optional:
			return value{kind: absent}
		default:
			return value{kind: failed}
		}
	}
	return v
}

type pipe struct{ left, right node }

func (p pipe) eval(in *Input, it value) value {
	v := p.left.eval(in, it)
	if v.stops() {
		return v
	}
	return p.right.eval(in, v)
}

// A logic is an "and" or an "or".
type logic struct {
	left, right node
	or          bool
}

func (l logic) eval(in *Input, it value) value {
	v := l.left.eval(in, it)
	if !v.stops() && v.isTrue() != l.or {
		v = l.right.eval(in, it)
	}
	if v.stops() {
		return v
	}
	return boolean(v.isTrue())
}

type negation struct{ of node }

func (n negation) eval(in *Input, it value) value {
	v := n.of.eval(in, it)
	if v.stops() {
		return v
	}
	return boolean(!v.isTrue())
}

// An alternative is left // right.
type alternative struct{ left, right node }

func (a alternative) eval(in *Input, it value) value {
	if v := a.left.eval(in, it); v.isTrue() || v.kind == failed || v.kind == unknown {
		return v
	}
	return a.right.eval(in, it)
}

type comparison struct {
	left, right node
	op          gojq.Operator
}

func (c comparison) eval(in *Input, it value) value {
	right := c.right.eval(in, it) // first, as gojq does it
	if right.stops() {
		return right
	}
	left := c.left.eval(in, it)
	if left.stops() {
		return left
	}
	order := compare(left, right)
	switch c.op {
	case gojq.OpEq:
		return boolean(order == 0)
	case gojq.OpNe:
		return boolean(order != 0)
	case gojq.OpLt:
		return boolean(order < 0)
	case gojq.OpLe:
		return boolean(order <= 0)
	case gojq.OpGt:
		return boolean(order > 0)
	}
	return boolean(order >= 0)
}

type selection struct{ condition, of node }

func (s selection) eval(in *Input, it value) value {
	v := s.condition.eval(in, it)
	switch {
	case v.kind == failed, v.kind == unknown:
		return v
	case !v.isTrue():
		return value{kind: absent}
	}
	return s.of.eval(in, it)
}

// An attempt is an expression with ? after it.
type attempt struct{ body node }

func (a attempt) eval(in *Input, it value) value {
	v := a.body.eval(in, it)
	if v.kind == failed {
		v.kind = absent
	}
	return v
}

// A match is test with a literal.
type match struct {
	of         node
	expression *regexp.Regexp
}

func (m match) eval(in *Input, it value) value {
	v := m.of.eval(in, it)
	switch {
	case v.stops():
		return v
	case v.kind != text:
		return value{kind: failed}
	}
	return boolean(m.expression.Match(v.plain()))
}

// A choice is IN with literals.
type choice struct {
	of   node
	list []value
}

func (c choice) eval(in *Input, it value) value {
	v := c.of.eval(in, it)
	if v.stops() {
		return v
	}
	for _, one := range c.list {
		if compare(v, one) == 0 {
			return boolean(true)
		}
	}
	return boolean(false)
}
