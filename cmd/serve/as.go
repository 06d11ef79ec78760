package servecmd

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/llm"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

// asOptions are the values of the flags for a service to stand in for.
type asOptions struct {
	As    string
	Text  string        // of every answer
	Told  bool          // --text was given, and may be empty
	First time.Duration // --ttft
	Rate  float64       // --tps
	Slots int
}

// A standIn is a service that --as names.
type standIn struct {
	name  string
	about string // the endpoints that it has, for --help as

	// variables are those of baseURLs that its libraries read; path is what a library
	// expects at the end of the URL.
	variables []string
	path      string

	// make returns the service. The pace has --jitter; text is that of --text or of
	// standard input, empty if there is none.
	make func(opts *asOptions, text string, pace fake.Pace) (fake.Service, error)
}

// standIns are all services of --as, by name.
var standIns = []standIn{
	{name: "a2a", about: "tasks of Agent2Agent, of versions 1.0 and 0.3, and the card of the agent", make: newProtocol},
	{name: "ag-ui", about: "runs of AG-UI, at any path", path: "/agent", make: newProtocol},
	{name: "anthropic", about: "Messages, token counts, models", variables: []string{"ANTHROPIC_BASE_URL"}, make: newLLM},
	{name: "gemini", about: "generateContent and its stream, Interactions, token counts, embeddings, models", variables: []string{"GOOGLE_GEMINI_BASE_URL"}, make: newLLM},
	{name: "graphql", about: "GraphQL over SSE with distinct connections and with one, and plain GraphQL", path: "/graphql", make: newProtocol},
	{name: "langgraph", about: "threads and runs of LangGraph, and their streams from any event on", make: newProtocol},
	{name: "mcp", about: "MCP with sessions, without (2026-07-28), and with the older SSE transport at /sse; tools echo and count", path: "/mcp", make: newProtocol},
	{name: "mcp-2025-11-25", about: "MCP with sessions alone", path: "/mcp", make: newProtocol},
	{name: "mcp-2026-07-28", about: "MCP without sessions alone", path: "/mcp", make: newProtocol},
	{name: "mercure", about: "a Mercure hub, which takes any token", path: "/.well-known/mercure", make: newProtocol},
	{name: "openai", about: "Chat Completions, Responses (with background and the rest by GET), Completions, embeddings, models", variables: []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"}, path: "/v1", make: newLLM},
	{name: "vercel-ai", about: "UI message streams of the AI SDK, for useChat: any POST, and the rest by GET of /ID/stream", make: newLLM},
}

// newLLM makes a service of package llm.
func newLLM(opts *asOptions, text string, pace fake.Pace) (fake.Service, error) {
	return llm.New(opts.As, llm.Options{Text: text, HasText: opts.Told, Pace: pace, Slots: opts.Slots})
}

// newProtocol makes a service of package protocol.
func newProtocol(opts *asOptions, text string, pace fake.Pace) (fake.Service, error) {
	if opts.Slots > 0 {
		return nil, fmt.Errorf("--slots: %s has no engine that writes so many answers at a time", opts.As)
	}
	return protocol.New(opts.As, protocol.Options{Text: text, HasText: opts.Told, Pace: pace})
}

func (opts *asOptions) bind(flags *pflag.FlagSet) {
	var names []string
	for _, s := range standIns {
		names = append(names, s.name)
	}
	flags.Var(&onlyOne{Value: cli.Choice(&opts.As, names...)}, "as", "answer as this `service` does: "+strings.Join(names, ", ")+"; --help as describes them")
	flags.StringVar(&opts.Text, "text", "", "answer with this `text` (default the last message of the user); @FILE reads it from a file, - from standard input, without the last line end; \"\" is an empty answer")
	flags.DurationVar(&opts.First, "ttft", 0, "wait for this `duration` before the first token")
	flags.Float64Var(&opts.Rate, "tps", 0, "send this `number` of tokens per second after that; 0 sends all at once")
	flags.IntVar(&opts.Slots, "slots", 0, "write this `number` of answers at a time, and let other requests wait; 0 is any number")
}

// An onlyOne is a flag that has one value: of several, all but the last would be lost
// without a word.
type onlyOne struct {
	pflag.Value
	given bool
}

// Set implements [pflag.Value].
func (f *onlyOne) Set(text string) error {
	if before := f.String(); f.given && before != text {
		return fmt.Errorf("want one service: %s is given too", before)
	}
	f.given = true
	return f.Value.Set(text)
}

// ofServices returns the names of the flags that have a meaning for a service alone.
func ofServices() (names []string) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(asOptions).bind(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "as" {
			names = append(names, f.Name)
		}
	})
	return names
}

