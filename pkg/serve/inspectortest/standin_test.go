package inspectortest

import (
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

type server struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	log     []map[string]any
	wake    chan struct{}
	types   []string
	clients map[string]chan struct{}
	resumes int
	sent    int
}

func serve(t *testing.T, args ...string) *server {
	s := &server{t: t, wake: make(chan struct{}), clients: map[string]chan struct{}{}}
	ts := httptest.NewServer(s)
	t.Cleanup(func() {
		ts.CloseClientConnections()
		ts.Close()
	})
	s.url = ts.URL
	return s
}

func (s *server) send(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range lines {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		if typ, ok := e["event"].(string); ok {
			seen := false
			for _, k := range s.types {
				seen = seen || k == typ
			}
			if !seen {
				s.types = append(s.types, typ)
			}
		}
		if _, ok := e["data"].(string); !ok {
			b, _ := json.Marshal(e["data"])
			e["data"] = string(b)
		}
		s.log = append(s.log, e)
	}
	close(s.wake)
	s.wake = make(chan struct{})
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	dir := "../inspector/"
	switch {
	case r.URL.Path == "/.ssectl/inspector.css":
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		b, _ := os.ReadFile(dir + "inspector.css")
		w.Write(b)
	case r.URL.Path == "/.ssectl/inspector.js":
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		b, _ := os.ReadFile(dir + "inspector.js")
		w.Write(b)
	case r.URL.Path == "/.ssectl/drop":
		s.mu.Lock()
		c := s.clients[r.FormValue("client")]
		delete(s.clients, r.FormValue("client"))
		s.mu.Unlock()
		if c == nil {
			http.NotFound(w, r)
			return
		}
		close(c)
		w.WriteHeader(204)
	case r.URL.Path == "/.ssectl/stats":
		s.mu.Lock()
		defer s.mu.Unlock()
		cs := []map[string]any{}
		for tok := range s.clients {
			cs = append(cs, map[string]any{"id": 1, "remote": "127.0.0.1:41822", "path": "/", "since": time.Now(), "events": s.sent, "bytes": s.sent * 100, "lag": 0, "token": tok})
		}
		json.NewEncoder(w).Encode(map[string]any{"uptime_ms": 61000, "events": s.sent, "bytes": s.sent * 100, "resumes": s.resumes, "clients": cs, "types": s.types})
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		b, _ := os.ReadFile(dir + "index.html")
		fmt.Fprint(w, strings.ReplaceAll(string(b), "{{STREAM}}", html.EscapeString("/")))
	default:
		s.stream(w, r)
	}
}

func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 100\n\n")
	drop := make(chan struct{})
	tok := r.FormValue("ssectl_client")
	at := 0
	s.mu.Lock()
	if tok != "" {
		s.clients[tok] = drop
	}
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.FormValue("last_event_id")
	}
	if last != "" {
		s.resumes++
		for i, e := range s.log {
			if e["id"] == last {
				at = i + 1
			}
		}
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		pending, wake := s.log[at:], s.wake
		s.sent += len(pending)
		at = len(s.log)
		s.mu.Unlock()
		for _, e := range pending {
			if v, ok := e["event"]; ok {
				fmt.Fprintf(w, "event: %v\n", v)
			}
			if v, ok := e["id"]; ok {
				fmt.Fprintf(w, "id: %v\n", v)
			}
			for _, l := range strings.Split(e["data"].(string), "\n") {
				fmt.Fprintf(w, "data: %s\n", l)
			}
			fmt.Fprint(w, "\n")
		}
		w.(http.Flusher).Flush()
		select {
		case <-wake:
		case <-drop:
			c, _, _ := w.(http.Hijacker).Hijack()
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			return
		case <-r.Context().Done():
			return
		}
	}
}
