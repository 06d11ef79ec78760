package listencmd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/listen"
)

func (o *options) bindOutput(flags *pflag.FlagSet) {
	o.Format, o.Color = "auto", term.ColorAuto
	formats := append([]string{"auto"}, slices.Sorted(maps.Keys(output.EventFormats))...)
	flags.Var(cli.Choice(&o.Format, formats...), "format", "print events in this form; auto is text on a terminal, else json; raw copies the bytes (only whole events if it may reconnect)")
	flags.StringVar(&o.JQ, "jq", "", "print the results of this jq `expression` instead, strings without quotes")
	flags.StringVar(&o.Filter, "filter", "", "print only events for which this jq `expression` is true")
	flags.StringSliceVar(&o.Events, "event", nil, "print only events of these `types`, separated by commas")
	flags.BoolVar(&o.Comments, "comments", false, "print comments and reconnection times too")
	flags.StringVar(&o.As, "as", "", "apply the service preset of this `name`: its end marker, its errors, its text (see Presets)")
	flags.BoolVar(&o.Text, "text", false, "print only the generated text; needs --as")
	flags.BoolVar(&o.Pretty, "pretty", false, "indent JSON data in text")
	flags.Var(&o.Color, "color", "use colors; auto is on a terminal, unless NO_COLOR is set")
	flags.BoolVarP(&o.Include, "include", "i", false, "show response headers, on stderr where the output is data")
	flags.Var((*statsFlag)(o), "stats", "print a summary on stderr at the end, as a terminal gets without the flag; =html=FILE writes a page with charts; repeatable")
	flags.Lookup("stats").NoOptDefVal = "text"
}

func (o *options) bindEnding(flags *pflag.FlagSet) {
	flags.UintVarP(&o.Count, "count", "n", 0, "end after printing this `number` of events")
	flags.VarP(&o.MaxTime, "max-time", "m", "end after this `duration`, in seconds or as 500ms")
	flags.StringSliceVar(&o.UntilEvent, "until-event", nil, "end after an event of one of these `types`")
	flags.StringArrayVar(&o.UntilData, "until-data", nil, "end after an event whose data is this `text`")
	flags.StringVar(&o.Until, "until", "", "end after an event for which this jq `expression` is true")
	flags.StringVar(&o.FailIf, "fail-if", "", "fail after an event for which this jq `expression` is true")
	flags.Var(&o.IdleTimeout, "idle-timeout", "drop a connection after this `duration` without a byte")
	flags.Var(&o.EventTimeout, "event-timeout", "drop a connection after this `duration` without an event; comments do not count")
}

func (o *options) bindReconnection(flags *pflag.FlagSet) {
	o.Reconnect = "get"
	o.RetryDelay, o.RetryMaxDelay = cli.Seconds(listen.DefaultDelay), cli.Seconds(listen.DefaultMaxDelay)
	flags.Var(cli.Choice(&o.Reconnect, "get", "always", "never"), "reconnect", "reconnect after a drop; get: only GET requests, since repeating a POST may have side effects")
	flags.BoolVar(&o.NoReconnect, "no-reconnect", false, "make one connection, as --reconnect never does")
	flags.IntVar(&o.Retry, "retry", -1, "give up after this `number` of consecutive connections without an event (default no limit, but the first connection must succeed)")
	flags.Lookup("retry").DefValue = "0" // which pflag does not show
	flags.Var(&o.RetryDelay, "retry-delay", "wait this `duration` before a reconnection, unless the server sets another")
	flags.Var(&o.RetryMaxDelay, "retry-max-delay", "let the wait grow to this `duration` at most")
	flags.Var(&o.RetryMaxTime, "retry-max-time", "give up after this `duration` of reconnections without an event")
	flags.BoolVar(&o.IgnoreRetry, "ignore-retry", false, "keep --retry-delay, even if the server sets another")
	flags.StringVar(&o.RetryOn, "retry-on", "", "retry after these `statuses`, such as 429,503,5xx; Retry-After is honored")
	flags.StringSliceVar(&o.ReconnectOn, "reconnect-on", nil, "reconnect after an event of one of these `types`, by which the server says goodbye")
}

func (o *options) bindResume(flags *pflag.FlagSet) {
	o.Resume = "id"
	flags.Var(cli.Choice(&o.Resume, "id", "range", "off"), "resume", "resume by Last-Event-ID, by a byte range (for logs served as files), or not at all")
	flags.StringVar(&o.LastEventID, "last-event-id", "", "start after the event with this `ID`")
	flags.StringVar(&o.ResumeGet, "resume-get", "", "fetch the rest of an answer by the request that this jq `expression` gives (see Rest of an answer)")
	flags.StringVar(&o.ResumePosition, "resume-position", "", "take the result of this jq `expression` for the position of an event; events that come again are left out (default .id)")
	flags.StringVar(&o.Cursor, "cursor", "", "keep the position between runs in this `file`")
	flags.IntVar(&o.FreshAfter, "fresh-after", 0, "forget the position after this `number` of consecutive resumed connections without an event")
}

