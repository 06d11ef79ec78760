package serve

import (
	"context"
	"io"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// Clock returns a source that tells the time, first at once and then at the
// given interval, until ctx ends.
func Clock(ctx context.Context, interval time.Duration) Source {
	due := time.Now()
	timer := time.NewTimer(0)
	return func() (stream.Record, error) {
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return stream.Record{}, io.EOF
		case now := <-timer.C:
			due = due.Add(interval)
			if due.Before(now) { // the machine slept
				due = now.Add(interval)
			}
			text := now.UTC().Format("2006-01-02T15:04:05.000Z07:00")
			return stream.Record{IsEvent: true, Time: now, Event: stream.Event{Data: text}}, nil
		}
	}
}
