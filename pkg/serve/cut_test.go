package serve_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// TestFaultCutsByAge cuts an answer that flows, and answers with 504 where the header
// did not go out in time.
func TestFaultCutsByAge(t *testing.T) {
	cut := fault.Fault{Kind: "cut", Duration: 3500 * time.Millisecond}
	got := watch(t, cut)
	if !strings.HasPrefix(got.head, "200") || got.whole || strings.Count(got.body, "\n\n") != 4 || !strings.HasSuffix(got.reads, "at 3.5s\n") {
		t.Errorf("got %+v, want four events of the stream and a cut after 3.5 s", got)
	}
	for _, late := range []fault.Fault{{Kind: "delay", Duration: 4 * time.Second}, {Kind: "buffer", Size: 16 << 10}} {
		got := watch(t, cut, late)
		if !strings.HasPrefix(got.head, "504") || !got.whole || got.body != "Gateway Timeout\n" || !strings.HasSuffix(got.reads, "at 3.5s\n") {
			t.Errorf("with %s: got %+v, want a 504 after 3.5 s", late.Kind, got)
		}
	}
}

// TestFaultCutsStuckClient has a client that takes nothing: the cut does not wait
// for it.
func TestFaultCutsStuckClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history := &serve.History{}
		history.Append(stream.Event{Data: strings.Repeat("x", 1<<20)})
		closed := make(chan serve.Connection, 1)
		h := &serve.Handler{History: history, Options: serve.Options{
			Faults: []fault.Fault{{Kind: "cut", Duration: 5 * time.Second}, {Kind: "cut", Duration: time.Minute}},
			Closed: func(c serve.Connection) { closed <- c },
		}}
		listener := make(pipes)
		server := &http.Server{Handler: h}
		done := make(chan struct{})
		go func() { server.Serve(listener); close(done) }()
		near, far := net.Pipe()
		listener <- far
		io.WriteString(near, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if c := <-closed; c.Duration != 5*time.Second || c.End != "cut after 5s" {
			t.Errorf("the connection ended after %v: %s", c.Duration, c.End)
		}
		near.Close()
		h.Close()
		server.Close()
		<-done
	})
}

// TestFaultCutOverAResponseWriter has the same over HTTP/2.
func TestFaultCutOverAResponseWriter(t *testing.T) {
	history := &serve.History{}
	history.Append(stream.Event{Data: "x"})
	cut := fault.Fault{Kind: "cut", Duration: 50 * time.Millisecond}
	for _, test := range []struct {
		faults []fault.Fault
		status int
		whole  bool
	}{
		{[]fault.Fault{cut}, http.StatusOK, false},
		{[]fault.Fault{cut, {Kind: "buffer", Size: 16 << 10}}, http.StatusGatewayTimeout, true},
	} {
		options := serve.Options{Faults: test.faults, CORS: "*", Header: http.Header{"server": {"envoy"}}}
		server := newTLS(t, &serve.Handler{History: history, Options: options})
		response, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.ProtoMajor != 2 || response.StatusCode != test.status || (err == nil) != test.whole {
			t.Errorf("HTTP/%d: status %d, %q, %v; want %+v", response.ProtoMajor, response.StatusCode, body, err, test)
		}
		header := response.Header
		if header.Get("Server") != "envoy" || test.whole && (string(body) != "Gateway Timeout\n" || header.Get("Cache-Control") != "" || header.Get("Access-Control-Allow-Origin") != "") {
			t.Errorf("%v %q", header, body)
		}
	}
}
