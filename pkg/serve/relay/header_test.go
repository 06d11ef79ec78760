package relay

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestAnswerHeader wants the fields in answers of the upstream, of a fault, and of a
// relay without an answer; and a stream without those of an error.
func TestAnswerHeader(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "theirs")
		if r.URL.Path == "/stream" {
			events(w, r)
		}
	}))
	defer up.Close()
	watch, all := watchAll()
	s := start(t, &Relay{
		Watch:        watch,
		AnswerHeader: http.Header{"x-a": {"ours"}, "Retry-After": {"7"}},
		Faults:       parseAll(t, "status=429:/fault"),
	}, up.URL)
	s.Start()
	gone := start(t, &Relay{AnswerHeader: http.Header{"X-A": {"ours"}, "Retry-After": {"7"}}}, "http://127.0.0.1:1")
	gone.Start()
	for _, test := range []struct{ url, want string }{
		{s.URL + "/plain", "200 ours 7 "},
		{s.URL + "/stream", "200 ours  " + part(5)},
		{s.URL + "/fault", "429 ours 7 Too Many Requests\n"},
		{gone.URL, "502 ours 7 ssectl serve: no answer from http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused\n"},
	} {
		req, _ := http.NewRequest("GET", test.url, nil)
		req.Header.Set("Accept-Encoding", "identity")
		response, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if got := fmt.Sprintf("%d %s %s %s", response.StatusCode, response.Header.Get("X-A"), response.Header.Get("Retry-After"), body); got != test.want {
			t.Errorf("%s: %q, want %q", test.url, got, test.want)
		}
	}
	if one := (<-all).wait(t); one.response.Header.Get("X-A") != "theirs" {
		t.Errorf("the watcher saw %v", one.response.Header)
	}
}
