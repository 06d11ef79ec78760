package listencmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/cmd/internal/transcript"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A ui is the page of --ui. Each request that is sent is an exchange of it, also
// those of reconnections and redirects: it is a RoundTripper, and a recorder that
// is told of the blocks of the answers.
type ui struct {
	streams *term.Streams
	url     string
	server  *http.Server
	served  chan struct{} // closed when the server has ended
	next    http.RoundTripper
	log     *window.Log

	count  int64
	events int64
	first  time.Time
	open   exchange.Watcher // of the exchange that goes on, or nil
	body   *passingBody     // of its answer
}

// openUI starts the page, if it is asked for, and has the requests of the client
// pass it.
func (s *session) openUI(client *http.Client) error {
	if s.opts.UI.port == nil {
		return nil
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *s.opts.UI.port))
	if err != nil {
		return cli.Fail(cli.ExitNoRun, fmt.Errorf("--ui: %w", shortError(err)), "--ui without a port takes a free one")
	}
	u := &ui{
		streams: s.streams, url: "http://" + listener.Addr().String() + "/", served: make(chan struct{}),
		next: client.Transport, log: window.New(window.Limits{}),
	}
	if u.next == nil {
		u.next = http.DefaultTransport
	}
	u.server = &http.Server{
		Handler:           inspector.NewHandler(inspector.Options{Log: u.log, Transcript: transcript.Read, Version: s.opts.Version}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	go func() {
		defer close(u.served)
		u.server.Serve(listener) // until close
	}()
	client.Transport = u
	s.ui = u
	s.recorders = append(s.recorders, u)
	s.progress.line(nil, "the stream is shown at %s", u.url)
	if s.streams.ErrTerminal && !s.opts.NoOpen {
		openBrowser(u.url)
	}
	return nil
}

// RoundTrip implements [http.RoundTripper].
func (u *ui) RoundTrip(req *http.Request) (*http.Response, error) {
	u.finish(exchange.End{How: exchange.ClientLeft}) // a redirect has an answer that nobody reads
	u.count++
	u.events, u.first, u.body = 0, time.Time{}, nil
	r := &exchange.Request{Number: u.count, Time: time.Now(), Method: req.Method, URL: req.URL, Host: req.URL.Host, Header: req.Header}
	if req.Host != "" && req.Host != req.URL.Host {
		r.Host = req.Host
		r.Header = req.Header.Clone()
		r.Header.Set("Host", req.Host)
	}
	noteBody(r, req)
	u.open = u.log.Watch(r)
	resp, err := u.next.RoundTrip(req)
	if err != nil {
		how := exchange.Refused
		if cause := context.Cause(req.Context()); cause != nil {
			how = howOf(cause)
		}
		u.finish(exchange.End{How: how, Err: err})
		return resp, err
	}
	isStream := stream.IsEventStream(resp.Header.Get("Content-Type")) && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent)
	u.open.Response(&exchange.Response{Time: time.Now(), Proto: resp.Proto, Status: resp.StatusCode, Header: resp.Header, Stream: isStream})
	u.body = &passingBody{ReadCloser: resp.Body, ui: u, to: u.open, isStream: isStream}
	resp.Body = u.body
	if resp.StatusCode == http.StatusNoContent {
		u.finish(exchange.End{How: exchange.Whole})
	}
	return resp, nil
}

// noteBody gives the body of req to r. Bodies of listen are in memory, and can be
// read twice.
func noteBody(r *exchange.Request, req *http.Request) {
	defer r.Finished()
	if req.GetBody == nil {
		return
	}
	body, err := req.GetBody()
	if err != nil {
		return
	}
	defer body.Close()
	const limit = 1 << 20
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		r.Passed(buf[:n], limit)
		if err != nil {
			return
		}
	}
}

// A passingBody is the body of an answer, of which the page is told.
type passingBody struct {
	io.ReadCloser
	ui       *ui
	to       exchange.Watcher
	isStream bool
	bytes    int64
}

