// Package query asks questions about events in the language of jq.
//
// [Input.Compile] compiles an expression about the events of an [Input]. Simple ones,
// such as .json.price > 100, are answered from the bytes of the event: plan.go turns
// them into nodes, scan.go finds the values that those look at, evaluate.go has the
// answers. gojq answers all others, and is the reference for the simple ones.
package query

import (
	"context"
	"fmt"
	"iter"

	"github.com/itchyny/gojq"
)

// A Query is a compiled expression.
type Query struct {
	source string
	code   *gojq.Code
}

// Compile compiles an expression, which sees neither files nor the environment.
func Compile(source string) (*Query, error) {
	_, code, err := compile(source)
	if err != nil {
		return nil, err
	}
	return &Query{source: source, code: code}, nil
}

func compile(source string) (*gojq.Query, *gojq.Code, error) {
	parsed, err := gojq.Parse(source)
	if err != nil {
		return nil, nil, fmt.Errorf("jq expression %q: %w", source, err)
	}
	code, err := gojq.Compile(parsed)
	if err != nil {
		return nil, nil, fmt.Errorf("jq expression %q: %w", source, err)
	}
	return parsed, code, nil
}

// String returns the expression.
func (q *Query) String() string { return q.source }

// First returns the first result of the expression for a value, nil if there is
// none.
func (q *Query) First(ctx context.Context, input map[string]any) (any, error) {
	value, _, err := q.Result(ctx, input)
	return value, err
}

// Result is First, and reports whether there is a result.
func (q *Query) Result(ctx context.Context, input map[string]any) (value any, ok bool, err error) {
	value, ok = q.code.RunWithContext(ctx, input).Next()
	if err, failed := value.(error); ok && failed {
		return nil, false, q.problem(err)
	}
	return value, ok, nil
}

// All returns the results of the expression up to the first error, none for a nil
// Query.
func (q *Query) All(ctx context.Context, input map[string]any) iter.Seq[any] {
	return func(yield func(any) bool) {
		if q == nil {
			return
		}
		for results := q.code.RunWithContext(ctx, input); ; {
			value, ok := results.Next()
			if _, failed := value.(error); !ok || failed || !yield(value) {
				return
			}
		}
	}
}

// Equal reports whether two values are the same to expressions.
func Equal(a, b any) bool { return gojq.Compare(a, b) == 0 }

// Marshal returns a result as JSON.
func Marshal(value any) ([]byte, error) { return gojq.Marshal(value) }

func (q *Query) problem(err error) error {
	return fmt.Errorf("jq expression %q: %w", q.source, err)
}
