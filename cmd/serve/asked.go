package servecmd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/exchange/window"
)

// askedOptions are the values of the flags of those who test a client.
type askedOptions struct {
	Requests string
	Expect   string
	Verify   string
}

// The choices of --expect.
const (
	expectAll     = "all"
	expectMatched = "matched"
)

func (opts *askedOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&opts.Requests, "requests", "", "write each request as a line of JSON to this `file` when its answer has ended, without secrets; - is stdout")
	flags.StringVar(&opts.Verify, "verify", "", "do not serve, but ask the service at this `URL` what the recordings were asked, and exit with 1 if its answers have drifted from them")
	flags.Var(cli.Choice(&opts.Expect, expectAll, expectMatched), "expect", "exit with 1 if a request matched nothing (matched), or an answer of the fake was not given as often as it can be, too (all)")
}

// checkAsked returns the error of flags for tests where there is nothing to test.
func (opts *options) checkAsked() error {
	if opts.Verify != "" {
		return opts.checkVerify()
	}
	switch {
	case opts.Expect != "" && opts.Replay == "" && opts.As == "":
		return errors.New("--expect needs a DIR, --replay or --as")
	case opts.Requests != "" && opts.Replay == "" && opts.Upstream == "" && opts.As == "":
		return errors.New("--requests needs a DIR, --replay, --upstream or --as")
	case opts.Requests != "-" && isWithin(opts.Requests, opts.Replay):
		return fmt.Errorf("--requests %s: want a file outside of %s, where it would be taken for a recording", opts.Requests, opts.Replay)
	case opts.Requests == "-" && opts.Print != "":
		return errors.New("want only one of --requests - and --print: both write to stdout")
	}
	return nil
}

// isWithin reports whether a file is within a directory. Both may be empty.
func isWithin(file, dir string) bool {
	if file == "" || dir == "" {
		return false
	}
	real := func(path string) string {
		if at, err := filepath.EvalSymlinks(path); err == nil {
			path = at
		}
		at, _ := filepath.Abs(path)
		return at
	}
	rel, err := filepath.Rel(real(dir), real(filepath.Dir(file)))
	return err == nil && filepath.IsLocal(rel)
}

// checkVerify returns the error of flags that have no meaning where nothing is served.
func (opts *options) checkVerify() error {
	switch {
	case opts.Replay == "":
		return errors.New("--verify needs a DIR or --replay")
	case opts.Upstream != "" || opts.Record != "":
		return errors.New("want only one of --verify and --upstream")
	case opts.Command != nil || opts.Expect != "" || opts.Requests != "":
		return errors.New("--verify serves nothing: want no COMMAND, --expect or --requests with it")
	case opts.Print != "" && opts.Print != "json" && opts.Print != "text":
		return fmt.Errorf("--print %s: --verify prints text or json", opts.Print)
	}
	return nil
}

// mostMissed bounds the requests without an answer that are named at the end.
const mostMissed = 100

// An askedLog looks at the requests of a run.
type askedLog struct {
	tell func(string)

	mu     sync.Mutex    // guards the rest
	name   string        // of the file
	out    io.Writer     // nil if requests are not written, or no more
	file   io.Closer     // nil if there is none
	err    error         // of a write
	missed []string      // the first requests that matched nothing
	more   int           // others
	busy   int           // requests under way
	idle   chan struct{} // closed when none is, if not nil
}

// watch returns a handler whose requests close waits for.
func (a *askedLog) watch(h http.Handler) http.Handler {
	count := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.busy += n; a.busy == 0 && a.idle != nil {
			close(a.idle)
			a.idle = nil
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count(1)
		defer count(-1)
		h.ServeHTTP(w, r)
	})
}

// endTime bounds the wait for requests whose connections are closed.
const endTime = time.Second

// wait waits until no request is under way.
func (a *askedLog) wait() {
	a.mu.Lock()
	idle := make(chan struct{})
	if a.busy == 0 {
		close(idle)
	} else {
		a.idle = idle
	}
	a.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(endTime):
	}
}

// open opens the file of --requests.
func (a *askedLog) open(streams *term.Streams, path string) error {
	switch path {
	case "":
	case "-":
		a.name, a.out = "standard output", streams.Out
	default:
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // requests may be private
		if err != nil {
			return cli.Usage(fmt.Errorf("--requests: %w", err))
		}
		a.name, a.out, a.file = path, file, file
	}
	return nil
}

// ended is called with each request whose answer has ended.
func (a *askedLog) ended(r window.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Unmatched != "" {
		if len(a.missed) < mostMissed {
			a.missed = append(a.missed, fmt.Sprintf("request %d matched nothing: %s", r.Number, r.Unmatched))
		} else {
			a.more++
		}
	}
	if a.out == nil {
		return
	}
	line, err := requestLine(r)
	if err == nil {
		_, err = a.out.Write(line)
	}
	if err != nil {
		a.out = nil
		if !cli.IsClosedPipe(err) {
			a.failed(err)
		}
	}
}

func (a *askedLog) failed(err error) {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	a.err = fmt.Errorf("--requests: writing to %s: %w", a.name, err)
	a.tell(a.err.Error() + ": no more requests are written")
}

// requestLine returns a request as a line of JSON that may be shown on a terminal.
func requestLine(r window.Request) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	line := make([]byte, 0, len(text)+1)
	for _, c := range string(text) {
		if c >= 0x7f && c <= 0x9f { // only in strings, and the others are escaped already
			line = fmt.Appendf(line, `\u%04x`, c)
			continue
		}
		line = append(line, string(c)...)
	}
	return append(line, '\n'), nil
}

// A source of answers that can be left over.
type source interface {
	// Left returns the answers that were not given as often as they can be, each for
	// people.
	Left() []string
}

// close ends the log of requests, and returns the error of unmet expectations, each
// of which it reports.
func (a *askedLog) close(expect string, answers []source) error {
	a.wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out = nil
	if a.file != nil {
		if err := a.file.Close(); err != nil && a.err == nil {
			a.failed(err)
		}
	}
	var failed, written error
	if a.err != nil {
		written = cli.Fail(cli.ExitNoRun, cli.ErrReported, "")
	}
	if expect == "" {
		return written
	}
	lines := a.missed
	if a.more > 0 {
		lines = append(lines, fmt.Sprintf("%d further requests matched nothing", a.more))
	}
	if expect == expectAll {
		for _, from := range answers {
			for _, left := range from.Left() {
				lines = append(lines, "never asked for: "+left)
			}
		}
	}
	for _, line := range lines {
		a.tell(fmt.Sprintf("--expect %s: %s", expect, line))
	}
	if len(lines) > 0 {
		failed = cli.Fail(cli.ExitFailed, cli.ErrReported, "")
	}
	return cmp.Or(failed, written)
}
