// Package servecmd is the command "ssectl serve": its flags, its inputs, and the
// address it listens on. The stream itself is the work of package serve.
package servecmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/suggest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
	"github.com/ssectl/ssectl/pkg/stream"
)

// options are the values of the flags.
type options struct {
	File    string
	Routes  []string
	From    string
	IDs     string
	Exec    string
	Clock   time.Duration
	Canary  bool
	History int

	Pace   string
	Speed  float64
	Jitter string
	Loop   string
	Shared bool

	AtEnd       string
	CloseEvent  string
	Once        bool
	OnUnknownID string

	Addr       string
	Port       int
	Path       string
	UnixSocket string
	TLS        bool
	Cert, Key  string

	Headers       []string
	NoIncremental bool
	CORS          string
	RetryHint     time.Duration
	Heartbeat     time.Duration
	MaxClients    int
	MaxEventSize  cli.ByteSize
	WriteTimeout  time.Duration

	Faults    []string
	FaultSeed uint64
	Stamp     bool

	PrintURL bool
	Quiet    bool

	relayOptions
	tapeOptions
}

const long = `
Serve an event stream to any number of clients, with resume by Last-Event-ID. The
events come from a file or from standard input: JSON lines (as "ssectl listen"
writes them), a saved event stream, plain text, or a HAR file of a browser,
recognized by the first bytes. Standard input may be live: events go out as they
come in.

Every path and method is answered with the stream, so that it can stand in for
any API. A browser that opens / gets a page that shows the stream.

With --upstream, requests go on to a real server, and its answers come back unchanged:
the log has a line for each, --print its events, --fault breaks them as they pass. A
command after -- is started with the base URLs of well-known libraries set to this
server, which ends with it.

A directory is a tape: recordings of exchanges, made by --upstream and --record or by
hand, of which each request gets the one that matches (see --help tapes).`

const examples = `
  ssectl serve events.jsonl
  ssectl serve openai.sse --pace 50ms --fault drop@5
  tail -f app.log | ssectl serve
  ssectl serve --clock 1s
  ssectl serve --route "POST /v1/chat=chat.sse" --route /feed=feed.jsonl
  ssectl serve --exec "vmstat 1" -p 0
  ssectl serve --upstream https://api.openai.com --print
  ssectl serve --upstream https://api.openai.com --record tape/ -- python app.py
  ssectl serve tape/`

// New returns the command.
func New(streams *term.Streams) *cobra.Command {
	opts := options{relayOptions: relayOptions{Curl: curl.New(streams, "")}, OnUnknownID: string(serve.UnknownStart), AtEnd: string(serve.EndClose)}
	c := &cobra.Command{
		Use:     "serve [FILE|DIR] [-- COMMAND ARGS]",
		Short:   "Serve an event stream: replay a file, fake an API, break things on purpose",
		Long:    long,
		Example: examples,
		Args: func(c *cobra.Command, args []string) error {
			if dash := c.ArgsLenAtDash(); dash >= 0 {
				args = args[:dash]
			}
			return cli.AtMostOne("FILE")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if dash := c.ArgsLenAtDash(); dash >= 0 {
				args, opts.Command = args[:dash], args[dash:]
			}
			if len(args) > 0 {
				opts.File = args[0]
			}
			if err := cmp.Or(opts.check(), opts.checkTape(), opts.checkRelay()); err != nil {
				return cli.Usage(err)
			}
			if c.Flags().Changed("pace") {
				opts.TapePace = opts.Pace
			}
			if opts.Upstream != "" && !c.Flags().Changed("cors") {
				opts.CORS = "" // an upstream is not for every page to read
			}
			if c.Flags().Changed("port") {
				host, _, err := net.SplitHostPort(opts.Addr)
				if err != nil {
					return cli.Usage(fmt.Errorf("--addr %q: want host:port", opts.Addr))
				}
				opts.Addr = net.JoinHostPort(host, fmt.Sprint(opts.Port))
			}
			return run(c.Context(), streams, &opts)
		},
	}
	cli.AddFlags(c, "Events", opts.bindEvents)
	cli.AddFlags(c, "Pace", opts.bindPace)
	cli.AddFlags(c, "Resume and end", opts.bindEnd)
	cli.AddFlags(c, "Address", opts.bindAddress)
	cli.AddFlags(c, "Answers", opts.bindAnswers)
	cli.AddFlags(c, "Faults", opts.bindFaults)
	cli.AddFlags(c, "Upstream", opts.relayOptions.bind)
	cli.AddFlags(c, "Tapes", opts.tapeOptions.bind)
	cli.SetHelp(c, streams.Width, cli.ExitCodes(
		[2]string{"0", "the stream was served; SIGINT and SIGTERM end it"},
		[2]string{"2", "wrong usage, or a bad input file: nothing was served"},
		[2]string{"3", "could not listen"},
	))
	withTopics(c, streams.Width)
	return c
}

