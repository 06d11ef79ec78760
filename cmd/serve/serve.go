// Package servecmd is the command "ssectl serve": its flags, its inputs, and the
// address it listens on. The stream itself is the work of package serve.
package servecmd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// maxLogged bounds what a client sent, as it stands in a line of the log, in bytes.
const maxLogged = 200

// options are the values of the flags.
type options struct {
	Version string // of the tool

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
	WS            string
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
	askedOptions
	asOptions
}

const long = `
Serve an event stream to any number of clients, with resume by Last-Event-ID. The
events come from a file or from standard input: JSON lines (as "ssectl listen"
writes them), a saved event stream, plain text, or a HAR file of a browser,
recognized by the first bytes. Standard input may be live: events go out as they
come in.

Every path and method is answered with the stream, so that it can stand in for
any API. A request for a WebSocket gets the same events as text messages. A browser
that opens / gets a page that shows the stream.

With --upstream, requests go on to a real server, and its answers come back unchanged:
the log has a line for each, --print its events, --fault breaks them as they pass. A
command after -- is started with the base URLs of well-known libraries set to this
server, which ends with it.

With --as, it stands in for a service: --as openai answers as OpenAI does.

A directory has answers to requests: recordings of exchanges, made by --upstream and
--record (see --help tapes), and answers that are written by hand (see --help fakes). Each
request gets the one that matches.`

const examples = `
  ssectl serve events.jsonl
  ssectl serve openai.sse --pace 50ms --fault drop@5
  tail -f app.log | ssectl serve
  ssectl serve --clock 1s
  ssectl serve --route "POST /v1/chat=chat.sse" --route /feed=feed.jsonl
  ssectl serve --exec "vmstat 1" -p 0
  ssectl serve --upstream https://api.openai.com --print
  ssectl serve --upstream https://api.openai.com --record tape/ -- python app.py
  ssectl serve --as openai --text "Hello" --fault status=429@1
  ssectl serve tape/
  ssectl serve tape/ --expect all -- python test.py
  ssectl serve tape/ --verify https://api.openai.com --upstream-header @keys.txt`

// New returns the command. The version is that of the tool, for HAR.
func New(streams *term.Streams, version string) *cobra.Command {
	opts := options{Version: version, relayOptions: relayOptions{Curl: curl.New(streams, "")}, OnUnknownID: string(serve.UnknownStart), AtEnd: string(serve.EndClose)}
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
			if err := cmp.Or(opts.check(), opts.checkTape(), opts.checkRelay(), opts.checkAs(), opts.checkAsked(), opts.checkCheck(), opts.checkMeaning(c.Flags().Changed)); err != nil {
				return cli.Usage(err)
			}
			opts.Told = c.Flags().Changed("text")
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
			if opts.Check {
				return check(streams, &opts)
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
	cli.AddFlags(c, "Services", opts.asOptions.bind)
	cli.AddFlags(c, "Upstream", opts.relayOptions.bind)
	cli.AddFlags(c, "Tapes", opts.tapeOptions.bind)
	cli.AddFlags(c, "Tests", opts.askedOptions.bind)
	cli.SetHelp(c, streams.Width, cli.ExitCodes(
		[2]string{"0", "the stream was served; SIGINT and SIGTERM end it"},
		[2]string{"1", "--expect: a request matched nothing, or an answer was left over; --verify: an answer has drifted"},
		[2]string{"2", "wrong usage, or a bad input file: nothing was served"},
		[2]string{"3", "could not listen, or not write --requests; --verify: an answer did not come"},
		[2]string{"other", "that of COMMAND, if it failed"},
	))
	withTopics(c, streams.Width)
	return c
}

// withTopics adds "--help faults", "--help tapes" and "--help as".
func withTopics(c *cobra.Command, width int) {
	general := c.HelpFunc()
	c.SetHelpFunc(func(c *cobra.Command, args []string) {
		switch {
		case slices.Contains(args, "faults"):
			fmt.Fprint(c.OutOrStdout(), faultHelp(width))
		case slices.Contains(args, "fakes"):
			fmt.Fprint(c.OutOrStdout(), fakesHelp(width))
		case slices.Contains(args, "tapes"):
			fmt.Fprint(c.OutOrStdout(), tapeHelp(width))
		case slices.Contains(args, "as"):
			fmt.Fprint(c.OutOrStdout(), asHelp(width))
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
(* or {name} stands for any segment), first or again for the attempt of a client, #N or
#N-M for the Nth of those requests, and a share of them, chosen at random by --fault-seed.

  drop@5:POST /v1/chat     each POST to that path
  drop@5:first             the first connection of each client, and not when it comes back
  status=503:#1-2          the first two requests
  reset@3:/v1/* #2-9 10%   one in ten of the second to ninth below /v1

Requests are counted for each fault, each --route, and each test that names itself in the
header X-Ssectl-Test. A client comes back again where it sends a Last-Event-ID, or
X-Stainless-Retry-Count above 0, as the libraries of OpenAI and Anthropic do; of one that
does neither, nothing tells a retry from a request of another client, so give each test a
name, and count with #1.

While the server runs, POST /.ssectl/fault sets the faults of a test, in place of those
that it had, with {"fault": ["drop@3:#1"], "test": "NAME"} as application/json; GET shows
and DELETE clears them, with ?test=NAME. Without a name they are those of the requests that
have none. Answers under way keep theirs.`

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
		Frames:        serve.Frames(opts.WS),
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
			line += fmt.Sprintf(" after %s", httpx.Clip(strconv.Quote(c.LastEventID), maxLogged))
		}
		if c.Streamed() {
			line += fmt.Sprintf(": %d events, %d bytes, %s: %s", c.Events, c.Bytes, c.Duration.Round(time.Millisecond), c.End)
			if c.Received > 0 {
				line += fmt.Sprintf("; it sent messages: %d", c.Received)
			}
		}
		l.tell(line)
	}
	if l.once != nil && c.Streamed() {
		l.once()
	}
}
