package inspector

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// exchanges returns the handler of the page of the exchanges and of its API.
func (h *handler) exchanges() http.Handler {
	const root = "/.ssectl/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"{$}", h.guard(true, h.servePage))
	for path, serve := range map[string]http.HandlerFunc{
		"requests":                     h.serveRequests,
		"exchanges":                    h.serveList,
		"exchanges/changes":            h.serveChanges,
		"exchanges/search":             h.serveSearch,
		"exchanges/all.har":            h.serveAll,
		"exchanges/{number}":           h.serveDetail,
		"exchanges/{number}/events":    h.serveEvents,
		"exchanges/{number}/text":      h.serveTranscript,
		"exchanges/{number}/as/{form}": h.serveExport,
	} {
		mux.HandleFunc("GET "+root+path, h.guard(false, serve))
	}
	return mux
}

// guard lets no page of another site read what serve answers: neither one that asks
// for it, nor one whose name an attacker has made an address of this machine (DNS
// rebinding). A browser may come to the page itself from anywhere.
func (h *handler) guard(isPage bool, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		refuse := func(why string) { http.Error(w, "ssectl: "+why, http.StatusForbidden) }
		if !h.isOurHost(r.Host) {
			refuse(fmt.Sprintf("this is not shown under the name %q: use an address as http://127.0.0.1 (serve: or --allow-host)", r.Host))
			return
		}
		site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
		navigates := isPage && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		if site != "" && site != "same-origin" && site != "none" && !navigates {
			refuse("this is not for pages of other sites")
			return
		}
		if origin != "" {
			if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
				refuse("this is not for pages of other origins")
				return
			}
		}
		serve(w, r)
	}
}

// isOurHost reports whether a Host header names this server by something that an
// attacker cannot have given it: an address is nothing that DNS translates.
func (h *handler) isOurHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	return httpx.IsLoopback(host) || net.ParseIP(host) != nil || strings.HasSuffix(strings.ToLower(host), ".localhost") ||
		slices.ContainsFunc(h.Hosts, func(ours string) bool { return ours == "*" || strings.EqualFold(ours, host) })
}

func (h *handler) servePage(w http.ResponseWriter, _ *http.Request) {
	page, _ := assets.ReadFile("exchanges.html")
	streams := ""
	if h.page != nil {
		streams = "/"
	}
	asset(w, "text/html; charset=utf-8", []byte(strings.ReplaceAll(string(page), "{{STREAMS}}", streams)))
}

func answer(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	asset(w, "application/json", append(body, '\n'))
}

// changes are what the page's own event stream brings.
type changes struct {
	window.Changes
	Session string `json:"session"`
	Reset   bool   `json:"reset,omitempty"` // the page is to forget what it has
}

func (h *handler) serveList(w http.ResponseWriter, _ *http.Request) {
	answer(w, changes{Changes: h.Log.Changes(0), Session: h.Log.Session(), Reset: true})
}

// The page hears of changes at most ten times a second, and of a connection that is
// gone after the other.
const (
	changesEvery  = 100 * time.Millisecond
	keepaliveTime = 15 * time.Second
	writeTime     = 30 * time.Second
)

