package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// AtEnd is the treatment of a client that has got everything when the history has
// ended.
type AtEnd string

// The choices of [Options.AtEnd].
const (
	EndClose AtEnd = "close" // the response ends; a resume from the last ID gets 204
	EndHold  AtEnd = "hold"  // the connection stays open
	EndLoop  AtEnd = "loop"  // the history starts again, and again
)

// UnknownID is the answer to a client that resumes after an ID which is not in the
// history, or no longer.
type UnknownID string

// The choices of [Options.OnUnknownID].
const (
	UnknownStart    UnknownID = "start" // all that is kept
	UnknownLive     UnknownID = "live"  // new events alone
	UnknownGap      UnknownID = "gap"   // an event of the type "gap", then all that is kept
	UnknownStop     UnknownID = "204"   // an answer that ends an EventSource
	UnknownConflict UnknownID = "409"   // an error
)

const (
	// DefaultHeartbeat is the interval of heartbeats when
	// [Options.Heartbeat] is zero, as the standard suggests
	// (https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes).
	DefaultHeartbeat = 15 * time.Second
	// DefaultWriteTimeout is how long a client may take no data when
	// [Options.WriteTimeout] is zero.
	DefaultWriteTimeout = 30 * time.Second

	closeTimeout   = 500 * time.Millisecond // for a write under way when the handler closes
	maxRequestBody = 64 << 20               // read and thrown away
)

// Options configure a [Handler]. The zero value is right for a production server.
type Options struct {
	// Pace sets when events are due; the zero value is at once.
	Pace Pace

	// Rounds is how often each client gets a history that has ended; zero
	// means once. AtEnd is the treatment after that; [EndClose] if empty.
	Rounds int
	AtEnd  AtEnd

	// Frames is the form in which a WebSocket gets events, unless the query
	// parameter "format" of its request is data or jsonl; [FramesData] if empty.
	Frames Frames

	// CloseEvent is the type of a last event before the response ends, if any.
	CloseEvent string

	// StartLive makes a client without a last event ID start with the next
	// event.
	StartLive bool

	// OnUnknownID is how a client resumes after an ID that is not in the
	// history; [UnknownStart] if empty.
	OnUnknownID UnknownID

	// Heartbeat is the silence before a comment is sent. Zero means
	// [DefaultHeartbeat], a negative one never.
	Heartbeat time.Duration

	// RetryHint is the reconnection time that each client is sent, if not zero.
	RetryHint time.Duration

	// Header is added to every answer, in place of a header of the same name.
	Header http.Header

	// NoIncremental leaves out "Incremental: ?1" from the header of streams. It
	// asks intermediaries to forward the stream as it comes
	// (https://www.rfc-editor.org/rfc/rfc10036).
	NoIncremental bool

	// CORS is the origin whose pages may read the answers, with cookies too,
	// or "*" for all without; empty for none.
	CORS string

	// MaxClients bounds the clients at the same time; zero means any number.
	MaxClients int

	// WriteTimeout is how long a client may take no data. Zero means
	// [DefaultWriteTimeout], a negative one forever.
	WriteTimeout time.Duration

	// Stamp adds a comment with the time and the offset to each event.
	Stamp bool

	// Faults break the stream on purpose. FaultSeed chooses the requests of those
	// that are for a share.
	Faults    []fault.Fault
	FaultSeed uint64

	// FaultControl, if not nil, has the faults in place of Faults, so that they can be
	// changed at any time.
	FaultControl *fault.Control

	// Closed is called after each connection, from its goroutine.
	Closed func(Connection)
}

// A Handler answers requests with the events of a history, replayed from the
// start or from the event after the last event ID that the request names, and
// then live.
//
// Methods are safe for concurrent use; fields must not change after the first
// request.
//
// Over HTTP/1.1 a handler takes its connections over from the server, so
// neither [http.Server.Shutdown] nor [http.Server.Close] ends them: Close does,
// within about a second, whatever the clients do.
type Handler struct {
	History *History // an empty one if nil
	Options

	once   sync.Once
	faults *fault.Set // those of Faults, and Stamp
	err    error      // of the options

	connections atomic.Int64 // so far
	resumes     atomic.Int64 // of them with a last event ID that was known
	oldEvents   atomic.Int64 // sent to clients that are gone
	oldBytes    atomic.Int64

	mu           sync.Mutex // guards the fields below
	clients      map[*client]struct{}
	broadcasters []*broadcaster
	left         chan struct{} // closed with the last client
	closed       bool
	wg           sync.WaitGroup
}

func (h *Handler) init() {
	h.once.Do(func() {
		if h.History == nil {
			h.History = &History{}
		}
		h.History.init()
		control := h.FaultControl
		if control == nil {
			control = fault.NewControl(h.Faults)
		}
		h.faults = control.NewSet(h.Stamp, h.FaultSeed)
		h.err = h.Options.check()
		h.clients = map[*client]struct{}{}
	})
}

