package serve

import (
	"context"
	"time"
)

// Share gives all clients of the handler one clock: its history is replayed
// once, at the pace and as often as the handler says, and each client gets at
// once what was due before it came. Where the replay has no end, keep events are
// kept for clients to come, and at least one round of a finite history.
//
// Call it before the first request, and then replay, which returns when all is
// replayed or ctx ends.
func (h *Handler) Share(keep int) (replay func(ctx context.Context) error) {
	from, pace, rounds := h.History, h.Pace, max(h.Rounds, 1)
	to := &History{Limit: from.Limit}
	if h.AtEnd == EndLoop {
		rounds, h.AtEnd = 0, EndClose
		to.Limit = max(keep, int(from.Len()))
	}
	h.History, h.Pace, h.Rounds = to, Pace{}, 0
	return func(ctx context.Context) error { return to.replay(ctx, from, pace, rounds) }
}

// replay appends what from has when it is due, the given number of times, 0 for
// without end. It ends the history, and returns, when that is done or ctx is.
func (h *History) replay(ctx context.Context, from *History, pace Pace, rounds int) error {
	h.init()
	defer func() {
		if from.broken.Load() {
			h.fail()
		} else {
			h.End()
		}
	}()
	place := from.start()
	clock := pacer{pace: pace}
	clock.begin(time.Now(), 0)
	for round := 1; ctx.Err() == nil; { // a loop of events that are due at once never waits
		b, behind := place.next()
		var (
			wake <-chan struct{}
			due  <-chan time.Time
		)
		if behind {
			place = from.start() // the pace is slower than what comes in
			continue
		}
		if b.seg != nil {
			wait := clock.through(&b, time.Now())
			place.index = b.to
			h.copy(&b, round == rounds)
			if wait <= 0 {
				continue
			}
			due = clock.after(wait)
		} else {
			var done bool
			wake, done = from.waitChan(&place)
			if done && (round == rounds || from.Len() == 0 || from.broken.Load()) {
				return nil
			}
			if done {
				round++
				place, clock.at = from.again(), 0
			}
			if done || wake == nil {
				continue
			}
		}
		select {
		case <-ctx.Done():
		case <-due:
		case <-wake:
			clock.idle(time.Now())
		}
	}
	return nil
}

// copy appends the entries of a batch of another history. An unfinished block
// has to be the last of all: it is left out unless this is the last round.
func (h *History) copy(b *batch, last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := b.from; i < b.to; i++ {
		e := entry{at: b.entries[i].at, flags: b.entries[i].flags}
		if e.flags&entryIsTail != 0 && !last {
			continue
		}
		text := b.text(i)
		if e.flags&entryHasID != 0 {
			e.hash = h.hash(idOf(text))
		}
		h.put(text, e)
		if e.flags&entryIsEvent != 0 {
			h.noteType(typeOf(text))
		}
	}
}
