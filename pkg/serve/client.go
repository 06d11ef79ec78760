package serve

import (
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A client is one connection that gets events.
type client struct {
	h           *Handler
	id          int64
	remote      string
	method      string
	path        string
	lastEventID string
	token       string
	start       time.Time
	status      int
	faults      *faults
	pacer       *pacer // nil if all is due at once

	place   cursor
	prelude []byte // part of the stream before what is at place

	// signal wakes the client when cause or beat was set.
	signal chan struct{}
	cause  atomic.Pointer[string] // why the connection has to end
	beat   atomic.Bool            // a heartbeat is due

	events, bytes atomic.Int64 // sent
	position      atomic.Int64 // events of the history before place
	busy          atomic.Bool  // in a write
	ended         string       // how it did, once it did

	conn   net.Conn        // nil if the connection is not ours
	socket syscall.RawConn // under it; nil if only a read can tell that the peer left
	raw    syscall.RawConn // the same where it may be written to directly

	pump *pump  // nil if it cannot serve this client
	slot int    // in the pump, -1 if not there
	rest []byte // what the pump could not write

	// Of the watch of the handler.
	seen      int64 // bytes sent at its last look
	seenBusy  bool
	unchanged time.Time
}

func (h *Handler) newClient(r *http.Request) *client {
	c := &client{
		h:           h,
		id:          clientIDs.Add(1),
		remote:      r.RemoteAddr,
		method:      r.Method,
		path:        r.URL.Path,
		lastEventID: lastEventID(r),
		token:       r.URL.Query().Get("ssectl_client"),
		start:       time.Now(),
		faults:      newFaults(h.Faults, h.Stamp),
		signal:      make(chan struct{}, 1),
		slot:        -1,
	}
	c.unchanged = c.start
	if !h.Pace.Instant() || c.faults.delay > 0 {
		c.pacer = &pacer{pace: h.Pace, epoch: h.History.epoch}
	}
	return c
}

var clientIDs atomic.Int64

// connect gives c its connection. If nothing else can tell when the peer
// leaves, a goroutine reads from it; else it takes part in the watch.
func (c *client) connect(conn net.Conn) {
	under := conn
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		under = secure.NetConn()
	}
	socket := rawOf(under)
	if under == conn && c.pacer == nil && !c.faults.stream {
		c.raw = socket
	}
	c.h.mu.Lock()
	c.conn, c.socket = conn, socket
	c.h.mu.Unlock()
	if socket == nil {
		c.h.wg.Go(func() {
			var b [512]byte
			for {
				if _, err := conn.Read(b[:]); err != nil {
					c.end(EndedClient)
					return
				}
			}
		})
	}
}

// refuse tells of a request that got no stream.
func (c *client) refuse(status int) {
	c.status, c.ended = status, endRefused
	if c.h.Closed != nil {
		c.h.Closed(c.connection())
	}
}

func (c *client) connection() Connection {
	return Connection{
		ID: c.id, Remote: c.remote, Method: c.method, Path: c.path, LastEventID: c.lastEventID,
		Status: c.status, Start: c.start, Duration: time.Since(c.start),
		Events: c.events.Load(), Bytes: c.bytes.Load(), End: c.ended,
	}
}

// end asks the client to end its connection, from any goroutine. The first
// cause counts.
func (c *client) end(cause string) {
	if c.cause.CompareAndSwap(nil, &cause) {
		c.wake()
	}
}

func (c *client) wake() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// A sink takes what a client gets to its destination. The head of the response
// goes out with the first call.
type sink interface {
	// batch sends entries of the history.
	batch(*batch) error
	// text sends other bytes of the stream, or the head alone if none.
	text([]byte) error
	// finish ends the response in order.
	finish() error
	// cut ends it without, by a TCP reset if possible and wanted.
	cut(reset bool)
}

// A cutError is the end of a response that is not finished.
type cutError struct {
	cause string
	reset bool
}

func (e *cutError) Error() string { return e.cause }

// run sends the stream to out, to its end, and reports whether the response was
// cut.
func (c *client) run(out sink) (cut bool) {
	defer c.h.leave(c)
	err := c.follow(out)
	var broken *cutError
	switch {
	case err == nil:
		c.ended = EndedDone
		out.finish()
	case errors.As(err, &broken):
		c.ended = broken.cause
		if cut = broken.cause != EndedServer; cut {
			out.cut(broken.reset)
		} else {
			out.finish()
		}
	default:
		c.ended = EndedClient
		if cause := c.cause.Load(); cause != nil {
			c.ended = *cause
		}
		cut = true
		out.cut(c.ended == EndedStuck)
	}
	return cut
}

