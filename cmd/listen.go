package cmd

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/listen"
)

// listenOptions are the values of the flags of listen.
type listenOptions struct {
	Curl   *curl.Flags
	Source string // a URL, a file, or - for standard input

	Format   string
	JQ       string
	Filter   string
	Events   []string
	Comments bool
	Pretty   bool
	Color    term.ColorMode
	Include  bool
	As       string
	Text     bool

	Count      uint
	MaxTime    cli.Seconds
	UntilEvent []string
	UntilData  []string
	Until      string
	FailIf     string

	IdleTimeout  cli.Seconds
	EventTimeout cli.Seconds

	Reconnect     string
	NoReconnect   bool
	Retry         int // consecutive failures, negative for any number
	RetryDelay    cli.Seconds
	RetryMaxDelay cli.Seconds
	RetryMaxTime  cli.Seconds
	IgnoreRetry   bool
	RetryOn       string

	Resume       string
	LastEventID  string
	FreshAfter   int
	ReconnectOn  []string
	Cursor       string
	MaxEventSize cli.ByteSize

	Record  string
	SaveHAR string
	Stats   string
}

const listenLong = `
Read an event stream and print its events as they arrive: as text on a terminal,
and in a pipe as JSON lines, which "ssectl serve" replays. When the connection
drops, reconnect and continue after the last event, as a browser's EventSource
does.

A command line for curl works with "curl" replaced by "ssectl listen". A URL may
omit http:// and, as in :8080/path, the host. FILE and - (standard input) are
saved streams.`

const listenExamples = `
  ssectl listen https://example.com/events
  ssectl listen :8080/events -n 10 | jq -r .data
  ssectl listen URL --as openai --text -H "Authorization: Bearer $KEY" --json @body.json
  ssectl listen URL --filter '.json.price > 100' --jq '.json | [.symbol, .price] | @csv'
  ssectl listen URL --until-event done --idle-timeout 30s --no-reconnect || echo "cut or silent"
  ssectl listen URL --cursor position.json >> events.jsonl
  ssectl listen URL --record session.jsonl; ssectl serve session.jsonl --pace recorded`

func newListenCommand(streams *term.Streams) *cobra.Command {
	opts := &listenOptions{Curl: curl.New(streams, versionString())}
	c := &cobra.Command{
		Use:     "listen [flags] URL | FILE | -",
		Short:   "Read an event stream",
		Long:    listenLong,
		Example: listenExamples,
		Args:    cobra.ArbitraryArgs, // the errors of onlySource are clearer
		RunE: func(c *cobra.Command, args []string) error {
			source, err := onlySource(args, opts.Curl.URL)
			if err != nil {
				return cli.Usage(err)
			}
			opts.Source = source
			return runListen(c.Context(), streams, opts)
		},
	}
	cli.AddFlags(c, "Output", opts.bindOutput)
	cli.AddFlags(c, "Ending", opts.bindEnding)
	cli.AddFlags(c, "Reconnection", opts.bindReconnection)
	cli.AddFlags(c, "Resuming", opts.bindResume)
	cli.AddFlags(c, "Recording", opts.bindRecording)
	cli.AddFlags(c, "Connection, as in curl", opts.Curl.Bind)
	cli.SetHelp(c, streams.Width, presetHelp(), cli.HelpSection{Title: "Expressions", Text: expressionHelp}, cli.ExitCodes(
		[2]string{"0", "the stream ended as it should, or reached the end that a flag asks for"},
		[2]string{"1", "--fail-if matched, or the stream ended before --until"},
		[2]string{"2", "wrong usage, bad input file"},
		[2]string{"3", "no connection, or a connection lost for good"},
		[2]string{"4", "the server answered, but not with an event stream"},
		[2]string{"5", "--idle-timeout or --event-timeout, and no reconnection left; or no stream within --max-time"},
		[2]string{"130", "interrupted"},
	))
	return c
}

const expressionHelp = `The expressions of --jq, --filter, --until and --fail-if are jq. Their input is
the event as an object: "event", "id", "data", "retry", "time", and "json", which is the
data parsed, or null.`

func presetHelp() cli.HelpSection {
	section := cli.HelpSection{Title: "Presets"}
	for _, p := range preset.Presets {
		section.List = append(section.List, [2]string{p.Name, p.About})
	}
	return section
}

// onlySource returns the one place to listen to, an argument or a --url.
func onlySource(args []string, flag string) (string, error) {
	if flag != "" {
		args = append(slices.Clone(args), flag)
	}
	switch len(args) {
	case 0:
		return "", fmt.Errorf("nothing to listen to: give a URL, a file, or - for standard input")
	case 1:
		return args[0], missingFile(args[0])
	}
	var shown []string
	for _, arg := range args {
		shown = append(shown, strconv.Quote(curl.WithoutSecrets(arg)))
	}
	return "", fmt.Errorf("want one URL or file, got %s", strings.Join(shown, " and "))
}

