package listencmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cursor"
	"github.com/ssectl/ssectl/pkg/stream"
)

// loop hands blocks on until there is a reason to end.
func (s *session) loop() error {
	for {
		b, err := s.read()
		if err != nil {
			return err
		}
		at := s.source.Time()
		for _, r := range s.recorders {
			r.block(b, at)
		}
		if s.inner {
			s.showInner(b, at)
		}
		switch {
		case b.IsEvent() && s.asks:
			err = s.event(b, at)
		case b.Incomplete() && (s.inner || !s.once): // it comes again, or is none
		case b.IsEvent() || s.all:
			if b.IsEvent() {
				s.count++
			}
			s.pending = s.show(s.pending, b, at)
			if len(s.pending) > maxPending {
				err = s.flush()
			}
		}
		if err != nil {
			return err
		}
	}
}

// showInner shows the comments between the fields of a block, before the block,
// and the reconnection time of one that has no end: by the standard it counts
// from the end of its line on. They are shown as blocks of their own.
func (s *session) showInner(b *stream.Block, at time.Time) {
	if _, alone := b.Comment(); alone {
		return
	}
	raw := b.Raw()
	cut := b.Incomplete() && raw[len(raw)-1] != '\n' && raw[len(raw)-1] != '\r'
	var text []byte
	left := -1 // fields to look at, all of them if it is negative
	if cut {
		for range b.Fields() {
			left++
		}
	}
	for field := range b.Fields() {
		if left == 0 {
			break
		}
		left--
		switch {
		case len(field.Name) == 0:
			text = stream.AppendComment(text, string(field.Value))
		case b.Incomplete() && string(field.Name) == "retry":
			text = fmt.Appendf(text, "retry: %s\n\n", field.Value)
		}
	}
	if len(text) == 0 {
		return
	}
	s.within.Reset(bytes.NewReader(text))
	s.within.MaxEventSize = len(text) + 1
	for piece := range s.within.Blocks() {
		s.pending = s.show(s.pending, piece, at)
	}
}

// The reasons to end that are in the stream or asked for.
var (
	errCount    = errors.New("--count reached")
	errUntil    = errors.New("--until reached")
	errFailIf   = errors.New("--fail-if matched")
	errFailedAs = errors.New("the stream reported an error")
	errBrokenAs = errors.New("event data is not JSON")
)

// event shows the event if it is wanted. Its error is the reason to end the run.
func (s *session) event(b *stream.Block, at time.Time) error {
	if err := context.Cause(s.ctx); err != nil {
		return err // thousands of events may have been read before the end
	}
	s.look(b, at)
	if s.rest != nil {
		again, missed := s.rest.event(s.input.Object())
		if again {
			return nil
		}
		if missed != "" {
			s.progress.line(s.progress.colors.Bad, "%s", missed)
		}
	}
	if s.summary != nil {
		s.summary.event(at, len(b.Raw()))
	}
	if s.wants() {
		s.count++
		before := len(s.pending)
		s.pending = s.show(s.pending, b, at)
		if s.opts.Text && s.summary != nil && len(s.pending) > before {
			s.summary.text(at)
		}
	}
	fails, ends := s.isFailure(), s.isEnd()
	if err := context.Cause(s.ctx); err != nil {
		return err // no expression could answer
	}
	if len(s.pending) > maxPending || s.cursor != nil {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.cursor != nil {
		// Only now, and for each event: the position must not be ahead of the output.
		if s.rest != nil {
			s.rest.ended = s.endOfAnswer(fails, ends)
		}
		if err := s.saveCursor(); err != nil {
			return err
		}
	}
	switch {
	case fails && s.opts.FailIf == "" && !s.input.IsJSON():
		return fmt.Errorf("--as %s: %w: %s", s.opts.As, errBrokenAs, excerpt(b.Data()))
	case fails && s.opts.FailIf == "":
		return fmt.Errorf("%w: %s", errFailedAs, excerpt(b.Data()))
	case fails:
		return fmt.Errorf("%w: %s", errFailIf, excerpt(b.Data()))
	case ends:
		return errUntil
	case s.opts.Count > 0 && uint(s.count) >= s.opts.Count:
		return errCount
	}
	return nil
}

// endOfAnswer returns how the event ends the answer, "" if it does not: a user may
// look for another event than its last.
func (s *session) endOfAnswer(fails, ends bool) string {
	switch {
	case fails && s.answerFails != nil && s.matches(s.answerFails):
		return cursor.Failed
	case ends && (s.answerEnds == nil || s.matches(s.answerEnds)):
		return cursor.Complete
	}
	return ""
}

// flush writes the pending output. It is called before each read that may wait,
// so no event waits for the next one.
func (s *session) flush() error {
	for _, r := range s.recorders {
		if err := r.flush(); err != nil {
			return err
		}
	}
	if len(s.pending) == 0 || s.broken != nil {
		return s.broken
	}
	_, s.broken = s.streams.Out.Write(s.pending)
	s.lineEnded = s.pending[len(s.pending)-1] == '\n'
	s.pending = s.pending[:0]
	if cap(s.pending) > 4*maxPending {
		s.pending = nil // a huge event is no reason to keep its room
	}
	return s.broken
}

func (s *session) warn(err error) { s.progress.line(nil, "%v", err) }
