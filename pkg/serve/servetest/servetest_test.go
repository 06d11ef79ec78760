package servetest_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/serve/servetest"
	"github.com/ssectl/ssectl/pkg/stream"
)

// received listens until the stream ends and returns the data of its events.
func received(t *testing.T, url string) (data []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := listen.New(req, listen.Options{Backoff: listen.Backoff{Delay: time.Millisecond}})
	defer s.Close()
	for event, err := range s.Events() {
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, event.Data)
	}
	return data
}

func TestNew(t *testing.T) {
	server := servetest.New(t, []stream.Event{{ID: "1", Data: "a"}, {ID: "2", Data: "b"}, {ID: "3", Data: "c"}}, "drop@2")
	if got := received(t, server.URL); len(got) != 3 || got[0]+got[1]+got[2] != "abc" {
		t.Errorf("received %q", got)
	}
	// The third connection gets a 204: there is nothing more.
	poll, limit := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for len(server.Connections()) < 3 {
		select {
		case <-poll.C:
		case <-limit:
			t.Fatalf("no third connection: %+v", server.Connections())
		}
	}
	if c := server.Connections()[1]; c.LastEventID != "2" || c.Events != 1 {
		t.Errorf("second connection: %+v", c)
	}
}

func TestNewFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(file, []byte(`{"id":"1","data":{"n": 1}}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	server := servetest.NewFile(t, file)
	if got := received(t, server.URL); len(got) != 1 || got[0] != `{"n":1}` {
		t.Errorf("received %q", got)
	}
}

func TestNewLive(t *testing.T) {
	server := servetest.NewLive(t)
	go func() {
		server.History.Append(stream.Event{ID: "1", Data: "live"})
		server.History.End()
	}()
	if got := received(t, server.URL); len(got) != 1 || got[0] != "live" {
		t.Errorf("received %q", got)
	}
}
