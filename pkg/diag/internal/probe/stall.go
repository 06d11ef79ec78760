package probe

import (
	"context"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

const (
	stallTick  = 10 * time.Millisecond
	stallLimit = 120 * time.Millisecond
)

// A stallWatch sleeps and wakes, and notes when it woke late: then the machine of
// the probe had other things to do, and arrivals of that time are stamped late
// too. Without it, a busy laptop makes a healthy server look held.
type stallWatch struct {
	start time.Time
	done  chan struct{}

	mu     sync.Mutex // guards stalls
	stalls []seen.Stall
}

// watchStalls starts a stall watch that lives as long as ctx.
func watchStalls(ctx context.Context, start time.Time) *stallWatch {
	c := &stallWatch{start: start, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		tick := time.NewTimer(stallTick)
		defer tick.Stop()
		for {
			before := time.Now()
			tick.Reset(stallTick)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if woke := time.Now(); woke.Sub(before) > stallLimit+stallTick {
				c.mu.Lock()
				c.stalls = append(c.stalls, seen.Stall{From: before.Sub(c.start), To: woke.Sub(c.start)})
				c.mu.Unlock()
			}
		}
	}()
	return c
}

func (c *stallWatch) seen() []seen.Stall {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]seen.Stall(nil), c.stalls...)
}
