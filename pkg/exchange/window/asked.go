package window

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
)

// A Request is a request as a test looks at it, without secrets. Its method, path,
// query, headers, and json or body are as a jq expression of a tape or a fake sees them.
type Request struct {
	Number int64     `json:"number"`
	Time   time.Time `json:"time"`
	Test   string    `json:"test,omitempty"` // that the request names

	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   map[string]any    `json:"query,omitempty"` // a text, or a list of several
	Headers map[string]string `json:"headers"`
	JSON    json.RawMessage   `json:"json,omitempty"`
	Body    string            `json:"body,omitempty"` // if it is not JSON
	Size    int64             `json:"size,omitempty"` // of a body of which this is the beginning

	Match     string                `json:"match,omitempty"`     // the name of what the answer comes from
	Unmatched string                `json:"unmatched,omitempty"` // why nothing matches
	Nearest   string                `json:"nearest,omitempty"`   // what differs least then
	Differs   []exchange.Difference `json:"differs,omitempty"`

	Status int    `json:"status,omitempty"` // 0 while there is no answer
	Events int64  `json:"events,omitempty"` // of a stream, so far
	Ended  string `json:"ended,omitempty"`  // in words; empty while the answer goes on
}

// Requests returns the requests that are kept, the newest one last: those with a number
// after the given one, of one test or, if test is nil, of all.
func (l *Log) Requests(after int64, test *string) []Request {
	l.mu.Lock()
	var entries []*entry
	for _, e := range l.entries {
		if e.number > after && (test == nil || e.test == *test) {
			entries = append(entries, e)
		}
	}
	l.mu.Unlock()
	requests := []Request{}
	for _, e := range entries {
		e.takeBody()
		requests = append(requests, e.asked())
	}
	return requests
}

// asked returns the request of an exchange.
func (e *entry) asked() Request {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	s := e.summary()
	r := Request{
		Number: s.Number, Time: s.Time, Test: s.Test, Method: s.Method, Headers: map[string]string{},
		Match: s.Match, Unmatched: s.Unmatched, Nearest: e.match.Nearest, Differs: e.match.Differs,
		Status: s.Status, Events: s.Events, Ended: s.Ended,
	}
	r.Path, r.Query = split(e.url)
	for name, values := range e.header {
		r.Headers[name] = strings.Join(values, ", ")
	}
	switch {
	case e.body.Whole && json.Valid([]byte(e.body.Text)):
		r.JSON = json.RawMessage(e.body.Text)
	default:
		r.Body = e.body.Text
		if !e.body.Whole {
			r.Size = e.body.Size
		}
	}
	return r
}

// split returns the path of a URL without secrets, decoded, and its query.
func split(text string) (path string, query map[string]any) {
	u, err := url.Parse(text)
	if err != nil { // a placeholder may be anywhere
		path, _, _ = strings.Cut(text, "?")
		return path, nil
	}
	for name, values := range u.Query() {
		if query == nil {
			query = map[string]any{}
		}
		if query[name] = any(values); len(values) == 1 {
			query[name] = values[0]
		}
	}
	return u.Path, query
}

// matched returns where an answer comes from, without the secrets of the request.
func (e *entry) matched(m exchange.Match) exchange.Match {
	m.Why = e.secrets.text(m.Why, false)
	var differs []exchange.Difference
	for _, d := range m.Differs {
		d.Request, d.Recording = e.secrets.text(d.Request, false), e.secrets.text(d.Recording, false)
		differs = append(differs, d)
	}
	m.Differs = differs
	return m
}
