package tape

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// TestResume asks for the rest of streams of which the tape has no such request.
func TestResume(t *testing.T) {
	dir := write(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"path":"/feed"}}}` + "\n" +
			`{"id":"1","data":"a"}` + "\n" + `{"id":"2","data":"b"}` + "\n" + `{"id":"3","data":"c"}` + "\n",
		"2.jsonl": `{"meta":{"request":{"path":"/feed","headers":{"Last-Event-ID":"3"}},"response":{"status":204}}}`,
		"3.jsonl": `{"meta":{"request":{"method":"POST","path":"/mcp","json":{"id":1}}}}` + "\n" +
			`{"id":"1","data":""}` + "\n" + `{"id":"2","data":"result"}` + "\n",
		"4.jsonl": `{"meta":{"request":{"path":"/mcp"},"response":{"status":405,"body":"no"}}}`,
		"5.jsonl": `{"meta":{"request":{"path":"/short"},"end":{"how":"truncated"}}}` + "\n" + `{"id":"1","data":"a"}` + "\n",
	})
	const rest = "id: 2\ndata: b\n\nid: 3\ndata: c\n\n"
	noResume, err := fault.Parse("no-resume:/feed #6")
	if err != nil {
		t.Fatal(err)
	}
	_, base := play(t, dir, Options{Faults: []fault.Fault{noResume}})
	for _, test := range []struct{ method, path, id, want string }{
		{"GET", "/feed", "", "200 id: 1\ndata: a\n\n" + rest + " <nil>"},
		{"GET", "/feed", "1", "200 " + rest + " <nil>"},
		{"GET", "/feed", "3", "204  <nil>"},
		{"GET", "/feed", "", "200 id: 1\ndata: a\n\n" + rest + " <nil>"}, // the 204 was for another request
		{"GET", "/feed", "unknown", "200 id: 1\ndata: a\n\n" + rest + " <nil>"},
		{"GET", "/feed", "1", "200 id: 1\ndata: a\n\n" + rest + " <nil>"}, // no-resume
		{"GET", "/mcp", "", "405 no <nil>"},
		{"GET", "/mcp", "1", "200 id: 2\ndata: result\n\n <nil>"},
		{"GET", "/mcp", "2", "204  <nil>"},
		{"GET", "/short", "1", "200  unexpected EOF"}, // its rest is not known
	} {
		header := http.Header{}
		if test.id != "" {
			header.Set("Last-Event-ID", test.id)
		}
		response, text, err := ask(t, base, call{method: test.method, target: test.path, header: header})
		if got := fmt.Sprintf("%d %s %v", response.StatusCode, text, err); got != test.want {
			t.Errorf("%s %s after %q: %q, want %q", test.method, test.path, test.id, got, test.want)
		}
	}
}

// TestFaultStatus wants the error of a fault in the form that a client accepts, without
// what the recorded answer had.
func TestFaultStatus(t *testing.T) {
	dir := write(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"path":"/"},"response":{"headers":{"Content-Type":"text/html","ETag":"\"x\""},"body":"hi"}}}`,
	})
	f, err := fault.Parse("status=429")
	if err != nil {
		t.Fatal(err)
	}
	_, base := play(t, dir, Options{Faults: []fault.Fault{f}})
	for accept, want := range map[string]string{
		"application/json": `application/json {"error":{"code":429,"message":"Too Many Requests"}}`,
		"*/*":              "text/plain; charset=utf-8 Too Many Requests",
	} {
		response, text, _ := ask(t, base, call{method: "GET", target: "/", header: http.Header{"Accept": {accept}}})
		if got := response.Header.Get("Content-Type") + " " + strings.TrimSpace(text); got != want || response.StatusCode != 429 || response.Header.Get("Etag") != "" {
			t.Errorf("%s: %d %v %q, want %q", accept, response.StatusCode, response.Header, got, want)
		}
	}
}
