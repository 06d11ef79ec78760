package servecmd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/cmd/internal/transcript"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
	"github.com/ssectl/ssectl/pkg/serve/relay"
	"github.com/ssectl/ssectl/pkg/stream"
)

// relayOptions are the values of the flags for an upstream.
type relayOptions struct {
	Upstream      string
	Curl          *curl.Flags
	HeaderTimeout time.Duration
	IdleTimeout   time.Duration
	Print         string
	AllowHosts    []string
	Command       []string // after --
}

func (opts *relayOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&opts.Upstream, "upstream", "", "pass requests that no --route is for on to this `URL`, and its answers back")
	opts.Curl.BindUpstream(flags)
	flags.DurationVar(&opts.HeaderTimeout, "upstream-header-timeout", 0, "answer 504 where the upstream sends no headers for this `duration`; 0 means never")
	flags.DurationVar(&opts.IdleTimeout, "upstream-idle-timeout", 0, "cut an answer of which nothing comes for this `duration`; 0 means never")
	flags.Var(cli.Choice(&opts.Print, "auto", "text", "json", "data", "raw"), "print", "print the events that pass as listen does, in this `format`: auto, text, json, data or raw")
	flags.Lookup("print").NoOptDefVal = "auto"
	flags.StringArrayVar(&opts.AllowHosts, "allow-host", nil, "answer requests for this `name` of the server too, beside localhost and addresses; * means any; repeatable")
}

// ofUpstreams returns the names of the flags that have a meaning for an upstream
// alone.
func (opts *relayOptions) ofUpstreams() (names []string) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(curl.Flags).BindUpstream(flags)
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return append(names, "upstream-header-timeout", "upstream-idle-timeout")
}

// exchanges are the parts that see the exchanges with an upstream, or a tape.
type exchanges struct {
	streams *term.Streams
	opts    *options
	log     *connectionLog
	faults  []fault.Fault
	seed    uint64 // of the faults for a share of requests
	tapes   *deck
	seen    *window.Log // those of the page
	printer *printer    // nil if nothing is printed
}

// watch returns the watchers of each exchange with the upstream. Here is the place
// for further ones.
func (e *exchanges) watch() exchange.Watch {
	all := []exchange.Watch{e.show()}
	if r := e.tapes.recorder; r != nil {
		all = append(all, r.Watch)
	}
	return exchange.Watches(all...)
}

// show returns what shows exchanges, those that are played from a tape too.
func (e *exchanges) show() exchange.Watch {
	if e.printer == nil {
		return e.seen.Watch
	}
	return exchange.Watches(e.seen.Watch, e.printer.watch)
}

// page returns what the pages of the server show: exchanges, if there can be any.
func (e *exchanges) page(mux *serve.Mux) inspector.Options {
	page := inspector.Options{Mux: mux, Version: e.opts.Version, Hosts: e.opts.hosts(), Faults: e.tapes.base.FaultControl}
	if mux.Else != nil {
		page.Log, page.Transcript = e.seen, transcript.Read
	}
	return page
}

// hosts are the names of this server beside localhost and addresses.
func (opts *options) hosts() []string {
	hosts := slices.Clone(opts.AllowHosts)
	if host, _, err := net.SplitHostPort(opts.Addr); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	if opts.UnixSocket != "" { // which no browser opens
		hosts = append(hosts, "*")
	}
	return hosts
}

// relay returns the handler of the upstream.
func (e *exchanges) relay() (*relay.Relay, error) {
	opts := e.opts
	upstream, err := curl.ParseURL(opts.Upstream)
	if err != nil {
		return nil, fmt.Errorf("--upstream: %w", err)
	}
	transport, err := opts.Curl.Transport()
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConnsPerHost = 100
	transport.WriteBufferSize = relay.WriteBufferSize
	transport.ExpectContinueTimeout = time.Second
	header, err := opts.Curl.Header()
	if err != nil {
		return nil, fmt.Errorf("--upstream-header: %w", err)
	}
	return &relay.Relay{
		Upstream:      upstream,
		Transport:     transport,
		Header:        header,
		AnswerHeader:  e.tapes.base.Header,
		Watch:         e.watch().With(exchange.Match{Name: "upstream"}),
		Ended:         e.log.exchanged,
		Faults:        e.faults,
		FaultControl:  e.tapes.base.FaultControl,
		FaultSeed:     e.seed,
		HeaderTimeout: opts.HeaderTimeout,
		IdleTimeout:   opts.IdleTimeout,
		WriteTimeout:  opts.WriteTimeout,
		MaxEventSize:  int(opts.MaxEventSize),
	}, nil
}