func (o *options) bindRecording(flags *pflag.FlagSet) {
	flags.StringVar(&o.Record, "record", "", "record everything in this `file`, exactly and with times, for \"ssectl serve\"")
	flags.StringVar(&o.SaveHAR, "save-har", "", "write a HAR `file` for the developer tools of browsers")
	flags.Var(&o.UI, "ui", "show the stream on a page on this machine, at this `port` or a free one, until Ctrl-C; a terminal opens a browser")
	flags.Lookup("ui").NoOptDefVal = "0"
	flags.BoolVar(&o.NoOpen, "no-open", false, "open no browser for --ui")
	flags.Var(&o.MaxEventSize, "max-event-size", "fail on an event larger than this `size` (default 16m; 256m with --as, since those services send images)")
}

// A statsFlag is the value of --stats: text, json, or html=FILE.
type statsFlag options

func (f *statsFlag) Set(text string) error {
	if name, ok := strings.CutPrefix(text, "html="); ok && name != "" {
		f.StatsFile = name
		return nil
	}
	if text != "text" && text != "json" {
		return fmt.Errorf("want one of text, json, html=FILE")
	}
	f.Stats = text
	return nil
}

func (f *statsFlag) String() string { return f.Stats }
func (f *statsFlag) Type() string   { return "text|json" }

// A uiPort is the value of --ui: a port, 0 for a free one, or nil for no page.
type uiPort struct{ port *uint16 }

func (p *uiPort) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("want a port")
	}
	port := uint16(n)
	p.port = &port
	return nil
}

func (p *uiPort) String() string { return "" }
func (p *uiPort) Type() string   { return "port" }

// config turns the options into those of package listen.
func (o *options) config() (listen.Options, error) {
	for _, list := range []struct {
		flag  string
		types []string
	}{{"event", o.Events}, {"until-event", o.UntilEvent}, {"reconnect-on", o.ReconnectOn}} {
		// No event has an empty type: a variable of a script was not set.
		if list.types != nil && (len(list.types) == 0 || slices.Contains(list.types, "")) {
			return listen.Options{}, fmt.Errorf("--%s: a type is empty; is a variable not set?", list.flag)
		}
	}
	if o.FreshAfter < 0 {
		return listen.Options{}, fmt.Errorf("--fresh-after %d: want a number of 0 or more", o.FreshAfter)
	}
	retryOn, err := parseStatuses(o.RetryOn)
	if err != nil {
		return listen.Options{}, err
	}
	config := listen.Options{
		Start:        listen.Position{LastEventID: o.LastEventID},
		Resume:       map[string]listen.Resume{"id": listen.ResumeID, "range": listen.ResumeRange, "off": listen.ResumeOff}[o.Resume],
		Reconnect:    map[string]listen.Reconnect{"get": listen.ReconnectGET, "always": listen.ReconnectAlways, "never": listen.ReconnectNever}[o.Reconnect],
		MaxRetries:   max(o.Retry, 0),
		MaxRetryTime: time.Duration(o.RetryMaxTime),
		FailFast:     o.Retry <= 0,
		RetryOn:      retryOn,
		FreshAfter:   o.FreshAfter,
		ReconnectOn:  o.ReconnectOn,
		IdleTimeout:  time.Duration(o.IdleTimeout),
		EventTimeout: time.Duration(o.EventTimeout),
		MaxEventSize: int(o.MaxEventSize),
		Backoff: listen.Backoff{
			Delay:        time.Duration(o.RetryDelay),
			MaxDelay:     time.Duration(o.RetryMaxDelay),
			IgnoreServer: o.IgnoreRetry,
		},
	}
	if o.RetryDelay == 0 {
		config.Backoff.Delay = -1 // none; zero leaves it to the package
	}
	if o.NoReconnect || o.Retry == 0 {
		config.Reconnect = listen.ReconnectNever
	}
	if o.Resume == "range" && o.Curl.Compressed {
		return config, fmt.Errorf("--resume range and --compressed exclude each other: a range counts the bytes of the file")
	}
	return config, nil
}

// parseStatuses reads a list of statuses such as 429,503,5xx.
func parseStatuses(list string) (func(status int) bool, error) {
	if list == "" {
		return nil, nil
	}
	var patterns []string
	for pattern := range strings.SplitSeq(strings.ToLower(list), ",") {
		pattern = strings.TrimSpace(pattern)
		digits := strings.TrimSuffix(pattern, "xx")
		n, err := strconv.Atoi(digits)
		if err != nil || len(pattern) != 3 || n < 1 {
			return nil, fmt.Errorf("--retry-on: %q is not a status; want one such as 503 or 5xx", pattern)
		}
		patterns = append(patterns, digits)
	}
	return func(status int) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(strconv.Itoa(status), p) })
	}, nil
}
