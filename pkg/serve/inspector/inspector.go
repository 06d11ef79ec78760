// Package inspector shows a browser the streams of a [serve.Mux], and the exchanges
// of a [window.Log]: pages, and what they show as JSON.
package inspector

import (
	"cmp"
	"embed"
	"encoding/json"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

//go:embed *.html *.css *.js
var assets embed.FS

// contentPolicy lets the page load its own files, connect to the server that it
// comes from, and nothing else. No data of a stream ever becomes code.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Options are what the pages show. Everything but the pages, below /.ssectl/ and
// for a browser that opens /, is answered by Next, or by Mux if Next is nil.
type Options struct {
	// Mux has the streams of this server; / is the page of its first one, unless
	// it has other answers for what is not one of its streams. It may be nil.
	Mux *serve.Mux

	// Log has the exchanges that the page at /.ssectl/ shows, and /.ssectl/requests
	// lists for a test, and nothing else is there if it is nil. As they may be private, that page and its API are for
	// browsers on a host that cannot be another one in disguise: this machine, an
	// IP address, and the names in Hosts, of which * means any.
	Log   *window.Log
	Hosts []string

	// Faults, if not nil, are shown and set at /.ssectl/fault, for the same browsers.
	Faults *fault.Control

	// Transcript puts the text of a stream together. It may be nil.
	Transcript func([]record.Record) window.Transcript

	Next    http.Handler
	Version string // of the program, for exports
}

type handler struct {
	Options
	page []byte
	api  http.Handler // of the exchanges
}

// New returns a handler that answers with mux, but with the page for a browser
// that opens /, and at /.ssectl/ with the files of the page and the counts.
func New(mux *serve.Mux) http.Handler { return NewHandler(Options{Mux: mux}) }

// NewHandler returns a handler for the pages and all the rest.
func NewHandler(options Options) http.Handler {
	h := &handler{Options: options}
	if h.Mux != nil && h.Mux.Else == nil {
		path := "/"
		if len(h.Mux.Routes) > 0 {
			path = cmp.Or(h.Mux.Routes[0].Path, "/")
		}
		page, _ := assets.ReadFile("index.html") // go:embed made sure of it
		h.page = []byte(strings.ReplaceAll(string(page), "{{STREAM}}", html.EscapeString(path)))
	}
	switch {
	case h.Next != nil:
	case h.Mux != nil:
		h.Next = h.Mux
	default:
		h.Next = http.HandlerFunc(h.toExchanges)
	}
	h.api = h.exchanges()
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ours := strings.CutPrefix(r.URL.Path, "/.ssectl/")
	switch {
	case h.page != nil && r.URL.Path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
		asset(w, "text/html; charset=utf-8", h.page)
	case !ours:
		h.Next.ServeHTTP(w, r)
	case isAsset(path):
		body, _ := assets.ReadFile(path)
		contentType := "text/css; charset=utf-8"
		if strings.HasSuffix(path, ".js") {
			contentType = "text/javascript; charset=utf-8"
		}
		asset(w, contentType, body)
	case h.Mux != nil && path == "stats":
		h.serveStats(w, r)
	case h.Mux != nil && path == "drop":
		h.serveDrop(w, r)
	case h.Log != nil && (path == "" || path == "exchanges" || strings.HasPrefix(path, "exchanges/")):
		h.api.ServeHTTP(w, r)
	case h.Log != nil && path == "requests":
		h.api.ServeHTTP(w, r)
	case path == "requests": // and no stream in its place, which may have no end
		http.Error(w, "ssectl: no log of requests is kept here: it is for tapes, fakes and upstreams", http.StatusNotFound)
	case h.Faults != nil && path == "fault":
		h.guard(false, h.serveFault)(w, r)
	default:
		h.Next.ServeHTTP(w, r)
	}
}

// isAsset reports whether path is a file of the pages, other than a page.
func isAsset(path string) bool {
	switch path {
	case "inspector.css", "inspector.js", "exchanges.css", "exchanges.js", "common.js":
		return true
	}
	return false
}

// toExchanges sends a browser to the page where there is no other one.
func (h *handler) toExchanges(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		http.Redirect(w, r, "/.ssectl/", http.StatusFound)
		return
	}
	http.NotFound(w, r)
}

func asset(w http.ResponseWriter, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept") // the same URL is the stream
	w.Write(body)
}

// serveDrop cuts the connection of one client, on behalf of the page: no other
// page may ask for it.
func (h *handler) serveDrop(w http.ResponseWriter, r *http.Request) {
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
	for _, streams := range h.Mux.Handlers() {
		for c := range streams.Clients() {
			if token != "" && c.Token == token && streams.Drop(c.ID) {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
	}
	http.Error(w, "ssectl serve: no such client", http.StatusNotFound)
}

// maxListed is how many clients the statistics list.
const maxListed = 100

// stats is the answer of /.ssectl/stats. Keys stay; new ones may come.
type stats struct {
	UptimeMS    int64    `json:"uptime_ms"`   // of the oldest history
	Connections int64    `json:"connections"` // so far
	Events      int64    `json:"events"`      // sent to all clients together
	Bytes       int64    `json:"bytes"`       // likewise, without the framing of HTTP
	Resumes     int64    `json:"resumes"`
	Types       []string `json:"types"`        // of the events of the first route
	ClientCount int      `json:"client_count"` // connected now
	Clients     []client `json:"clients"`      // the first 100 of them
}

type client struct {
	ID          int64     `json:"id"`
	Remote      string    `json:"remote"`
	Path        string    `json:"path"`
	Since       time.Time `json:"since"`
	Events      int64     `json:"events"`
	Bytes       int64     `json:"bytes"`
	Lag         int64     `json:"lag"`           // events that are there and were not sent
	LastEventID string    `json:"last_event_id"` // in force after the events that were sent
	Token       string    `json:"token,omitempty"`
	WebSocket   bool      `json:"websocket,omitempty"`
}

func (h *handler) serveStats(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(h.stats(r.URL.Query().Get("client")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	asset(w, "application/json", append(body, '\n'))
}

// stats returns the statistics. The client with the token is listed in any case.
func (h *handler) stats(token string) stats {
	all := stats{Types: []string{}, Clients: []client{}}
	for i, streams := range h.Mux.Handlers() {
		s := streams.Stats()
		all.UptimeMS = max(all.UptimeMS, time.Since(s.Since).Milliseconds())
		all.ClientCount += s.Clients
		all.Connections += s.Connections
		all.Resumes += s.Resumes
		all.Events += s.Events
		all.Bytes += s.Bytes
		if i == 0 {
			all.Types = append(all.Types, streams.History.Types()...)
		}
		for c := range streams.Clients() {
			if mine := token != "" && c.Token == token; len(all.Clients) >= maxListed && !mine {
				continue
			}
			all.Clients = append(all.Clients, client{
				ID: c.ID, Remote: c.Remote, Path: c.Path, Since: c.Start.UTC(), Events: c.Events, Bytes: c.Bytes,
				Lag: c.Lag(), LastEventID: c.Position(), Token: c.Token, WebSocket: c.WebSocket,
			})
		}
	}
	return all
}
