package servecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/internal/suggest"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
)

// A session is one run of the command: the parts that answer requests, in the order
// in which they are made.
type session struct {
	streams *term.Streams
	opts    *options
	log     *connectionLog

	base   *serve.Handler // has the options of all answers
	inputs feeder
	mux    *serve.Mux // answers with events, and other requests from elsewhere
	tapes  *deck
	passed *exchanges
	asked  *askedLog
}

// run serves until ctx ends, or until there is nothing more to do.
func run(ctx context.Context, streams *term.Streams, opts *options) error {
	if opts.Verify != "" {
		return verify(ctx, streams, opts)
	}
	asked := ctx // to stop
	if opts.Command != nil {
		ctx = context.WithoutCancel(ctx) // the command decides when it is done
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{streams: streams, opts: opts, log: &connectionLog{streams: streams, quiet: opts.Quiet}}
	s.asked = &askedLog{tell: s.log.tell}
	if opts.Once {
		s.log.once = cancel
	}
	handler, err := s.handler(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop before all was loaded
		}
		return err
	}
	listener, url, err := openListener(opts)
	if err != nil {
		return err
	}
	if err := s.asked.open(streams, opts.Requests); err != nil {
		listener.Close()
		return err
	}
	s.announce(url)
	var status error // of the command
	var command sync.WaitGroup
	if opts.Command != nil {
		app, err := startApp(streams, opts, url)
		if err != nil {
			listener.Close()
			return err
		}
		command.Go(func() {
			status = app.wait(asked)
			cancel()
		})
	}
	s.inputs.start()
	err = s.serve(ctx, listener, handler)
	cancel()
	command.Wait()
	s.inputs.wait()
	return cmp.Or(err, status, s.asked.close(opts.Expect, s.tapes.sources()))
}

// handler returns the handler of all requests.
func (s *session) handler(ctx context.Context) (http.Handler, error) {
	if err := s.options(); err != nil {
		return nil, err
	}
	s.inputs = feeder{ctx: ctx, streams: s.streams, opts: s.opts, tell: s.log.tell}
	var err error
	if s.mux, err = s.inputs.mux(s.base); err != nil {
		return nil, err
	}
	// Requests that no route is for have their answers from elsewhere.
	s.tapes = &deck{opts: s.opts, log: s.log, base: s.base}
	if err := s.tapes.load(); err != nil {
		return nil, cli.Usage(err)
	}
	s.watch()
	if err := s.standIn(); err != nil {
		return nil, cli.Usage(err)
	}
	if err := s.passOn(); err != nil {
		return nil, cli.Usage(err)
	}
	var handler http.Handler = inspector.NewHandler(s.passed.page(s.mux))
	// A server of MCP has to refuse pages of other origins
	// (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning).
	if s.opts.Upstream != "" || strings.HasPrefix(s.opts.As, "mcp") {
		handler = s.opts.guard(handler)
	}
	if s.passed.seen.Asked != nil {
		handler = s.asked.watch(handler)
	}
	return handler, nil
}

// options sets the options of all answers, faults included.
func (s *session) options() (err error) {
	if s.base, err = s.opts.handler(); err != nil {
		return cli.Usage(err)
	}
	for _, text := range s.opts.Faults {
		f, err := fault.Parse(text)
		if err != nil {
			return cli.Fail(cli.ExitUsage, err, faultHint(text))
		}
		s.base.Faults = append(s.base.Faults, f)
	}
	s.base.FaultSeed = s.opts.seed(s.base.Faults, s.log.tell)
	s.base.FaultControl = fault.NewControl(s.base.Faults)
	s.base.Closed = s.log.closed
	return nil
}

// watch makes the parts that see exchanges.
func (s *session) watch() {
	s.passed = &exchanges{
		streams: s.streams, opts: s.opts, log: s.log, faults: s.base.Faults, seed: s.base.FaultSeed, tapes: s.tapes,
		seen: window.New(window.Limits{}),
	}
	if s.opts.Expect != "" || s.opts.Requests != "" {
		s.passed.seen.Asked = s.asked.ended
	}
	if s.opts.Print != "" {
		s.passed.printer = &printer{streams: s.streams, format: s.opts.Print}
	}
	s.tapes.watch = s.passed.show()
}

