package attack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// beProgram is the variable that makes this test binary ssectl, so that its
// signals, pipes and memory are real.
const beProgram = "SSECTL_TEST_MAIN"

// TestMain clears what the environment of the developer has of proxies.
func TestMain(m *testing.M) {
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy", "no_proxy"} {
		os.Unsetenv(name)
		os.Unsetenv(strings.ToUpper(name))
	}
	log.SetOutput(io.Discard) // as cmd.Main does: net/http has a word for each cut
	if os.Getenv(beProgram) == "" {
		os.Exit(m.Run())
	}
	code := cmd.Main()
	if file := os.Getenv(peakFile); file != "" {
		status, _ := os.ReadFile("/proc/self/status")
		os.WriteFile(file, status, 0o600)
	}
	os.Exit(code)
}

// program returns a command that runs ssectl in a process of its own.
func program(ctx context.Context, args ...string) *exec.Cmd {
	run := exec.CommandContext(ctx, os.Args[0], args...)
	run.Env = append(os.Environ(), beProgram+"=1")
	return run
}

// peakFile is the variable that asks the program to write down what memory it
// took. What the system knows of a child counts from the memory of its parent.
const peakFile = "SSECTL_TEST_PEAK"

// watchPeak returns a function that returns, when run is over, how many bytes
// of memory it took; 0 where the system does not know.
func watchPeak(t *testing.T, run *exec.Cmd) (peak func() int) {
	file := filepath.Join(t.TempDir(), "peak")
	run.Env = append(run.Env, peakFile+"="+file)
	return func() int {
		var kilobytes int
		status, _ := os.ReadFile(file)
		_, text, _ := strings.Cut(string(status), "VmHWM:")
		fmt.Sscan(text, &kilobytes)
		return kilobytes << 10
	}
}

// newSeed returns the seed of a test, random unless SSECTL_TEST_SEED gives one,
// and prints it.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SSECTL_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SSECTL_TEST_SEED=%d", seed)
	return seed
}

// cases returns how many cases a test generates: SSECTL_TEST_CASES, or usual.
func cases(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("SSECTL_TEST_CASES")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A result is what a run of ssectl came to.
type result struct {
	out, err string
	code     int
}

// ssectl runs a command line in this process, with input on its stdin.
func ssectl(t *testing.T, input string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(input), Out: &out, Err: &errs}, args)
	if ctx.Err() != nil {
		t.Fatalf("ssectl %q did not end in two minutes\n%s", args, errs.String())
	}
	return result{out.String(), errs.String(), code}
}

// check compares exit codes and shows all where they differ.
func (r result) check(t *testing.T, code int) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %.2000s\nstderr: %s", r.code, code, r.out, r.err)
	}
}

// serving returns the URL of a server that answers with h.
func serving(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// serveFile serves a file with ssectl serve and returns its URL.
func serveFile(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	url, out := io.Pipe()
	var errs syncBuffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: out, Err: &errs}, append([]string{"serve", "-p", "0", "--print-url"}, args...))
		out.Close()
	}()
	t.Cleanup(func() { stop(); <-done })
	line, err := bufio.NewReader(url).ReadString('\n')
	if err != nil {
		t.Fatalf("serve printed no URL: %s", errs.String())
	}
	return strings.TrimSpace(line)
}