// withTopics adds "--help faults" and "--help tapes".
func withTopics(c *cobra.Command, width int) {
	general := c.HelpFunc()
	c.SetHelpFunc(func(c *cobra.Command, args []string) {
		switch {
		case slices.Contains(args, "faults"):
			fmt.Fprint(c.OutOrStdout(), faultHelp(width))
		case slices.Contains(args, "tapes"):
			fmt.Fprint(c.OutOrStdout(), tapeHelp(width))
		default:
			general(c, args)
		}
	})
}

func faultHelp(width int) string {
	width = cli.HelpWidth(width)
	var faults [][2]string
	for _, kind := range fault.Kinds() {
		faults = append(faults, [2]string{kind.Usage, kind.Does})
	}
	return cli.Paragraphs(faultAbout, width) + "\n\n" + cli.List(faults, width)
}

const faultAbout = `Faults, for --fault. Events count from 1 on each connection; @N-M is a range of
them. Several faults work together. Sizes are in bytes: 512, 16k, 8m.

After a colon come the requests that a fault is for, in any order: a method, a path
(* or {name} stands for any segment), #N or #N-M for the Nth of those requests, and
a share of them, chosen at random by --fault-seed.

  drop@5:POST /v1/chat     each POST to that path
  status=503:#1-2          the first two requests
  reset@3:/v1/* #2-9 10%   one in ten of the second to ninth below /v1`

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

// run serves until ctx ends, or until there is nothing more to do.
func run(ctx context.Context, streams *term.Streams, opts *options) error {
	asked := ctx // to stop
	if opts.Command != nil {
		ctx = context.WithoutCancel(ctx) // the command decides when it is done
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := &connectionLog{streams: streams, quiet: opts.Quiet}
	if opts.Once {
		served.once = cancel
	}
	base, err := opts.handler()
	if err != nil {
		return cli.Usage(err)
	}
	for _, text := range opts.Faults {
		f, err := fault.Parse(text)
		if err != nil {
			return cli.Fail(cli.ExitUsage, err, faultHint(text))
		}
		base.Faults = append(base.Faults, f)
	}
	base.FaultSeed = opts.seed(base.Faults, served.tell)
	base.Closed = served.closed
	feeds := feeder{ctx: ctx, streams: streams, opts: opts, tell: served.tell}
	mux, err := feeds.mux(base)
	if err != nil {
		return err
	}
	// Requests that no route is for have their answers from elsewhere.
	tapes := &deck{opts: opts, log: served, base: base}
	if err := tapes.load(); err != nil {
		return cli.Usage(err)
	}
	passed := &exchanges{streams: streams, opts: opts, log: served, faults: base.Faults, seed: base.FaultSeed, tapes: tapes, seen: window.New(window.Limits{})}
	if opts.Print != "" {
		passed.printer = &printer{streams: streams, format: opts.Print}
	}
	tapes.watch = passed.show()
	if opts.Upstream != "" {
		upstream, err := passed.relay()
		if err != nil {
			return cli.Usage(err)
		}
		mux.Else = upstream
		passed.seen.Hide(upstream.Header, upstream.Upstream)
		feeds.what = append(feeds.what, upstream.Upstream.Redacted())
		tapes.use(upstream)
	}
	if tapes.isUsed() {
		mux.Else = tapes
		feeds.what = append(tapes.what(), feeds.what...)
	}
	var handler http.Handler = inspector.NewHandler(passed.page(mux))
	if opts.Upstream != "" {
		handler = opts.guard(handler)
	}
	listener, url, err := openListener(opts)
	if err != nil {
		return err
	}
	announce(streams, opts, strings.Join(feeds.what, ", "), url)
	if mux.Else != nil && !opts.Quiet {
		served.tell("exchanges at " + pageURL(url))
	}
	if limit := raiseFileLimit(); opts.MaxClients > 0 && limit < opts.MaxClients+spareFiles {
		served.tell(fmt.Sprintf("--max-clients %d is more than the limit of %d open files allows", opts.MaxClients, limit))
	}
	var command *app
	if opts.Command != nil {
		if command, err = startApp(streams, opts, url); err != nil {
			listener.Close()
			return err
		}
	}
	feeds.start()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		// A handler ends streams, but not a connection of several that takes
		// nothing at all.
		HTTP2:    &http.HTTP2Config{WriteByteTimeout: opts.WriteTimeout},
		ErrorLog: log.New(served, "", 0),
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		listener.Close()
		mux.Close()
		server.Close()
	})
	var status error
	if command != nil {
		wg.Go(func() {
			status = command.wait(asked)
			cancel()
		})
	}
	err = server.Serve(listener)
	stopped := ctx.Err() != nil
	cancel()
	wg.Wait()
	feeds.wait()
	if stopped || errors.Is(err, http.ErrServerClosed) {
		return status
	}
	return cli.Fail(cli.ExitNoRun, fmt.Errorf("serving: %w", err), "")
}

