package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A result is what a run of ssectl came to.
type result struct {
	out, err string
	code     int
}

// ssectl runs a command line in this process, with input on its stdin.
func ssectl(t *testing.T, input string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(input), Out: &out, Err: &errs}, args)
	if ctx.Err() != nil {
		t.Fatalf("ssectl %q did not end in a minute\n%s", args, errs.String())
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
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// streaming returns the URL of a server that answers every request with text,
// and resumes with 204.
func streaming(t *testing.T, text string) string {
	return serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, text)
	})
}

// reset ends a connection with a TCP RST.
func reset(w http.ResponseWriter) {
	w.(http.Flusher).Flush()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// numbered serves the events 1 to last, with their numbers for IDs, and breaks
// off behind each one for which broken says how.
func numbered(last int, broken func(w http.ResponseWriter, n int) bool) http.HandlerFunc {
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

func TestListenEachEventOnce(t *testing.T) {
	last := 10_000
	if testing.Short() {
		last = 1000
	}
	url := serving(t, numbered(last, func(w http.ResponseWriter, n int) bool {
		if n%11 == 0 {
			reset(w)
		}
		return n%7 == 0 || n%11 == 0
	}))
	r := ssectl(t, "", "listen", url, "--format", "data")
	r.check(t, 0)
	var want strings.Builder
	for n := 1; n <= last; n++ {
		fmt.Fprintln(&want, n)
	}
	if r.out != want.String() {
		t.Errorf("not each of %d events once:\n%s", last, firstDifference(r.out, want.String()))
	}
	if !strings.Contains(r.err, `resumed after id "7"`) {
		t.Errorf("stderr does not tell of the resume: %.500s", r.err)
	}
}

// firstDifference shows where two texts begin to differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: got %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

func TestListenCursorFile(t *testing.T) {
	url := serving(t, numbered(5, func(http.ResponseWriter, int) bool { return false }))
	file := filepath.Join(t.TempDir(), "cursor.json")
	for i, want := range []string{"1\n2\n", "3\n4\n", "5\n"} {
		r := ssectl(t, "", "listen", url, "--format", "data", "-n", "2", "--cursor", file)
		if r.out != want {
			t.Errorf("run %d printed %q, want %q", i, r.out, want)
		}
	}
	// Another stream in the same file starts at its beginning.
	if r := ssectl(t, "", "listen", url+"/other", "--format", "data", "-n", "1", "--cursor", file); r.out != "1\n" {
		t.Errorf("other stream printed %q", r.out)
	}
	if r := ssectl(t, "", "listen", url, "--format", "data", "-n", "1", "--cursor", file); r.out != "" {
		t.Errorf("first stream again printed %q", r.out)
	}
	for _, text := range []string{"", "{", "[]", `{"other":1}`, `{"ssectl_cursor":9,"streams":{}}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := ssectl(t, "", "listen", url, "--cursor", file)
		now, _ := os.ReadFile(file)
		if r.code != 2 || !strings.Contains(r.err, "cursor.json") || string(now) != text {
			t.Errorf("file %q: exit code %d, file now %q, stderr %s", text, r.code, now, r.err)
		}
	}
}

// TestListenCursorTellsURLsApart keeps streams in one file whose URLs differ in
// a value that is not shown.
func TestListenCursorTellsURLsApart(t *testing.T) {
	url := serving(t, numbered(5, func(http.ResponseWriter, int) bool { return false }))
	file := filepath.Join(t.TempDir(), "cursor.json")
	for _, query := range []string{"?author=alice", "?author=bob", "?token=a", "?token=b", "?a", "?b"} {
		for _, want := range []string{"1\n2\n3\n4\n5\n", ""} {
			if r := ssectl(t, "", "listen", url+query, "--format", "data", "--cursor", file); r.out != want || r.code != 0 {
				t.Errorf("%s: printed %q, want %q", query, r.out, want)
			}
		}
	}
	// The URL is not all that a server chooses a stream by.
	for _, more := range [][]string{{"-u", "alice:x"}, {"-u", "bob:x"}, {"-H", "Host: a"}, {"-H", "Host: b"}, {"-X", "GET", "-d", "a"}, {"-X", "GET", "-d", "b"}, {"-d", "b", "--reconnect", "always"}} {
		for _, want := range []string{"1\n2\n3\n4\n5\n", ""} {
			if r := ssectl(t, "", append([]string{"listen", url + "/more", "--format", "data", "--cursor", file}, more...)...); r.out != want || r.code != 0 {
				t.Errorf("%q: printed %q, want %q", more, r.out, want)
			}
		}
	}
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "alice") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestListenLargeEvents(t *testing.T) {
	large := "data: " + strings.Repeat("x", 8<<20) + "\n\n"
	r := ssectl(t, "", "listen", streaming(t, large), "--no-reconnect", "--format", "raw")
	r.check(t, 0)
	if r.out != large {
		t.Errorf("8 MiB event: %d bytes, want %d", len(r.out), len(large))
	}

	for name, endless := range map[string]http.HandlerFunc{
		"20 MiB event": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", stream.ContentType)
			io.WriteString(w, "data: small\n\ndata: ")
			io.WriteString(w, strings.Repeat("x", 20<<20)+"\n\n")
		},
		"line without an end": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", stream.ContentType)
			io.WriteString(w, "data: small\n\n")
			for piece := strings.Repeat("x", 64<<10); r.Context().Err() == nil; {
				if _, err := io.WriteString(w, piece); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := exec.Command("ssectl", "listen", serving(t, endless), "--format", "data")
			var errs bytes.Buffer
			run.Stderr = &errs
			peak := watchPeak(t, run)
			out, err := run.Output()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 3 || string(out) != "small\n" {
				t.Fatalf("%v, stdout %.100q", err, out)
			}
			if want := "event at byte 13 is larger than 16777216 bytes"; !strings.Contains(errs.String(), want) {
				t.Errorf("stderr %q, want %q in it", errs.String(), want)
			}
			if peak() > 150<<20 {
				t.Errorf("took %d MiB for events of 16 MiB at most", peak()>>20)
			}
		})
	}
}

func TestListenExitCodes(t *testing.T) {
	ok := streaming(t, "data: a\n\nevent: end\ndata: b\n\n")
	cut := streaming(t, "data: a\n\ndata: b")
	broken := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "data: a\n\ndata: b")
		reset(w)
	})
	silent := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, ": ok\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	page := serving(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<title>Sign in</title>") })
	refused := serving(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, `bad key`, http.StatusUnauthorized) })
	gone := serving(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	slowly := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	hangs := serving(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	closed := httptest.NewServer(nil)
	closed.Close()

	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{ok + " --no-reconnect", 0, ""},
		{ok + " -n 1", 0, ""},
		{ok + " --until-event end", 0, ""},
		{ok + " --until-data b", 0, ""},
		{ok + " --until .data=='\"b\"'", 0, ""},
		{silent + " -m 3", 0, ""},
		{gone, 0, "the server ended the stream, 204"},
		{gone + " --until-event other", 1, "ended before"},
		{ok + " --fail-if .event=='\"end\"'", 1, "--fail-if matched: b"},
		{ok + " --no-reconnect --until-event other", 1, "ended before"},
		{cut + " --no-reconnect --until-event other", 1, "7 bytes of an unfinished event"},
		{broken + " --no-reconnect --until-event other", 1, "7 bytes of an unfinished event"},
		{silent + " -m 3s --until-event other", 1, "--max-time"},
		{"", 2, "nothing to listen to"},
		{ok + " --no-such-flag", 2, "unknown flag"},
		{ok + " -n -1", 2, "want a number"},
		{ok + " --jq .[", 2, "jq expression"},
		{ok + " --format xml", 2, "want one of"},
		{ok + " --as nobody", 2, "no preset"},
		{ok + " --text", 2, "--text needs --as"},
		{ok + " -H nocolon", 2, "no colon"},
		{ok + " -d @/does/not/exist", 2, "--data"},
		{ok + " --retry-on abc", 2, "--retry-on"},
		{ok + " --resume range --compressed", 2, "--compressed"},
		{ok + " --cacert /does/not/exist", 2, "--cacert"},
		{"ftp://localhost", 2, "only http and https"},
		{closed.URL, 3, "connection refused"},
		{closed.URL + " --retry 2 --retry-delay 0", 3, "gave up after 2 retries"},
		{"http://host.invalid", 3, "host.invalid"},
		{broken + " --no-reconnect", 3, "connection lost"},
		{cut + " --no-reconnect", 3, "inside an event, 7 bytes dropped"},
		{page, 4, `a page titled "Sign in"`},
		{refused, 4, "401 Unauthorized: bad key"},
		{slowly + " -m 1", 4, "404 Not Found"},
		{silent + " --no-reconnect --idle-timeout 50ms", 5, "no byte for 50ms"},
		{silent + " --no-reconnect --event-timeout 50ms", 5, "no event for 50ms"},
		{silent + " --retry 1 --retry-delay 0 --idle-timeout 50ms", 5, "gave up after 1 retry"},
		{hangs + " -m 0.05", 5, "no stream within --max-time 50ms"},
		{hangs + " -m 0.05 --until-event x", 5, "no stream within --max-time 50ms"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(strings.ReplaceAll(test.args, "'", ""))
			r := ssectl(t, "", append([]string{"listen"}, args...)...)
			r.check(t, test.code)
			if !strings.Contains(r.err, test.says) {
				t.Errorf("stderr %q, want %q in it", r.err, test.says)
			}
		})
	}
}

// TestListenTellsACutOnce wants one line on a connection that breaks off for good,
// and one for each that does not.
func TestListenTellsACutOnce(t *testing.T) {
	url := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "id: 1\ndata: a\n\ndata: b")
		reset(w)
	})
	for _, test := range []struct {
		args  string
		lines int
	}{
		{"--no-reconnect", 2},       // connected, lost
		{"-d x --as openai", 2},     // connected, ended before
		{"--retry-delay 0 -n 2", 4}, // connected, dropped, reconnecting, connected
		{"--no-reconnect --until-data x", 2},
	} {
		r := ssectl(t, "", append(strings.Fields(test.args), "listen", url)...)
		if got := strings.Count(r.err, "\n"); got != test.lines {
			t.Errorf("%s: %d lines, want %d:\n%s", test.args, got, test.lines, r.err)
		}
	}
}

// TestListenHints wants hints that fit.
func TestListenHints(t *testing.T) {
	proxy := serving(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) })
	closed := serving(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	if r := ssectl(t, "", "listen", closed, "-H", "X-Api-Key: wrong"); r.code != 4 || strings.Contains(r.err, "hint: ") {
		t.Errorf("credentials were given: exit code %d, stderr %s", r.code, r.err)
	}
	for _, test := range []struct {
		args string
		code int
		hint string
	}{
		{"no-such-file.sse", 3, "there is no file of this name either"},
		{"http://localhost:1 -x localhost:1", 3, "this is the proxy"},
		{"http://localhost:1 -x " + proxy, 4, "gives credentials to a proxy"},
		{"https://localhost:1 -x " + proxy, 3, "gives credentials to a proxy"},
		{closed + " -H Content-Type:a/b", 4, "give credentials"},
		{"localhost:1", 3, "is the server running?"},
	} {
		r := ssectl(t, "", append([]string{"listen"}, strings.Fields(test.args)...)...)
		if r.code != test.code || !strings.Contains(r.err, "hint: ") || !strings.Contains(r.err, test.hint) {
			t.Errorf("%s: exit code %d, stderr %s", test.args, r.code, r.err)
		}
	}
}

func samples(t *testing.T) []string {
	files, err := filepath.Glob("../testdata/streams/*.sse")
	if err != nil || len(files) < 10 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	return files
}

// TestListenSamplesCircle sends all samples through serve and back, and again
// from what was printed and recorded.
func TestListenSamplesCircle(t *testing.T) {
	for _, file := range samples(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			record, printed := filepath.Join(dir, "record.jsonl"), filepath.Join(dir, "printed.jsonl")
			events := ssectl(t, "", "listen", file)
			events.check(t, 0)

			url := serveFile(t, file)
			r := ssectl(t, "", "listen", url, "--no-reconnect", "--format", "raw", "--record", record)
			r.check(t, 0)
			if r.out != string(want) {
				t.Errorf("raw: got %q\nwant %q", r.out, want)
			}
			if r := ssectl(t, "", "listen", serveFile(t, record), "--no-reconnect", "--format", "raw"); r.out != string(want) {
				t.Errorf("recorded and replayed: got %q\nwant %q", r.out, want)
			}

			r = ssectl(t, "", "listen", url, "--no-reconnect")
			r.check(t, 0)
			if err := os.WriteFile(printed, []byte(r.out), 0o600); err != nil {
				t.Fatal(err)
			}
			again := ssectl(t, "", "listen", serveFile(t, printed), "--no-reconnect")
			if got, want := withoutTimes(again.out), withoutTimes(events.out); got != want {
				t.Errorf("printed and replayed:\n%s", firstDifference(got, want))
			}
			if r := ssectl(t, "", "listen", url, "--no-reconnect", "--format", "text"); r.code != 0 || r.out == "" {
				t.Errorf("text: %+v", r)
			}
		})
	}
}

// serveFile runs "ssectl serve FILE" until the test ends.
func serveFile(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan struct{})
	var errs bytes.Buffer
	go func() {
		defer close(done)
		cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: w, Err: &errs}, append([]string{"serve", "--print-url", "-p", "0"}, args...))
		w.Close()
	}()
	t.Cleanup(func() { stop(); <-done })
	url := make([]byte, 200)
	n, err := r.Read(url)
	if err != nil {
		t.Fatalf("serve %q: %v\n%s", args, err, errs.String())
	}
	go io.Copy(io.Discard, r)
	return strings.TrimSpace(string(url[:n]))
}

func withoutTimes(jsonLines string) string {
	var lines []string
	for line := range strings.Lines(jsonLines) {
		var event map[string]any
		json.Unmarshal([]byte(line), &event)
		delete(event, "time")
		text, _ := json.Marshal(event)
		lines = append(lines, string(text))
	}
	return strings.Join(lines, "\n")
}

func TestListenPresets(t *testing.T) {
	for _, test := range []struct {
		sample, preset string
		code           int
		text           string
	}{
		{"openai-chat", "openai", 0, "Harbour tide — 满潮 at 06:40 🌊\u2028next line, \"quoted\"\n"},
		{"openai-responses", "openai-responses", 0, "Low water is at noon."},
		{"anthropic-error", "anthropic", 1, "The first"},
		{"gemini", "gemini", 0, "Spring tides follow the new and full moon. 春潮"},
		{"mcp-2025-11-25", "mcp", 0, "06:40 high water"},
		{"a2a", "a2a", 0, "# Tide report\n\nHigh water 06:40."},
		{"ag-ui", "ag-ui", 0, "Checking the gauge"},
		{"graphql-sse", "graphql", 1, ""},
	} {
		t.Run(test.sample, func(t *testing.T) {
			url := serveFile(t, "../testdata/streams/"+test.sample+".sse")
			r := ssectl(t, "", "listen", url, "--as", test.preset, "-d", "{}", "--text")
			r.check(t, test.code)
			if test.text != "" && r.out != test.text {
				t.Errorf("text %q, want %q", r.out, test.text)
			}
			// A stream that is cut before its end mark is never a success.
			sample, _ := os.ReadFile("../testdata/streams/" + test.sample + ".sse")
			first := bytes.Index(sample, []byte("\ndata"))
			if r := ssectl(t, "", "listen", streaming(t, string(sample[:first+3])), "--as", test.preset, "-d", "{}"); r.code != 1 {
				t.Errorf("cut: exit code %d, want 1: %s", r.code, r.err)
			}
		})
	}
	t.Run("a lost piece", func(t *testing.T) {
		url := streaming(t, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"del\n\ndata: [DONE]\n\n")
		r := ssectl(t, "", "listen", url, "--as", "openai", "-d", "{}", "--text")
		r.check(t, 1)
		if r.out != "a" || !strings.Contains(r.err, `not the JSON that --as wants: {"choices":[{"del`) {
			t.Errorf("%q, stderr %q", r.out, r.err)
		}
	})
	t.Run("error before the end mark", func(t *testing.T) {
		url := streaming(t, "data: {\"error\":{\"message\":\"overloaded\"}}\n\ndata: [DONE]\n\n")
		r := ssectl(t, "", "listen", url, "--as", "openai", "-d", "{}", "--text")
		r.check(t, 1)
		if !strings.Contains(r.err, "overloaded") {
			t.Errorf("stderr %q", r.err)
		}
	})
}

func TestListenHAR(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.har")
	url := serving(t, numbered(4, func(_ http.ResponseWriter, n int) bool { return n == 2 }))
	r := ssectl(t, "", "listen", url+"/?token=geheim", "-H", "Authorization: Bearer geheim", "--save-har", file)
	r.check(t, 0)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var har struct {
		Log struct {
			Entries []struct {
				Messages []struct {
					EventName, EventID, Data string
					Time                     float64
				} `json:"_eventSourceMessages"`
				Response struct{ Status int }
			}
		}
	}
	if err := json.Unmarshal(text, &har); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var got []string
	for _, entry := range har.Log.Entries {
		for _, m := range entry.Messages {
			got = append(got, m.EventName+m.EventID+m.Data)
		}
	}
	if want := []string{"message11", "message22", "message33", "message44"}; !slices.Equal(got, want) || len(har.Log.Entries) != 2 {
		t.Errorf("messages %q of %d entries, want %q of 2", got, len(har.Log.Entries), want)
	}
	if bytes.Contains(text, []byte("geheim")) {
		t.Errorf("credentials in %s", text)
	}
}
