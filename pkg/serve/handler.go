package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// AtEnd is what happens to a client that has got everything when the history
// has ended.
type AtEnd string

// The choices of [Handler.AtEnd].
const (
	EndClose AtEnd = "close" // the response ends; a resume from the last ID gets 204
	EndHold  AtEnd = "hold"  // the connection stays open
	EndLoop  AtEnd = "loop"  // it starts again, and again
)

// UnknownID is what a client gets that resumes after an ID which is not in the
// history, or no longer.
type UnknownID string

// The choices of [Handler.OnUnknownID].
const (
	UnknownStart    UnknownID = "start" // all that is kept
	UnknownLive     UnknownID = "live"  // what comes from now on
	UnknownGap      UnknownID = "gap"   // an event of the type "gap", then all that is kept
	UnknownStop     UnknownID = "204"   // an answer that ends an EventSource
	UnknownConflict UnknownID = "409"   // an error
)

const (
	// DefaultHeartbeat is the interval of heartbeats when
	// [Handler.Heartbeat] is zero: what the standard suggests
	// (https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes).
	DefaultHeartbeat = 15 * time.Second
	// DefaultWriteTimeout is how long a client may take nothing when
	// [Handler.WriteTimeout] is zero.
	DefaultWriteTimeout = 30 * time.Second

	closeTimeout   = 500 * time.Millisecond // for a write under way when the handler closes
	maxRequestBody = 64 << 20               // read and thrown away
)

// A Handler answers requests with the events of a history, replayed from the
// start or from behind the last event ID that the request names, and then live.
//
// Only History must be set. Methods are safe for concurrent use; fields must
// not change once the first request is there.
//
// Over HTTP/1.1 a handler takes its connections over from the server, so
// neither [http.Server.Shutdown] nor [http.Server.Close] ends them: Close does.
// It takes about a second at most, whatever the clients do.
type Handler struct {
	History *History

	Pace       Pace
	Rounds     int    // how often each client gets a history that has ended; zero is once
	AtEnd      AtEnd  // and then; EndClose if empty
	CloseEvent string // type of a last event before the response ends, if any

	StartLive   bool          // without a last event ID, start with what comes next
	OnUnknownID UnknownID     // UnknownStart if empty
	Heartbeat   time.Duration // silence before a comment; negative for none
	RetryHint   time.Duration // reconnection time to tell each client, if not zero

	Header       http.Header   // added to every answer
	CORS         string        // origin that may read the answers, with cookies too, or "*"
	MaxClients   int           // at the same time; zero means any number
	WriteTimeout time.Duration // for a client that takes nothing; negative for ever

	Stamp  bool // a comment with the time and the offset in each event
	Faults []Fault

	// Closed is called after each connection, from its goroutine.
	Closed func(Connection)

	once   sync.Once
	faults *faults // those of Faults and Stamp, sorted

	connections atomic.Int64 // so far
	resumes     atomic.Int64 // of them with a last event ID that was known
	oldEvents   atomic.Int64 // sent to clients that are gone
	oldBytes    atomic.Int64

	mu      sync.Mutex // guards the fields below
	clients map[*client]struct{}
	pumps   []*pump
	left    chan struct{} // closed with the last client
	closed  bool
	wg      sync.WaitGroup
}

func (h *Handler) init() {
	h.once.Do(func() {
		if h.History == nil {
			h.History = &History{}
		}
		h.History.init()
		h.faults = newFaults(h.Faults, h.Stamp)
		h.clients = map[*client]struct{}{}
	})
}

// With returns a handler that is set up like h, for another history.
func (h *Handler) With(history *History) *Handler {
	return &Handler{
		History: history, Pace: h.Pace, Rounds: h.Rounds, AtEnd: h.AtEnd, CloseEvent: h.CloseEvent,
		StartLive: h.StartLive, OnUnknownID: h.OnUnknownID, Heartbeat: h.Heartbeat, RetryHint: h.RetryHint,
		Header: h.Header, CORS: h.CORS, MaxClients: h.MaxClients, WriteTimeout: h.WriteTimeout,
		Stamp: h.Stamp, Faults: h.Faults, Closed: h.Closed,
	}
}