// guard returns a handler that pages of other origins than that of --cors cannot use.
func (opts *options) guard(h http.Handler) http.Handler {
	g := &relay.Guard{Handler: h, Hosts: opts.hosts()}
	if opts.CORS != "" {
		g.Origins = []string{opts.CORS}
	}
	return g
}

// exchanged writes the line of an exchange.
func (l *connectionLog) exchanged(r *exchange.Request, res *exchange.Response, end exchange.End) {
	if !l.quiet {
		l.tell(exchangeLine(r, res, end))
	}
	if l.once != nil && res != nil && res.Stream {
		l.once()
	}
}

// exchangeLine describes an exchange.
func exchangeLine(r *exchange.Request, res *exchange.Response, end exchange.End) string {
	since := func(t time.Time) string { return output.Duration(t.Sub(r.Time)) }
	line := fmt.Sprintf("#%d %s %s", r.Number, r.Method, redact.URL(r.URL))
	switch {
	case res == nil:
		return fmt.Sprintf("%s: %s after %s", line, end, since(end.Time))
	case res.Stream && !end.First.IsZero():
		line += fmt.Sprintf(" %d: headers after %s, first event after %s, %d events, %d bytes", res.Status, since(res.Time), since(end.First), end.Events, end.Bytes)
	case res.Stream:
		line += fmt.Sprintf(" %d: headers after %s, no event, %d bytes", res.Status, since(res.Time), end.Bytes)
	default:
		line += fmt.Sprintf(" %d: headers after %s, %d bytes", res.Status, since(res.Time), end.Bytes)
	}
	line += fmt.Sprintf(", %s after %s", end, since(end.Time))
	if end.Unseen != nil {
		line += fmt.Sprintf(" (not all was seen: %v)", end.Unseen)
	}
	return line
}

// A printer prints events to standard output, each with the number of its
// exchange.
type printer struct {
	streams *term.Streams
	format  string

	mu sync.Mutex // guards writes
}

func (p *printer) watch(r *exchange.Request) exchange.Watcher {
	name := p.format
	if name == "auto" {
		name = "json"
		if p.streams.OutTerminal {
			name = "text"
		}
	}
	options := output.EventOptions{Terminal: p.streams.OutTerminal}
	w := &printed{printer: p, name: name, head: fmt.Sprintf("#%d ", r.Number)}
	if options.Terminal {
		options.Colors = p.streams.ColorsFor(term.ColorAuto, true)
		if options.Width = p.streams.Width; options.Width > 0 {
			options.Width = max(options.Width-len(w.head), 1)
		}
	}
	if name == "json" {
		w.tail = fmt.Sprintf(",\"exchange\":%d}\n", r.Number)
	}
	w.show = output.EventFormats[name](options)
	return w
}

// A printed is an exchange whose events are printed.
type printed struct {
	*printer
	name       string
	head, tail string
	show       output.EventFormat
	decoder    *stream.Decoder
	text, line []byte
}

func (w *printed) Response(*exchange.Response) {}
func (w *printed) Body([]byte)                 {}
func (w *printed) End(exchange.End)            {}

// Event prints one event.
func (w *printed) Event(r *record.Record) {
	if !r.IsEvent {
		return
	}
	var err error
	if w.text, err = r.AppendText(w.text[:0]); err != nil {
		return // a record of a block has no such fields
	}
	if w.decoder == nil {
		w.decoder = stream.NewDecoder(nil)
		w.decoder.MaxEventSize = maxPrinted
	}
	w.decoder.Reset(bytes.NewReader(w.text))
	b, err := w.decoder.Next()
	if err != nil {
		return
	}
	w.line = w.show(w.line[:0], b, r.Time)
	switch w.name {
	case "json":
		w.line = append(bytes.TrimSuffix(w.line, []byte("}\n")), w.tail...)
	case "text":
		w.line = append([]byte(w.head), w.line...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streams.Out.Write(w.line)
}

// maxPrinted is more than any event that got here has.
const maxPrinted = 1 << 30

// checkRelay returns the error of flags that need an upstream.
func (opts *options) checkRelay() error {
	switch {
	case opts.HeaderTimeout < 0 || opts.IdleTimeout < 0:
		return errors.New("--upstream-header-timeout, --upstream-idle-timeout: want a duration of 0 or more")
	case opts.Command != nil && len(opts.Command) == 0:
		return errors.New("no command after --")
	case opts.Upstream != "", opts.As != "":
		return nil
	case opts.Print != "" && opts.Replay == "":
		return errors.New("--print needs --upstream, --replay or --as")
	case opts.Command != nil && opts.Replay == "":
		return errors.New("-- COMMAND needs --upstream, a DIR, --replay or --as")
	}
	return nil
}