// missingFile returns the error of a path that names no file. No URL begins like
// a path.
func missingFile(source string) error {
	if !strings.HasPrefix(source, "/") && !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../") {
		return nil
	}
	info, err := os.Stat(source)
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", source)
	}
	return err
}

func (o *listenOptions) bindOutput(flags *pflag.FlagSet) {
	o.Format, o.Color = "auto", term.ColorAuto
	formats := append([]string{"auto"}, slices.Sorted(maps.Keys(output.EventFormats))...)
	flags.Var(cli.Choice(&o.Format, formats...), "format", "print events in this form; auto is text on a terminal, else json; raw is the bytes as received, by whole blocks where a reconnection may follow")
	flags.StringVar(&o.JQ, "jq", "", "print the results of this jq `expression` instead, strings without quotes")
	flags.StringVar(&o.Filter, "filter", "", "print only events for which this jq `expression` is true")
	flags.StringSliceVar(&o.Events, "event", nil, "print only events of these `types`, separated by commas")
	flags.BoolVar(&o.Comments, "comments", false, "print comments and reconnection times too")
	flags.StringVar(&o.As, "as", "", "apply the service preset of this `name`: its end marker, its errors, its text (see Presets)")
	flags.BoolVar(&o.Text, "text", false, "print only the growing text; needs --as")
	flags.BoolVar(&o.Pretty, "pretty", false, "indent JSON data in text")
	flags.Var(&o.Color, "color", "use colors; auto is on a terminal, unless NO_COLOR is set")
	flags.BoolVarP(&o.Include, "include", "i", false, "show response headers, on stderr where the output is data")
	flags.Var(cli.Choice(&o.Stats, "text", "json"), "stats", "print a summary on stderr at the end; a terminal gets one without the flag")
	flags.Lookup("stats").NoOptDefVal = "text"
}

func (o *listenOptions) bindEnding(flags *pflag.FlagSet) {
	flags.UintVarP(&o.Count, "count", "n", 0, "end after printing this `number` of events")
	flags.VarP(&o.MaxTime, "max-time", "m", "end after this `duration`, in seconds or as 500ms")
	flags.StringSliceVar(&o.UntilEvent, "until-event", nil, "end after an event of one of these `types`")
	flags.StringArrayVar(&o.UntilData, "until-data", nil, "end after an event whose data is this `text`")
	flags.StringVar(&o.Until, "until", "", "end after an event for which this jq `expression` is true")
	flags.StringVar(&o.FailIf, "fail-if", "", "fail after an event for which this jq `expression` is true")
	flags.Var(&o.IdleTimeout, "idle-timeout", "drop a connection after this `duration` without a byte")
	flags.Var(&o.EventTimeout, "event-timeout", "drop a connection after this `duration` without an event; comments do not count")
}

func (o *listenOptions) bindReconnection(flags *pflag.FlagSet) {
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

func (o *listenOptions) bindResume(flags *pflag.FlagSet) {
	o.Resume = "id"
	flags.Var(cli.Choice(&o.Resume, "id", "range", "off"), "resume", "resume by Last-Event-ID, by a byte range (for logs served as files), or not at all")
	flags.StringVar(&o.LastEventID, "last-event-id", "", "start after the event with this `ID`")
	flags.StringVar(&o.Cursor, "cursor", "", "keep the position between runs in this `file`")
	flags.IntVar(&o.FreshAfter, "fresh-after", 0, "forget the position after this `number` of consecutive resumed connections without an event")
}

func (o *listenOptions) bindRecording(flags *pflag.FlagSet) {
	flags.StringVar(&o.Record, "record", "", "record everything in this `file`, exactly and with times, for \"ssectl serve\"")
	flags.StringVar(&o.SaveHAR, "save-har", "", "write a HAR `file` for the developer tools of browsers")
	flags.Var(&o.MaxEventSize, "max-event-size", "fail on an event larger than this `size` (default 16m; 256m with --as, since those services send images)")
}

// listenConfig turns the options into those of package listen.
func (o *listenOptions) listenConfig() (listen.Options, error) {
	for _, list := range []struct {
		flag  string
		types []string
	}{{"event", o.Events}, {"until-event", o.UntilEvent}, {"reconnect-on", o.ReconnectOn}} {
		// No event has an empty type: a variable of a script was not set.
		if list.types != nil && (len(list.types) == 0 || slices.Contains(list.types, "")) {
			return listen.Options{}, fmt.Errorf("--%s: a type is empty; is a variable not set?", list.flag)
		}
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
