package servecmd

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

const fakesAbout = `Answers written by hand, for serve DIR. A file of the directory that ends in .yaml, .yml or .json
has an answer, or a list of them; docs/fakes.md describes all members:

  - name: weather
    match: {method: POST, path: /v1/chat, jq: '.json.messages[-1].content | test("weather")'}
    answer: {stream: sunny.sse}
    fault: drop@3:#1
  - match: POST /v1/chat
    times: 1
    answer: {status: 429, headers: {Retry-After: 1}, json: {error: slow down}}
  - match: GET /v1/models/{model}
    answer: {json: {id: {jq: .params.model}, object: model}}

A request gets the first answer that matches it, in the order of the names of files. One with
times is given so often, and then the next one; one with after: NAME once the other was given.
{jq: EXPRESSION} stands for a value made of the request, which has method, path, query, headers,
host, json (the value of the body), body (its text), params (of the path), and n, its number.

What no answer matches goes to the service of --as, if there is one, and to the recordings in the
directory (--help tapes). All else gets 501 and the nearest answer. --check reads the files, lists what is
wrong with them and which answers can never be given, and serves nothing: it exits with 2 if a
file cannot be served, with 1 if an answer is never given.`

func fakesHelp(width int) string { return cli.Paragraphs(fakesAbout, cli.HelpWidth(width)) + "\n" }

// loadOptions returns what answers in files need, given the service of --as.
func (opts *options) loadOptions(service fake.Service) fake.LoadOptions {
	load := fake.LoadOptions{Service: service, Services: func(name string) (fake.Service, error) {
		if name == opts.As && service != nil {
			return service, nil
		}
		named := opts.asOptions
		named.As, named.Text, named.Told = name, "", false
		if !slices.ContainsFunc(standIns, func(s standIn) bool { return s.name == name }) {
			return nil, nil
		}
		other := *opts
		other.asOptions = named
		return other.service(nil)
	}}
	for _, s := range standIns {
		load.Names = append(load.Names, s.name)
	}
	load.Pace.Speed = opts.Speed
	load.Pace.Jitter, _ = parseShare(opts.Jitter) // which was read before
	return load
}

// answers returns the answers in the files of the directory, nil if there is none, and
// tells what is odd about them.
func (opts *options) answers(service fake.Service, tell func(string)) ([]fake.Answer, error) {
	if opts.Replay == "" || opts.Mode == modePass {
		return nil, nil
	}
	answers, problems, err := fake.Check(opts.Replay, opts.loadOptions(service))
	if err != nil {
		return nil, err
	}
	broken := slices.DeleteFunc(slices.Clone(problems), func(p *fake.Problem) bool { return p.Warning })
	switch len(broken) {
	case 0:
		for _, p := range problems {
			tell(p.Error())
		}
		return answers, nil
	case 1:
		return nil, broken[0]
	}
	return nil, fmt.Errorf("%w (and %d more: --check lists all)", broken[0], len(broken)-1)
}

// hasAnswers reports whether a directory has files of answers.
func hasAnswers(dir string) bool {
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return fake.IsFile(e.Name()) })
}

// check lists what is wrong with the files of the directory.
func check(streams *term.Streams, opts *options) error {
	service, err := opts.service(streams)
	if err != nil {
		return cli.Usage(err)
	}
	answers, problems, err := fake.Check(opts.Replay, opts.loadOptions(service))
	if err != nil {
		return cli.Usage(err)
	}
	broken := false
	for _, p := range problems {
		fmt.Fprintln(streams.Out, output.Safe(p.Error()))
		broken = broken || !p.Warning
	}
	player, err := tape.Open(opts.Replay, tape.Options{Note: func(text string) { fmt.Fprintln(streams.Out, output.Safe(text)) }})
	recordings := 0
	if err != nil {
		fmt.Fprintln(streams.Out, output.Safe(err.Error()))
		broken = true
	} else {
		recordings = player.Len()
	}
	if !broken && len(answers)+recordings == 0 {
		return cli.Usage(fmt.Errorf("%s: no answers and no recordings in it", opts.Replay))
	}
	if !broken && len(problems) == 0 {
		fmt.Fprintf(streams.Err, "ssectl: %s is in order: %s\n", output.Safe(opts.Replay), contents(len(answers), recordings))
		return nil
	}
	code := cli.ExitFailed
	if broken {
		code = cli.ExitUsage
	}
	return cli.Fail(code, cli.ErrReported, "")
}

// contents describes what a directory has.
func contents(answers, recordings int) string {
	count := func(n int, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case answers == 0:
		return count(recordings, "recording")
	case recordings == 0:
		return count(answers, "answer")
	}
	return count(answers, "answer") + ", " + count(recordings, "recording")
}

// checkCheck returns the error of a --check that does not fit.
func (opts *options) checkCheck() error {
	if opts.Check && opts.Replay == "" {
		return errors.New("--check needs a DIR or --replay")
	}
	return nil
}

// fakePace returns the pace of answers in files and of services.
func (s *session) fakePace(service fake.Service) serve.Pace {
	pace := s.base.Pace
	if s.opts.TapePace == "" { // as the answers have it
		pace.Every, pace.Recorded = 0, true
	}
	if service != nil { // which has the jitter of its tokens
		pace.Jitter = 0
	}
	return pace
}
