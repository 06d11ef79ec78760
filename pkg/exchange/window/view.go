package window

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
)

// A Summary is one line of the list of exchanges. The times are in milliseconds
// since the request came.
type Summary struct {
	Number int64     `json:"number"`
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	URL    string    `json:"url"` // without secrets

	Status  int      `json:"status,omitempty"` // 0 until there is an answer
	Stream  bool     `json:"stream,omitempty"`
	Headers *float64 `json:"headers_ms,omitempty"`
	First   *float64 `json:"first_ms,omitempty"` // the first event
	Total   *float64 `json:"total_ms,omitempty"` // the end

	Events  int64 `json:"events"`            // of a stream, so far
	Records int64 `json:"records"`           // these, and comments and others
	Dropped int64 `json:"dropped,omitempty"` // of the records, the oldest ones: kept no more
	Bytes   int64 `json:"bytes,omitempty"`   // of an answer that is over

	Test      string `json:"test,omitempty"`
	Match     string `json:"match,omitempty"`     // the name of what the answer comes from
	Unmatched string `json:"unmatched,omitempty"` // why nothing matches

	How   exchange.How `json:"how,omitempty"`
	Ended string       `json:"ended,omitempty"` // in words
}

// Changes are what changed in a Log.
type Changes struct {
	Change    int64     `json:"change"` // the latest one
	Exchanges []Summary `json:"exchanges"`
	Gone      int64     `json:"gone"` // exchanges so far that are kept no more

	// Kept are the numbers of all that are kept, if any was removed since.
	Kept []int64 `json:"kept,omitempty"`
}

// Changes returns the exchanges that began or changed after a change, which is 0
// for all of them.
func (l *Log) Changes(after int64) Changes {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := Changes{Change: l.change, Gone: l.gone, Exchanges: []Summary{}}
	for _, e := range l.entries {
		if e.changed > after {
			c.Exchanges = append(c.Exchanges, e.summary())
		}
	}
	if l.removed > after {
		for _, e := range l.entries {
			c.Kept = append(c.Kept, e.number)
		}
	}
	return c
}

// summary returns the line of an exchange. The caller holds the mutex.
func (e *entry) summary() Summary {
	s := Summary{
		Number: e.number, Time: e.start.UTC(), Method: e.method, URL: e.url, Status: e.status, Stream: e.stream,
		Events: e.count, Records: e.events.dropped + int64(e.events.count), Dropped: e.events.dropped,
		Headers: e.since(e.answered), First: e.since(e.first), Test: e.test, Match: e.match.Name, Unmatched: e.match.Why,
	}
	if e.ended != nil {
		s.Total, s.Bytes, s.How = e.since(e.ended.Time), e.ended.Bytes, e.ended.How
		s.Ended = e.secrets.text(e.ended.String(), false)
	}
	return s
}

func (e *entry) since(at time.Time) *float64 {
	if at.IsZero() {
		return nil
	}
	ms := float64(max(at.Sub(e.start), 0).Microseconds()) / 1000
	return &ms
}

