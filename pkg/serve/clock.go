package serve

import (
	"context"
	"iter"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// Clock returns events with the time, the first at once and the next ones at the
// given interval, until ctx ends.
func Clock(ctx context.Context, interval time.Duration) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for due := time.Now(); ; {
			timer.Reset(time.Until(due))
			select {
			case <-ctx.Done():
				return
			case now := <-timer.C:
				due = due.Add(interval)
				if due.Before(now) { // the machine slept
					due = now.Add(interval)
				}
				text := now.UTC().Format("2006-01-02T15:04:05.000Z07:00")
				if !yield(record.Record{IsEvent: true, Time: now, Event: stream.Event{Data: text}}, nil) {
					return
				}
			}
		}
	}
}