// errStuck is the error of [Handler.Close] where connections of the server did
// not end.
var errStuck = errors.New("serve: clients that take no data are left to the server")

// Close ends all connections and waits until they have ended. Those of HTTP/2
// and HTTP/1.0 belong to the server: where a peer takes nothing from the whole
// connection, only [http.Server.Close] ends it, and Close returns an error.
func (h *Handler) Close() error {
	h.init()
	deadline := time.Now().Add(closeTimeout)
	for {
		h.mu.Lock()
		h.closed = true
		own := false
		for c := range h.clients {
			c.end(EndedServer)
			c.setWriteDeadline(deadline)
			own = own || c.conn != nil
		}
		left := h.left
		none := len(h.clients) == 0
		h.mu.Unlock()
		switch {
		case none:
			h.wg.Wait()
			return nil
		case !own && time.Since(deadline) > closeTimeout:
			return errStuck
		}
		// A client that was about to write may have set a later deadline.
		select {
		case <-left:
		case <-time.After(closeTimeout):
		}
	}
}

// ServeHTTP answers one request. The method does not matter, but for HEAD and
// for a preflight of CORS.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.init()
	h.setHeader(w.Header(), r)
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	c := h.newClient(r)
	if r.Method == http.MethodHead {
		c.describe(w.Header())
		w.WriteHeader(http.StatusOK)
		c.refuse(http.StatusOK)
		return
	}
	if status := c.faults.statusOf(h.connections.Add(1)); status != 0 {
		h.answer(w, r, status)
		c.refuse(status)
		return
	}
	h.readBody(w, r) // it may take its time, so it is not yet a client
	c.faults.setHeader(w.Header())
	if status := c.begin(w.Header(), r); status != 0 {
		h.answer(w, r, status)
		c.refuse(status)
		return
	}
	if !h.enter(c) {
		w.Header().Set("Retry-After", "5")
		h.answer(w, r, http.StatusServiceUnavailable)
		c.refuse(http.StatusServiceUnavailable)
		return
	}
	for _, name := range refusals {
		w.Header().Del(name)
	}
	h.stream(w, r, c)
}

// readBody reads the body of a request, and throws it away. If it stayed unread,
// the close of the connection would become a reset, and take with it what the
// client has not read yet.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(DefaultWriteTimeout))
	io.Copy(io.Discard, io.LimitReader(r.Body, maxRequestBody))
	control.SetReadDeadline(time.Time{})
}

// setHeader sets what every answer has.
func (h *Handler) setHeader(header http.Header, r *http.Request) {
	header.Set("Content-Type", stream.ContentType)
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	if h.CORS != "" {
		header.Set("Access-Control-Allow-Origin", h.CORS)
		if h.CORS != "*" {
			// A page that sends cookies gets the answer only with this
			// (https://fetch.spec.whatwg.org/#cors-protocol-and-credentials).
			header.Set("Access-Control-Allow-Credentials", "true")
			header.Set("Vary", "Origin")
		}
		header.Set("Access-Control-Expose-Headers", "Last-Event-ID")
		if method := r.Header.Get("Access-Control-Request-Method"); method != "" {
			header.Set("Access-Control-Allow-Methods", method)
			header.Set("Access-Control-Max-Age", "600")
		}
		if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
			header.Set("Access-Control-Allow-Headers", names)
		}
	}
	for name, values := range h.Header {
		header[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
}

// refusals are the headers that say something of an error, and nothing of a
// stream.
var refusals = []string{"Retry-After", "Www-Authenticate", "Proxy-Authenticate"}

// answer answers without events: with an error in JSON for clients that accept
// that, as SDKs of APIs do, else in words.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusNoContent {
		w.Header().Del("Content-Type")
		w.WriteHeader(status)
		return
	}
	contentType, body := "text/plain; charset=utf-8", http.StatusText(status)+"\n"
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		contentType, body = "application/json", fmt.Sprintf(`{"error":{"code":%d,"message":%q}}`+"\n", status, http.StatusText(status))
	}
	if h.Header.Get("Content-Type") == "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// enter makes c one of the clients, if there is room.
