// Package query asks questions about events in the language of jq.
package query

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A Query is a compiled expression.
type Query struct {
	source string
	code   *gojq.Code
}

// Compile compiles an expression, which sees neither files nor the environment.
func Compile(source string) (*Query, error) {
	parsed, err := gojq.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("jq expression %q: %w", source, err)
	}
	code, err := gojq.Compile(parsed)
	if err != nil {
		return nil, fmt.Errorf("jq expression %q: %w", source, err)
	}
	return &Query{source: source, code: code}, nil
}

// String returns the expression.
func (q *Query) String() string { return q.source }

// Input returns the input of expressions for an event: the object of its JSON line,
// and json, its data parsed, null where that is not JSON.
func Input(b *stream.Block, at time.Time) map[string]any { return EventInput(b.Event(), at) }

// EventInput is [Input] for an event that is kept.
func EventInput(event stream.Event, at time.Time) map[string]any {
	input := map[string]any{
		"event": event.Type,
		"data":  event.Data,
		"json":  parse(event.Data),
		"time":  at.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	if event.HasID {
		input["id"] = event.ID
	}
	if event.HasRetry {
		input["retry"] = int(event.Retry.Milliseconds())
	}
	return input
}

// parse returns the value of a JSON text, nil where it is not JSON. Numbers stay
// as they are written, so that long ones stay exact.
func parse(data string) any {
	decoder := json.NewDecoder(strings.NewReader(data))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil // More would take a stray bracket after the value for an end
	}
	return value
}

// Match reports whether the first result of the expression is neither false
// nor null.
func (q *Query) Match(ctx context.Context, input map[string]any) (bool, error) {
	value, ok := q.code.RunWithContext(ctx, input).Next()
	if err, failed := value.(error); ok && failed {
		return false, q.problem(err)
	}
	return ok && value != nil && value != false, nil
}

// First returns the first result of the expression, nil if there is none.
func (q *Query) First(ctx context.Context, input map[string]any) (any, error) {
	value, ok := q.code.RunWithContext(ctx, input).Next()
	if err, failed := value.(error); ok && failed {
		return nil, q.problem(err)
	}
	return value, nil
}

// Parse returns the value of a JSON text as expressions see it, nil where it is not
// JSON.
func Parse(text []byte) any { return parse(string(text)) }

// Marshal returns a result as JSON.
func Marshal(value any) ([]byte, error) { return gojq.Marshal(value) }

// Append appends the results by means of add, strings as they are and other
// values as JSON. An expression may have results without end, so add may empty the
// buffer that it returns, and an error of add ends the expression.
func (q *Query) Append(ctx context.Context, dst []byte, input map[string]any, add func(dst, text []byte) ([]byte, error)) ([]byte, error) {
	for results := q.code.RunWithContext(ctx, input); ; {
		value, ok := results.Next()
		if !ok {
			return dst, nil
		}
		var text []byte
		switch value := value.(type) {
		case error:
			return dst, q.problem(value)
		case string:
			text = []byte(value)
		default:
			text, _ = gojq.Marshal(value) // values of gojq always can be
		}
		var err error
		if dst, err = add(dst, text); err != nil {
			return dst, err
		}
	}
}

func (q *Query) problem(err error) error {
	return fmt.Errorf("jq expression %q: %w", q.source, err)
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
