package serve

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
)

// Canary returns a test script of about five seconds that shows how a path changes
// a stream, if it is replayed at its recorded pace: a first event after half a
// second, small ones in a row, a large one, silence with a heartbeat in it, a
// larger one, and an event of the type "close". Each event names its phase.
func Canary() iter.Seq2[record.Record, error] {
	steps := []struct {
		delay time.Duration
		phase string
		size  int
	}{
		{500 * time.Millisecond, "first", 0},
		{200 * time.Millisecond, "small", 0},
		{200 * time.Millisecond, "small", 0},
		{200 * time.Millisecond, "small", 0},
		{500 * time.Millisecond, "large", 20 << 10},
		{time.Second, "heartbeat", 0},
		{time.Second, "after-silence", 0},
		{500 * time.Millisecond, "larger", 64 << 10},
		{time.Second, "close", 0},
	}
	return func(yield func(record.Record, error) bool) {
		id := 0
		for _, step := range steps {
			r := record.Record{Delay: step.delay}
			if step.phase == "heartbeat" {
				r.Comment, r.HasComment = "heartbeat", true
			} else {
				id++
				r.IsEvent = true
				r.ID = fmt.Sprint(id)
				r.Type = "canary"
				if step.phase == "close" {
					r.Type = "close"
				}
				r.Data = fmt.Sprintf(`{"phase":%q,"size":%d,"fill":%q}`, step.phase, step.size, strings.Repeat("x", step.size))
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}
