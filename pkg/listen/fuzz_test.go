package listen

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// FuzzRetryAfter wants a wait that is none or can be waited, and seconds taken
// at their word.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "0", "120", "-1", "1e9", "2147483648", "99999999999999999999", " 5", "٣", "Wed, 21 Oct 2026 07:28:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(value)
	}
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		wait := retryAfter(http.Header{"Retry-After": {value}}, now)
		if wait < -1 {
			t.Errorf("%q is a wait of %v", value, wait)
		}
		var seconds int
		if n, err := fmt.Sscanf(value, "%d", &seconds); n == 1 && err == nil && fmt.Sprint(seconds) == value && seconds >= 0 && seconds < 1<<31-1 && wait != time.Duration(seconds)*time.Second {
			t.Errorf("%q is a wait of %v", value, wait)
		}
		if d := (Backoff{}).Wait(3, wait); wait > 0 && (d < wait || d > wait+wait/4) {
			t.Errorf("%q: told to wait %v, waits %v", value, wait, d)
		}
	})
}

// A date is one by the clock of the server, which may be wrong.
func TestRetryAfterDate(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, test := range []struct {
		after, date string
		want        time.Duration
	}{
		{at(time.Minute), "", time.Minute},
		{at(time.Minute), "soon", time.Minute},
		{at(time.Hour + time.Minute), at(time.Hour), time.Minute},
		{at(-time.Hour + time.Minute), at(-time.Hour), time.Minute},
		{at(-time.Minute), at(0), 0},
		{"7", at(time.Hour), 7 * time.Second},
	} {
		if got := retryAfter(http.Header{"Retry-After": {test.after}, "Date": {test.date}}, now); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

// FuzzContentRange answers a request for the rest of a log with whatever a
// server may answer: no byte that was skipped may come twice, none may be
// left out.
func FuzzContentRange(f *testing.F) {
	const log = "data: 1\n\ndata: 2\n\ndata: 3\n\n"
	for _, value := range []string{"bytes 9-26/27", "bytes 0-26/27", "bytes 5-26/27", "bytes 10-26/27", "", "bytes", "bytes -9-", "bytes 99999999999999999999-", "items 9-", "bytes 9", "bytes  9-"} {
		f.Add(value, 9)
	}
	f.Fuzz(func(t *testing.T, contentRange string, first int) {
		if strings.ContainsAny(contentRange, "\r\n") || first < 0 || first > len(log) {
			return
		}
		client := &http.Client{Transport: answering(func(r *http.Request) *http.Response {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Type", stream.ContentType)
			w.Header().Set("Content-Range", contentRange)
			w.WriteHeader(http.StatusPartialContent)
			w.WriteString(log[first:])
			response := w.Result()
			response.Request = r
			return response
		})}
		s := New(httptest.NewRequest(http.MethodGet, "http://localhost/", nil).WithContext(t.Context()), Options{
			Client: client, Resume: ResumeRange, Reconnect: ReconnectNever, Start: Position{Offset: 9},
		})
		defer s.Close()
		got := ""
		for event, err := range s.Events() {
			if err != nil {
				return // refused, or the pieces do not fit
			}
			got += event.Data
		}
		said, err := rangeStart(contentRange)
		if err == nil && int(said) == first && got != "23" {
			t.Errorf("Content-Range %q and the bytes from %d on give the events %q", contentRange, first, got)
		}
	})
}

// answering is a transport that answers by itself.
type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }
