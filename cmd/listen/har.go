package listencmd

import (
	"encoding/json"
	"io"
	"net/http"
	"sort"
	"strconv"
	"time"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A har writes an HTTP archive as the developer tools of Chromium do it for an
// EventSource: one entry for each connection, its events in
// _eventSourceMessages. Events are written as they come, so memory stays small,
// and the facts known only at the end of an entry follow them. The form is that
// of http://www.softwareishard.com/blog/har-12-spec/.
type har struct {
	w        io.WriteCloser
	req      *http.Request
	response func() *http.Response
	pending  []byte
	err      error

	open     bool // an entry is
	entries  int
	messages int
	asked    time.Time
	started  time.Time // when the headers of the entry were there
	lastID   []byte
}

func newHAR(w io.WriteCloser, req *http.Request, version string, response func() *http.Response) *har {
	h := &har{w: w, req: req, response: response, asked: time.Now()}
	h.pending = append(h.pending, `{"log":{"version":"1.2","creator":`...)
	h.json(harCreator{"ssectl", version})
	h.pending = append(h.pending, `,"pages":[],"entries":[`...)
	return h
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harRequest struct {
	Method      string    `json:"method"`
	URL         string    `json:"url"`
	HTTPVersion string    `json:"httpVersion"`
	Headers     []harPair `json:"headers"`
	QueryString []harPair `json:"queryString"`
	Cookies     []harPair `json:"cookies"`
	HeadersSize int       `json:"headersSize"`
	BodySize    int64     `json:"bodySize"`
}

type harContent struct {
	Size     int    `json:"size"`
	MimeType string `json:"mimeType"`
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	HTTPVersion string     `json:"httpVersion"`
	Headers     []harPair  `json:"headers"`
	Cookies     []harPair  `json:"cookies"`
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int        `json:"bodySize"`
}

type harTimings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

func (h *har) change(change listen.Change, at time.Time) {
	switch change.(type) {
	case listen.Connected:
		h.openEntry(at)
	case listen.Dropped:
		h.closeEntry(at)
	case listen.Waiting:
		h.asked = at
	}
}

func (h *har) openEntry(at time.Time) {
	resp := h.response()
	if resp == nil {
		return
	}
	if h.entries > 0 {
		h.pending = append(h.pending, ',')
	}
	h.open, h.started, h.messages = true, at, 0
	h.entries++
	sent := resp.Request.Header
	h.pending = append(h.pending, `{"_resourceType":"eventsource","cache":{},"startedDateTime":`...)
	h.json(h.asked.UTC().Format(time.RFC3339Nano))
	h.pending = append(h.pending, `,"request":`...)
	h.json(harRequest{
		Method: resp.Request.Method, URL: redact.URL(resp.Request.URL), HTTPVersion: resp.Proto,
		Headers: harHeaders(sent, redact.RequestHeader), QueryString: []harPair{}, Cookies: []harPair{}, HeadersSize: -1, BodySize: max(h.req.ContentLength, 0),
	})
	h.pending = append(h.pending, `,"response":`...)
	h.json(harResponse{
		Status: resp.StatusCode, StatusText: http.StatusText(resp.StatusCode), HTTPVersion: resp.Proto,
		Headers: harHeaders(resp.Header, redact.ResponseHeader), Cookies: []harPair{},
		Content:     harContent{MimeType: resp.Header.Get("Content-Type")},
		HeadersSize: -1, BodySize: -1,
	})
	h.pending = append(h.pending, `,"_eventSourceMessages":[`...)
}

// harHeaders lists headers by name, with their values as show returns them.
func harHeaders(header http.Header, show func(name, value string) string) []harPair {
	pairs := []harPair{}
	for name, values := range header {
		for _, value := range values {
			pairs = append(pairs, harPair{name, show(name, value)})
		}
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].Name < pairs[j].Name })
	return pairs
}

func (h *har) block(b *stream.Block, at time.Time) {
	if b.HasID() {
		h.lastID = append(h.lastID[:0], b.ID()...)
	}
	if !b.IsEvent() || !h.open {
		return
	}
	if h.messages > 0 {
		h.pending = append(h.pending, ',')
	}
	h.messages++
	h.pending = append(h.pending, "\n{\"time\":"...)
	h.pending = strconv.AppendFloat(h.pending, float64(at.UnixMicro())/1e6, 'f', 6, 64)
	h.pending = append(h.pending, `,"eventName":`...)
	h.pending = stream.AppendString(h.pending, b.Type())
	h.pending = append(h.pending, `,"eventId":`...)
	h.pending = stream.AppendString(h.pending, h.lastID)
	h.pending = append(h.pending, `,"data":`...)
	h.pending = stream.AppendString(h.pending, b.Data())
	h.pending = append(h.pending, '}')
	if len(h.pending) > maxPending {
		h.err = h.flush()
	}
}

func (h *har) closeEntry(at time.Time) {
	if !h.open {
		return
	}
	h.open = false
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	h.pending = append(h.pending, `],"timings":`...)
	h.json(harTimings{Wait: ms(h.started.Sub(h.asked)), Receive: ms(at.Sub(h.started))})
	h.pending = append(h.pending, `,"time":`...)
	h.json(ms(at.Sub(h.asked)))
	h.pending = append(h.pending, "}\n"...)
}

func (h *har) json(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		h.err = err
	}
	h.pending = append(h.pending, text...)
}

func (h *har) flush() error {
	if h.entries == 0 {
		return nil
	}
	if h.err == nil && len(h.pending) > 0 {
		_, err := h.w.Write(h.pending)
		h.err = wrapWrite("--save-har", err)
	}
	h.pending = h.pending[:0]
	return h.err
}

func (h *har) end(string) error {
	if h.err != nil {
		h.w.Close()
		return nil
	}
	h.closeEntry(time.Now())
	h.pending = append(h.pending, "]}}\n"...)
	err := h.flush()
	if closing := h.w.Close(); err == nil {
		err = wrapWrite("--save-har", closing)
	}
	return err
}
