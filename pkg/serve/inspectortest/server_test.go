package inspectortest

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
)

// A server answers as "ssectl serve" does, on a port of its own.
type server struct {
	t       *testing.T
	url     string
	history *serve.History
}

// startServer starts a server of live input, which ends with the test.
func startServer(t *testing.T) *server {
	return startHandler(t, &serve.Handler{History: &serve.History{}})
}

// startRecording starts a server that replays JSON lines at their recorded pace.
func startRecording(t *testing.T, lines ...string) *server {
	t.Helper()
	source, _, err := record.Read(strings.NewReader(strings.Join(lines, "\n")), record.FormatJSONL, 0)
	if err != nil {
		t.Fatal(err)
	}
	history := &serve.History{}
	if err := history.Load(source); err != nil {
		t.Fatal(err)
	}
	return startHandler(t, &serve.Handler{History: history, Options: serve.Options{Pace: serve.Pace{Recorded: true}, AtEnd: serve.EndHold}})
}

func startHandler(t *testing.T, handler *serve.Handler) *server {
	handler.RetryHint = 300 * time.Millisecond
	mux := &serve.Mux{Routes: []serve.Route{{Path: "/events", Handler: handler}}}
	s := httptest.NewServer(inspector.New(mux))
	t.Cleanup(s.Close)
	t.Cleanup(func() { mux.Close() })
	return &server{t: t, url: s.URL, history: handler.History}
}

// send lets events come in, given as JSON lines.
func (s *server) send(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		record, err := record.ParseJSON([]byte(line))
		if err == nil {
			err = s.history.AppendRecord(&record)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}
