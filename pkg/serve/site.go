package serve

import (
	"cmp"
	"embed"
	"errors"
	"html"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Endpoint is a handler at a place.
type Endpoint struct {
	Method  string // any if empty
	Path    string // all that no other endpoint has, if empty; see [Endpoint.Matches]
	Handler *Handler
}

// Matches reports whether the endpoint is for a path. In the Path of the
// endpoint, a segment {name} or * stands for any one segment, and {name...} or *
// at the end for all that follow.
func (e *Endpoint) Matches(path string) bool {
	want, got := strings.Split(e.Path, "/"), strings.Split(path, "/")
	for i, segment := range want {
		named := strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}")
		last := i == len(want)-1
		switch {
		case last && (segment == "*" || named && strings.HasSuffix(segment, "...}")):
			return len(got) > i && got[i] != ""
		case i >= len(got), segment != got[i] && (!named && segment != "*" || got[i] == ""):
			return false
		}
	}
	return len(want) == len(got)
}

func (e *Endpoint) String() string {
	return strings.TrimSpace(e.Method + " " + cmp.Or(e.Path, "/..."))
}

// A Site is what ssectl serve answers with: endpoints, a page that shows a
// browser the stream of the first one, at /, and statistics as JSON at
// /.ssectl/stats.
type Site struct {
	Endpoints []Endpoint

	// Missed is called with each request that no endpoint is there for.
	Missed func(Connection)

	once sync.Once
	page []byte
}

//go:embed inspector/index.html inspector/inspector.css inspector/inspector.js
var assets embed.FS

// contentPolicy lets the page load what it brings, connect to where it comes
// from, and nothing else. What a stream holds never becomes code.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Site) init() {
	s.once.Do(func() {
		path := "/"
		if len(s.Endpoints) > 0 {
			path = cmp.Or(s.Endpoints[0].Path, "/")
		}
		page, _ := assets.ReadFile("inspector/index.html") // go:embed made sure of it
		s.page = []byte(strings.ReplaceAll(string(page), "{{STREAM}}", html.EscapeString(path)))
	})
}

// ServeHTTP answers one request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.init()
	switch path := r.URL.Path; {
	case path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
		s.asset(w, "text/html; charset=utf-8", s.page)
	case path == "/.ssectl/inspector.css" || path == "/.ssectl/inspector.js":
		body, _ := assets.ReadFile("inspector/" + strings.TrimPrefix(path, "/.ssectl/"))
		contentType := "text/css; charset=utf-8"
		if strings.HasSuffix(path, ".js") {
			contentType = "text/javascript; charset=utf-8"
		}
		s.asset(w, contentType, body)
	case path == "/.ssectl/stats":
		s.serveStats(w, r)
	case path == "/.ssectl/drop":
		s.serveDrop(w, r)
	default:
		s.serveEndpoint(w, r)
	}
}

func (s *Site) asset(w http.ResponseWriter, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept") // the same URL is the stream
	w.Write(body)
}

func (s *Site) serveEndpoint(w http.ResponseWriter, r *http.Request) {
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	var methods, all []string
	path := r.URL.Path
	for _, is := range []func(e *Endpoint) bool{
		func(e *Endpoint) bool { return e.Path != "" && e.Path == path },
		func(e *Endpoint) bool { return e.Path != "" && e.Path != path && e.Matches(path) },
		func(e *Endpoint) bool { return e.Path == "" },
	} {
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			if !is(e) {
				continue
			}
			if e.Method == "" || e.Method == r.Method || preflight || e.Method == http.MethodGet && r.Method == http.MethodHead {
				e.Handler.ServeHTTP(w, r)
				return
			}
			methods = append(methods, e.Method)
		}
	}
	if len(methods) > 0 {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		s.miss(w, r, http.StatusMethodNotAllowed, "want "+strings.Join(methods, " or "))
		return
	}
	for i := range s.Endpoints {
		all = append(all, s.Endpoints[i].String())
	}
	s.miss(w, r, http.StatusNotFound, "nothing here; there is\n"+strings.Join(all, "\n"))
}

func (s *Site) miss(w http.ResponseWriter, r *http.Request, status int, message string) {
	http.Error(w, "ssectl serve: "+message, status)
	if s.Missed != nil {
		s.Missed(Connection{Remote: r.RemoteAddr, Method: r.Method, Path: r.URL.Path, Status: status, Start: time.Now(), End: endRefused})
	}
}

// serveDrop cuts the connection of one client, on behalf of the page: no other
// page may ask for it.
func (s *Site) serveDrop(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "ssectl serve: want POST", http.StatusMethodNotAllowed)
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "ssectl serve: "+err.Error(), http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	token := r.PostFormValue("client")
	for _, h := range s.handlers() {
		if token != "" && h.drop(token) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	http.Error(w, "ssectl serve: no such client", http.StatusNotFound)
}

// handlers returns the handlers, each once.
func (s *Site) handlers() []*Handler {
	var handlers []*Handler
	for _, e := range s.Endpoints {
		if !slices.Contains(handlers, e.Handler) {
			handlers = append(handlers, e.Handler)
		}
	}
	return handlers
}

// Close closes all handlers.
func (s *Site) Close() error {
	var wg sync.WaitGroup
	handlers := s.handlers()
	errs := make([]error, len(handlers))
	for i, h := range handlers {
		wg.Go(func() { errs[i] = h.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// drop cuts the connection of the client that has the token.
func (h *Handler) drop(token string) (found bool) {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if c.token == token {
			h.unblock(c, EndedDropped)
			found = true
		}
	}
	return found
}
