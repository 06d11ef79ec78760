package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/socket"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// passing is one exchange on its way.
type passing struct {
	*Relay
	w       http.ResponseWriter
	control *http.ResponseController
	in      *http.Request
	ctx     context.Context // of the request to the upstream
	cancel  context.CancelCauseFunc

	request  *exchange.Request
	response *exchange.Response // nil before it has come
	watcher  exchange.Watcher   // nil for nobody
	plan     *fault.Plan        // of this exchange
	sent     *sentBody          // nil if the request has no body

	informing sync.Mutex // guards answered, and w until then
	answered  bool

	record record.Record // that the watcher is told of

	answering atomic.Bool // the head of the answer goes out, and then its body

	body    io.Reader // of the answer
	idle    *time.Timer
	at      time.Time // of the last read
	readErr error     // of the upstream; io.EOF at an orderly end
	lostErr error     // of a write to the client
	until   time.Time // deadline of the latest write; zero for none
	broke   *fault.Cut
	breaker *fault.Writer // nil if no fault breaks the stream
	undone  bool          // the coding of the answer, for the faults
	end     exchange.End
	broken  bool // the response must not end in order
}

// run passes the request and the answer, and reports how they ended.
func (x *passing) run() {
	x.begin()
	if x.answeredByFault() {
		x.report()
		return
	}
	if lifetime := x.plan.Lifetime; lifetime > 0 {
		defer time.AfterFunc(lifetime, func() { x.cancel(errCut) }).Stop()
	}
	res, err := x.ask()
	if x.sent != nil {
		defer x.sent.Close()
	}
	if err != nil {
		x.refuse(err)
		x.report()
		return
	}
	defer res.Body.Close()
	x.response = &exchange.Response{
		Time: time.Now(), Proto: res.Proto, Status: res.StatusCode, Header: res.Header.Clone(),
		Stream: isEventStream(res.Header) && res.StatusCode != http.StatusSwitchingProtocols,
	}
	if x.watcher != nil {
		x.watcher.Response(x.response)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.switchProtocols(res)
		x.report()
		return
	}
	x.body = res.Body
	if wait := x.plan.Delay; wait > 0 {
		x.body = x.late(res.Body, wait)
		x.sleep(wait)
	}
	x.writeHead(res)
	x.pass(res)
}