// announce writes the first line of the log: the inputs, and the URL.
func announce(streams *term.Streams, opts *options, what, url string) {
	at := url
	if opts.UnixSocket != "" {
		at += ", unix socket " + opts.UnixSocket
	}
	fmt.Fprintf(streams.Err, "ssectl: serving %s at %s\n", output.Safe(what), at)
	if opts.PrintURL {
		fmt.Fprintln(streams.Out, url)
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

// handler returns a handler with all that the flags say, but no history.
func (opts *options) handler() (*serve.Handler, error) {
	pace, err := serve.ParsePace(opts.Pace)
	if err != nil {
		return nil, fmt.Errorf("--%w", err)
	}
	if opts.Speed <= 0 {
		return nil, fmt.Errorf("--speed %v: want a factor above 0", opts.Speed)
	}
	pace.Speed = opts.Speed
	if pace.Jitter, err = parseShare(opts.Jitter); err != nil {
		return nil, err
	}
	h := &serve.Handler{Options: serve.Options{
		Pace:          pace,
		AtEnd:         serve.AtEnd(opts.AtEnd),
		CloseEvent:    opts.CloseEvent,
		OnUnknownID:   serve.UnknownID(opts.OnUnknownID),
		Heartbeat:     orNever(opts.Heartbeat),
		RetryHint:     opts.RetryHint,
		CORS:          opts.CORS,
		NoIncremental: opts.NoIncremental,
		MaxClients:    opts.MaxClients,
		WriteTimeout:  orNever(opts.WriteTimeout),
		Stamp:         opts.Stamp,
		StartLive:     opts.Clock > 0,
	}}
	if opts.Canary {
		h.Pace.Recorded = true
	}
	if h.Rounds, err = opts.rounds(); err != nil {
		return nil, err
	}
	if h.Rounds < 0 {
		h.Rounds, h.AtEnd = 0, serve.EndLoop
	}
	if h.Header, err = parseHeaders(opts.Headers); err != nil {
		return nil, err
	}
	if _, err = (&stream.Event{Type: opts.CloseEvent}).AppendText(nil); err != nil {
		return nil, fmt.Errorf("--close-event: %w", err)
	}
	return h, nil
}

// orNever returns a duration for a handler, which takes a negative one for never.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// A connectionLog writes a line to standard error for each connection and problem.
type connectionLog struct {
	streams *term.Streams
	quiet   bool
	once    context.CancelFunc // called after the first stream, if not nil

	fileLimit sync.Once

	mu sync.Mutex // guards writes
}

func (l *connectionLog) tell(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.streams.Err, "ssectl: %s\n", output.Safe(line))
}

// Write is for the errors of package net/http. It repeats that too many files are
// open up to two hundred times a second; once is enough.
func (l *connectionLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(syscall.EMFILE.Error())) {
		l.fileLimit.Do(func() {
			l.tell(fmt.Sprintf("the limit of %d open files is reached: further clients have to wait (see ulimit -n)", raiseFileLimit()))
		})
		return len(line), nil
	}
	l.tell(strings.TrimSpace(string(line)))
	return len(line), nil
}

func (l *connectionLog) closed(c serve.Connection) {
	if !l.quiet {
		line := fmt.Sprintf("%s %s %s %d", c.Remote, c.Method, c.Path, c.Status)
		if c.LastEventID != "" {
			line += fmt.Sprintf(" after %q", c.LastEventID)
		}
		if c.Streamed() {
			line += fmt.Sprintf(": %d events, %d bytes, %s: %s", c.Events, c.Bytes, c.Duration.Round(time.Millisecond), c.End)
		}
		l.tell(line)
	}
	if l.once != nil && c.Streamed() {
		l.once()
	}
}
