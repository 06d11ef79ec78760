package diag

import (
	"context"
	"sync"
	"time"
)

const (
	canaryTick  = 10 * time.Millisecond
	canaryLimit = 120 * time.Millisecond
)

// A canary sleeps and wakes, and notes when it woke late: then the machine of
// the probe had other things to do, and arrivals of that time are stamped late
// too. Without it, a busy laptop makes a healthy server look held.
type canary struct {
	start time.Time
	done  chan struct{}

	mu     sync.Mutex // guards stalls
	stalls []Stall
}

// watch starts a canary that lives as long as ctx.
func watch(ctx context.Context, start time.Time) *canary {
	c := &canary{start: start, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		tick := time.NewTimer(canaryTick)
		defer tick.Stop()
		for {
			before := time.Now()
			tick.Reset(canaryTick)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if woke := time.Now(); woke.Sub(before) > canaryLimit+canaryTick {
				c.mu.Lock()
				c.stalls = append(c.stalls, Stall{before.Sub(c.start), woke.Sub(c.start)})
				c.mu.Unlock()
			}
		}
	}()
	return c
}

func (c *canary) seen() []Stall {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Stall(nil), c.stalls...)
}
