package query

import (
	"context"

	"github.com/itchyny/gojq"
)

// A Question is an expression about the events of an [Input].
type Question struct {
	Query
	in   *Input
	sees fields
	plan node // nil if gojq has to answer
}

// Compile compiles an expression about the events of the input, as [Compile] does.
func (in *Input) Compile(source string) (*Question, error) {
	parsed, code, err := compile(source)
	if err != nil {
		return nil, err
	}
	return &Question{Query: Query{source, code}, in: in, sees: seenBy(parsed), plan: in.plan(parsed)}, nil
}

// answer returns the one result of a simple expression, absent if it has none. If
// only gojq knows the answer, ok is false.
func (q *Question) answer() (v value, ok bool) {
	if q.plan == nil {
		return value{}, false
	}
	v = q.plan.eval(q.in, value{})
	return v, v.kind != failed && v.kind != unknown // gojq has the words of an error
}

// run has gojq answer.
func (q *Question) run(ctx context.Context) gojq.Iter {
	return q.code.RunWithContext(ctx, q.in.object(q.sees))
}

// Match reports whether the first result of the expression is neither false nor
// null.
func (q *Question) Match(ctx context.Context) (bool, error) {
	if v, ok := q.answer(); ok {
		return v.isTrue(), nil
	}
	result, ok := q.run(ctx).Next()
	if err, failed := result.(error); ok && failed {
		return false, q.problem(err)
	}
	return ok && result != nil && result != false, nil
}

// Append appends the results by means of add, strings as they are and other
// values as JSON. An expression may have results without end, so add may empty the
// buffer that it returns, and an error of add ends the expression.
func (q *Question) Append(ctx context.Context, dst []byte, add func(dst, text []byte) ([]byte, error)) ([]byte, error) {
	switch v, ok := q.answer(); {
	case !ok, v.kind == event:
	case v.kind == absent:
		return dst, nil
	default:
		return add(dst, v.output())
	}
	for results := q.run(ctx); ; {
		result, ok := results.Next()
		if !ok {
			return dst, nil
		}
		var text []byte
		switch result := result.(type) {
		case error:
			return dst, q.problem(result)
		case string:
			text = []byte(result)
		default:
			text, _ = gojq.Marshal(result) // values of gojq always can be
		}
		var err error
		if dst, err = add(dst, text); err != nil {
			return dst, err
		}
	}
}
