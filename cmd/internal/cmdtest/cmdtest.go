// Package cmdtest runs whole command lines of ssectl in tests: in the process of
// the test, or as a program of its own, where signals, pipes and memory matter.
package cmdtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// limit is the time that only a run that hangs takes.
const limit = 2 * time.Minute

// Main is for TestMain. It puts a program ssectl, which is this test binary, into
// the search path: exit codes, signals and pipes are real, and the race detector
// is in it.
func Main(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ssectl": func() {
			code := cmd.Main()
			writePeak()
			os.Exit(code)
		},
	})
}

// A Result is the outcome of a run.
type Result struct {
	Out, Err string
	Code     int
}

// Run runs a command line in this process, with input on its stdin.
func Run(t *testing.T, input string, args ...string) Result {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(input), Out: &out, Err: &errs}, args)
	if ctx.Err() != nil {
		t.Fatalf("ssectl %q did not end in %v\n%s", args, limit, errs.String())
	}
	return Result{out.String(), errs.String(), code}
}

// Check compares the exit code and shows everything where it differs.
func (r Result) Check(t *testing.T, code int) {
	t.Helper()
	if r.Code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %.2000s\nstderr: %s", r.Code, code, r.Out, r.Err)
	}
}

// Handle returns the URL of a server that answers with h until the test ends.
func Handle(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// Numbered serves the events 1 to last, with their numbers for IDs, and breaks
// off after each one for which broken returns true.
func Numbered(last int, broken func(w http.ResponseWriter, n int) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		if n >= last {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "retry: 0\n\n")
		for n++; n <= last; n++ {
			fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
			if broken(w, n) {
				return
			}
		}
	}
}

// A Server is a run of "ssectl serve" in this process.
type Server struct {
	URL  string
	Log  *Buffer
	Stop context.CancelFunc // asks it to stop
	Code chan int           // gets its exit code
}

// Start runs "ssectl serve" with the arguments, on a free port, until the test
// ends; in is its standard input.
func Start(t *testing.T, in io.Reader, args ...string) *Server {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	s := &Server{Log: new(Buffer), Stop: stop, Code: make(chan int, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Code <- cmd.Run(ctx, &term.Streams{In: in, Out: write, Err: s.Log}, append([]string{"serve", "--print-url", "-p", "0"}, args...))
		write.Close()
	}()
	t.Cleanup(func() { stop(); <-done })
	if _, err := fmt.Fscanln(read, &s.URL); err != nil {
		t.Fatalf("ssectl serve %q printed no URL: %v\n%s", args, err, s.Log)
	}
	return s
}

// Serve starts a server that has no standard input, and returns its URL.
func Serve(t *testing.T, args ...string) string {
	t.Helper()
	return Start(t, strings.NewReader(""), args...).URL
}

// A Buffer is a bytes.Buffer that several goroutines may use.
type Buffer struct {
	mu   sync.Mutex // guards text and grew
	text bytes.Buffer
	grew chan struct{} // closed with the next write, if somebody waits
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grew != nil {
		close(b.grew)
		b.grew = nil
	}
	return b.text.Write(p)
}

// String returns the text written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Await waits until the text has so many lines.
func (b *Buffer) Await(lines int) {
	for {
		b.mu.Lock()
		if bytes.Count(b.text.Bytes(), []byte("\n")) >= lines {
			b.mu.Unlock()
			return
		}
		if b.grew == nil {
			b.grew = make(chan struct{})
		}
		grew := b.grew
		b.mu.Unlock()
		<-grew
	}
}

// peakFile is the variable that asks the program to write down the memory it
// took. The system counts that of a child from the memory of its parent.
const peakFile = "SSECTL_TEST_PEAK"

// WatchPeak returns a function that returns, when run is over, the bytes of
// memory it took at most; 0 where the system does not know.
func WatchPeak(t *testing.T, run *exec.Cmd) (peak func() int) {
	file := filepath.Join(t.TempDir(), "peak")
	run.Env = append(run.Environ(), peakFile+"="+file)
	return func() int {
		var kilobytes int
		status, _ := os.ReadFile(file)
		_, text, _ := strings.Cut(string(status), "VmHWM:")
		fmt.Sscan(text, &kilobytes)
		return kilobytes << 10
	}
}

// writePeak is the other side of WatchPeak, in the program.
func writePeak() {
	if file := os.Getenv(peakFile); file != "" {
		status, _ := os.ReadFile("/proc/self/status")
		os.WriteFile(file, status, 0o600)
	}
}

// FirstDifference shows where two texts begin to differ.
func FirstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: got %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}
