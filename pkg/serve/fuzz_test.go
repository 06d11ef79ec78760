package serve_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
)

// A stream that was saved is replayed as it was, whatever it is.
func FuzzReplayIsByteForByte(f *testing.F) {
	for _, text := range []string{"data: a\n\n", "\ufeffdata:a\r\n\r\n", "\ufeff", "data: a\r\rid: 1\n: c\n\n\n", "data: unfini", "\r", "\n\ufeff\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		records, _, err := record.Read(strings.NewReader(text), record.FormatSSE, 0)
		if err != nil {
			t.Fatal(err)
		}
		history := &serve.History{}
		if err := history.Load(records); err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		(&serve.Handler{History: history}).ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
		if got := recorder.Body.String(); got != text && (text != "" || got != ": ok\n\n") {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}
