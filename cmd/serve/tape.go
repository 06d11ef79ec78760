package servecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/relay"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

// tapeOptions are the values of the flags for recordings of exchanges.
type tapeOptions struct {
	Record  string
	Replay  string
	Mode    string
	Match   string
	MatchJQ string
	Check   bool

	// TapePace is --pace, if it is given: a tape has a pace of its own.
	TapePace string
}

// The modes of --mode.
const (
	modeOnce   = "once"
	modeNew    = "new"
	modeReplay = "replay"
	modePass   = "pass"
)

func (opts *tapeOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&opts.Record, "record", "", "keep each exchange with the upstream in a file of this `directory`, without its secrets")
	flags.StringVar(&opts.Replay, "replay", "", "answer requests from the recordings in this `directory`, and the others from the upstream, if there is one")
	flags.Var(cli.Choice(&opts.Mode, modeOnce, modeNew, modeReplay, modePass), "mode", "with --replay and --upstream: record into an empty directory and only replay from others (once), record what is new, only replay, or pass all on (default new)")
	flags.StringVar(&opts.Match, "match", "method,path,query,body", "compare these `parts` of requests, of method, path, query, body and header:NAME")
	flags.BoolVar(&opts.Check, "check", false, "read the files of the DIR, report what is wrong with them, and serve nothing")
	flags.StringVar(&opts.MatchJQ, "match-jq", "", "compare what this jq `expression` makes of requests, such as 'del(.json.user)'; --help tapes has more")
}

const tapeAbout = `Tapes, for --record and --replay. A tape is a directory with a file for each exchange, JSON lines
that can be read, edited and checked in; docs/format.md describes them. Secrets are replaced by
REDACTED before anything is written, and in requests before they are compared.

A request is answered by the first recording with the same method, path, query and body, JSON compared
as JSON. Further recordings of the same request are played one after the other, then the last one
again. A request that nothing matches gets 501 and a text that names the nearest recording.

A client that was cut off and comes back with a Last-Event-ID gets the recorded answer to that, or
else the rest of the stream that has this event; 204 where nothing is left.

--match-jq sees a request as an object with method, path, query, headers, and json, the value of the
body, or body, its text, where that is not JSON. It returns the object that is compared, or a value to compare in place of
the body: 'del(.json.user)', '.path |= sub("/v[0-9]+/"; "/v1/")', '.json.messages[-1].content'.`

// tapeModes describes the modes, for --help tapes.
var tapeModes = [][2]string{
	{modeOnce, "an empty directory: all requests go to the upstream and are recorded; another one: as replay"},
	{modeNew, "known requests are answered from the tape, the others by the upstream, and are recorded; what is recorded now is played from the next start on"},
	{modeReplay, "requests are answered from the tape alone, whatever --upstream is"},
	{modePass, "all requests go to the upstream, and nothing is recorded or played"},
}

func tapeHelp(width int) string {
	width = cli.HelpWidth(width)
	return cli.Paragraphs(tapeAbout, width) + "\n\nModes, for --mode with --replay and --upstream:\n\n" + cli.List(tapeModes, width)
}

// checkTape settles the flags for tapes, and returns the error of those that do
// not fit.
func (opts *options) checkTape() error {
	upstream := opts.Upstream != ""
	if info, err := os.Stat(opts.File); opts.File != "" && err == nil && info.IsDir() {
		if opts.Replay != "" {
			return fmt.Errorf("want only one of the directory %s and --replay", opts.File)
		}
		opts.Replay, opts.File = opts.File, ""
	}
	switch {
	case opts.Record != "" && !upstream:
		return errors.New("--record needs --upstream")
	case opts.Mode != "" && (opts.Replay == "" || !upstream):
		return errors.New("--mode needs --replay and --upstream")
	case opts.Record != "" && (opts.Mode == modePass || opts.Mode == modeReplay):
		return fmt.Errorf("want only one of --record and --mode %s, which records nothing", opts.Mode)
	case opts.MatchJQ != "" && opts.Replay == "":
		return errors.New("--match-jq needs --replay")
	}
	if _, err := tape.ParseParts(opts.Match); err != nil {
		return fmt.Errorf("--match: %w", err)
	}
	return nil
}

// A deck is the tapes of a run. It answers the requests that no route is for.
type deck struct {
	opts *options
	log  *connectionLog
	base *serve.Handler // has the options of answers

	fakes    *fake.Handler  // of --as and of files, nil if there are none; the others have what it leaves
	answers  int            // of files
	player   *tape.Player   // nil if nothing is played
	recorder *tape.Recorder // nil if nothing is recorded
	upstream *relay.Relay   // nil if there is none

	watch   exchange.Watch // of the answers that are played
	number  atomic.Int64   // of the exchange that came last
	clients atomic.Int64   // that are answered now
}

