package listencmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/cmd/internal/query"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A selector answers the questions that the flags ask of an event.
type selector struct {
	ctx  context.Context
	warn func(error) // gets the first failure of an expression

	types      []string
	untilTypes []string
	untilData  []string
	filter     *query.Query
	until      []*query.Query
	failIf     []*query.Query
	failed     map[*query.Query]bool

	// The expressions of --as among them.
	answerEnds, answerFails *query.Query

	// The event that is looked at, as expressions see it, once one asks.
	block *stream.Block
	at    time.Time
	input map[string]any
}

func newSelector(ctx context.Context, opts *options, service preset.Preset, warn func(error)) (*selector, error) {
	s := &selector{
		ctx: ctx, warn: warn,
		types: opts.Events, untilTypes: opts.UntilEvent, untilData: opts.UntilData,
		failed: map[*query.Query]bool{},
	}
	compile := func(flag, source string, add func(*query.Query)) error {
		if source == "" {
			return nil
		}
		q, err := query.Compile(source)
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		add(q)
		return nil
	}
	until := func(q *query.Query) { s.until = append(s.until, q) }
	failIf := func(q *query.Query) { s.failIf = append(s.failIf, q) }
	for _, expression := range []struct {
		flag, source string
		add          func(*query.Query)
	}{
		{"--filter", opts.Filter, func(q *query.Query) { s.filter = q }},
		{"--until", opts.Until, until},
		{"--as", service.Until, func(q *query.Query) { s.answerEnds = q; until(q) }},
		{"--fail-if", opts.FailIf, failIf},
		{"--as", service.FailIf, func(q *query.Query) { s.answerFails = q; failIf(q) }},
	} {
		if err := compile(expression.flag, expression.source, expression.add); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// selects reports whether there is any question.
func (s *selector) selects() bool {
	return s.types != nil || s.filter != nil || s.failIf != nil || s.hasEnd()
}

// look makes b the event that is asked about.
func (s *selector) look(b *stream.Block, at time.Time) { s.block, s.at, s.input = b, at, nil }

// object returns the event as expressions see it.
func (s *selector) object() map[string]any {
	if s.input == nil {
		s.input = query.Input(s.block, s.at)
	}
	return s.input
}

// wants reports whether the event is to be printed.
func (s *selector) wants() bool {
	if s.types != nil && !slices.Contains(s.types, string(s.block.Type())) {
		return false
	}
	return s.filter == nil || s.matches(s.filter)
}

// hasEnd reports whether there is an event to wait for.
func (s *selector) hasEnd() bool {
	return s.untilTypes != nil || s.untilData != nil || s.until != nil
}

// isEnd reports whether the event is the one to wait for.
func (s *selector) isEnd() bool {
	return s.untilTypes != nil && slices.Contains(s.untilTypes, string(s.block.Type())) ||
		s.untilData != nil && slices.Contains(s.untilData, string(s.block.Data())) ||
		s.until != nil && slices.ContainsFunc(s.until, s.matches)
}

// isFailure reports whether the event is one that must not come.
func (s *selector) isFailure() bool {
	return s.failIf != nil && slices.ContainsFunc(s.failIf, s.matches)
}

// matches asks one expression. One that fails on an event does not match it.
func (s *selector) matches(q *query.Query) bool {
	ok, err := q.Match(s.ctx, s.object())
	s.failure(q, err)
	return ok
}

// failure reports the first failure of an expression: it may be meant for other
// events alone. The end of the run is not a failure.
func (s *selector) failure(q *query.Query, err error) {
	if err != nil && s.ctx.Err() == nil && !s.failed[q] {
		s.failed[q] = true
		s.warn(err)
	}
}
