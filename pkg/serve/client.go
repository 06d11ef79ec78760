package serve

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/ssectl/ssectl/internal/socket"
	"github.com/ssectl/ssectl/pkg/serve/fault"
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
	faults      *fault.Plan
	pacer       *pacer // nil if all is due at once

	place   cursor
	rounds  int    // of the history, this one included
	prelude []byte // part of the stream to be sent before the entry at place

	// signal wakes the client when cause or beat was set.
	signal chan struct{}
	cause  atomic.Pointer[string] // why the connection has to end
	beat   atomic.Bool            // a heartbeat is due

	events, bytes atomic.Int64 // sent
	moved         atomic.Int64 // bytes that the connection took, of unfinished batches too
	position      atomic.Int64 // events of the history before place
	busy          atomic.Bool  // in a write
	late          atomic.Bool  // a fault ended it for its age
	ended         string       // how it did, once it did

	ws     *webSocket      // nil for an event stream
	conn   net.Conn        // nil if the connection is not ours
	answer *httpWriter     // nil if it is
	socket syscall.RawConn // under it; nil if only a read shows that the peer left
	raw    syscall.RawConn // the same where it may be written to directly

	broadcaster *broadcaster // nil if it cannot serve this client
	slot        int          // in the broadcaster, -1 if not there
	rest        []byte       // bytes that the broadcaster could not write

	// Of the keep-alive of the handler.
	seen      int64 // bytes that had left for the peer at its last look
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
		faults:      h.faultsOf(r),
		signal:      make(chan struct{}, 1),
		slot:        -1,
		rounds:      1,
	}
	c.unchanged = c.start
	if !h.Pace.Instant() || c.faults.Delay > 0 {
		c.pacer = &pacer{pace: h.Pace, epoch: h.History.epoch}
	}
	return c
}

var clientIDs atomic.Int64

// connect sets the connection of c. If nothing else shows when the peer leaves, a
// goroutine reads from it; else the keep-alive checks it.
func (c *client) connect(conn net.Conn) {
	under := conn
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		under = secure.NetConn()
	}
	socket := rawOf(under)
	if under == conn && c.pacer == nil && !c.faults.Breaks && c.ws == nil {
		c.raw = socket
	}
	c.h.mu.Lock()
	c.conn, c.socket = conn, socket
	c.h.mu.Unlock()
	if socket == nil && c.ws == nil {
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

// refuse reports a request that got no stream.
func (c *client) refuse(status int) {
	c.status, c.ended = status, endRefused
	if c.h.Closed != nil {
		c.h.Closed(c.connection())
	}
}

func (c *client) connection() Connection {
	connection := c.soFar()
	connection.Status, connection.End = c.status, c.ended
	return connection
}

// soFar describes a connection that goes on.
func (c *client) soFar() Connection {
	connection := Connection{
		ID: c.id, Remote: c.remote, Method: c.method, Path: c.path, LastEventID: c.lastEventID,
		Start: c.start, Duration: time.Since(c.start), Events: c.events.Load(), Bytes: c.bytes.Load(),
	}
	if c.ws != nil {
		connection.WebSocket, connection.Received = true, c.ws.received.Load()
	}
	return connection
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

// A responseWriter sends the stream to a client. The head of the response goes out
// with the first call.
type responseWriter interface {
	// batch sends entries of the history.
	batch(*batch) error
	// text sends other bytes of the stream, or the head alone if none.
	text([]byte) error
	// finish ends the response in order.
	finish() error
	// cut ends it without, by a TCP reset if possible and wanted.
	cut(reset bool)
	// timeOut answers with 504 in place of a stream of which nothing was sent,
	// the head included, and reports whether it did.
	timeOut(http.Header) bool
}

// A cutError is the end of a response that is not finished.
type cutError struct {
	cause string
	reset bool
	code  int // of a close frame of a WebSocket, which makes it an orderly end
}

func (e *cutError) Error() string { return e.cause }

// run sends the stream to out, to its end, and reports whether the response was
// cut.
func (c *client) run(out responseWriter) (cut bool) {
	defer c.h.leave(c)
	if lifetime := c.faults.Lifetime; lifetime > 0 {
		defer c.endAfter(lifetime)()
	}
	err := c.follow(out)
	var broken *cutError
	switch {
	case err == io.EOF:
		c.ended = EndedDone
		out.finish()
	case errors.As(err, &broken):
		c.ended = broken.cause
		if c.late.Load() && out.timeOut(c.h.timeOutHeader()) {
			c.status = http.StatusGatewayTimeout
			return false
		}
		if broken.reset && c.cause.Load() == nil {
			socket.Drain(c.socket, c.sleep)
		}
		if broken.code != 0 {
			c.ws.code = websocket.StatusCode(broken.code)
		}
		if cut = broken.cause != EndedServer && broken.code == 0; cut {
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
