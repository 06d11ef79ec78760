//go:build attack

package attack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A nasty answer is one that no decent server gives.
type nasty struct {
	name   string
	answer func(w *nastyWriter, r *http.Request)
	args   []string // of listen; nil for --no-reconnect
	listen int      // its exit code
	diag   int      // that of diag --quick
	data   *string  // the data that listen prints, where that is to be checked
}

// isLarge reports whether an answer is as long as the client lets it be.
func (n nasty) isLarge() bool {
	return strings.Contains(n.name, "without end") || strings.Contains(n.name, "bomb") || strings.Contains(n.name, "million") || n.name == "1000000 events"
}

// underRace reports whether the race detector is in this program.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// A nastyWriter is a connection to answer on.
type nastyWriter struct {
	conn *net.TCPConn
	sent int // counted by the answer
}

// send reports whether there is still somebody to send to.
func (w *nastyWriter) send(text string) bool {
	_, err := io.WriteString(w.conn, text)
	return err == nil
}

// flood sends text until nobody takes it.
func (w *nastyWriter) flood(text string) {
	for text = strings.Repeat(text, 1+32<<10/len(text)); w.send(text); {
	}
}

// drip sends text over and over, a byte at a time, until nobody takes it.
func (w *nastyWriter) drip(text string) {
	for i := 0; w.send(text[i : i+1]); i = (i + 1) % len(text) {
		w.conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		if _, err := w.conn.Read(make([]byte, 1)); err == io.EOF {
			return
		}
	}
}

// hold waits until the client goes.
func (w *nastyWriter) hold() { io.Copy(io.Discard, w.conn) }

func (w *nastyWriter) reset() { w.conn.SetLinger(0) }

// raw answers with these bytes and closes the connection.
func raw(text string) func(*nastyWriter, *http.Request) {
	return func(w *nastyWriter, _ *http.Request) { w.send(text) }
}

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

// body answers with a stream that ends with the connection.
func body(text string) func(*nastyWriter, *http.Request) { return raw(okHead + text) }

// serveNasty answers requests for /N with case N.
func serveNasty(t *testing.T, cases []nasty) (base string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				// A client may dial once too often, and keep that connection.
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				conn.SetDeadline(time.Now().Add(time.Minute))
				number, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
				if n, err := strconv.Atoi(number); err == nil && n < len(cases) {
					cases[n].answer(&nastyWriter{conn: conn.(*net.TCPConn)}, r)
				}
			})
		}
	})
	return "http://" + l.Addr().String()
}

// TestAbuseHostileServer lets listen and diag loose on a server that does things
// it can to crash, fill, block or paint over them: they end by themselves, with
// the exit code that fits, and nothing from the server is raw on the terminal.
func TestAbuseHostileServer(t *testing.T) {
	cases := slices.Concat(nastyHeads(), nastyStatuses(), nastyRedirects(), nastyBodies(), nastyReturns(), nastyCuts())
	if testing.Short() || underRace() {
		cases = slices.Concat(nastyHeads(), nastyRedirects(), nastyBodies(), nastyReturns())
	}
	if underRace() { // which makes each byte cost ten times as much
		cases = slices.DeleteFunc(cases, nasty.isLarge)
	}
	base := serveNasty(t, cases)
	before := usageNow()
	type run struct {
		nasty
		args []string
		want int
	}
	var runs []run
	for n, one := range cases {
		url := fmt.Sprintf("%s/%d", base, n)
		args := one.args
		if args == nil {
			args = []string{"--no-reconnect"}
		}
		formats := []string{[]string{"text", "json", "data", "raw"}[n%4]}
		if one.data != nil {
			formats = []string{"data"}
		} else if strings.Contains(one.name, "escape") {
			formats = []string{"text", "json", "data", "raw"}
		}
		for _, format := range formats {
			runs = append(runs, run{one, slices.Concat([]string{"listen", url, "--comments", "-i", "--format", format}, args), one.listen})
		}
		runs = append(runs, run{one, []string{"diag", "--quick", url}, one.diag})
	}
	var (
		wg   sync.WaitGroup
		peak usage
		mu   sync.Mutex // guards peak
	)
	// More at once would be slower than the 3 s of diag --quick allow.
	for places := make(chan struct{}, 4); len(runs) > 0; runs = runs[1:] {
		places <- struct{}{}
		one := runs[0]
		wg.Go(func() {
			abuse(t, one.nasty, one.args, one.want)
			now := usageOf()
			mu.Lock()
			peak = peak.max(now)
			mu.Unlock()
			<-places
		})
	}
	wg.Wait()
	after := before.awaitNoGrowth()
	t.Logf("%d answers; before: %v; peak: %v; after: %v", len(cases), before, peak, after)
	if after.goroutines > before.goroutines || after.descriptors > before.descriptors {
		t.Errorf("left behind: %v, before %v\n%s", after, before, stacks())
	}
}

