package listencmd_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// TestBrokenJSON must not take an event that has too much for a whole one.
func TestBrokenJSON(t *testing.T) {
	for _, data := range []string{`{"a":1}}`, `1]`, `{"a":1} x`} {
		url := streaming(t, "data: "+data+"\n\ndata: [DONE]\n\n")
		if r := cmdtest.Run(t, "", "listen", url, "--as", "openai", "-d", "{}"); r.Code != 1 || !strings.Contains(r.Err, "--as openai: event data is not JSON") {
			t.Errorf("%s: %+v", data, r)
		}
	}
}

// TestCommentsWithinBlocks wants all comments and reconnection times, in
// the order of the stream.
func TestCommentsWithinBlocks(t *testing.T) {
	const saved = ": a\n\n: b\ndata: 1\n:c\nid: 7\n\nevent: x\n: d\n\n\n: e\nid: 8\nretry: 5\n: cut"
	file := filepath.Join(t.TempDir(), "saved.sse")
	if err := os.WriteFile(file, []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`"comment":"a"`, `"comment":"b"`, `"comment":"c"`, `"event":"message","id":"7","data":"1"`,
		`"comment":"d"`, `"comment":"e"`, `"retry":5`,
	}
	for source, args := range map[string][]string{"file": {file}, "url": {streaming(t, saved), "--no-reconnect"}, "count": {file, "-n", "2"}} {
		r := cmdtest.Run(t, "", append([]string{"listen", "--comments", "--format", "json"}, args...)...)
		lines := strings.Split(strings.TrimSpace(r.Out), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%s: %d lines, want %d: %s", source, len(lines), len(want), r.Out)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, "{"+want[i]+",\"time\"") {
				t.Errorf("%s: line %d is %s, want %s", source, i, line, want[i])
			}
		}
	}
	if r := cmdtest.Run(t, "", "listen", "--comments", "--format", "text", file); strings.Count(r.Out, "\n") != len(want) || strings.Contains(r.Out, "cut") || strings.Contains(r.Out, "id: 8") {
		t.Errorf("text: %s", r.Out)
	}
}

// TestLargeCommentWithinBlock wants one that is larger than an event may be by
// default.
func TestLargeCommentWithinBlock(t *testing.T) {
	comment := strings.Repeat("c", 17<<20)
	r := cmdtest.Run(t, "", "listen", streaming(t, "data: 1\n: "+comment+"\n\n"), "--no-reconnect", "--comments", "--format", "json", "--max-event-size", "18m")
	r.Check(t, 0)
	if first, _, _ := strings.Cut(r.Out, "\n"); !strings.HasPrefix(first, `{"comment":"`+comment+`"`) {
		t.Errorf("the first line is %.80s of %d bytes, want the comment", first, len(first))
	}
}

// A closingPipe is closed by its reader after so many bytes.
type closingPipe struct{ left int }

func (c *closingPipe) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, syscall.EPIPE
	}
	return len(p), nil
}

// TestEndlessExpression writes results while an expression makes more.
func TestEndlessExpression(t *testing.T) {
	url := streaming(t, "data: x\n\n")
	code := cmd.Run(t.Context(), &term.Streams{In: strings.NewReader(""), Out: &closingPipe{1 << 20}, Err: io.Discard}, []string{"listen", url, "--jq", "range(1e18)"})
	if code != 0 {
		t.Errorf("exit code %d, want 0 as for any closed pipe", code)
	}
}