func (h *Handler) enter(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.MaxClients > 0 && len(h.clients) >= h.MaxClients {
		return false
	}
	if len(h.clients) == 0 {
		left := make(chan struct{})
		h.left = left
		h.wg.Go(func() { h.watch(left) })
		h.pumps = h.pumps[:0]
		for range runtime.GOMAXPROCS(0) {
			p := newPump(h.History)
			h.pumps = append(h.pumps, p)
			h.wg.Go(func() { p.run(left) })
		}
	}
	h.clients[c] = struct{}{}
	c.pump = h.pumps[c.id%int64(len(h.pumps))]
	h.wg.Add(1)
	return true
}

func (h *Handler) leave(c *client) {
	h.oldEvents.Add(c.events.Load())
	h.oldBytes.Add(c.bytes.Load())
	h.mu.Lock()
	if delete(h.clients, c); len(h.clients) == 0 {
		close(h.left)
	}
	h.mu.Unlock()
	if h.Closed != nil {
		h.Closed(c.connection())
	}
	h.wg.Done()
}

// stream sends the events: on the connection itself where HTTP/1.1 allows it,
// which takes a fraction of the memory, else as a response like others.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, c *client) {
	if r.ProtoMajor == 1 && r.ProtoMinor == 1 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.SetDeadline(time.Time{})
			c.connect(conn)
			out := newWire(c, w.Header())
			go c.run(c.faults.wrap(out, c))
			return
		}
	}
	ctx := r.Context()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
			c.end(EndedClient)
		case <-stop:
		}
	})
	out := newResponse(w, c)
	h.mu.Lock()
	c.answer = out
	h.mu.Unlock()
	cut := c.run(c.faults.wrap(out, c))
	close(stop)
	wg.Wait()
	if cut && ctx.Err() == nil {
		// The one way to tell the server that the response is not whole.
		panic(http.ErrAbortHandler)
	}
}

func (h *Handler) writeTimeout() time.Duration {
	if h.WriteTimeout == 0 {
		return DefaultWriteTimeout
	}
	return h.WriteTimeout
}

func (h *Handler) heartbeat() time.Duration {
	if h.Heartbeat == 0 {
		return DefaultHeartbeat
	}
	return h.Heartbeat
}

// A Connection is what a handler tells about a connection when it is over.
type Connection struct {
	ID          int64
	Remote      string // address of the client
	Method      string
	Path        string
	LastEventID string // that the request named
	Status      int    // of the answer
	Start       time.Time
	Duration    time.Duration
	Events      int64
	Bytes       int64 // of the stream, without the framing of HTTP
	End         string
}

// Streamed reports whether the answer was a stream of events.
func (c *Connection) Streamed() bool {
	return c.Status == http.StatusOK && c.End != endRefused || c.Status == http.StatusPartialContent
}

// How a connection ended, the End of a [Connection].
const (
	EndedDone    = "done"                       // all events were sent
	EndedClient  = "closed by the client"       // or lost on the way
	EndedServer  = "closed by the server"       // by Close
	EndedDropped = "dropped on request"         // by a person at the inspector page
	EndedStuck   = "client took no data"        // for the write timeout
	EndedBehind  = "client fell too far behind" // what it needs is no longer kept
	EndedInput   = "cut, as the input failed"   // so that it does not look whole
	endRefused   = "no stream"
)

// headerBlock returns the head of a response as HTTP/1.1 has it on the wire. It
// announces the end of the connection, unless a fault is to cut it: clients that
// were told (fetch of Node.js 20) take a cut for the end of the response.
func headerBlock(status int, header http.Header, cuts bool) []byte {
	header.Set("Transfer-Encoding", "chunked")
	if !cuts {
		header.Set("Connection", "close")
	}
	if header.Get("Date") == "" {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n")
	header.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}
