// Package relay stands between clients and a server, lets requests and answers
// pass unchanged, and breaks event streams on purpose. A [Relay] is an
// [http.Handler]:
//
//	upstream, _ := url.Parse("https://api.example.com")
//	http.ListenAndServe("localhost:8080", &relay.Relay{
//		Upstream: upstream,
//		Watch:    func(r *exchange.Request) exchange.Watcher { ... },
//	})
//
// Each piece of an answer is written and flushed when it was read, whatever the
// content type. A server that cuts its answer cuts that of the client: a reset
// becomes a reset, and an end that came too early is never made to look orderly.
// An [exchange.Watch] sees each exchange, with content codings undone, after the client
// was served.
//
// Unchanged does not mean byte for byte for the head of a message: package net/http
// writes the names of header fields in their canonical form, and their order is
// lost. Fields of a single hop are not passed on, and none are added: no
// X-Forwarded-For, Via or User-Agent.
//
// The package does without [net/http/httputil.ReverseProxy], which drops the
// parts of a query that it cannot parse and the fields of other proxies, ends a client
// the same way whether the server reset its connection or closed it, and has no place
// between a write and the next read where events can be found without copying them.
//
// A [Guard] keeps web pages of other origins from using a relay.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// DefaultBodyLimit is how many bytes of the body of a request are kept for
// watchers if [Relay.BodyLimit] is zero.
const DefaultBodyLimit = 8 << 20

// A Relay passes each request on to a server, and the answer back. Fields must not
// change after the first request; only Upstream is needed.
//
// Over HTTP/1.1 a relay takes connections over from the server to cut them or to
// switch protocols: Close ends those.
type Relay struct {
	// Upstream is where requests go: the path of a request is added to its
	// path, and the query to its query. User information becomes Basic
	// authentication for requests that have none of their own.
	Upstream *url.URL

	// Transport makes the requests. It should not decode answers; nil means
	// one that leaves the codings to client and server.
	Transport http.RoundTripper

	// Header replaces fields of each request, Host included; a field without
	// values is removed.
	Header http.Header

	// AnswerHeader replaces fields of each answer: those of the upstream, of
	// faults and of errors. An event stream gets no Retry-After from it. Watchers
	// see the answer as it came.
	AnswerHeader http.Header

	// Watch sees each exchange, if not nil.
	Watch exchange.Watch

	// Ended is called after each exchange, if not nil, with a nil response if
	// none came. It costs less than a Watch.
	Ended func(*exchange.Request, *exchange.Response, exchange.End)

	// Number returns the number of the next exchange; nil counts from 1.
	Number func() int64

	// Faults break answers on purpose, most of them event streams alone. FaultSeed
	// chooses the requests of those that are for a share.
	Faults    []fault.Fault
	FaultSeed uint64

	// FaultControl, if not nil, has the faults in place of Faults, so that they can be
	// changed at any time.
	FaultControl *fault.Control

	// HeaderTimeout bounds the wait for the head of an answer, and IdleTimeout
	// that for each piece of its body. Zero means no limit.
	HeaderTimeout, IdleTimeout time.Duration

	// WriteTimeout is how long a client may take no data. Zero means no limit.
	WriteTimeout time.Duration

	// MaxEventSize bounds an event for watchers; zero means
	// [stream.DefaultMaxEventSize]. A larger one passes like any other.
	MaxEventSize int

	// BodyLimit is how many bytes of the body of a request are kept for
	// watchers; zero means [DefaultBodyLimit].
	BodyLimit int

	once   sync.Once
	err    error // of the fields
	faults *fault.Set
	number atomic.Int64
	ctx    context.Context // done when the relay is closed
	stop   context.CancelFunc

	mu     sync.Mutex // guards closed, and the start of wg
	closed bool
	wg     sync.WaitGroup // exchanges under way
}

func (h *Relay) init() {
	h.once.Do(func() {
		h.ctx, h.stop = context.WithCancel(context.Background())
		if h.FaultControl == nil {
			h.FaultControl = fault.NewControl(h.Faults)
		}
		h.faults = h.FaultControl.NewSet(false, h.FaultSeed)
		for i := range h.Faults {
			h.err = errors.Join(h.err, h.Faults[i].Validate())
		}
		if h.Transport == nil {
			h.Transport = newTransport()
		}
		if u := h.Upstream; u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			h.err = fmt.Errorf("upstream %v: want an http or https URL with a host", u)
		}
	})
}

// WriteBufferSize is that of a transport with many long streams, in bytes: a connection
// keeps its buffer, which a request fills once. Large bodies do not pass through it.
const WriteBufferSize = 1 << 10

// newTransport returns a transport that leaves codings alone, and sends the body
// of a request that expects a 100 Continue when the server asks for it.
func newTransport() *http.Transport {
	return &http.Transport{
		WriteBufferSize:       WriteBufferSize,
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{},
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   100,
		IdleConnTimeout:       30 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Close cuts all exchanges and waits until they have ended.
func (h *Relay) Close() error {
	h.init()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.stop()
	h.wg.Wait()
	return nil
}

// enter reports whether an exchange may begin.
func (h *Relay) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.wg.Add(1)
	}
	return !h.closed
}

// ServeHTTP passes one request on.
func (h *Relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.init()
	switch {
	case h.err != nil:
		http.Error(w, h.err.Error(), http.StatusInternalServerError)
		return
	case r.Method == http.MethodConnect:
		http.Error(w, "ssectl serve: an upstream is no forward proxy: CONNECT is not passed on", http.StatusMethodNotAllowed)
		return
	case !h.enter():
		http.Error(w, "ssectl serve: closed", http.StatusServiceUnavailable)
		return
	}
	defer h.wg.Done()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(h.ctx, func() { cancel(errStopped) })()
	x := &passing{Relay: h, w: w, control: http.NewResponseController(w), in: r, ctx: ctx, cancel: cancel}
	defer x.unblock()()
	x.run()
	if x.broken {
		// The one way to make the server cut the response.
		panic(http.ErrAbortHandler)
	}
}

// The causes of contexts that a relay ends.
var (
	errStopped = errors.New("the relay was closed")
	errHeaders = errors.New("no headers came in time")
	errIdle    = errors.New("nothing came in time")
	errStuck   = errors.New("the client took no data")
	errCut     = errors.New("cut for its age")
)
