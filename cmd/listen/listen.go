// Package listencmd is the command "ssectl listen": its flags, the choice of events,
// their output, recordings, and the verdict at the end. The stream itself is the
// work of package listen.
package listencmd

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// options are the values of the flags of listen.
type options struct {
	Version string // of the tool
	Curl    *curl.Flags
	Source  string // a URL, a file, or - for standard input

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

	Resume      string
	LastEventID string

	ResumeGet      string
	ResumePosition string

	FreshAfter   int
	ReconnectOn  []string
	Cursor       string
	MaxEventSize cli.ByteSize

	Send        []string
	IDFrom      string
	TypeFrom    string
	ResumeQuery string

	Record  string
	SaveHAR string
	UI      uiPort
	NoOpen  bool

	Stats     string
	StatsFile string // of a page
}

const long = `
Read an event stream and print its events as they arrive: as text on a terminal,
and in a pipe as JSON lines, which "ssectl serve" replays. When the connection
drops, reconnect and continue after the last event, as a browser's EventSource
does.

A command line for curl works with "curl" replaced by "ssectl listen". A URL may
omit http:// and, as in :8080/path, the host. With ws:// or wss:// it is that of a
WebSocket, each of whose messages is an event. FILE and - (standard input) are saved
streams.`

const examples = `
  ssectl listen https://example.com/events
  ssectl listen :8080/events -n 10 | jq -r .data
  ssectl listen URL --as openai --text -H "Authorization: Bearer $KEY" --json @body.json
  ssectl listen URL --filter '.json.price > 100' --jq '.json | [.symbol, .price] | @csv'
  ssectl listen URL --until-event done --idle-timeout 30s --no-reconnect || echo "cut or silent"
  ssectl listen URL --cursor position.json >> events.jsonl
  ssectl listen URL --ui
  ssectl listen wss://example.com/feed --send '{"subscribe":"trades"}' --id-from .json.seq
  ssectl listen URL --record session.jsonl; ssectl serve session.jsonl --pace recorded`

// New returns the command. The version is that of the tool, for User-Agent and HAR.
func New(streams *term.Streams, version string) *cobra.Command {
	opts := &options{Version: version, Curl: curl.New(streams, version)}
	opts.Curl.Schemes = socketSchemes
	c := &cobra.Command{
		Use:     "listen [flags] URL | FILE | -",
		Short:   "Read an event stream",
		Long:    long,
		Example: examples,
		Args:    cli.AtMostOne("URL or file"),
		RunE: func(c *cobra.Command, args []string) error {
			source, err := onlySource(args, opts.Curl.URL)
			if err != nil {
				return cli.Usage(err)
			}
			opts.Source = source
			return run(c.Context(), streams, opts)
		},
	}
	cli.AddFlags(c, "Output", opts.bindOutput)
	cli.AddFlags(c, "Ending", opts.bindEnding)
	cli.AddFlags(c, "Reconnection", opts.bindReconnection)
	cli.AddFlags(c, "Resuming", opts.bindResume)
	cli.AddFlags(c, "WebSocket", opts.bindWebSocket)
	cli.AddFlags(c, "Recording", opts.bindRecording)
	cli.AddFlags(c, "Connection, as in curl", opts.Curl.Bind)
	cli.SetHelp(c, streams.Width, presetHelp(), cli.HelpSection{Title: "Expressions", Text: expressionHelp}, cli.HelpSection{Title: "Rest of an answer", Text: restHelp}, cli.ExitCodes(
		[2]string{"0", "the stream ended as it should, or a flag such as --until ended it"},
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

const restHelp = `After a cut, the rest of an answer to a POST is fetched by another request, and the POST is
not sent again: presets know how, and --resume-get describes it. Its input is what was seen
of the answer: "request" with "method", "url", "base" (the URL without its query), "query",
"headers" (without credentials), "json" and "form" (of the body); "response" with "status"
and "headers" (in lower case); "first" and "last", which are events; "position", that of the
last event; "count", that of the events; and "id" (by --as). Its result is a URL, which may
be relative, or an object with "url", "query", "headers", "method" and "body"; without a
result there is no rest. Credentials go to the origin of the first request only. For example:
--resume-get '"\(.request.base)/\(.first.json.id)?after=\(.position)"'.`

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
	return "", cli.AtMostOne("URL or file")(nil, args) // --url and an argument
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
