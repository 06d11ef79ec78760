package listen

import (
	"math"
	"math/rand/v2"
	"time"
)

// The waits of a [Backoff] whose fields are zero.
const (
	DefaultDelay    = 3 * time.Second
	DefaultMaxDelay = time.Minute
)

// firstGrowth is the first wait that a delay of zero grows to when a connection
// fails again and again: no wait is legal, a busy loop is not.
const firstGrowth = 100 * time.Millisecond

// maxWait is the longest wait: a server may name any time, and the jitter would
// make a longer one overflow.
const maxWait = time.Duration(math.MaxInt64 / 2)

// A Backoff sets how long to wait before a connection is made again.
type Backoff struct {
	// Delay is the wait after a first failure: zero means DefaultDelay, a
	// negative one no wait. A reconnection time that the server gave takes
	// its place.
	Delay time.Duration

	// MaxDelay bounds the growth of Delay, which doubles with each further
	// failure in a row. Zero means DefaultMaxDelay.
	MaxDelay time.Duration

	// IgnoreServer uses Delay even if the server gave a reconnection time. A
	// Retry-After still counts.
	IgnoreServer bool

	// Random returns numbers in [0,1) for the jitter. Nil means math/rand.
	Random func() float64
}

// Wait returns how long to wait after so many failures in a row, the first being
// 1. server is the reconnection time that the server gave, negative if none.
//
// A wait that the server gave does not grow, unless it is zero. Jitter makes a
// wait longer by an eighth at most and never shorter, so that we never retry
// before the time the server asked for.
func (b Backoff) Wait(failures int, server time.Duration) time.Duration {
	limit := b.MaxDelay
	if limit <= 0 {
		limit = DefaultMaxDelay
	}
	delay := b.Delay
	switch {
	case delay == 0:
		delay = DefaultDelay
	case delay < 0:
		delay = 0
	}
	if server > 0 && !b.IgnoreServer {
		return b.jitter(server)
	}
	if server == 0 && !b.IgnoreServer {
		delay = 0
	}
	limit = max(limit, delay)
	for n := 1; n < failures && delay < limit; n++ {
		delay = max(2*delay, firstGrowth)
	}
	return b.jitter(min(delay, limit))
}

func (b Backoff) jitter(d time.Duration) time.Duration {
	random := b.Random
	if random == nil {
		random = rand.Float64
	}
	d = min(d, maxWait)
	return d + time.Duration(random()*float64(d)/8)
}
