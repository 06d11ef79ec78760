package servecmd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// ask makes a request of a test, and returns the status, the body, and the error of
// the body.
func ask(t *testing.T, test, method, url, body string, fields ...string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if test != "" {
		r.Header.Set("X-Ssectl-Test", test)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// files writes files and returns their directory.
func files(t *testing.T, texts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTestsSideBySide has tests that run at once over one server. Each has the answers
// in their order, faults of its own and its own log, as if it were alone.
func TestTestsSideBySide(t *testing.T) {
	tape := files(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"path":"/turn"},"response":{"body":"one"}}}`,
		"2.jsonl": `{"meta":{"request":{"path":"/turn"},"response":{"body":"two"}}}`,
		"3.jsonl": `{"meta":{"request":{"path":"/turn"},"response":{"body":"three"}}}`,
		"4.jsonl": `{"meta":{"request":{"path":"/stream"}}}` + "\n" + `{"id":"1","data":"a"}` + "\n" + `{"id":"2","data":"b"}` + "\n",
	})
	file := filepath.Join(files(t, map[string]string{"events.sse": "id: 1\ndata: a\n\nid: 2\ndata: b\n\n"}), "events.sse")
	const stream = "id: 1\ndata: a\n\nid: 2\ndata: b\n\n"
	onTape := cmdtest.Serve(t, tape, "-q", "--fault", "drop@1:/stream #1")
	onFile := cmdtest.Serve(t, file, "-q", "--fault", "drop@1:#1")
	asService := cmdtest.Serve(t, "--as", "openai", "--text", "hi", "-q", "--fault", "status=429:#1-2")
	const chat = `{"model":"m","messages":[{"role":"user","content":"x"}]}`
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			name := ""
			if i > 0 {
				name = fmt.Sprintf("test %d", i)
			}
			for n, want := range []string{"one", "two", "three", "three"} {
				if _, got, err := ask(t, name, "GET", onTape+"turn", ""); got != want || err != nil {
					t.Errorf("%q: turn %d is %q, %v; want %q", name, n+1, got, err, want)
				}
			}
			for _, url := range []string{onTape + "stream", onFile} {
				if _, got, err := ask(t, name, "GET", url, ""); err == nil {
					t.Errorf("%q: the first stream of %s was not cut: %q", name, url, got)
				}
				if _, got, err := ask(t, name, "GET", url, ""); err != nil || got != stream {
					t.Errorf("%q: the second stream of %s is %q, %v", name, url, got, err)
				}
			}
			for n, want := range []int{429, 429, 200} {
				if got, text, _ := ask(t, name, "POST", asService+"v1/chat/completions", chat, "Content-Type: application/json"); got != want {
					t.Errorf("%q: attempt %d has status %d: %s", name, n+1, got, text)
				}
			}
			if i%2 == 0 {
				return
			}
			// Faults that this test sets are for it alone.
			for _, url := range []string{onTape, onFile, asService} {
				if status, text, _ := ask(t, name, "POST", url+".ssectl/fault", `{"fault":"status=418"}`, "Content-Type: application/json"); status != 200 {
					t.Errorf("%q: setting a fault: %d %s", name, status, text)
				}
			}
			for _, url := range []string{onTape + "turn", onFile, asService + "v1/models"} {
				if status, text, _ := ask(t, name, "GET", url, ""); status != 418 {
					t.Errorf("%q: %s after a fault was set: %d %s", name, url, status, text)
				}
			}
		})
	}
	wg.Wait()
	for i := range 12 {
		name := ""
		if i > 0 {
			name = fmt.Sprintf("test %d", i)
		}
		want := []string{"/turn 1.jsonl", "/turn 2.jsonl", "/turn 3.jsonl", "/turn 3.jsonl", "/stream 4.jsonl", "/stream 4.jsonl"}
		if i%2 == 1 {
			want = append(want, "/turn 3.jsonl")
		}
		if got := log(t, onTape, name); !slices.Equal(got, want) {
			t.Errorf("%q: the log is %q, want %q", name, got, want)
		}
		if got := log(t, asService, name); len(got) != 3+i%2 {
			t.Errorf("%q: the log is %q", name, got)
		}
	}
}

// log returns the requests of a test in the log of a server, in the order in which they
// came.
func log(t *testing.T, base, test string) (lines []string) {
	t.Helper()
	_, text, _ := ask(t, "", "GET", base+".ssectl/requests?test="+strings.ReplaceAll(test, " ", "+"), "")
	var list []struct{ Test, Path, Match string }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, r := range list {
		if r.Test != test {
			t.Errorf("a request of %q is in the log of %q", r.Test, test)
		}
		lines = append(lines, r.Path+" "+r.Match)
	}
	return lines
}

// TestEachClientIsCutOnce has clients that come back by themselves: each is cut once,
// however many there are.
func TestEachClientIsCutOnce(t *testing.T) {
	file := filepath.Join(files(t, map[string]string{"events.sse": "id: 1\ndata: a\n\nid: 2\ndata: b\n\n"}), "events.sse")
	base := cmdtest.Serve(t, file, "-q", "--fault", "drop@1:first")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, got, err := ask(t, "", "GET", base, ""); err == nil || got != "id: 1\ndata: a\n\n" {
				t.Errorf("the first stream is %q, %v", got, err)
			}
			if _, got, err := ask(t, "", "GET", base, "", "Last-Event-ID: 1"); err != nil || got != "id: 2\ndata: b\n\n" {
				t.Errorf("the second stream is %q, %v", got, err)
			}
		})
	}
	wg.Wait()
}
