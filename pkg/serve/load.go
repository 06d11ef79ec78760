package serve

import (
	"errors"
	"iter"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
)

// Load appends all records, as [record.Read] returns them, and ends the history.
// The times in them are the recorded pace. It returns the first error.
func (h *History) Load(records iter.Seq2[record.Record, error]) error {
	h.init()
	var clock timeline
	for r, err := range records {
		if err == nil {
			err = h.append(&r, clock.next(&r))
		}
		if err != nil {
			return err
		}
	}
	h.End()
	h.tag() // now, not when the first client waits
	return nil
}

// Follow appends records as they come in, and ends the history after the last.
// It calls skipped with the [*record.LineError] of a bad line, and goes on. After
// any other error clients get the events before it and are then cut.
func (h *History) Follow(records iter.Seq2[record.Record, error], skipped func(error)) (err error) {
	h.init()
	defer func() {
		if err != nil {
			h.fail()
		} else {
			h.End()
		}
	}()
	var clock timeline
	for r, err := range records {
		var bad *record.LineError
		switch {
		case errors.As(err, &bad):
			skipped(err)
			continue
		case err != nil:
			return err
		}
		if err := h.append(&r, clock.next(&r)); err != nil {
			return err
		}
	}
	return nil
}

// A timeline turns the times and delays of records into one time axis.
type timeline struct {
	at   time.Duration
	last time.Time
}

// next returns when r is due, counted from the start of the recording.
func (t *timeline) next(r *record.Record) time.Duration {
	switch {
	case r.Delay > 0:
		t.at += r.Delay
	case !r.Time.IsZero() && !t.last.IsZero():
		t.at += max(r.Time.Sub(t.last), 0)
	}
	if !r.Time.IsZero() {
		t.last = r.Time
	}
	return t.at
}
