package servetest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/servetest"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

// post sends a request and returns the answer as text.
func post(t *testing.T, url, key, body string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s %v", response.StatusCode, text, err)
}

func TestTape(t *testing.T) {
	var asked atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s %d\n\n", r.URL.Path, asked.Add(1))
		w.(http.Flusher).Flush()
		if r.URL.Path == "/v1/cut" {
			panic(http.ErrAbortHandler)
		}
	}))
	defer upstream.Close()
	dir := filepath.Join(t.TempDir(), "tape")
	run := func(t *testing.T) (got []string) {
		base := servetest.Tape(t, dir, upstream.URL+"/v1")
		for _, path := range []string{"/a", "/a", "/cut"} {
			got = append(got, post(t, base+path, "key-of-"+t.Name(), `{"x":1}`))
		}
		return got
	}
	var first, second, third []string
	t.Run("records", func(t *testing.T) { first = run(t) })
	want := []string{"200 data: /v1/a 1\n\n <nil>", "200 data: /v1/a 2\n\n <nil>", "200 data: /v1/cut 3\n\n unexpected EOF"}
	if fmt.Sprint(first) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", first, want)
	}
	t.Run("plays", func(t *testing.T) { second = run(t) })
	if fmt.Sprint(first) != fmt.Sprint(second) || asked.Load() != 3 {
		t.Errorf("recorded %q, played %q, asked %d times", first, second, asked.Load())
	}
	t.Setenv(servetest.RecordVariable, "1")
	t.Run("records again", func(t *testing.T) { third = run(t) })
	if want := "200 data: /v1/a 4\n\n <nil>"; third[0] != want {
		t.Errorf("%q, want %q", third[0], want)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 3 {
		t.Errorf("the tape is %q", files)
	}
}

// failing notes the errors of a test.
type failing struct {
	testing.TB
	errors []string
}

func (f *failing) Error(args ...any) { f.errors = append(f.errors, fmt.Sprint(args...)) }

func TestTapeUnmatched(t *testing.T) {
	dir := t.TempDir()
	line := `{"meta":{"request":{"method":"POST","path":"/a","json":{"model":"m","stream":true}},"response":{"body":"x"}}}`
	if err := os.WriteFile(filepath.Join(dir, "1.jsonl"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &failing{TB: t}
	base := servetest.Tape(f, dir, "http://192.0.2.1")
	if got := post(t, base+"/a", "k", `{"model":"m"}`); !strings.HasPrefix(got, "501 ") {
		t.Error(got)
	}
	if len(f.errors) != 1 || !strings.Contains(f.errors[0], `the nearest is 1.jsonl: body .stream is absent, recorded true`) {
		t.Errorf("%q", f.errors)
	}
	normalized := servetest.Tape(t, dir, "http://192.0.2.1", tape.Options{Match: []tape.Part{tape.PartMethod, tape.PartPath}})
	if got := post(t, normalized+"/a", "k", `{"model":"m"}`); got != "200 x <nil>" {
		t.Error(got)
	}
}
