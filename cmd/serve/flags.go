package servecmd

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
)

func (opts *options) bindEvents(flags *pflag.FlagSet) {
	var formats []string
	for _, format := range record.Formats() {
		formats = append(formats, string(format))
	}
	flags.Var(cli.Choice(&opts.From, formats...), "from", "read the input in this format (default recognized by its first bytes)")
	flags.Var(cli.Choice(&opts.IDs, "keep", "auto", "none"), "ids", "keep the IDs of events, number those without one (auto), or remove all (default keep; auto for text and --clock)")
	flags.StringVar(&opts.Exec, "exec", "", "serve the output of this shell `command`, each line an event")
	flags.DurationVar(&opts.Clock, "clock", 0, "serve the time, one event every `duration`; a new client starts with the next event")
	flags.BoolVar(&opts.Canary, "canary", false, "serve a test script of small, large and silent phases, which shows how a path treats a stream")
	flags.StringArrayVar(&opts.Routes, "route", nil, "answer PATH with the events of FILE, as `[METHOD ]PATH=FILE`; {name} and * in PATH match any segment; repeatable")
	flags.Var(&opts.MaxEventSize, "max-event-size", "refuse an event of the input larger than this `size` (default 16m)")
	flags.IntVar(&opts.History, "history", 10000, "keep this `number` of events of live input for later clients; 0 keeps all")
}

func (opts *options) bindPace(flags *pflag.FlagSet) {
	flags.Var(cli.Text(&opts.Pace, "instant"), "pace", "send events at this `pace`: instant, an interval (500ms), a rate (100/s), or recorded (by their times)")
	flags.Float64Var(&opts.Speed, "speed", 1, "play faster by this `factor`")
	flags.StringVar(&opts.Jitter, "jitter", "", "make each wait longer or shorter by up to this `share`, such as 20%")
	flags.Var(cli.Text(&opts.Loop, ""), "loop", "send everything this `number` of times; without a number, forever")
	flags.Lookup("loop").NoOptDefVal = "forever"
	flags.BoolVar(&opts.Shared, "shared", false, "use one clock for all clients (default each replays from the start)")
}

func (opts *options) bindEnd(flags *pflag.FlagSet) {
	flags.Var(cli.Choice(&opts.OnUnknownID, "start", "live", "gap", "204", "409"), "on-unknown-id", "answer an unknown Last-Event-ID with all events, with the next ones, with an event of type gap before all, or with a status")
	flags.Var(cli.Choice(&opts.AtEnd, "close", "hold", "loop"), "at-end", "close the connection after the last event, hold it open, or start again")
	flags.StringVar(&opts.CloseEvent, "close-event", "", "send a last event of this `type` before the stream ends")
	flags.BoolVar(&opts.Once, "once", false, "exit after the first client")
}

func (opts *options) bindAddress(flags *pflag.FlagSet) {
	flags.Var(cli.Text(&opts.Addr, "127.0.0.1:8080"), "addr", "listen on this `host:port`")
	flags.IntVarP(&opts.Port, "port", "p", 8080, "listen on this port `number`; 0 takes a free one")
	flags.StringVar(&opts.Path, "path", "", "answer only this `path`")
	flags.StringVar(&opts.UnixSocket, "unix-socket", "", "listen on this Unix socket `file`")
	flags.BoolVar(&opts.TLS, "tls", false, "serve HTTPS and HTTP/2, with a self-signed certificate unless --cert gives one")
	flags.StringVar(&opts.Cert, "cert", "", "use the certificate in this PEM `file` for HTTPS")
	flags.StringVar(&opts.Key, "key", "", "use the key in this PEM `file` (default the file of --cert)")
	flags.BoolVar(&opts.PrintURL, "print-url", false, "print the URL on stdout")
	flags.BoolVarP(&opts.Quiet, "quiet", "q", false, "do not log connections")
}

func (opts *options) bindAnswers(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&opts.Headers, "header", "H", nil, "add this `header`, \"Name: value\", to every answer; repeatable")
	flags.BoolVar(&opts.NoIncremental, "no-incremental", false, "do not send \"Incremental: ?1\", which asks proxies to forward the stream as it comes")
	flags.Var(cli.Text(&opts.CORS, "*"), "cors", "let pages of this `origin` read the stream, with cookies unless it is *; \"\" allows no other origin")
	flags.Var(cli.Choice(&opts.WS, "data", "json"), "ws", "send a WebSocket the data of events alone, or events as JSON lines (default data, or as ?format= of its URL has it)")
	flags.DurationVar(&opts.RetryHint, "retry-hint", 0, "set the reconnection time of clients to this `duration`")
	flags.DurationVar(&opts.Heartbeat, "heartbeat", serve.DefaultHeartbeat, "send a comment after this `duration` of silence; 0 means never")
	flags.IntVar(&opts.MaxClients, "max-clients", 0, "answer 503 beyond this `number` of simultaneous clients")
	flags.DurationVar(&opts.WriteTimeout, "write-timeout", serve.DefaultWriteTimeout, "disconnect a client that takes nothing for this `duration`; 0 means never")
}