// check returns the error of options that cannot be met.
func (o *Options) check() error {
	if !slices.Contains([]AtEnd{"", EndClose, EndHold, EndLoop}, o.AtEnd) {
		return fmt.Errorf("unknown AtEnd %q: want close, hold or loop", o.AtEnd)
	}
	if !slices.Contains([]UnknownID{"", UnknownStart, UnknownLive, UnknownGap, UnknownStop, UnknownConflict}, o.OnUnknownID) {
		return fmt.Errorf("unknown OnUnknownID %q: want start, live, gap, 204 or 409", o.OnUnknownID)
	}
	if !slices.Contains([]Frames{"", FramesData, FramesJSON}, o.Frames) {
		return fmt.Errorf("unknown Frames %q: want data or json", o.Frames)
	}
	for i := range o.Faults {
		if err := o.Faults[i].Validate(); err != nil {
			return err
		}
	}
	return nil
}

// With returns a handler with the options of h for another history.
func (h *Handler) With(history *History) *Handler {
	return &Handler{History: history, Options: h.Options}
}

// errStuck is the error of [Handler.Close] where connections of the server did
// not end.
var errStuck = errors.New("clients that take no data are left to the server")

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
// for a preflight of CORS. A request for a WebSocket gets the events as messages.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.init()
	if h.err != nil {
		http.Error(w, h.err.Error(), http.StatusInternalServerError)
		return
	}
	h.setHeader(w.Header(), r)
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	c := h.newClient(r)
	if r.Method == http.MethodHead {
		c.describe(w.Header())
		h.setIncremental(w.Header())
		w.WriteHeader(http.StatusOK)
		c.refuse(http.StatusOK)
		return
	}
	h.connections.Add(1)
	if status := c.faults.Status; status != 0 {
		h.answer(w, r, status)
		c.refuse(status)
		return
	}
	if isUpgrade(r) {
		c.expectMessages(r)
	}
	h.readBody(w, r) // it may take its time, so it is not yet a client
	c.faults.SetHeader(w.Header())
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
	if c.ws != nil {
		h.upgrade(w, r, c)
		return
	}
	for _, name := range httpx.ErrorFields {
		w.Header().Del(name)
	}
	h.setIncremental(w.Header())
	h.stream(w, r, c)
}

// readBody reads the body of a request, and discards it. If it stayed unread, the
// close of the connection would become a reset, and discard the bytes that the
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

// setHeader sets the header that all answers have.
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
	httpx.ReplaceFields(header, h.Header, false)
}

// setIncremental sets the header that streams have, and errors have not: an
// intermediary that cannot forward an answer as it comes has to refuse it.
func (h *Handler) setIncremental(header http.Header) {
	if !h.NoIncremental && header.Get("Incremental") == "" {
		header.Set("Incremental", "?1")
	}
}

// timeOutHeader returns the header of the 504 of a proxy. The server has not answered,
// so none of its headers are there, those of CORS included: pages cannot read it.
func (h *Handler) timeOutHeader() http.Header {
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	httpx.ReplaceFields(header, h.Header, false)
	return header
}

// answer answers without events.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, status int) {
	httpx.WriteError(w, r, status, http.StatusText(status), h.Header)
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
		h.wg.Go(func() { h.keepAlive(left) })
		h.broadcasters = h.broadcasters[:0]
		for range runtime.GOMAXPROCS(0) {
			b := newBroadcaster(h.History)
			h.broadcasters = append(h.broadcasters, b)
			h.wg.Go(func() { b.run(left) })
		}
	}
	h.clients[c] = struct{}{}
	c.broadcaster = h.broadcasters[c.id%int64(len(h.broadcasters))]
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
			out := newConnWriter(c, w.Header())
			go c.run(c.withFaults(out))
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
	out := newHTTPWriter(w, c)
	h.mu.Lock()
	c.answer = out
	h.mu.Unlock()
	cut := c.run(c.withFaults(out))
	close(stop)
	wg.Wait()
	if cut && ctx.Err() == nil {
		// The one way to make the server cut the response.
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

// A Connection describes a connection that is over, to [Options.Closed].
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

	WebSocket bool
	Received  int64 // messages of the client of a WebSocket
}

// Streamed reports whether the answer was a stream of events.
func (c *Connection) Streamed() bool {
	switch c.Status {
	case http.StatusOK:
		return c.End != endRefused
	case http.StatusPartialContent, http.StatusSwitchingProtocols:
		return true
	}
	return false
}

// How a connection ended, the End of a [Connection], if it was not a fault.
const (
	EndedDone    = "done"                       // all events were sent
	EndedClient  = "closed by the client"       // or lost on the way
	EndedServer  = "closed by the server"       // by Close
	EndedDropped = "dropped on request"         // by a person at the inspector page
	EndedStuck   = "client took no data"        // for the write timeout
	EndedBehind  = "client fell too far behind" // the events it needs are no longer kept
	EndedInput   = "cut, as the input failed"   // so that it does not look whole
)

// endRefused is the end of a request that was answered without a stream.
const endRefused = "no stream"

// headerBlock returns the head of a response as HTTP/1.1 has it on the wire. It
// announces the end of the connection, unless a fault is to cut it: clients that
// know of it (fetch of Node.js 20) take a cut for the end of the response.
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