// Read tells the page of a body that is no stream: of one, it is told of the
// blocks.
func (b *passingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if b.isStream || b.ui.body != b {
		return n, err
	}
	if n > 0 {
		b.to.Body(p[:n])
	}
	if err != nil {
		b.ui.finish(exchange.End{How: howOf(err)})
	}
	return n, err
}

// Close ends the exchange of a body that is no stream.
func (b *passingBody) Close() error {
	if !b.isStream && b.ui.body == b {
		b.ui.finish(exchange.End{How: exchange.ClientLeft})
	}
	return b.ReadCloser.Close()
}

// block implements recorder.
func (u *ui) block(b *stream.Block, at time.Time) {
	if u.open == nil {
		return
	}
	if b.IsEvent() {
		if u.events++; u.events == 1 {
			u.first = at
		}
	}
	exchange.Tell(u.open, b, at)
}

func (u *ui) change(change listen.Change, _ time.Time) {
	if c, ok := change.(listen.Dropped); ok {
		how := howOf(c.Err)
		if c.Unfinished > 0 && how == exchange.Whole {
			how = exchange.Truncated
		}
		u.finish(exchange.End{How: how, Err: c.Err})
	}
}

func (u *ui) flush() error     { return nil }
func (u *ui) end(string) error { return nil }

// finish ends the exchange that goes on, if one does.
func (u *ui) finish(end exchange.End) {
	if u.open == nil {
		return
	}
	end.Time, end.Events, end.First = time.Now(), u.events, u.first
	if u.body != nil {
		end.Bytes = u.body.bytes
	}
	u.open.End(end)
	u.open, u.body = nil, nil
}

// ourReasons are those for which listen itself ends an answer.
var ourReasons = []error{
	errCount, errUntil, errFailIf, errFailedAs, errBrokenAs, listen.ErrGoodbye, context.Canceled, io.ErrClosedPipe,
}

// howOf returns how an answer ended by the error that reading it gave.
func howOf(err error) exchange.How {
	var (
		timeout *listen.TimeoutError
		output  *term.OutputError
		size    *stream.SizeError
	)
	switch {
	case err == nil, err == io.EOF:
		return exchange.Whole
	case errors.As(err, &timeout), errors.Is(err, errMaxTime), errors.Is(err, context.DeadlineExceeded):
		return exchange.TimedOut
	case errors.Is(err, syscall.ECONNRESET), strings.Contains(err.Error(), "received from peer"): // of HTTP/2
		return exchange.Reset
	case errors.As(err, &output), errors.As(err, &size), slices.ContainsFunc(ourReasons, func(ours error) bool { return errors.Is(err, ours) }):
		return exchange.ClientLeft
	}
	return exchange.Truncated
}

// over ends the last exchange, by the reason why the run ended.
func (u *ui) over(why error) { u.finish(exchange.End{How: howOf(why), Err: why}) }

// stay reports the result of the run, and keeps the page until ctx ends.
func (u *ui) stay(ctx context.Context, err error) error {
	if ctx.Err() != nil || cli.IsClosedPipe(err) {
		return err
	}
	cli.Report(u.streams, err)
	fmt.Fprintf(u.streams.Err, "ssectl: the page stays at %s until Ctrl-C\n", u.url)
	<-ctx.Done()
	if err != nil {
		err = cli.Fail(cli.ExitCode(err), cli.ErrReported, "")
	}
	return err
}

// close ends the page.
func (u *ui) close() {
	u.server.Close()
	<-u.served
}

// openBrowser opens a browser where there is one. A terminal without a desktop has
// none that would not take the terminal for itself.
func openBrowser(url string) {
	var command *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		command = exec.Command("open", url)
	case "windows":
		command = exec.Command("rundll32", "url.dll,FileProtocolHandler", url)
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return
		}
		command = exec.Command("xdg-open", url)
	}
	if command.Start() == nil {
		command.Process.Release()
	}
}
