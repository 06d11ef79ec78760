package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

const (
	maxHeader    = 1 << 20 // bytes of a response header
	maxBody      = 4 << 20 // bytes kept of the body of the main stream
	maxOtherBody = 1 << 20 // and of the others
	readBuffer   = 64 << 10
)

// A tap stamps the reads of a connection, and keeps the header of an HTTP/1
// answer, which net/http tidies up.
type tap struct {
	net.Conn
	clock func() time.Duration

	mu   sync.Mutex // guards last, head, end
	last time.Duration
	head []byte
	end  [2]byte // the last bytes
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n > 0 {
		now := t.clock()
		t.mu.Lock()
		t.last = now
		if t.end[0] = t.end[1]; n > 1 {
			t.end[0] = p[n-2]
		}
		t.end[1] = p[n-1]
		if room := maxHeader - len(t.head); room > 0 && !bytes.Contains(t.head, headerEnd) {
			t.head = append(t.head, p[:min(n, room)]...)
		}
		t.mu.Unlock()
	}
	return n, err
}

var headerEnd = []byte("\r\n\r\n")

// header returns the raw header block, if the connection was readable.
func (t *tap) header() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := bytes.Index(t.head, headerEnd)
	if end < 0 || !bytes.HasPrefix(t.head, []byte("HTTP/1")) {
		return nil
	}
	return bytes.Clone(t.head[:end+len(headerEnd)])
}

// betweenChunks reports whether it stands where a chunk has ended.
func (t *tap) betweenChunks() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end == [2]byte{'\r', '\n'}
}

func (t *tap) lastRead() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// A running exchange fills an Exchange as things happen.
type running struct {
	cancel   context.CancelFunc
	answered chan struct{} // closed when the headers are there, or never will be
	done     chan struct{} // closed when it is over

	growth seen.Growth // of the snapshots, for the prober alone

	mu   sync.Mutex // guards x and taps
	x    seen.Exchange
	taps []*tap
	drop bool // the probe closed it
}

// snapshot returns the exchange so far. The slices only ever grow, so they may
// be shared.
func (r *running) snapshot() *seen.Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.x.As(r.x.Role)
	x.Grow(&r.growth)
	if x.End == "" {
		x.End = seen.EndClient
	}
	return x
}

// bytes is how many body bytes have come.
func (r *running) bytes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.x.Body)
}

// close ends the exchange from our side and waits until it is over.
func (r *running) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.drop = true
	r.mu.Unlock()
	r.cancel()
	<-r.done
}

// note changes the exchange under its lock.
func (r *running) note(change func(x *seen.Exchange)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.x)
}

// start begins an exchange on a connection of its own.
func (p *prober) start(ctx context.Context, role seen.Role, req *http.Request, transport *http.Transport) *running {
	ctx, cancel := context.WithCancel(ctx)
	r := &running{cancel: cancel, answered: make(chan struct{}), done: make(chan struct{})}
	r.x = seen.Exchange{Role: role, Method: req.Method, URL: req.URL.String(), RequestHeader: req.Header.Clone(), Start: p.clock()}
	p.all = append(p.all, r)

	client := &http.Client{Transport: transport, Jar: p.client.Jar, CheckRedirect: r.redirected}
	if role == seen.RolePreflight || isForeign(role) {
		client.Jar = nil // it is that of the user
	}
	if p.client.CheckRedirect != nil {
		client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
			if err := r.redirected(next, via); err != nil {
				return err
			}
			return p.client.CheckRedirect(next, via)
		}
	}
	r.instrument(transport, p.clock)
	r.instrumentTLS(transport, p.clock)
	req = req.WithContext(httptrace.WithClientTrace(ctx, r.trace(p.clock)))
	go func() {
		defer close(r.done)
		defer cancel()
		defer transport.CloseIdleConnections()
		r.perform(client, req, p.clock)
	}()
	return r
}

// instrument puts a tap on every connection of the transport.
func (r *running) instrument(transport *http.Transport, clock func() time.Duration) {
	dial := transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		begun := clock()
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		t := &tap{Conn: conn, clock: clock}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.taps = append(r.taps, t)
		r.x.Connected = clock()
		r.x.Dial = r.x.Connected - begun
		return t, nil
	}
}

// instrumentTLS puts a tap within TLS too, where the answer is in HTTP/1. The
// transport speaks HTTP/2 only over a connection that it knows as one of TLS.
func (r *running) instrumentTLS(transport *http.Transport, clock func() time.Duration) {
	if transport.DialTLSContext != nil {
		return
	}
	dial := transport.DialContext
	transport.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		config := tlsConfig(transport, addr)
		if limit := transport.TLSHandshakeTimeout; limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		conn := tls.Client(raw, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		state := conn.ConnectionState()
		r.mu.Lock()
		defer r.mu.Unlock()
		secured(&r.x, state, clock())
		if state.NegotiatedProtocol == "h2" {
			return conn, nil
		}
		t := &tap{Conn: conn, clock: clock}
		r.taps = append(r.taps, t)
		return t, nil
	}
}

// tlsConfig returns the configuration that the transport itself would use.
func tlsConfig(transport *http.Transport, addr string) *tls.Config {
	config := transport.TLSClientConfig.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	config.NextProtos = nil
	protocols := transport.Protocols
	if transport.ForceAttemptHTTP2 && protocols == nil || protocols != nil && protocols.HTTP2() {
		config.NextProtos = append(config.NextProtos, "h2")
	}
	if protocols == nil || protocols.HTTP1() {
		config.NextProtos = append(config.NextProtos, "http/1.1")
	}
	return config
}