func (opts *options) bindFaults(flags *pflag.FlagSet) {
	flags.StringArrayVar(&opts.Faults, "fault", nil, "inject a `fault` such as drop@5, or drop@5:POST /v1/chat; repeatable; --help faults lists all")
	flags.Uint64Var(&opts.FaultSeed, "fault-seed", 0, "choose the requests of faults that are for a share by this `number` (default random, and printed)")
	flags.BoolVar(&opts.Stamp, "stamp", false, "add a comment to each event with the time (Unix ns) and the bytes sent before it: \": t=... off=...\"")
}

// check returns the error of values that mean nothing.
func (opts *options) check() error {
	for _, flag := range []struct {
		name  string
		value time.Duration
	}{{"clock", opts.Clock}, {"retry-hint", opts.RetryHint}, {"heartbeat", opts.Heartbeat}, {"write-timeout", opts.WriteTimeout}} {
		if flag.value < 0 {
			return fmt.Errorf("--%s %v: want a duration of 0 or more", flag.name, flag.value)
		}
	}
	switch {
	case opts.History < 0:
		return fmt.Errorf("--history %d: want a number of 0 or more", opts.History)
	case opts.MaxClients < 0:
		return fmt.Errorf("--max-clients %d: want a number of 0 or more", opts.MaxClients)
	case opts.Port < 0 || opts.Port > math.MaxUint16:
		return fmt.Errorf("--port %d: want 0 to %d", opts.Port, math.MaxUint16)
	case opts.Key != "" && opts.Cert == "":
		return errors.New("--key needs --cert")
	}
	return nil
}

// The flags that have a meaning for some answers alone.
var (
	ofEvents = []string{ // of an input or a route
		"from", "ids", "history", "loop", "shared", "on-unknown-id", "at-end", "close-event", "no-incremental", "retry-hint",
		"heartbeat", "stamp", "ws",
	}
	ofTapes  = []string{"pace", "speed", "jitter"} // and of events
	ofPasses = []string{"max-event-size"}          // of an upstream, and of events
)

// checkMeaning returns the error of a flag that was given and has no meaning here:
// one for events where an upstream or a tape has all answers, one for an upstream
// where there is none.
func (opts *options) checkMeaning(given func(flag string) bool) error {
	input := opts.File != "" || opts.Exec != "" || opts.Clock > 0 || opts.Canary
	from, none := "--upstream", []string(nil)
	switch {
	case opts.As != "" && !input && len(opts.Routes) == 0:
		from, none = "--as", slices.Concat(ofEvents, []string{"pace", "speed"}, ofPasses)
	case opts.Upstream == "" && opts.Replay == "" && opts.As == "":
		from = ""
	case input || len(opts.Routes) > 0:
	case opts.Upstream == "":
		from, none = "a tape ("+opts.Replay+")", slices.Concat(ofEvents, ofPasses)
		if given("replay") {
			from = "--replay"
		}
	case opts.Replay == "":
		none = slices.Concat(ofEvents, ofTapes)
	default:
		none = ofEvents
	}
	for _, name := range none {
		if given(name) {
			return fmt.Errorf("--%s has no meaning with %s: it is for the events of a FILE, --route, --exec, --clock or --canary", name, from)
		}
	}
	if from != "" && !input && given("path") {
		return fmt.Errorf("--path has no meaning with %s: it is for the events of a FILE, --exec, --clock or --canary", from)
	}
	for _, name := range ofServices() {
		if opts.As == "" && given(name) {
			return fmt.Errorf("--%s needs --as", name)
		}
	}
	for _, name := range opts.ofUpstreams() {
		if opts.Upstream == "" && opts.Verify == "" && given(name) {
			return fmt.Errorf("--%s needs --upstream", name)
		}
	}
	if opts.Replay == "" && given("match") {
		return errors.New("--match needs --replay")
	}
	return nil
}

// parseShare reads a share of a whole: 20%, or 0.2.
func parseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, fmt.Errorf("--jitter %q: want a share from 0%% to 100%%", text)
	}
	return share, nil
}

// rounds returns how often everything is sent, -1 for without end.
func (opts *options) rounds() (int, error) {
	switch opts.Loop {
	case "":
		return 1, nil
	case "forever":
		return -1, nil
	}
	n, err := strconv.Atoi(opts.Loop)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("--loop %q: want a number of 1 or more", opts.Loop)
	}
	return n, nil
}

func parseHeaders(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpx.IsToken(name) || !httpx.IsFieldValue(value) {
			return nil, fmt.Errorf("--header %q: want \"Name: value\"", line)
		}
		header.Add(name, value)
	}
	return header, nil
}
