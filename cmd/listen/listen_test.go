package listencmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/pkg/stream"
)

// streaming returns the URL of a server that answers every request with text,
// and resumes with 204.
func streaming(t *testing.T, text string) string {
	return cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
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

// TestMain lets the tests run ssectl as a program.
func TestMain(m *testing.M) { cmdtest.Main(m) }

func TestEachEventOnce(t *testing.T) {
	last := 10_000
	if testing.Short() {
		last = 1000
	}
	url := cmdtest.Handle(t, cmdtest.Numbered(last, func(w http.ResponseWriter, n int) bool {
		if n%11 == 0 {
			reset(w)
		}
		return n%7 == 0 || n%11 == 0
	}))
	r := cmdtest.Run(t, "", "listen", url, "--format", "data")
	r.Check(t, 0)
	var want strings.Builder
	for n := 1; n <= last; n++ {
		fmt.Fprintln(&want, n)
	}
	if r.Out != want.String() {
		t.Errorf("not each of %d events once:\n%s", last, cmdtest.FirstDifference(r.Out, want.String()))
	}
	if !strings.Contains(r.Err, `resumed after id "7"`) {
		t.Errorf("stderr does not tell of the resume: %.500s", r.Err)
	}
}

func TestCursorFile(t *testing.T) {
	url := cmdtest.Handle(t, cmdtest.Numbered(5, func(http.ResponseWriter, int) bool { return false }))
	file := filepath.Join(t.TempDir(), "cursor.json")
	for i, want := range []string{"1\n2\n", "3\n4\n", "5\n"} {
		r := cmdtest.Run(t, "", "listen", url, "--format", "data", "-n", "2", "--cursor", file)
		if r.Out != want {
			t.Errorf("run %d printed %q, want %q", i, r.Out, want)
		}
	}
	// Another stream in the same file starts at its beginning.
	if r := cmdtest.Run(t, "", "listen", url+"/other", "--format", "data", "-n", "1", "--cursor", file); r.Out != "1\n" {
		t.Errorf("other stream printed %q", r.Out)
	}
	if r := cmdtest.Run(t, "", "listen", url, "--format", "data", "-n", "1", "--cursor", file); r.Out != "" {
		t.Errorf("first stream again printed %q", r.Out)
	}
	for _, text := range []string{"", "{", "[]", `{"other":1}`, `{"ssectl_cursor":9,"streams":{}}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := cmdtest.Run(t, "", "listen", url, "--cursor", file)
		now, _ := os.ReadFile(file)
		if r.Code != 2 || !strings.Contains(r.Err, "cursor.json") || string(now) != text {
			t.Errorf("file %q: exit code %d, file now %q, stderr %s", text, r.Code, now, r.Err)
		}
	}
}

// TestCursorTellsURLsApart keeps streams in one file whose URLs differ in
// a value that is not shown.
func TestCursorTellsURLsApart(t *testing.T) {
	url := cmdtest.Handle(t, cmdtest.Numbered(5, func(http.ResponseWriter, int) bool { return false }))
	file := filepath.Join(t.TempDir(), "cursor.json")
	for _, query := range []string{"?author=alice", "?author=bob", "?token=a", "?token=b", "?a", "?b"} {
		for _, want := range []string{"1\n2\n3\n4\n5\n", ""} {
			if r := cmdtest.Run(t, "", "listen", url+query, "--format", "data", "--cursor", file); r.Out != want || r.Code != 0 {
				t.Errorf("%s: printed %q, want %q", query, r.Out, want)
			}
		}
	}
	// The URL is not all that a server chooses a stream by.
	for _, more := range [][]string{{"-u", "alice:x"}, {"-u", "bob:x"}, {"-H", "Host: a"}, {"-H", "Host: b"}, {"-X", "GET", "-d", "a"}, {"-X", "GET", "-d", "b"}, {"-d", "b", "--reconnect", "always"}} {
		for _, want := range []string{"1\n2\n3\n4\n5\n", ""} {
			if r := cmdtest.Run(t, "", append([]string{"listen", url + "/more", "--format", "data", "--cursor", file}, more...)...); r.Out != want || r.Code != 0 {
				t.Errorf("%q: printed %q, want %q", more, r.Out, want)
			}
		}
	}
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "alice") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLargeEvents(t *testing.T) {
	large := "data: " + strings.Repeat("x", 8<<20) + "\n\n"
	r := cmdtest.Run(t, "", "listen", streaming(t, large), "--no-reconnect", "--format", "raw")
	r.Check(t, 0)
	if r.Out != large {
		t.Errorf("8 MiB event: %d bytes, want %d", len(r.Out), len(large))
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
			run := exec.Command("ssectl", "listen", cmdtest.Handle(t, endless), "--format", "data")
			var errs bytes.Buffer
			run.Stderr = &errs
			peak := cmdtest.WatchPeak(t, run)
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

func TestExitCodes(t *testing.T) {
	ok := streaming(t, "data: a\n\nevent: end\ndata: b\n\n")
	cut := streaming(t, "data: a\n\ndata: b")
	broken := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "data: a\n\ndata: b")
		reset(w)
	})
	silent := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, ": ok\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	page := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<title>Sign in</title>") })
	refused := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, `bad key`, http.StatusUnauthorized) })
	gone := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	slowly := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	hangs := cmdtest.Handle(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	const closed = "http://127.0.0.1:1" // not a port that was free a moment ago: another test may have it

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
		{"ftp://localhost", 2, "want http, https, ws or wss"},
		{closed, 3, "connection refused"},
		{closed + " --retry 2 --retry-delay 0", 3, "gave up after 2 retries"},
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
			r := cmdtest.Run(t, "", append([]string{"listen"}, args...)...)
			r.Check(t, test.code)
			if !strings.Contains(r.Err, test.says) {
				t.Errorf("stderr %q, want %q in it", r.Err, test.says)
			}
		})
	}
}

// TestTellsACutOnce wants one line on a connection that breaks off for good,
// and one for each that does not.
func TestTellsACutOnce(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
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
		r := cmdtest.Run(t, "", append(strings.Fields(test.args), "listen", url)...)
		if got := strings.Count(r.Err, "\n"); got != test.lines {
			t.Errorf("%s: %d lines, want %d:\n%s", test.args, got, test.lines, r.Err)
		}
	}
}

// TestHints wants hints that fit.
func TestHints(t *testing.T) {
	proxy := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) })
	closed := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	if r := cmdtest.Run(t, "", "listen", closed, "-H", "X-Api-Key: wrong"); r.Code != 4 || strings.Contains(r.Err, "hint: ") {
		t.Errorf("credentials were given: exit code %d, stderr %s", r.Code, r.Err)
	}
	for _, test := range []struct {
		args string
		code int
		hint string
	}{
		{"no-such-file.sse", 3, "no file named no-such-file.sse exists"},
		{"http://localhost:1 -x localhost:1", 3, "this is the proxy"},
		{"http://localhost:1 -x " + proxy, 4, "gives credentials to a proxy"},
		{"https://localhost:1 -x " + proxy, 3, "gives credentials to a proxy"},
		{closed + " -H Content-Type:a/b", 4, "give credentials"},
		{"localhost:1", 3, "is the server running?"},
	} {
		r := cmdtest.Run(t, "", append([]string{"listen"}, strings.Fields(test.args)...)...)
		if r.Code != test.code || !strings.Contains(r.Err, "hint: ") || !strings.Contains(r.Err, test.hint) {
			t.Errorf("%s: exit code %d, stderr %s", test.args, r.Code, r.Err)
		}
	}
}

func samples(t *testing.T) []string {
	files, err := filepath.Glob("../../testdata/streams/*.sse")
	if err != nil || len(files) < 10 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	return files
}

// TestSamplesCircle sends all samples through serve and back, and again
// from the output and the recording.
func TestSamplesCircle(t *testing.T) {
	for _, file := range samples(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			record, printed := filepath.Join(dir, "record.jsonl"), filepath.Join(dir, "printed.jsonl")
			events := cmdtest.Run(t, "", "listen", file)
			events.Check(t, 0)

			url := cmdtest.Serve(t, file)
			r := cmdtest.Run(t, "", "listen", url, "--no-reconnect", "--format", "raw", "--record", record)
			r.Check(t, 0)
			if r.Out != string(want) {
				t.Errorf("raw: got %q\nwant %q", r.Out, want)
			}
			if r := cmdtest.Run(t, "", "listen", cmdtest.Serve(t, record), "--no-reconnect", "--format", "raw"); r.Out != string(want) {
				t.Errorf("recorded and replayed: got %q\nwant %q", r.Out, want)
			}

			r = cmdtest.Run(t, "", "listen", url, "--no-reconnect")
			r.Check(t, 0)
			if err := os.WriteFile(printed, []byte(r.Out), 0o600); err != nil {
				t.Fatal(err)
			}
			again := cmdtest.Run(t, "", "listen", cmdtest.Serve(t, printed), "--no-reconnect")
			if got, want := withoutTimes(again.Out), withoutTimes(events.Out); got != want {
				t.Errorf("printed and replayed:\n%s", cmdtest.FirstDifference(got, want))
			}
			if r := cmdtest.Run(t, "", "listen", url, "--no-reconnect", "--format", "text"); r.Code != 0 || r.Out == "" {
				t.Errorf("text: %+v", r)
			}
		})
	}
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

func TestPresets(t *testing.T) {
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
			url := cmdtest.Serve(t, "../../testdata/streams/"+test.sample+".sse")
			r := cmdtest.Run(t, "", "listen", url, "--as", test.preset, "-d", "{}", "--text")
			r.Check(t, test.code)
			if test.text != "" && r.Out != test.text {
				t.Errorf("text %q, want %q", r.Out, test.text)
			}
			// A stream that is cut before its end mark is never a success.
			sample, _ := os.ReadFile("../../testdata/streams/" + test.sample + ".sse")
			first := bytes.Index(sample, []byte("\ndata"))
			if r := cmdtest.Run(t, "", "listen", streaming(t, string(sample[:first+3])), "--as", test.preset, "-d", "{}"); r.Code != 1 {
				t.Errorf("cut: exit code %d, want 1: %s", r.Code, r.Err)
			}
		})
	}
	t.Run("a lost piece", func(t *testing.T) {
		url := streaming(t, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"del\n\ndata: [DONE]\n\n")
		r := cmdtest.Run(t, "", "listen", url, "--as", "openai", "-d", "{}", "--text")
		r.Check(t, 1)
		if r.Out != "a" || !strings.Contains(r.Err, `: event data is not JSON: {"choices":[{"del`) {
			t.Errorf("%q, stderr %q", r.Out, r.Err)
		}
	})
	t.Run("error before the end mark", func(t *testing.T) {
		url := streaming(t, "data: {\"error\":{\"message\":\"overloaded\"}}\n\ndata: [DONE]\n\n")
		r := cmdtest.Run(t, "", "listen", url, "--as", "openai", "-d", "{}", "--text")
		r.Check(t, 1)
		if !strings.Contains(r.Err, "overloaded") {
			t.Errorf("stderr %q", r.Err)
		}
	})
}

func TestHAR(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.har")
	url := cmdtest.Handle(t, cmdtest.Numbered(4, func(_ http.ResponseWriter, n int) bool { return n == 2 }))
	r := cmdtest.Run(t, "", "listen", url+"/?token=geheim", "-H", "Authorization: Bearer geheim", "--save-har", file)
	r.Check(t, 0)
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