// follow sends what the history has, and then what comes. There is no other
// loop than this one: replay is following with more at hand.
func (c *client) follow(out sink) error {
	if c.faults.delay > 0 {
		if err := c.sleep(c.faults.delay); err != nil {
			return err
		}
		c.pacer.latency = c.faults.delay
	}
	if c.pacer != nil {
		c.pacer.begin(time.Now(), c.place.before())
	}
	opened := false
	for rounds := 1; ; {
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
		if !opened {
			opened = true
			if err := c.open(out, b.from < b.to, wait); err != nil {
				return err
			}
		}
		if b.from < b.to {
			if err := c.send(out, &b); err != nil {
				return err
			}
			continue
		}
		if wait < 0 {
			wake, done := c.h.History.waitChan(&c.place)
			if wake == nil && !done {
				continue
			}
			if done && (c.h.AtEnd == EndLoop || rounds < c.h.Rounds) && c.h.History.Len() > 0 {
				rounds++
				c.moveTo(c.h.History.again())
				if c.pacer != nil {
					c.pacer.at = 0
				}
				continue
			}
			if done && c.h.closesAtEnd() {
				return c.goodbye(out)
			}
			if c.raw != nil && !done {
				if err := c.park(out); err != nil {
					return err
				}
				continue
			}
			if err := c.await(out, wake, nil); err != nil {
				return err
			}
			if c.pacer != nil {
				c.pacer.idle(time.Now())
			}
			continue
		}
		if err := c.pause(out, wait); err != nil {
			return err
		}
	}
}

// moveTo sets the client's place.
func (c *client) moveTo(place cursor) {
	c.place = place
	c.position.Store(place.seg.eventsBefore(place.index))
}

// limit cuts the batch to what may go out now, and moves the client's place to
// match. It returns how long the rest has to wait, -1 if there is no rest.
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

// open sends what comes before the first event. If that is not due yet, the head
// of the response goes out alone, and if it is not due for long, or nobody
// knows when, with a comment: some proxies keep a head until there is something
// behind it. wait is negative if nobody knows.
func (c *client) open(out sink, due bool, wait time.Duration) error {
	text := c.prelude
	c.prelude = nil
	if c.status == http.StatusOK && c.h.RetryHint > 0 {
		text = append(append(stream.AppendRetry(nil, c.h.RetryHint), '\n'), text...)
	}
	if len(text) == 0 && due {
		return nil
	}
	if len(text) == 0 && (wait < 0 || wait > dueSoon) && c.status == http.StatusOK {
		text = []byte(": ok\n\n")
	}
	return c.text(out, text)
}

// goodbye sends the last words of a stream that has come to its end.
func (c *client) goodbye(out sink) error {
	if c.h.CloseEvent == "" {
		return nil
	}
	return c.text(out, appendEvent(nil, c.h.CloseEvent, ""))
}

func (c *client) send(out sink, b *batch) error {
	events, size := b.size()
	c.busy.Store(true)
	err := out.batch(b)
	c.busy.Store(false)
	switch {
	case c.faults.stream: // which counts what it makes of them
		c.position.Add(events)
	case err == nil:
		c.count(events, size)
	}
	return err
}

// count adds what was sent to the counters.
func (c *client) count(events, size int64) {
	c.position.Add(events)
	c.events.Add(events)
	c.bytes.Add(size)
}

func (c *client) text(out sink, text []byte) error {
	c.busy.Store(true)
	err := out.text(text)
	c.busy.Store(false)
	if err == nil && !c.faults.stream {
		c.bytes.Add(int64(len(text)))
	}
	return err
}

// waitChan returns the channel that will be closed when there is more at the
// cursor, nil if there is already. done tells that there will be no more.
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

// park leaves the client to the pump until there is something to do that takes
// the client's own goroutine.
func (c *client) park(out sink) error {
	if !c.pump.park(c) {
		return nil
	}
	<-c.signal
	c.pump.take(c)
	if rest := c.rest; rest != nil {
		c.rest = nil
		c.busy.Store(true)
		_, err := c.conn.Write(rest)
		c.busy.Store(false)
		return err
	}
	if c.cause.Load() == nil && c.beat.Swap(false) {
		return c.text(out, heartbeat)
	}
	return nil
}

// pause waits before the next event is due.
func (c *client) pause(out sink, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	return c.await(out, nil, timer.C)
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
func (c *client) await(out sink, wake <-chan struct{}, due <-chan time.Time) error {
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

var heartbeat = []byte(": heartbeat\n\n")
