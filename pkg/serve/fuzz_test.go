package serve_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve"
)

// A stream that was saved is replayed as it was, whatever it is.
func FuzzReplayIsByteForByte(f *testing.F) {
	for _, text := range []string{"data: a\n\n", "\ufeffdata:a\r\n\r\n", "\ufeff", "data: a\r\rid: 1\n: c\n\n\n", "data: unfini", "\r", "\n\ufeff\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		source, _, err := serve.NewSource(strings.NewReader(text), serve.FormatSSE, 0)
		if err != nil {
			t.Fatal(err)
		}
		history := &serve.History{}
		if err := history.Load(source); err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		(&serve.Handler{History: history}).ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
		if got := recorder.Body.String(); got != text && (text != "" || got != ": ok\n\n") {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}

// Whatever is taken for events is a file that can be served, and nothing else
// is a reason to fall over.
func FuzzSources(f *testing.F) {
	f.Add("", `{"data":"a","id":"x"}`, "auto")
	f.Add("har", har, "keep")
	f.Add("text", "a\nb", "auto")
	f.Add("sse", "id: 1\ndata: x\n\n", "none")
	f.Fuzz(func(t *testing.T, format, text, ids string) {
		source, _, err := serve.NewSource(strings.NewReader(text), serve.Format(format), 0)
		if err != nil {
			return
		}
		history := &serve.History{}
		if history.Load(serve.NumberIDs(source, serve.IDs(ids))) == nil && !history.Ended() {
			t.Error("loaded, but not to the end")
		}
	})
}
