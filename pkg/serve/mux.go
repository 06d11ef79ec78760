package serve

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
)

// A Route is a handler for requests of one method and path.
type Route struct {
	Method  string // any if empty
	Path    string // all paths that no other route has, if empty; see [Route.Matches]
	Handler *Handler
}

// Matches reports whether the route is for a path. In the Path of the route, a
// segment {name} or * stands for any one segment, and {name...} or * at the end
// for one or more.
func (r *Route) Matches(path string) bool {
	return httpx.MatchPath(r.Path, path)
}

func (r *Route) String() string {
	return strings.TrimSpace(r.Method + " " + cmp.Or(r.Path, "/..."))
}

// A Mux answers each request with the handler of its route. A route with the exact
// path takes precedence over one with a pattern, and that over one without a path.
type Mux struct {
	Routes []Route

	// Else answers requests that no route is for, if not nil. Close closes it if
	// it is an [io.Closer].
	Else http.Handler

	// Unrouted is called with each request that no route was found for.
	Unrouted func(Connection)
}

// ServeHTTP answers one request.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	var methods, all []string
	path := r.URL.Path
	for _, is := range []func(r *Route) bool{
		func(r *Route) bool { return r.Path != "" && r.Path == path },
		func(r *Route) bool { return r.Path != "" && r.Path != path && r.Matches(path) },
		func(r *Route) bool { return r.Path == "" },
	} {
		for i := range m.Routes {
			route := &m.Routes[i]
			if !is(route) {
				continue
			}
			if route.Method == "" || route.Method == r.Method || preflight || route.Method == http.MethodGet && r.Method == http.MethodHead {
				route.Handler.ServeHTTP(w, r)
				return
			}
			methods = append(methods, route.Method)
		}
	}
	if m.Else != nil {
		m.Else.ServeHTTP(w, r)
		return
	}
	if len(methods) > 0 {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		m.refuse(w, r, http.StatusMethodNotAllowed, "want "+strings.Join(methods, " or "))
		return
	}
	for i := range m.Routes {
		all = append(all, m.Routes[i].String())
	}
	m.refuse(w, r, http.StatusNotFound, "nothing here; there is\n"+strings.Join(all, "\n"))
}

func (m *Mux) refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	http.Error(w, "ssectl serve: "+message, status)
	if m.Unrouted != nil {
		m.Unrouted(Connection{Remote: r.RemoteAddr, Method: r.Method, Path: r.URL.Path, Status: status, Start: time.Now(), End: endRefused})
	}
}

// Handlers returns the handlers of all routes, each once.
func (m *Mux) Handlers() []*Handler {
	var handlers []*Handler
	for i := range m.Routes {
		if h := m.Routes[i].Handler; !slices.Contains(handlers, h) {
			handlers = append(handlers, h)
		}
	}
	return handlers
}

// Close closes all handlers.
func (m *Mux) Close() error {
	var wg sync.WaitGroup
	var otherwise error
	if c, ok := m.Else.(io.Closer); ok {
		wg.Go(func() { otherwise = c.Close() })
	}
	handlers := m.Handlers()
	errs := make([]error, len(handlers))
	for i, h := range handlers {
		wg.Go(func() { errs[i] = h.Close() })
	}
	wg.Wait()
	return errors.Join(append(errs, otherwise)...)
}
