package servecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// A baseURL is a variable that a client library of an API reads its base URL from.
// docs/sdk-variables.md names the libraries.
type baseURL struct {
	name  string
	path  string   // the library expects it at the end of the URL
	hosts []string // of the API; ".domain" stands for all hosts in it, ":port" for all with that port
}

// baseURLs are those of the well-known libraries.
var baseURLs = []baseURL{
	{"OPENAI_BASE_URL", "/v1", []string{".openai.com"}},
	{"OPENAI_API_BASE", "/v1", []string{".openai.com"}},
	{"ANTHROPIC_BASE_URL", "", []string{".anthropic.com"}},
	{"GOOGLE_GEMINI_BASE_URL", "", []string{"generativelanguage.googleapis.com"}},
	{"GROQ_BASE_URL", "", []string{".groq.com"}},
	{"CO_API_URL", "", []string{".cohere.com", ".cohere.ai"}},
	{"OLLAMA_HOST", "", []string{":11434"}},
}

// isOf reports whether an upstream is the API of the library.
func (b *baseURL) isOf(upstream *url.URL) bool {
	return slices.ContainsFunc(b.hosts, func(host string) bool {
		name := strings.ToLower(upstream.Hostname())
		switch host[0] {
		case '.':
			return strings.HasSuffix(name, host)
		case ':':
			return upstream.Port() == host[1:]
		}
		return name == host
	})
}

// variables returns the environment of an app, with the base URLs of client
// libraries set to the relay: those of the API that the upstream is, as the key of
// one API must not be sent to another; all of them where that is not known.
//
// A path of the upstream is added to that of each request. Where it ends with the
// path that a library expects, the library gets the URL without.
func variables(environment []string, relay string, upstream *url.URL) []string {
	relay = strings.TrimSuffix(relay, "/")
	known := slices.ContainsFunc(baseURLs, func(b baseURL) bool { return b.isOf(upstream) })
	set := []string{"SSECTL_URL=" + relay}
	base := strings.TrimSuffix(upstream.Path, "/")
	for _, v := range baseURLs {
		if known && !v.isOf(upstream) {
			continue
		}
		path := v.path
		if path != "" && strings.HasSuffix(base, path) {
			path = ""
		}
		set = append(set, v.name+"="+relay+path)
	}
	return append(environment, set...) // of two with one name, the last counts
}

// An app is the command after --, which runs as long as the server does.
type app struct {
	command *exec.Cmd
	own     bool // the process group
}

// leftOpen is how long an output that is not a file is read after the end of the
// command, where something that it started still has it open.
const leftOpen = 5 * time.Second

// environment returns the environment of the command: with the variables for the
// service that --as stands in for, or else for the upstream.
func (opts *options) environment(environment []string, url string) []string {
	if opts.As != "" {
		set := append(environment, "SSECTL_URL="+strings.TrimSuffix(url, "/"))
		return append(set, opts.standIn().settings(url)...)
	}
	return variables(environment, url, parsed(opts.Upstream))
}

// parsed returns the URL of an upstream, an empty one if it is none.
func parsed(upstream string) *url.URL {
	if u, err := curl.ParseURL(upstream); err == nil {
		return u
	}
	return &url.URL{}
}

// startApp starts the command.
func startApp(streams *term.Streams, opts *options, relay string) (*app, error) {
	command := exec.Command(opts.Command[0], opts.Command[1:]...)
	command.Env = opts.environment(os.Environ(), relay)
	command.Stdin, command.Stdout, command.Stderr = streams.In, streams.Process(), streams.Err
	command.WaitDelay = leftOpen
	a := &app{command: command, own: !streams.InTerminal}
	if a.own {
		asGroup(command)
		command.Cancel = nil // that is for a command with a context
	}
	if err := command.Start(); err != nil {
		code := cli.ExitNoRun
		if errors.Is(err, exec.ErrNotFound) {
			code = cli.ExitUsage
		}
		return nil, cli.Fail(code, fmt.Errorf("starting the command: %w", err), "")
	}
	return a, nil
}

// wait waits for the command and passes signals on to it. The error carries its
// status, as a shell has it. It may take its time to stop: a second signal is
// passed on like the first one.
//
// On a terminal, the command is in our process group, so that it may read from the
// terminal and Ctrl-Z stops both; the terminal itself sends it the signals of keys.
// Elsewhere it has a group of its own, and nobody of that outlives it.
func (a *app) wait(ctx context.Context) error {
	cli.Linger.Store(true)
	defer cli.Linger.Store(false)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, passedSignals...)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() { done <- a.command.Wait() }()
	stop := ctx.Done()
	for {
		select {
		case err := <-done:
			if a.own {
				killGroup(a.command)
			}
			return a.status(err)
		case s := <-signals:
			if a.own || !isKey(s) {
				a.signal(s)
			}
		case <-stop:
			stop = nil
			if context.Cause(ctx) == context.Canceled { // by no signal
				a.signal(terminate)
			}
		}
	}
}

// status returns the end of the command as an exit code.
func (a *app) status(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.As(err, &exit):
		return cli.Fail(cmp.Or(exitStatus(exit.ProcessState), cli.ExitFailed), cli.ErrReported, "")
	}
	return cli.Fail(cli.ExitNoRun, fmt.Errorf("waiting for the command: %w", err), "")
}