// A Detail is all of an exchange but its events.
type Detail struct {
	Summary
	Host           string      `json:"host,omitempty"` // that the client named
	Remote         string      `json:"remote,omitempty"`
	RequestHeader  [][2]string `json:"request_header"`
	RequestBody    *Body       `json:"request_body,omitempty"`
	Proto          string      `json:"proto,omitempty"`
	ResponseHeader [][2]string `json:"response_header"`
	ResponseBody   *Body       `json:"response_body,omitempty"` // of no stream
	Trailer        [][2]string `json:"trailer,omitempty"`
	Cut            int         `json:"cut,omitempty"`    // events that are kept in part: they are too large
	Unseen         string      `json:"unseen,omitempty"` // why not everything that passed could be kept

	Curl   string `json:"curl"`   // the request as a command of a shell
	Listen string `json:"listen"` // the same for ssectl listen

	// Of an unmatched request, Nearest is the name of what differs least, and Differs
	// the differences.
	Nearest string                `json:"nearest,omitempty"`
	Differs []exchange.Difference `json:"differs,omitempty"`

	// Before is the number of the latest request before this one with the same
	// method and path, and Differences is how the bodies differ.
	Before      int64        `json:"before,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
}

// Detail returns an exchange, and whether it is kept.
func (l *Log) Detail(number int64) (Detail, bool) {
	e, before := l.pair(number)
	if e == nil {
		return Detail{}, false
	}
	e.takeBody()
	l.mu.Lock()
	d := Detail{
		Summary: e.summary(), Remote: e.remote, Host: e.host, Proto: e.proto, Cut: e.cut,
		Nearest: e.match.Nearest, Differs: e.match.Differs,
		RequestHeader: headerLines(e.header), ResponseHeader: headerLines(e.responseHeader),
	}
	request, answer, header := e.body, slices.Clone(e.answer), e.responseHeader
	answerSize, ended := e.answerSize, e.ended
	l.mu.Unlock()

	if request.Size > 0 {
		d.RequestBody = &request
	}
	if ended != nil {
		if ended.Unseen != nil {
			d.Unseen = e.secrets.text(ended.Unseen.Error(), false)
		}
		for name, values := range ended.Trailer {
			for _, value := range values {
				d.Trailer = append(d.Trailer, [2]string{name, e.secrets.text(value, false)})
			}
		}
	}
	if answerSize > 0 {
		d.ResponseBody = &Body{Size: answerSize, Whole: ended != nil && int64(len(answer)) == answerSize}
		if isText(header, answer) {
			d.ResponseBody.Text = e.secrets.text(strings.ToValidUTF8(string(answer), "\ufffd"), false)
		}
	}
	d.Curl, d.Listen = commands(d.Method, d.URL, e.header, request)
	if before != nil {
		before.takeBody()
		l.mu.Lock()
		earlier := before.body
		d.Before = before.number
		l.mu.Unlock()
		d.Differences = Diff(earlier.Text, request.Text)
	}
	return d, true
}

// pair returns an exchange, and the one before it with the same method and path.
func (l *Log) pair(number int64) (e, before *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.index(number)
	if !ok {
		return nil, nil
	}
	e = l.entries[i]
	path := func(e *entry) string { path, _, _ := strings.Cut(e.url, "?"); return path }
	for _, earlier := range slices.Backward(l.entries[:i]) {
		if earlier.method == e.method && path(earlier) == path(e) {
			return e, earlier
		}
	}
	return e, nil
}

// isText reports whether a body is one for people.
func isText(header http.Header, body []byte) bool {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch major, _, _ := strings.Cut(kind, "/"); major {
	case "image", "audio", "video", "font":
		return strings.HasSuffix(kind, "+xml")
	}
	return utf8.Valid(trimRune(body))
}

// trimRune returns body without a character at its end that was cut.
func trimRune(body []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(body); n++ {
		if c := body[len(body)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(body[len(body)-n:]) {
				return body[:len(body)-n]
			}
			break
		}
	}
	return body
}

// Events are the records of a stream from one place on.
type Events struct {
	First   int64 // number of the first of Records, from 0
	Records []record.Record
	More    bool      // there are some after them
	Start   time.Time // of the exchange
	Ended   bool
}

// Events returns at most n records of an exchange that are kept, from a number on,
// and whether the exchange is kept. A negative n means all of them.
func (l *Log) Events(number, from int64, n int) (Events, bool) {
	l.mu.Lock()
	e := l.find(number)
	l.mu.Unlock()
	if e == nil {
		return Events{}, false
	}
	e.open()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 {
		n = e.events.count
	}
	first, records := e.events.from(from, n)
	return Events{
		First: first, Records: records, Start: e.start, Ended: e.ended != nil,
		More: first+int64(len(records)) < e.events.dropped+int64(e.events.count),
	}, !e.gone
}

// open opens the events that nobody has looked at. Those who tell of events do not
// wait for it, and it does not wait for those that come meanwhile.
func (e *entry) open() {
	e.opening.Lock()
	defer e.opening.Unlock()
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	for n := len(e.events.chunks); n > 0; n-- {
		batch, ok := e.events.next()
		if !ok {
			return
		}
		e.log.mu.Unlock()
		records := batch.open(e.secrets)
		e.log.mu.Lock()
		before := e.events.size
		e.events.put(batch, records)
		e.log.grew(e, e.events.size-before)
	}
}

// A Match is an exchange that a search found.
type Match struct {
	Number  int64  `json:"number"`
	Where   string `json:"where"`   // in words
	Event   int64  `json:"event"`   // number of the record, from 0; -1 if it is none
	Excerpt string `json:"excerpt"` // around the text
}

// Search returns the exchanges, newest first, that have a text in their method,
// URL, bodies or events, whatever its case.
func (l *Log) Search(text string) []Match {
	l.mu.Lock()
	entries := slices.Clone(l.entries)
	l.mu.Unlock()
	found := []Match{}
	text = strings.ToLower(text)
	for _, e := range slices.Backward(entries) {
		if m, ok := e.search(text); ok {
			found = append(found, m)
		}
	}
	return found
}

func (e *entry) search(text string) (Match, bool) {
	e.takeBody()
	l := e.log
	l.mu.Lock()
	body, header := e.body.Text, e.responseHeader
	answer := slices.Clone(e.answer)
	l.mu.Unlock()
	m := Match{Number: e.number, Event: -1}
	in := func(where, hay string) bool {
		if excerpt, ok := excerptOf(hay, text); ok {
			m.Where, m.Excerpt = where, excerpt
			return true
		}
		return false
	}
	if in("request", e.method+" "+e.url) || in("request body", body) {
		return m, true
	}
	if isText(header, answer) && len(answer) > 0 && in("answer", e.secrets.text(string(answer), false)) {
		return m, true
	}
	for next := int64(0); ; {
		// In pieces: those who tell of events wait meanwhile.
		events, ok := l.Events(e.number, next, 500)
		for i := range events.Records {
			r := &events.Records[i]
			if in("event", r.Data) || in("event type", r.Type) || in("event ID", r.ID) || in("comment", r.Comment) {
				m.Event = events.First + int64(i)
				return m, true
			}
		}
		if next = events.First + int64(len(events.Records)); !ok || !events.More {
			return Match{}, false
		}
	}
}

// excerptOf returns the part of hay around a text in lower case.
func excerptOf(hay, text string) (string, bool) {
	lower := strings.ToLower(hay)
	i := strings.Index(lower, text)
	if i < 0 {
		return "", false
	}
	if len(lower) != len(hay) {
		hay = lower // a character with another size in lower case: offsets differ
	}
	const around = 40
	start, end := max(0, i-around), min(len(hay), i+len(text)+around)
	excerpt := strings.ToValidUTF8(hay[start:end], "")
	if start > 0 {
		excerpt = "…" + excerpt
	}
	if end < len(hay) {
		excerpt += "…"
	}
	return excerpt, true
}
