package listencmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A selector answers the questions that the flags ask of an event.
type selector struct {
	ctx  context.Context
	warn func(error) // gets the first failure of an expression

	types      []string
	untilTypes []string
	untilData  []string
	filter     *query.Question
	until      []*query.Question
	failIf     []*query.Question
	failed     map[*query.Question]bool

	// The expressions of --as among them.
	answerEnds, answerFails *query.Question

	// The event that is looked at, as it is and as expressions see it.
	block *stream.Block
	input query.Input
}

func newSelector(ctx context.Context, opts *options, service preset.Preset, warn func(error)) (*selector, error) {
	s := &selector{
		ctx: ctx, warn: warn,
		types: opts.Events, untilTypes: opts.UntilEvent, untilData: opts.UntilData,
		failed: map[*query.Question]bool{},
	}
	compile := func(flag, source string, add func(*query.Question)) error {
		if source == "" {
			return nil
		}
		q, err := s.input.Compile(source)
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		add(q)
		return nil
	}
	until := func(q *query.Question) { s.until = append(s.until, q) }
	failIf := func(q *query.Question) { s.failIf = append(s.failIf, q) }
	for _, expression := range []struct {
		flag, source string
		add          func(*query.Question)
	}{
		{"--filter", opts.Filter, func(q *query.Question) { s.filter = q }},
		{"--until", opts.Until, until},
		{"--as", service.Until, func(q *query.Question) { s.answerEnds = q; until(q) }},
		{"--fail-if", opts.FailIf, failIf},
		{"--as", service.FailIf, func(q *query.Question) { s.answerFails = q; failIf(q) }},
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
func (s *selector) look(b *stream.Block, at time.Time) {
	s.block = b
	s.input.Set(b, at)
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
func (s *selector) matches(q *query.Question) bool {
	ok, err := q.Match(s.ctx)
	s.failure(q, err)
	return ok
}

// failure reports the first failure of an expression: it may be meant for other
// events alone. The end of the run is not a failure.
func (s *selector) failure(q *query.Question, err error) {
	if err != nil && s.ctx.Err() == nil && !s.failed[q] {
		s.failed[q] = true
		s.warn(err)
	}
}