// load reads the tape, and decides which handler answers.
func (d *deck) load() error {
	opts := d.opts
	mode := cmp.Or(opts.Mode, modeNew)
	upstream := opts.Upstream != ""
	if !upstream {
		mode = modeReplay
	}
	dir := opts.Record
	if opts.Replay != "" && mode != modePass {
		if mode != modeReplay { // the directory may be made by the first run
			if err := os.MkdirAll(opts.Replay, 0o700); err != nil {
				return fmt.Errorf("--replay: %w", err)
			}
		}
		if err := d.open(mode); err != nil {
			return err
		}
		known := d.player.Len()
		switch {
		case mode == modeNew:
			dir = cmp.Or(dir, opts.Replay)
		case mode == modeOnce && known == 0:
			d.player, dir = nil, cmp.Or(dir, opts.Replay)
		case known == 0 && hasAnswers(opts.Replay):
			d.player, dir = nil, ""
		case known == 0:
			return fmt.Errorf("%s: no recordings in it", opts.Replay)
		default:
			dir = ""
		}
	}
	if dir == "" || mode == modePass {
		return nil
	}
	d.recorder = &tape.Recorder{Dir: dir, Failed: func(err error) { d.log.tell(err.Error()) }}
	var err error
	if d.recorder.Upstream, err = curl.ParseURL(opts.Upstream); err != nil {
		return fmt.Errorf("--upstream: %w", err)
	}
	if err := d.recorder.Open(); err != nil {
		if opts.Record == "" {
			return fmt.Errorf("--mode %s records: %w", mode, err)
		}
		return fmt.Errorf("--record: %w", err)
	}
	return nil
}

// use sets the upstream.
func (d *deck) use(upstream *relay.Relay) {
	d.upstream = upstream
	upstream.Number = d.next
	if d.recorder == nil {
		return
	}
	for name, values := range upstream.Header { // which clients do not send
		for _, value := range values {
			d.recorder.Hide(name, value)
		}
	}
}

func (d *deck) next() int64 { return d.number.Add(1) }

// isUsed reports whether there is anything that answers.
func (d *deck) isUsed() bool { return d.fakes != nil || d.player != nil || d.upstream != nil }

// ServeHTTP answers from the tape or from the upstream, if there is room for one
// more client.
func (d *deck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer d.clients.Add(-1)
	if n, most := d.clients.Add(1), d.opts.MaxClients; most > 0 && n > int64(most) {
		w.Header().Set("Retry-After", "5")
		httpx.WriteError(w, r, http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable), d.base.Header)
		d.log.closed(serve.Connection{Remote: r.RemoteAddr, Method: r.Method, Path: r.URL.Path, Status: http.StatusServiceUnavailable})
		return
	}
	if d.fakes != nil {
		d.fakes.ServeHTTP(w, r)
		return
	}
	d.rest(w, r)
}

// rest answers what no fake does.
func (d *deck) rest(w http.ResponseWriter, r *http.Request) {
	if d.player != nil {
		d.player.ServeHTTP(w, r)
		return
	}
	d.upstream.ServeHTTP(w, r)
}

// Close ends the exchanges with the upstream, and their recordings.
func (d *deck) Close() error {
	var errs []error
	if d.upstream != nil {
		errs = append(errs, d.upstream.Close())
	}
	if d.recorder != nil {
		errs = append(errs, d.recorder.Close())
	}
	return errors.Join(errs...)
}

// sources returns the answers that can be left over.
func (d *deck) sources() (list []source) {
	if d.fakes != nil {
		list = append(list, d.fakes)
	}
	if d.player != nil {
		list = append(list, d.player)
	}
	return list
}

// what returns a description of the tape for the first line of the log.
func (d *deck) what() (list []string) {
	recordings := 0
	if d.player != nil {
		recordings = d.player.Len()
	}
	if d.answers > 0 || d.player != nil {
		list = append(list, fmt.Sprintf("%s (%s)", d.opts.Replay, contents(d.answers, recordings)))
	}
	if d.opts.As != "" {
		list = append(list, d.opts.As)
	}
	return list
}

// maxNormalize bounds the time of --match-jq for a request.
const maxNormalize = 5 * time.Second

// open reads the tape.
func (d *deck) open(mode string) error {
	opts := d.opts
	pace, err := serve.ParsePace(cmp.Or(opts.TapePace, "recorded"))
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	pace.Speed, pace.Jitter = d.base.Pace.Speed, d.base.Pace.Jitter
	parts, err := tape.ParseParts(opts.Match)
	if err != nil {
		return fmt.Errorf("--match: %w", err)
	}
	options := tape.Options{
		Match:        parts,
		FaultControl: d.base.FaultControl, FaultSeed: d.base.FaultSeed,
		WriteTimeout: d.base.WriteTimeout,
		Header:       d.base.Header,
		CORS:         d.base.CORS,
		Note:         d.log.tell,
		Number:       d.next,
		Watch:        func(r *exchange.Request) exchange.Watcher { return d.watch(r) },
		Played:       d.log.played,
		Wait: func(recorded time.Duration, next bool) time.Duration {
			if !pace.Recorded && !next {
				return 0
			}
			return pace.Gap(recorded)
		},
	}
	if opts.MatchJQ != "" {
		q, err := query.Compile(opts.MatchJQ)
		if err != nil {
			return fmt.Errorf("--match-jq: %w", err)
		}
		options.Normalize = func(request map[string]any) (any, error) {
			ctx, cancel := context.WithTimeout(context.Background(), maxNormalize)
			defer cancel()
			return q.First(ctx, request)
		}
	}
	if mode == modeNew {
		options.Otherwise = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.upstream.ServeHTTP(w, r) })
	}
	d.player, err = tape.Open(opts.Replay, options)
	return err
}

// played writes the line of an answer from a tape.
func (l *connectionLog) played(p tape.Play) {
	if !l.quiet {
		line := fmt.Sprintf("%s %s %s %d", p.Remote, p.Method, p.Path, p.Status)
		if p.Name != "" {
			line += fmt.Sprintf(" from %s: %d events, %d bytes, %s: %s", p.Name, p.Events, p.Bytes, p.Duration.Round(time.Millisecond), p.End)
		}
		l.tell(line)
	}
	if l.once != nil && p.Events > 0 {
		l.once()
	}
}
