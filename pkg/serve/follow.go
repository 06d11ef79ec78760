package serve

import (
	"io"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// follow sends the events of the history, and then new ones: replay is following
// with more at hand. A client that has nothing but live events to get is served by
// a broadcaster, whose loop is pass. io.EOF is an orderly end.
func (c *client) follow(out responseWriter) error {
	if err := c.startClock(); err != nil {
		return err
	}
	for opened := false; ; opened = true {
		if cause := c.cause.Load(); cause != nil {
			return &cutError{cause: *cause, reset: *cause == EndedStuck}
		}
		b, behind := c.place.next()
		if behind {
			return &cutError{cause: EndedBehind}
		}
		wait := time.Duration(-1)
		if b.seg != nil {
			wait = c.limit(&b)
		}
		var err error
		if !opened {
			err = c.open(out, b.from < b.to, wait)
		}
		switch {
		case err != nil:
		case b.from < b.to:
			err = c.send(out, &b)
		case wait >= 0:
			err = c.await(out, nil, c.pacer.after(wait))
		default:
			err = c.atEdge(out)
		}
		if err != nil {
			return err
		}
	}
}

// startClock starts the clock of a client that has one, late if that is its
// fault.
func (c *client) startClock() error {
	if c.pacer == nil {
		return nil
	}
	if late := c.faults.Delay; late > 0 {
		if err := c.sleep(late); err != nil {
			return err
		}
		c.pacer.latency = late
	}
	c.pacer.begin(time.Now(), c.place.before())
	return nil
}

// atEdge waits, begins again, or ends, when there is nothing more to send.
func (c *client) atEdge(out responseWriter) error {
	wake, done := c.h.History.waitChan(&c.place)
	switch {
	case wake == nil:
		return nil // there is more by now
	case done && c.h.History.broken.Load():
		return &cutError{cause: EndedInput}
	case done && c.again():
		return nil
	case done && c.h.closesAtEnd():
		if err := c.goodbye(out); err != nil {
			return err
		}
		return io.EOF
	case !done && c.raw != nil:
		return c.park(out)
	}
	err := c.await(out, wake, nil)
	if c.pacer != nil {
		c.pacer.idle(time.Now())
	}
	return err
}

// again moves the client back to the start if there is another round.
func (c *client) again() bool {
	if c.h.History.Len() == 0 || c.h.AtEnd != EndLoop && c.rounds >= c.h.Rounds {
		return false
	}
	c.rounds++
	c.moveTo(c.h.History.again())
	if c.pacer != nil {
		c.pacer.at = 0
	}
	return true
}

// moveTo sets the client's place.
func (c *client) moveTo(place cursor) {
	c.place = place
	c.position.Store(place.seg.eventsBefore(place.index))
}

// limit cuts the batch to the entries that may go out now, and moves the client's
// place to match. It returns how long the rest has to wait, -1 if there is no rest.
func (c *client) limit(b *batch) (wait time.Duration) {
	wait = -1
	if c.pacer != nil {
		if d := c.pacer.through(b, time.Now()); d > 0 {
			wait = d
		}
		c.place.index = b.to
	}
	if b.to > b.from && b.entries[b.to-1].flags&entryIsTail != 0 && !c.h.endsAfterTail() {
		b.cut(b.to - 1)
	}
	return wait
}

// endsAfterTail reports whether the end of the history is the end of the
// response, with nothing in between.
func (h *Handler) endsAfterTail() bool {
	return h.closesAtEnd() && h.Rounds <= 1 && h.CloseEvent == ""
}

func (h *Handler) closesAtEnd() bool { return h.AtEnd == "" || h.AtEnd == EndClose }

// dueSoon is how long the first event may take without a comment before it.
const dueSoon = 250 * time.Millisecond

// open sends the text before the first event. If that event is not due yet, the
// head of the response goes out alone, and if it is not due for long, or nobody
// knows when, with a comment: some proxies hold a head back until bytes of the
// body follow. wait is negative if nobody knows.
func (c *client) open(out responseWriter, due bool, wait time.Duration) error {
	text := c.prelude
	c.prelude = nil
	if c.status == http.StatusOK && c.h.RetryHint > 0 {
		text = append(append(stream.AppendRetry(nil, c.h.RetryHint), '\n'), text...)
	}
	if len(text) == 0 && due {
		return nil
	}
	exact := c.h.Pace.Recorded // a replay has no bytes but those of the recording
	if len(text) == 0 && (wait < 0 || wait > dueSoon && !exact) && c.status == http.StatusOK {
		text = []byte(": ok\n\n")
	}
	return c.text(out, text)
}

// goodbye sends the last words of a stream that has come to its end.
func (c *client) goodbye(out responseWriter) error {
	if c.h.CloseEvent == "" {
		return nil
	}
	return c.text(out, appendEvent(nil, c.h.CloseEvent, ""))
}

func (c *client) send(out responseWriter, b *batch) error {
	events, size := b.size()
	c.busy.Store(true)
	err := out.batch(b)
	c.busy.Store(false)
	if c.ws != nil {
		size = 0 // its writer counts the bytes it sends
	}
	switch {
	case c.faults.Breaks: // its writer counts the events it sends
		c.position.Add(events)
	case err == nil:
		c.count(events, size)
	}
	return err
}

// count adds events and bytes sent to the counters.
func (c *client) count(events, size int64) {
	c.position.Add(events)
	c.events.Add(events)
	c.bytes.Add(size)
}

func (c *client) text(out responseWriter, text []byte) error {
	c.busy.Store(true)
	err := out.text(text)
	c.busy.Store(false)
	if err == nil && !c.faults.Breaks && c.ws == nil {
		c.bytes.Add(int64(len(text)))
	}
	return err
}

// waitChan returns the channel that will be closed when there is more at the
// cursor, nil if there is already. done means that there will be no more.
func (h *History) waitChan(at *cursor) (wake <-chan struct{}, done bool) {
	ch := *h.wake.Load()
	h.waiting.Store(true)
	done = h.ended.Load()
	look := *at
	if b, behind := look.next(); b.seg != nil || behind {
		return nil, false
	}
	return ch, done
}

// park leaves the client to the broadcaster until there is something to do that takes
// the client's own goroutine.
func (c *client) park(out responseWriter) error {
	if !c.broadcaster.park(c) {
		return nil
	}
	<-c.signal
	c.broadcaster.take(c)
	if rest := c.rest; rest != nil {
		c.rest = nil
		c.busy.Store(true)
		err := out.(*connWriter).writeOn(rest) // which all clients of the broadcaster write to
		c.busy.Store(false)
		return err
	}
	if c.cause.Load() == nil && c.beat.Swap(false) {
		return c.text(out, heartbeat)
	}
	return nil
}

// sleep waits in silence.
func (c *client) sleep(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case <-c.signal:
			c.beat.Store(false)
			if cause := c.cause.Load(); cause != nil {
				return &cutError{cause: *cause}
			}
		}
	}
}

// await waits for more, or until the next event is due, and sends the
// heartbeats that are due meanwhile.
func (c *client) await(out responseWriter, wake <-chan struct{}, due <-chan time.Time) error {
	for {
		select {
		case <-wake:
			return nil
		case <-due:
			return nil
		case <-c.signal:
			if c.cause.Load() != nil {
				return nil // seen by follow
			}
			if c.beat.Swap(false) {
				if err := c.text(out, heartbeat); err != nil {
					return err
				}
			}
		}
	}
}

const heartbeatComment = "heartbeat"

var heartbeat = []byte(": " + heartbeatComment + "\n\n")