// gcPercent is the growth of the heap after which it is collected, in percent, where
// exchanges pass. Those that are kept are bounded; garbage must not double them, and
// passing makes little of it.
const gcPercent = 30

// passOn lets the upstream and the tape answer, if there are any.
func (s *session) passOn() error {
	if s.opts.Upstream != "" {
		upstream, err := s.passed.relay()
		if err != nil {
			return err
		}
		s.inputs.what = append(s.inputs.what, redact.URL(upstream.Upstream))
		s.passed.seen.Hide(upstream.Header, upstream.Upstream)
		s.tapes.use(upstream)
		debug.SetGCPercent(gcPercent)
	}
	if s.tapes.isUsed() {
		s.mux.Else = s.tapes
		s.inputs.what = append(s.tapes.what(), s.inputs.what...)
	}
	return nil
}

// announce writes the first lines of the log: the inputs and the URL, and where the
// page of exchanges is.
func (s *session) announce(url string) {
	at := url
	if s.opts.UnixSocket != "" {
		at += ", unix socket " + s.opts.UnixSocket
	}
	if s.opts.As != "" {
		if set := s.opts.standIn().settings(url); len(set) > 0 {
			at += " (" + set[0] + ")"
		}
	}
	fmt.Fprintf(s.streams.Err, "ssectl: serving %s at %s\n", output.Safe(strings.Join(s.inputs.what, ", ")), at)
	if s.opts.PrintURL {
		fmt.Fprintln(s.streams.Out, url)
	}
	if s.mux.Else != nil && !s.opts.Quiet {
		s.log.tell("exchanges at " + pageURL(url))
	}
	if limit := raiseFileLimit(); s.opts.MaxClients > 0 && limit < s.opts.MaxClients+spareFiles {
		s.log.tell(fmt.Sprintf("--max-clients %d is more than the limit of %d open files allows", s.opts.MaxClients, limit))
	}
}

// pageURL returns the URL of the page of exchanges, given that of the server.
func pageURL(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	return u.ResolveReference(&url.URL{Path: "/.ssectl/"}).String()
}

// serve answers requests until ctx ends, and then closes what is open.
func (s *session) serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		// OPTIONS * asks about the upstream.
		DisableGeneralOptionsHandler: s.opts.Upstream != "",
		// A handler ends streams, but not a connection of several that takes
		// nothing at all.
		HTTP2:    &http.HTTP2Config{WriteByteTimeout: s.opts.WriteTimeout},
		ErrorLog: log.New(s.log, "", 0),
	}
	requests, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	server.BaseContext = func(net.Listener) context.Context { return requests }
	ctx, cancel := context.WithCancel(ctx)
	var closing sync.WaitGroup
	closing.Go(func() {
		<-ctx.Done()
		listener.Close()
		s.mux.Close()
		stop(exchange.ErrStopped) // before the connections end, which is told as the client's doing
		server.Close()
	})
	err := server.Serve(listener)
	stopped := ctx.Err() != nil
	cancel()
	closing.Wait()
	if stopped || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return cli.Fail(cli.ExitNoRun, fmt.Errorf("serving: %w", err), "")
}

// seed returns the seed of the faults that are for a share of requests. One that was
// not given is printed, so that a run can be repeated.
func (opts *options) seed(faults []fault.Fault, tell func(string)) uint64 {
	if opts.FaultSeed != 0 || !slices.ContainsFunc(faults, func(f fault.Fault) bool { return f.For.Share != 0 }) {
		return opts.FaultSeed
	}
	seed := rand.Uint64N(1e9) + 1
	tell(fmt.Sprintf("the faults have the seed %d (--fault-seed %d repeats them)", seed, seed))
	return seed
}

// faultHint returns a remedy for a fault that cannot be parsed.
func faultHint(text string) string {
	var names []string
	for _, kind := range fault.Kinds() {
		names = append(names, kind.Name)
	}
	const all = "ssectl serve --help faults"
	name, _, _ := strings.Cut(strings.NewReplacer("=", "@", ":", "@").Replace(text), "@")
	if meant := suggest.Nearest(name, names); meant != "" && meant != name {
		return "did you mean " + meant + "? " + all
	}
	return all
}