// secured records the result of a handshake.
func secured(x *seen.Exchange, state tls.ConnectionState, at time.Duration) {
	if len(state.PeerCertificates) > 0 {
		x.Connected = at
		x.Issuers = httpx.Issuers(state.PeerCertificates)
		x.TLS = &seen.TLS{Version: state.Version, NotAfter: state.PeerCertificates[0].NotAfter, Unproven: len(state.VerifiedChains) == 0}
	}
}

// trace notes handshakes that the transport made itself, by way of a proxy.
func (r *running) trace(clock func() time.Duration) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				r.note(func(x *seen.Exchange) { secured(x, state, clock()) })
			}
		},
	}
}

// redirected follows a redirect unless it leads in a circle.
func (r *running) redirected(next *http.Request, via []*http.Request) error {
	stop := false
	r.note(func(x *seen.Exchange) {
		last := via[len(via)-1]
		step := seen.Redirect{From: last.URL.String(), To: next.URL.String(), Method: next.Method}
		if next.Response != nil {
			step.Status = next.Response.StatusCode
		}
		x.Redirects = append(x.Redirects, step)
		for _, earlier := range via {
			x.Loop = x.Loop || earlier.URL.String() == step.To && earlier.Method == next.Method
		}
		x.Loop = x.Loop || len(via) >= seen.MaxRedirects
		stop = x.Loop
	})
	if stop {
		return http.ErrUseLastResponse
	}
	return nil
}

// perform makes the request and reads the answer to its end.
func (r *running) perform(client *http.Client, req *http.Request, clock func() time.Duration) {
	resp, err := client.Do(req)
	if err != nil {
		r.note(func(x *seen.Exchange) {
			x.End, x.Phase, x.Error = seen.EndError, phaseOf(err), plainError(err)
			var refused *tls.CertificateVerificationError
			if errors.As(err, &refused) {
				x.Issuers = httpx.Issuers(refused.UnverifiedCertificates)
			}
			switch {
			case r.drop, req.Context().Err() != nil:
				x.End = seen.EndTimeout
			case x.Connected > 0 && x.Phase == seen.PhaseTCP:
				x.Phase = seen.PhaseHTTP
			}
			x.Ended = clock()
		})
		close(r.answered)
		return
	}
	defer resp.Body.Close()
	r.note(func(x *seen.Exchange) {
		x.Answered = r.stamp(clock)
		x.Status, x.Proto, x.Header = resp.StatusCode, resp.Proto, resp.Header
		// Within TLS of the transport's own there is no tap.
		if len(r.taps) > 0 && resp.TLS == nil {
			x.RawHeader = r.taps[len(r.taps)-1].header()
		}
	})
	close(r.answered)
	r.read(req.Context(), resp.Body, clock)
}

// stamp is when the connection last gave bytes. It is asked right after they
// were handed on, and free of the time that took.
func (r *running) stamp(clock func() time.Duration) time.Duration {
	if len(r.taps) > 0 {
		if at := r.taps[len(r.taps)-1].lastRead(); at > 0 {
			return at
		}
	}
	return clock()
}

func (r *running) read(ctx context.Context, body io.Reader, clock func() time.Duration) {
	buf := make([]byte, readBuffer)
	for {
		n, err := body.Read(buf)
		r.mu.Lock()
		if n > 0 {
			most := maxOtherBody
			if r.x.Role == seen.RoleMain {
				most = maxBody
			}
			keep := min(n, most-len(r.x.Body))
			r.x.Body = append(r.x.Body, buf[:keep]...)
			r.x.Reads = append(r.x.Reads, seen.Read{At: r.stamp(clock), N: keep})
			r.x.Clipped = r.x.Clipped || keep < n || len(r.x.Body) == most
		}
		full := r.x.Clipped
		if err != nil || full {
			r.x.Ended = clock()
			switch {
			case full || r.drop || err != io.EOF && ctx.Err() != nil:
				r.x.End = seen.EndClient
			case err == io.EOF:
				r.x.End = seen.EndEOF
			default:
				r.x.End, r.x.Error = seen.EndReset, plainError(err)
				r.x.Between = errors.Is(err, io.ErrUnexpectedEOF) && len(r.taps) > 0 && r.taps[len(r.taps)-1].betweenChunks()
			}
		}
		r.mu.Unlock()
		if err != nil || full {
			return
		}
	}
}

// phaseOf returns the phase in which a request failed.
func phaseOf(err error) seen.Phase {
	var dns *net.DNSError
	var op *net.OpError
	var unknown x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &dns):
		return seen.PhaseDNS
	case errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &record), errors.As(err, &alert),
		strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return seen.PhaseTLS
	case errors.As(err, &op) && op.Op == "dial", errors.As(err, &op) && op.Op == "proxyconnect":
		return seen.PhaseTCP
	case errors.As(err, &op):
		return seen.PhaseTCP
	}
	return seen.PhaseHTTP
}

// plainError returns the message of an error without the URL, which may hold a
// secret.
func plainError(err error) string {
	err = httpx.WithoutURL(err)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "read" {
		err = op.Err // without the addresses
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) && bytes.HasPrefix(record.RecordHeader[:], []byte("HTTP/")) {
		return "server gave HTTP response to HTTPS client"
	}
	message := strings.ReplaceAll(err.Error(), "\n", " ")
	for _, prefix := range []string{"net/http: HTTP/1.x transport connection broken: ", "net/http: ", "http: ", "tls: ", "read: "} {
		message = strings.TrimPrefix(message, prefix)
	}
	return message
}
