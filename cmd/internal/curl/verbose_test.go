package curl

import (
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestVerboseInOrder has net/http report a request as sent after its answer has
// come, as its goroutines for HTTP/2 may.
func TestVerboseInOrder(t *testing.T) {
	var out strings.Builder
	var wrote func()
	verbose := &verboseTransport{w: &out, next: roundTripper(func(r *http.Request) (*http.Response, error) {
		wrote = httptrace.ContextClientTrace(r.Context()).WroteHeaders
		return &http.Response{Proto: "HTTP/2.0", Status: "200 OK"}, nil
	})}
	req, err := http.NewRequest(http.MethodGet, "http://h/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verbose.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	wrote()
	if want := "> GET /x\n> Host: h\n>\n< HTTP/2.0 200 OK\n<\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}
