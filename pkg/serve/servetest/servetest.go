// Package servetest gives a test a fake event stream in one line, as httptest
// gives it a server:
//
//	server := servetest.New(t, []stream.Event{{ID: "1", Data: "a"}, {ID: "2", Data: "b"}}, "drop@1")
//	client := mypackage.Connect(server.URL)
//
// The server replays the events to each client, resumes by Last-Event-ID, and
// answers 204 to a client that has them all, so that every EventSource comes to
// an end. Faults are those of "ssectl serve --fault": drop@5 cuts a connection
// after its fifth event, reset@5 does it with a TCP reset, stall@5=30s falls
// silent, status=503@1-2 refuses the first two connections;
// [fault.Kinds] lists all.
//
// [Tape] records what a real service answers in the first run of a test, and plays it
// in all later ones.
//
// The server ends with the test. For more, a test can make a server of its own
// with a [serve.Handler].
package servetest

import (
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A Server is a fake stream that listens on the loopback interface.
type Server struct {
	URL     string         // http://127.0.0.1:port
	History *serve.History // append to it for a live stream; see [NewLive]

	mu          sync.Mutex
	connections []serve.Connection // guarded by mu
}

// New starts a server that replays the events, with faults. It fails the test
// if an event cannot be sent or a fault cannot be read.
func New(t testing.TB, events []stream.Event, faults ...string) *Server {
	t.Helper()
	s := NewLive(t, faults...)
	for i := range events {
		if err := s.History.Append(events[i]); err != nil {
			t.Fatalf("servetest: event %d: %v", i+1, err)
		}
	}
	s.History.End()
	return s
}

// NewFile is New for the events of a file: JSON lines, a saved stream, text or a
// HAR file, detected by its first bytes.
func NewFile(t testing.TB, file string, faults ...string) *Server {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatalf("servetest: %v", err)
	}
	defer f.Close()
	source, _, err := record.Read(f, record.FormatAuto, 0)
	if err != nil {
		t.Fatalf("servetest: %s: %v", file, err)
	}
	s := NewLive(t, faults...)
	if err := s.History.Load(source); err != nil {
		t.Fatalf("servetest: %s: %v", file, err)
	}
	return s
}

// NewLive starts a server without events, for the test to append to History
// while clients listen. End of the History ends their responses.
func NewLive(t testing.TB, faults ...string) *Server {
	t.Helper()
	s := &Server{History: new(serve.History)}
	handler := &serve.Handler{History: s.History, Options: serve.Options{Closed: s.closed}}
	for _, text := range faults {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatalf("servetest: %v", err)
		}
		handler.Faults = append(handler.Faults, f)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		handler.Close()
		server.Close()
	})
	s.URL = server.URL
	return s
}

func (s *Server) closed(c serve.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections = append(s.connections, c)
}

// Connections returns the connections that have ended, with the request, the
// counts and the end of each.
func (s *Server) Connections() []serve.Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]serve.Connection(nil), s.connections...)
}