// unblock ends a write that waits for the client when the exchange is to end. The
// function that it returns waits until the response is not touched any more.
func (x *passing) unblock() func() {
	done := make(chan struct{})
	stop := context.AfterFunc(x.ctx, func() {
		defer close(done)
		if x.answering.Load() {
			x.control.SetWriteDeadline(time.Now())
		}
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// begin makes the request known.
func (x *passing) begin() {
	x.request = &exchange.Request{
		Time:   time.Now(),
		Remote: x.in.RemoteAddr,
		Method: x.in.Method,
		URL:    x.target(x.in),
		Host:   x.in.Host,
		Header: x.in.Header.Clone(),
	}
	if x.Number != nil {
		x.request.Number = x.Number()
	} else {
		x.request.Number = x.number.Add(1)
	}
	x.plan = x.faults.Uncounted(x.in)
	if x.in.Method != http.MethodHead {
		x.plan = x.faults.Of(x.in)
	}
	if x.Watch != nil {
		x.watcher = x.Watch(x.request)
	}
}

// report ends the exchange for the watchers.
func (x *passing) report() {
	x.end.Time = time.Now()
	if x.watcher != nil {
		x.watcher.End(x.end)
	}
	if x.Ended != nil {
		x.Ended(x.request, x.response, x.end)
	}
}

// isEventStream reports whether the media type of an answer is that of an event
// stream.
func isEventStream(header http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil { // a parameter may be malformed
		mediaType, _, _ = strings.Cut(header.Get("Content-Type"), ";")
	}
	return strings.EqualFold(strings.TrimSpace(mediaType), stream.ContentType)
}

// writeHead sends the head of the answer.
func (x *passing) writeHead(res *http.Response) {
	header := x.w.Header()
	removeHopByHop(res.Header)
	for name, values := range res.Header {
		header[name] = values
	}
	for _, name := range []string{"Location", "Content-Location"} {
		if value := header.Get(name); value != "" {
			header.Set(name, x.mapped(value))
		}
	}
	httpx.ReplaceFields(header, x.AnswerHeader, x.response.Stream)
	// A key without values keeps package net/http from adding its own.
	for _, name := range []string{"Date", "Content-Type"} {
		if _, ok := header[name]; !ok {
			header[name] = nil
		}
	}
	x.breakHead(header)
	for name := range res.Trailer {
		header.Add("Trailer", name)
	}
	x.closeEarly()
	x.limitWrite()
	x.answering.Store(true)
	x.w.WriteHeader(res.StatusCode)
	if err := x.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		x.lostErr = err
	}
	for name := range res.Trailer {
		delete(header, name) // which would be a value of the trailer from now on
	}
	x.unlimit()
}

// closeEarly announces that the connection ends with an answer that came before
// the whole request had. Package net/http would wait for the rest, and with full
// duplex it panics over it.
func (x *passing) closeEarly() {
	if x.in.ProtoMajor == 1 && !x.in.Close && x.sent != nil && !x.request.Body().Whole {
		x.w.Header().Set("Connection", "close")
	}
}

// mapped returns a URL of the upstream as one of the relay, other URLs as they
// are.
func (x *passing) mapped(location string) string {
	base := x.Upstream
	prefix := strings.TrimSuffix(base.EscapedPath(), "/")
	scheme := httpx.Scheme(location)
	switch {
	case scheme == "" && !strings.HasPrefix(location, "/") || scheme == "" && prefix == "" && !strings.HasPrefix(location, "//"):
		return location // relative to the path, which is the same here
	case scheme == "" && !strings.HasPrefix(location, "//"):
		if path, ok := below(location, prefix); ok {
			return path
		}
		return base.Scheme + "://" + base.Host + location
	case scheme == "":
		scheme = base.Scheme + "://"
		location = scheme + location[len("//"):]
	}
	rest := location[len(scheme):]
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	rest = rest[len(host):]
	if !strings.EqualFold(scheme, base.Scheme+"://") || !strings.EqualFold(withPort(host, base.Scheme), withPort(base.Host, base.Scheme)) {
		return location
	}
	path, ok := below(rest, prefix)
	if !ok {
		return location
	}
	mine := "http://"
	if x.in.TLS != nil {
		mine = "https://"
	}
	return mine + x.in.Host + path
}

// below returns a path, query and fragment included, relative to a prefix.
func below(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok || rest != "" && strings.IndexByte("/?#", rest[0]) < 0 {
		return "", false
	}
	if prefix != "" && !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return rest, true
}

// withPort returns a host with the port that it has without one.
func withPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// pass lets the body of the answer pass, and ends the client as the server ended
// it.
func (x *passing) pass(res *http.Response) {
	if x.IdleTimeout > 0 {
		x.idle = time.AfterFunc(x.IdleTimeout, func() { x.cancel(errIdle) })
		defer x.idle.Stop()
	}
	var side *side
	coded := coding.Of(res.Header)
	watched := x.watcher != nil || x.Ended != nil && x.response.Stream
	switch {
	case x.in.Method == http.MethodHead: // its headers are those of a body that does not come
		x.copy(nil)
	case x.response.Stream && x.plan.Breaks:
		x.breakUp(coded)
	case coded != "" && watched:
		side = x.watchAside(coded)
		x.copy(side.add)
	case x.response.Stream && watched:
		x.follow()
	case x.watcher != nil:
		x.copy(x.watcher.Body)
	default:
		x.copy(nil)
	}
	x.end.How, x.end.Err = x.ending()
	if side != nil {
		side.end(x.end.How == exchange.Whole)
	}
	if x.end.How == exchange.Whole {
		x.end.Trailer = x.writeTrailer(res.Trailer)
	}
	if x.WriteTimeout > 0 {
		defer x.control.SetWriteDeadline(time.Time{}) // the next request has its own
	}
	if x.end.How != exchange.Whole && x.end.How != exchange.ClientLeft {
		x.cut(x.end.How == exchange.Reset || x.broke != nil && x.broke.Reset)
	}
	x.broken = x.broken || x.end.How == exchange.ClientLeft
	if side != nil {
		side.wait()
	}
	x.report()
}

// writeTrailer adds the trailer of the answer, which came after the body.
func (x *passing) writeTrailer(trailer http.Header) http.Header {
	if len(trailer) == 0 {
		return nil
	}
	header := x.w.Header()
	for name, values := range trailer {
		header[http.TrailerPrefix+name] = values
	}
	return trailer.Clone()
}

// ending returns how the exchange ended, from its errors.
func (x *passing) ending() (exchange.How, error) {
	cause := context.Cause(x.ctx)
	switch {
	case x.broke != nil:
		return exchange.Fault, x.broke
	case errors.Is(cause, errCut):
		return exchange.Fault, fmt.Errorf("cut after %v", x.plan.Lifetime)
	case errors.Is(cause, errStopped):
		return exchange.Stopped, nil
	case errors.Is(cause, errIdle), errors.Is(cause, errHeaders):
		return exchange.TimedOut, cause
	case (x.lostErr != nil || x.in.Context().Err() != nil) && x.stuck():
		return exchange.TimedOut, errStuck
	case x.lostErr != nil:
		return exchange.ClientLeft, x.lostErr
	case x.readErr == io.EOF: // the client may have left once it had everything
		return exchange.Whole, nil
	case x.in.Context().Err() != nil:
		return exchange.ClientLeft, nil
	case isReset(x.readErr):
		return exchange.Reset, x.readErr
	}
	return exchange.Truncated, x.readErr
}

// A streamError is the error of a stream of HTTP/2. Package net/http converts its
// own into any struct with these fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("HTTP/2 stream reset with code %d", e.Code) }

func isReset(err error) bool {
	var reset streamError
	return errors.Is(err, syscall.ECONNRESET) || errors.As(err, &reset)
}

// cut ends the response so that the client sees that it is not whole.
func (x *passing) cut(reset bool) {
	x.broken = true
	if x.in.ProtoMajor != 1 {
		return // HTTP/2 has the reset of a stream alone, by a panic
	}
	if x.in.ProtoMinor == 0 && x.w.Header().Get("Content-Length") == "" {
		reset = true // to this client, the end of the connection is that of the answer
	}
	conn, buffered, err := x.control.Hijack()
	if err != nil {
		return
	}
	buffered.Flush()
	x.broken = false
	if reset {
		socket.Drain(socket.Raw(conn), x.sleep)
	}
	socket.Cut(conn, reset)
}

// sleep waits, unless the exchange ends before.
func (x *passing) sleep(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-x.ctx.Done():
		return context.Cause(x.ctx)
	}
}

// refuse answers a request that the upstream did not answer.
func (x *passing) refuse(err error) {
	x.end.How, x.end.Err = exchange.Refused, err
	status, words := http.StatusBadGateway, err.Error()
	switch cause := context.Cause(x.ctx); {
	case errors.Is(cause, errHeaders):
		x.end.How, x.end.Err, status = exchange.TimedOut, cause, http.StatusGatewayTimeout
		words = fmt.Sprintf("no headers within %v", x.HeaderTimeout)
	case errors.Is(cause, errCut):
		x.end.How, x.end.Err, status = exchange.Fault, fmt.Errorf("cut after %v", x.plan.Lifetime), http.StatusGatewayTimeout
		x.answer(status, x.end.Err.Error()+", as --fault has it")
		return
	case errors.Is(cause, errStopped):
		x.end.How, x.end.Err = exchange.Stopped, nil
		x.cut(false)
		return
	case x.in.Context().Err() != nil:
		x.end.How, x.end.Err, x.broken = exchange.ClientLeft, nil, true
		return
	}
	x.closeEarly()
	x.answer(status, fmt.Sprintf("no answer from %s://%s: %s", x.Upstream.Scheme, x.Upstream.Host, words))
}

// answer answers in place of the upstream.
func (x *passing) answer(status int, words string) {
	httpx.WriteError(x.w, x.in, status, "ssectl serve: "+words, x.AnswerHeader)
}

const (
	firstBuffer = 4 << 10  // of a body that may never send much
	largeBuffer = 64 << 10 // of one that fills that
)

// copy lets the body pass as it comes, and gives each piece to watch, if not nil.
func (x *passing) copy(watch func([]byte)) {
	buf := make([]byte, firstBuffer)
	for x.readErr == nil && x.lostErr == nil {
		n, _ := x.read(buf)
		piece := buf[:n]
		if n > 0 && x.write(piece) == nil && watch != nil {
			watch(piece)
		}
		if n == len(buf) && n < largeBuffer {
			buf = make([]byte, 2*n)
		}
	}
}

// read reads from the upstream.
func (x *passing) read(buf []byte) (int, error) {
	n, err := x.body.Read(buf)
	x.at = time.Now()
	if x.idle != nil {
		x.idle.Reset(x.IdleTimeout)
	}
	x.readErr = err
	return n, err
}

// smallWrite is how much is written at once where there is a time limit, so that
// a slow client is not taken for one that is stuck.
const smallWrite = 64 << 10

// write sends a piece to the client, and out.
func (x *passing) write(piece []byte) error {
	for len(piece) > 0 {
		x.limitWrite()
		n, err := x.w.Write(piece[:min(len(piece), smallWrite)])
		x.end.Bytes += int64(n)
		if err != nil {
			x.lostErr = err
			return err
		}
		piece = piece[n:]
	}
	if err := x.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		x.lostErr = err
	}
	x.unlimit()
	return x.lostErr
}

func (x *passing) limitWrite() {
	if x.WriteTimeout > 0 && x.ctx.Err() == nil {
		// Not all kinds of ResponseWriter know deadlines; those do without.
		x.until = time.Now().Add(x.WriteTimeout)
		x.control.SetWriteDeadline(x.until)
	}
}

// stuck reports whether a write failed for its deadline. Its error does not tell:
// HTTP/2 has that of a stream that was closed, and over HTTP/1.1 the server has
// deadlines of its own where a client leaves.
func (x *passing) stuck() bool { return !x.until.IsZero() && !time.Now().Before(x.until) }

// unlimit takes the deadline of a write back: HTTP/2 would close a stream that is
// silent for so long.
func (x *passing) unlimit() {
	if !x.until.IsZero() && x.lostErr == nil && x.ctx.Err() == nil {
		x.until = time.Time{}
		x.control.SetWriteDeadline(time.Time{})
	}
}