// TestMedia lets an event with a picture through where a preset is given,
// and takes no memory for its limit.
func TestMedia(t *testing.T) {
	const size = 20 << 20
	url := cmdtest.Handle(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, `data: {"choices":[],"image":"`)
		for range size >> 20 {
			io.WriteString(w, strings.Repeat("A", 1<<20))
		}
		io.WriteString(w, "\"}\n\ndata: [DONE]\n\n")
	})
	cmdtest.Run(t, "", "listen", url, "-d", "{}", "--as", "openai", "--text").Check(t, 0)
	cmdtest.Run(t, "", "listen", url, "-d", "{}", "--as", "openai", "--text", "--max-event-size", "16m").Check(t, 3)
	saved := "data: {\"image\":\"" + strings.Repeat("A", size) + "\"}\n\ndata: [DONE]\n\n"
	cmdtest.Run(t, saved, "listen", "-", "--as", "openai", "--text").Check(t, 0)
	cmdtest.Run(t, saved, "listen", "-").Check(t, 3)
	small := streaming(t, "data: {}\n\ndata: [DONE]\n\n")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cmdtest.Run(t, "", "listen", small, "-d", "{}", "--as", "openai").Check(t, 0)
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 8<<20 {
		t.Errorf("a small stream took %d MiB", (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}

// TestServeReadsWhatListenWrites sends the event whose JSON line is longest around.
func TestServeReadsWhatListenWrites(t *testing.T) {
	text := "data: " + strings.Repeat("\x01", 12<<20) + "\n\n"
	file := filepath.Join(t.TempDir(), "printed.jsonl")
	r := cmdtest.Run(t, "", "listen", streaming(t, text), "--no-reconnect")
	r.Check(t, 0)
	if err := os.WriteFile(file, []byte(r.Out), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := cmdtest.Run(t, "", "listen", cmdtest.Serve(t, file), "--no-reconnect", "--format", "raw"); again.Out != text {
		t.Errorf("%d bytes came back, want %d: %s", len(again.Out), len(text), again.Err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, []string{"serve", "-p", "0", "--max-event-size", "1k", file}); code != 2 {
		t.Errorf("--max-event-size 1k: exit code %d, want 2", code)
	}
}

// TestContinuesMCP fetches the rest of an answer by GET, as MCP 2025-11-25
// has it: the tool is called once, whatever --reconnect is.
func TestContinuesMCP(t *testing.T) {
	for _, more := range [][]string{nil, {"--reconnect", "always"}} {
		var asked []string
		url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = append(asked, strings.Join([]string{r.Method, r.Header.Get("Last-Event-ID"), r.Header.Get("Mcp-Session-Id"), r.Header.Get("Content-Type"), string(body)}, " "))
			w.Header().Set("Content-Type", stream.ContentType)
			switch len(asked) {
			case 1:
				w.Header().Set("Mcp-Session-Id", "s1")
				io.WriteString(w, "id: 1\nretry: 1\ndata:\n\n")
			case 2:
				io.WriteString(w, "id: 2\ndata: {\"method\":\"notifications/progress\"}\n\n")
			default:
				io.WriteString(w, "id: 3\ndata: {\"id\":1,\"result\":{}}\n\n")
			}
		})
		r := cmdtest.Run(t, "", append([]string{"listen", url, "--as", "mcp", "--json", "{}"}, more...)...)
		want := "POST   application/json {}|GET 1 s1  |GET 2 s1  "
		if r.Check(t, 0); strings.Join(asked, "|") != want {
			t.Errorf("asked %q, want %q", strings.Join(asked, "|"), want)
		}
	}
	url := cmdtest.Handle(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	for body, code := range map[string]int{
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`: 0,
		`{"jsonrpc":"2.0","id":1,"result":{}}`:                   0,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`:         4, // a call has another answer than that
		`[{"method":"x"},{"id":"a","method":"y"}]`:               4,
		`not JSON`: 4,
	} {
		if r := cmdtest.Run(t, "", "listen", url, "--as", "mcp", "--json", body); r.Code != code {
			t.Errorf("%s: exit code %d, want %d", body, r.Code, code)
		}
	}
	cmdtest.Run(t, "", "listen", url, "--as", "mcp").Check(t, 4)
	cmdtest.Run(t, "", "listen", url, "--as", "mcp", "--json", "{}").Check(t, 0)
	cmdtest.Run(t, "", "listen", url, "--json", "{}").Check(t, 4)
}

// TestNamesItsSourceOnce in an error.
func TestNamesItsSourceOnce(t *testing.T) {
	r := cmdtest.Run(t, "data: "+strings.Repeat("x", 2000)+"\n\n", "listen", "-", "--max-event-size", "1k")
	if r.Check(t, 3); strings.Count(r.Err, "standard input") != 1 {
		t.Errorf("%s", r.Err)
	}
}
