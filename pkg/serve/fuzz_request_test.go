package serve_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A pace that is read never makes an event wait a negative time.
func FuzzParsePace(f *testing.F) {
	for _, text := range []string{"", "instant", "recorded", "500ms", "100/s", "0.5/m", "1e-9/h", "1e308/s", "-1s", "NaN/s", "Inf/s", "9223372036s", "1/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pace, err := serve.ParsePace(text)
		if err != nil {
			return
		}
		if pace.Every < 0 || pace.Recorded && pace.Every != 0 {
			t.Errorf("%q is taken for %+v", text, pace)
		}
		if strings.Contains(text, "/") && (pace.Every == 0) {
			t.Errorf("%q is taken for an event every %v", text, pace.Every)
		}
	})
}

// However a client asks to resume, it gets the history from some place
// on, and nothing it sent becomes a header.
func FuzzResumeRequest(f *testing.F) {
	f.Add("1", "", "", "", "gap")
	f.Add("", "lastEventId=2", "", "", "start")
	f.Add("x\x1b", "last_event_id=%0d%0aX: y", "bytes=5-", `"x"`, "gap")
	f.Add("", "", "bytes=99999999999999999999-", "", "live")
	f.Add("", "", "bytes=0-", "", "409")
	history := &serve.History{}
	var whole strings.Builder
	for _, id := range []string{"1", "2", "潮", "4\xff"} {
		event := stream.Event{ID: id, Data: "event " + id}
		if err := history.Append(event); err != nil {
			f.Fatal(err)
		}
		text, _ := event.AppendText(nil)
		whole.Write(text)
	}
	history.End()
	f.Fuzz(func(t *testing.T, id, query, bytes, condition, unknown string) {
		h := &serve.Handler{History: history, Options: serve.Options{OnUnknownID: serve.UnknownID(unknown)}}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: "/", RawQuery: query}
		for name, value := range map[string]string{"Last-Event-ID": id, "Range": bytes, "If-Range": condition} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, r)
		response := recorder.Result()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := string(body)
		if rest, ok := strings.CutPrefix(got, "event: gap\n"); ok {
			_, got, _ = strings.Cut(rest, "\n\n")
		}
		got = strings.TrimPrefix(got, ": ok\n\n")
		if ok := response.StatusCode == http.StatusOK || response.StatusCode == http.StatusPartialContent; ok && !strings.HasSuffix(whole.String(), got) {
			t.Errorf("status %d: %q is not the end of the history", response.StatusCode, got)
		}
		for name, values := range response.Header {
			for _, value := range values {
				if strings.ContainsAny(name+value, "\r\n") {
					t.Errorf("header %q: %q", name, value)
				}
			}
		}
	})
}