// checkAs returns the error of flags that do not fit a service.
func (opts *options) checkAs() error {
	switch {
	case opts.As == "":
		return nil
	case opts.Upstream != "":
		return errors.New("want only one of --as and --upstream")
	case opts.First < 0:
		return errors.New("--ttft: want 0 or more")
	case !(opts.Rate >= 0) || math.IsInf(opts.Rate, 1):
		return errors.New("--tps: want a number of 0 or more; 0 sends all at once")
	case opts.Slots < 0:
		return errors.New("--slots: want 0 or more; 0 is any number")
	case opts.As == "mercure" && (opts.Text != "" || opts.First > 0 || opts.Rate > 0):
		return errors.New("--text, --ttft and --tps have no meaning with --as mercure: a hub sends what it is told")
	}
	return nil
}

// standIn returns the service of --as.
func (opts *options) standIn() *standIn {
	return &standIns[slices.IndexFunc(standIns, func(s standIn) bool { return s.name == opts.As })]
}

// service returns the service to stand in for, nil if there is none.
func (opts *options) service(streams *term.Streams) (fake.Service, error) {
	if opts.As == "" {
		return nil, nil
	}
	text, err := opts.text(streams)
	if err != nil {
		return nil, fmt.Errorf("--text: %w", err)
	}
	jitter, err := parseShare(opts.Jitter)
	if err != nil {
		return nil, err
	}
	service, err := opts.standIn().make(&opts.asOptions, text, fake.Pace{First: opts.First, Rate: opts.Rate, Jitter: jitter})
	return service, err
}

// standIn lets the service of --as answer, and the answers in the files of a directory,
// if there are any. A tape of the same directory has what they leave.
func (s *session) standIn() error {
	service, err := s.opts.service(s.streams)
	if err != nil {
		return err
	}
	answers, err := s.opts.answers(service, s.log.tell)
	switch {
	case err != nil:
		return err
	case service == nil && len(answers) == 0:
		if s.opts.Replay != "" && s.opts.Upstream == "" && s.tapes.player == nil {
			return fmt.Errorf("%s: no answers and no recordings in it", s.opts.Replay)
		}
		return nil
	}
	options := fake.Options{
		Answers:      answers,
		Service:      service,
		ServiceName:  s.opts.As,
		Wait:         fake.WaitOf(s.fakePace(service)),
		FaultControl: s.base.FaultControl, FaultSeed: s.base.FaultSeed,
		Header: s.base.Header, CORS: s.base.CORS, WriteTimeout: s.base.WriteTimeout,
		Watch:  s.passed.show(),
		Number: s.tapes.next,
		Note:   s.log.tell,
		Played: func(p fake.Play) { s.log.played(tape.Play(p)) },
	}
	if s.tapes.player != nil || s.opts.Upstream != "" {
		options.Otherwise = http.HandlerFunc(s.tapes.rest)
	}
	if s.tapes.fakes, err = fake.NewHandler(options); err == nil {
		s.tapes.answers = len(answers)
	}
	return err
}

// text returns the text of answers.
func (opts *options) text(streams *term.Streams) (string, error) {
	text, isFile := opts.Text, true
	var all []byte
	var err error
	switch {
	case opts.Text == "-":
		all, err = io.ReadAll(streams.In)
	case strings.HasPrefix(opts.Text, "@"):
		all, err = os.ReadFile(opts.Text[1:])
	default:
		isFile = false
	}
	if err != nil {
		return "", err
	}
	if isFile {
		var ended bool
		if text, ended = strings.CutSuffix(string(all), "\n"); ended {
			text = strings.TrimSuffix(text, "\r")
		}
	}
	if !utf8.ValidString(text) { // no JSON has it
		return "", errors.New("the text is not UTF-8")
	}
	return text, nil
}

// settings returns the variables that let client libraries find the service at a URL,
// as NAME=VALUE.
func (s *standIn) settings(url string) (list []string) {
	for _, name := range s.variables {
		list = append(list, name+"="+strings.TrimSuffix(url, "/")+s.path)
	}
	return list
}

const asAbout = `Services, for --as. Each answers the requests of its official client libraries, streams or whole
as the request asks, with IDs, usage and finish reasons, and refuses requests as the service does; no
key is checked. An answer is --text, or repeats the last message of the user, or the result of
a tool if that came last; a token is about a word. Faults work on it: --fault status=429@1 has
the body and the headers that the service has for that.`

func asHelp(width int) string {
	width = cli.HelpWidth(width)
	var list [][2]string
	for _, s := range standIns {
		about := s.about
		if len(s.variables) > 0 {
			about += ". Set " + s.settings("URL")[0]
		}
		list = append(list, [2]string{s.name, about})
	}
	return cli.Paragraphs(asAbout, width) + "\n\n" + cli.List(list, width)
}
