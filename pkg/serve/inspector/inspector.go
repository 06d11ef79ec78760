// Package inspector shows a browser the streams of a [serve.Mux]: a page with the
// stream of the first route, and counts as JSON.
package inspector

import (
	"cmp"
	"embed"
	"encoding/json"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
)

//go:embed index.html inspector.css inspector.js
var assets embed.FS

// contentPolicy lets the page load its own files, connect to the server that it
// comes from, and nothing else. No data of a stream ever becomes code.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type handler struct {
	mux  *serve.Mux
	page []byte
}

// New returns a handler that answers with mux, but with the page for a browser
// that opens /, and at /.ssectl/ with the files of the page and the counts.
func New(mux *serve.Mux) http.Handler {
	path := "/"
	if len(mux.Routes) > 0 {
		path = cmp.Or(mux.Routes[0].Path, "/")
	}
	page, _ := assets.ReadFile("index.html") // go:embed made sure of it
	return &handler{mux: mux, page: []byte(strings.ReplaceAll(string(page), "{{STREAM}}", html.EscapeString(path)))}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
		asset(w, "text/html; charset=utf-8", h.page)
	case path == "/.ssectl/inspector.css" || path == "/.ssectl/inspector.js":
		body, _ := assets.ReadFile(strings.TrimPrefix(path, "/.ssectl/"))
		contentType := "text/css; charset=utf-8"
		if strings.HasSuffix(path, ".js") {
			contentType = "text/javascript; charset=utf-8"
		}
		asset(w, contentType, body)
	case path == "/.ssectl/stats":
		h.serveStats(w, r)
	case path == "/.ssectl/drop":
		h.serveDrop(w, r)
	default:
		h.mux.ServeHTTP(w, r)
	}
}

func asset(w http.ResponseWriter, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
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
	for _, streams := range h.mux.Handlers() {
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
	for i, streams := range h.mux.Handlers() {
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
				Lag: c.Lag(), LastEventID: c.Position(), Token: c.Token,
			})
		}
	}
	return all
}