// serveChanges is the event stream of the page. Its IDs are those of changes, so
// that a page that comes back gets what changed since.
func (h *handler) serveChanges(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", stream.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	w.Header().Set("X-Accel-Buffering", "no")
	after, known := int64(0), false
	if number, ok := strings.CutPrefix(r.Header.Get("Last-Event-ID"), h.Log.Session()+"-"); ok {
		n, err := strconv.ParseInt(number, 10, 64)
		after, known = n, err == nil
	}
	send := func(text []byte) bool {
		control.SetWriteDeadline(time.Now().Add(writeTime)) // an error means that there is none
		if _, err := w.Write(text); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	text := []byte("retry: 1000\n\n")
	keepalive := time.NewTicker(keepaliveTime)
	defer keepalive.Stop()
	for {
		now := changes{Changes: h.Log.Changes(after), Session: h.Log.Session(), Reset: !known}
		data, err := json.Marshal(now)
		if err != nil {
			return
		}
		text = fmt.Appendf(text, "id: %s-%d\nevent: changes\ndata: %s\n\n", h.Log.Session(), now.Change, data)
		if !send(text) {
			return
		}
		text, after, known = text[:0], now.Change, true
		if !wait(r, h.Log.Changed(after), keepalive.C, send) {
			return
		}
		select {
		case <-time.After(changesEvery):
		case <-r.Context().Done():
			return
		}
	}
}

// wait waits for a change, and reports whether the client is still there.
func wait(r *http.Request, changed <-chan struct{}, keepalive <-chan time.Time, send func([]byte) bool) bool {
	for {
		select {
		case <-changed:
			return true
		case <-keepalive:
			if !send([]byte(":\n\n")) {
				return false
			}
		case <-r.Context().Done():
			return false
		}
	}
}

func (h *handler) serveSearch(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	if text == "" {
		http.Error(w, "ssectl: want a text to search for", http.StatusBadRequest)
		return
	}
	answer(w, h.Log.Search(text))
}

func number(r *http.Request) int64 {
	n, _ := strconv.ParseInt(r.PathValue("number"), 10, 64)
	return n
}

func notKept(w http.ResponseWriter) {
	http.Error(w, "ssectl: this exchange is not kept", http.StatusNotFound)
}

func (h *handler) serveDetail(w http.ResponseWriter, r *http.Request) {
	detail, ok := h.Log.Detail(number(r))
	if !ok {
		notKept(w)
		return
	}
	answer(w, detail)
}

// A shownEvent is a record as the page shows it. A key without a value is not there.
type shownEvent struct {
	MS         float64 `json:"ms"` // since the request
	Type       string  `json:"type,omitempty"`
	ID         *string `json:"id,omitempty"`
	Data       *string `json:"data,omitempty"`
	Comment    *string `json:"comment,omitempty"`
	Retry      *int64  `json:"retry,omitempty"`
	Incomplete bool    `json:"incomplete,omitempty"`
	Raw        string  `json:"raw,omitempty"` // of one that has nothing else
}

// The page gets the events of an exchange in pieces.
const (
	mostEvents     = 1000
	mostEventBytes = 4 << 20
)

func (h *handler) serveEvents(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	events, ok := h.Log.Events(number(r), from, mostEvents)
	if !ok {
		notKept(w)
		return
	}
	shown := struct {
		First  int64        `json:"first"`
		Events []shownEvent `json:"events"`
		More   bool         `json:"more,omitempty"`
		Ended  bool         `json:"ended,omitempty"`
	}{First: events.First, Events: []shownEvent{}, More: events.More, Ended: events.Ended}
	size := 0
	for i := range events.Records {
		if size > mostEventBytes {
			shown.More = true
			break
		}
		record := &events.Records[i]
		size += len(record.Data) + len(record.Comment) + len(record.ID)
		shown.Events = append(shown.Events, shownOf(record, events.Start))
	}
	answer(w, shown)
}

func shownOf(r *record.Record, start time.Time) shownEvent {
	e := shownEvent{MS: float64(r.Time.Sub(start).Microseconds()) / 1000, Incomplete: r.Incomplete}
	if r.IsEvent {
		e.Type, e.Data = r.Type, &r.Data
	}
	if r.HasID || r.ID != "" {
		e.ID = &r.ID
	}
	if r.HasComment {
		e.Comment = &r.Comment
	}
	if r.HasRetry || r.Retry != 0 {
		ms := r.Retry.Milliseconds()
		e.Retry = &ms
	}
	if e.Data == nil && e.ID == nil && e.Comment == nil && e.Retry == nil {
		e.Raw = strings.ToValidUTF8(string(r.Raw), "\ufffd")
	}
	return e
}

func (h *handler) serveTranscript(w http.ResponseWriter, r *http.Request) {
	read := h.Transcript
	if read == nil {
		read = func([]record.Record) window.Transcript { return window.Transcript{Parts: []window.Part{}} }
	}
	transcript, ok := h.Log.Transcript(number(r), read)
	if !ok {
		notKept(w)
		return
	}
	answer(w, transcript)
}

// attach makes the answer a file, which no browser shows as a page.
func attach(w http.ResponseWriter, name string) {
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
}

func (h *handler) serveExport(w http.ResponseWriter, r *http.Request) {
	n := number(r)
	if _, ok := h.Log.Events(n, 0, 0); !ok {
		notKept(w)
		return
	}
	var write func() error
	form := r.PathValue("form")
	switch form {
	case "sse":
		write = func() error { return h.Log.WriteSSE(w, n) }
	case "jsonl":
		write = func() error { return h.Log.WriteJSONLines(w, n) }
	case "har":
		write = func() error { return h.Log.WriteHAR(w, h.Version, n) }
	default:
		http.Error(w, "ssectl: want sse, jsonl or har", http.StatusNotFound)
		return
	}
	attach(w, fmt.Sprintf("exchange-%d.%s", n, form))
	if err := write(); err != nil {
		panic(http.ErrAbortHandler) // half a file must not look like a whole one
	}
}

func (h *handler) serveAll(w http.ResponseWriter, _ *http.Request) {
	var numbers []int64
	for _, s := range h.Log.Changes(0).Exchanges {
		numbers = append(numbers, s.Number)
	}
	attach(w, "exchanges.har")
	if err := h.Log.WriteHAR(w, h.Version, numbers...); err != nil {
		panic(http.ErrAbortHandler)
	}
}