// abuse runs one command on a terminal and checks its result.
func abuse(t *testing.T, one nasty, args []string, want int) {
	var out, errs screen
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	streams := &term.Streams{
		In: strings.NewReader(""), Out: &out, Err: &errs,
		OutTerminal: true, ErrTerminal: true, Width: 100, NoColor: true,
	}
	code := cmd.Run(ctx, streams, args)
	said := fmt.Sprintf("%s: %s: exit code %d\nstdout: %.600q\nstderr: %.600q", one.name, strings.Join(args, " "), code, out.text, errs.text)
	switch {
	case ctx.Err() != nil:
		t.Errorf("did not end by itself: %s", said)
	case code != want:
		t.Errorf("want exit code %d: %s", want, said)
	}
	if out.raw != "" || errs.raw != "" {
		t.Errorf("raw on the terminal: %q: %s", out.raw+errs.raw, said)
	}
	if one.data != nil && args[0] == "listen" && withoutComments(string(out.text)) != *one.data {
		t.Errorf("want the data %q: %s", *one.data, said)
	}
}

// A screen is a terminal that keeps the first lines and looks at all of them.
type screen struct {
	text []byte
	raw  string // the first that a terminal would obey
}

const screenSize = 64 << 10

func (s *screen) Write(p []byte) (int, error) {
	s.text = append(s.text, p[:min(len(p), screenSize-len(s.text))]...)
	if at := rawOnTerminal(p); at >= 0 && s.raw == "" {
		s.raw = string(p[at:min(len(p), at+10)])
	}
	return len(p), nil
}

// withoutComments leaves out the lines that --comments adds to the data.
func withoutComments(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, ":") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// rawOnTerminal returns the place of a control character of terminals, -1 if none.
func rawOnTerminal(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r >= ' ' && r < 0x7f, r == '\n', r == '\t':
		case r == utf8.RuneError && size == 1, unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return i
		}
		i += size
	}
	return -1
}

// TestAbuseMemory runs the real program against the answers that are large.
func TestAbuseMemory(t *testing.T) {
	if underRace() {
		t.Skip("the race detector takes memory and time of its own")
	}
	cases := slices.DeleteFunc(slices.Concat(nastyHeads(), nastyBodies()), func(n nasty) bool { return !n.isLarge() || n.args != nil && !slices.Contains(n.args, "--compressed") })
	base := serveNasty(t, cases)
	for n, one := range cases {
		for _, args := range [][]string{{"listen", "--no-reconnect", "--compressed"}, {"diag", "--quick"}} {
			t.Run(args[0]+" "+one.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				run := exec.CommandContext(ctx, "ssectl", append(args, fmt.Sprintf("%s/%d", base, n))...)
				var errs bytes.Buffer
				run.Stderr = &errs
				peak := cmdtest.WatchPeak(t, run)
				err := run.Run()
				if ctx.Err() != nil || run.ProcessState == nil || run.ProcessState.ExitCode() < 0 || strings.Contains(errs.String(), "goroutine ") {
					t.Fatalf("%v: %s", err, errs.String())
				}
				t.Logf("%d MiB, exit code %d", peak()>>20, run.ProcessState.ExitCode())
				if limit := 64 << 20; peak() > limit {
					t.Errorf("took %d MiB, want %d at most", peak()>>20, limit>>20)
				}
			})
		}
	}
}

// decoded returns the data of the events in text, as listen prints it.
func decoded(text string) *string {
	var data strings.Builder
	for event, err := range stream.NewDecoder(strings.NewReader(text)).Events() {
		if err == nil {
			data.WriteString(event.Data + "\n")
		}
	}
	all := data.String()
	return &all
}

// unfinished returns the part of text that is of an unfinished event.
func unfinished(text string) string {
	d := stream.NewDecoder(strings.NewReader(text))
	for range d.Events() {
	}
	return string(d.Unfinished())
}
