package query

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math/big"
	"strconv"

	"github.com/itchyny/gojq"
)

// A kind is that of a value. Those of jq are in the order in which jq sorts them.
type kind uint8

const (
	null kind = iota
	falsehood
	truth
	number
	text
	array
	object

	event   // the event as a whole, which nothing here looks into
	absent  // no result
	failed  // an error
	unknown // gojq has to answer
)

// A value is the result of a simple expression: a piece of JSON that nobody has
// parsed yet.
type value struct {
	kind    kind
	escaped bool   // text has escapes
	text    []byte // in JSON, that of a text without its quotes
	literal any    // the number of an expression, which needs no JSON
}

// isTrue reports whether jq takes v for true.
func (v value) isTrue() bool { return v.kind > falsehood && v.kind < absent }

func boolean(b bool) value {
	if b {
		return value{kind: truth}
	}
	return value{kind: falsehood}
}

// plain returns a text without escapes.
func (v value) plain() []byte {
	if v.escaped {
		return appendUnescaped(nil, v.text)
	}
	return v.text
}

// decoded returns v as gojq sees it.
func (v value) decoded() any {
	switch v.kind {
	case falsehood, truth:
		return v.kind == truth
	case number:
		if v.literal != nil {
			return v.literal
		}
		return json.Number(v.text)
	case text:
		return string(v.plain())
	case array, object:
		return build(string(v.text))
	}
	return nil
}

// output returns v as it is printed: a text as it is, other values as JSON.
func (v value) output() []byte {
	switch {
	case v.kind <= truth:
		return words[v.kind]
	case v.kind == text:
		return v.plain()
	case v.kind == number && v.literal == nil:
		return v.text // as it was written, so that long ones stay exact
	}
	out, _ := gojq.Marshal(v.decoded()) // values of gojq always can be
	return out
}

var words = [...][]byte{null: []byte("null"), falsehood: []byte("false"), truth: []byte("true")}

// compare returns the order of two values, as [gojq.Compare] does.
func compare(a, b value) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	switch a.kind {
	case null, falsehood, truth:
		return 0
	case text:
		return bytes.Compare(a.plain(), b.plain())
	case number:
		i, f, ok := a.number()
		j, g, same := b.number()
		switch {
		case !ok || !same:
		case f == 0 && g == 0: // whole numbers, or zero
			return cmp.Compare(i, j)
		default:
			return cmp.Compare(f+float64(i), g+float64(j)) // one of each sum is zero
		}
	}
	return gojq.Compare(a.decoded(), b.decoded())
}

// number returns a number as an int or, if it has a fraction or an exponent, as a
// float64; the other one is 0. Numbers that are neither are left to gojq.
func (v value) number() (i int, f float64, ok bool) {
	switch literal := v.literal.(type) {
	case int:
		return literal, 0, true
	case float64:
		return 0, literal, true
	case *big.Int:
		return 0, 0, false
	}
	digits := v.text
	if bytes.ContainsAny(digits, ".eE") {
		f, err := strconv.ParseFloat(string(digits), 64)
		return 0, f, err == nil
	}
	if digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) > 18 {
		return 0, 0, false
	}
	for _, c := range digits {
		i = i*10 + int(c-'0')
	}
	if len(digits) < len(v.text) {
		i = -i
	}
	return i, 0, true
}
