package window

import (
	"cmp"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
)

// Limits bound a [Log]. A zero is replaced by the default.
type Limits struct {
	Exchanges int // 500
	Events    int // of one exchange: 5,000
	EventSize int // bytes of one event: 256 KiB
	BodySize  int // bytes of the body of a request or an answer: 1 MiB
	Size      int // bytes in all: 64 MiB
}

// A Log keeps the latest exchanges. Where there is no more room, the oldest ones
// that are over go first, and then the oldest events. It may be used by several
// goroutines at once.
type Log struct {
	limits  Limits
	session string

	mu      sync.Mutex // guards the rest, and the entries
	entries []*entry   // by time
	size    int        // bytes that the entries hold
	last    int64      // number of the newest exchange
	gone    int64      // exchanges that are kept no more
	change  int64      // number of the latest change
	removed int64      // the change that removed an exchange last
	waiting chan struct{}
}

// New returns an empty Log.
func New(limits Limits) *Log {
	limits.Exchanges = cmp.Or(limits.Exchanges, 500)
	limits.Events = cmp.Or(limits.Events, 5000)
	limits.EventSize = cmp.Or(limits.EventSize, 256<<10)
	limits.BodySize = cmp.Or(limits.BodySize, 1<<20)
	limits.Size = cmp.Or(limits.Size, 64<<20)
	return &Log{limits: limits, session: rand.Text()[:8]}
}

// Session is a text that no other Log has, so that a page notices that the numbers
// of exchanges and changes began anew.
func (l *Log) Session() string { return l.session }

// entrySize is about what an exchange takes beside its bodies and events, and
// eventSize an event beside its texts.
const (
	entrySize = 4 << 10
	eventSize = 256
)

// An entry is an exchange as it is kept: without secrets.
type entry struct {
	log     *Log
	number  int64
	changed int64 // the change that it had last
	size    int   // bytes, counted in that of the log
	gone    bool  // it is not kept any more

	start                     time.Time
	remote, method, url, host string
	header                    http.Header
	request                   *exchange.Request // until the body is there; nothing else is taken from it
	body                      Body
	secrets                   *secrets

	answered       time.Time
	proto          string
	status         int
	responseHeader http.Header
	stream         bool
	answer         []byte // of another answer than a stream, as it came: masked when it is shown
	answerSize     int64

	events  []record.Record // the latest ones
	dropped int64           // number of those before them
	count   int64           // of the ones that dispatch something
	first   time.Time       // when the first of these came
	cut     int             // events that were too large to be kept whole

	ended *exchange.End

	// The type of the latest event, which most share, as it came and as it is kept.
	// Only the methods of the Watcher use it.
	lastType, shownType string
}

// A Body is the beginning of the body of a request or an answer, without secrets.
type Body struct {
	Text  string `json:"text"`
	Size  int64  `json:"size"`  // bytes that passed
	Whole bool   `json:"whole"` // Text is all of it
}

// Watch is an [exchange.Watch].
func (l *Log) Watch(r *exchange.Request) exchange.Watcher {
	e := &entry{
		log: l, start: r.Time, remote: r.Remote, method: r.Method, host: r.Host,
		header: shown(r.Header, redact.RequestHeader), request: r, secrets: secretsOf(r),
	}
	if r.URL != nil {
		e.url = e.secrets.text(redact.URL(r.URL), false)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Requests that came at once may be reported in another order.
	e.number = r.Number
	i, taken := l.index(e.number)
	if taken || e.number <= 0 {
		i, e.number = len(l.entries), l.last+1
	}
	l.last = max(l.last, e.number)
	l.entries = slices.Insert(l.entries, i, e)
	l.changedEntry(e)
	l.grew(e, entrySize)
	return e
}

// shown returns a header with the values that show returns.
func shown(header http.Header, show func(name, value string) string) http.Header {
	copied := make(http.Header, len(header))
	for name, values := range header {
		for _, value := range values {
			if value != "" {
				value = show(name, value)
			}
			copied[name] = append(copied[name], value)
		}
	}
	return copied
}

// changedEntry notes that e is not as it was. The caller holds the mutex.
func (l *Log) changedEntry(e *entry) {
	l.change++
	e.changed = l.change
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
}

// Changed returns a channel that is closed with the next change after the given
// one.
func (l *Log) Changed(after int64) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.change > after {
		now := make(chan struct{})
		close(now)
		return now
	}
	if l.waiting == nil {
		l.waiting = make(chan struct{})
	}
	return l.waiting
}

// grew notes that e takes more bytes, and makes room. The caller holds the mutex.
func (l *Log) grew(e *entry, bytes int) {
	e.size += bytes
	l.size += bytes
	for len(l.entries) > 1 && (l.size > l.limits.Size || len(l.entries) > l.limits.Exchanges) {
		i := slices.IndexFunc(l.entries, func(e *entry) bool { return e.ended != nil })
		if i == len(l.entries)-1 {
			i = -1 // the newest one is what somebody looks for
		}
		if i < 0 && len(l.entries) <= l.limits.Exchanges {
			break // events of those that go on make room
		}
		l.remove(max(i, 0))
	}
	for l.size > l.limits.Size {
		largest := slices.MaxFunc(l.entries, func(a, b *entry) int { return cmp.Compare(a.size, b.size) })
		if !largest.dropEvents() {
			return
		}
	}
}

func (l *Log) remove(i int) {
	e := l.entries[i]
	e.gone, e.request, e.events, e.answer = true, nil, nil, nil
	l.size -= e.size
	l.entries = slices.Delete(l.entries, i, i+1)
	l.gone++
	l.change++
	l.removed = l.change
}

// dropEvents drops the oldest tenth of the events.
func (e *entry) dropEvents() bool {
	n := (len(e.events) + 9) / 10
	for range n {
		e.dropEvent()
	}
	// The memory of those that were dropped is kept by the array that they are in.
	e.events = slices.Clone(e.events)
	return n > 0
}

// dropEvent drops the oldest event. It stays in its array, which a reader may have,
// until append moves the others to a new one.
func (e *entry) dropEvent() {
	size := sizeOf(&e.events[0])
	e.events = e.events[1:]
	e.dropped++
	e.size -= size
	e.log.size -= size
}

func sizeOf(r *record.Record) int {
	return eventSize + len(r.Type) + len(r.ID) + len(r.Data) + len(r.Comment) + len(r.Raw)
}

// Response implements [exchange.Watcher].
func (e *entry) Response(r *exchange.Response) {
	e.takeBody()
	header := shown(r.Header, func(name, value string) string {
		return e.secrets.text(redact.ResponseHeader(name, value), false)
	})
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	e.answered, e.proto, e.status, e.responseHeader, e.stream = r.Time, r.Proto, r.Status, header, r.Stream
	l.changedEntry(e)
}

// takeBody takes what is there of the body of the request, which may have
// credentials that the answer repeats.
func (e *entry) takeBody() {
	l := e.log
	l.mu.Lock()
	request := e.request
	l.mu.Unlock()
	if request == nil {
		return
	}
	body := request.Body()
	shown := e.secrets.body(body, l.limits.BodySize)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.gone {
		return
	}
	if body.Whole {
		e.request = nil
	}
	grown := len(shown.Text) - len(e.body.Text)
	e.body = shown
	l.grew(e, grown)
}

// body returns a body as it may be shown.
func (s *secrets) body(b exchange.Body, limit int) Body {
	text := b.Bytes[:min(len(b.Bytes), limit)]
	return Body{Text: s.text(string(text), true), Size: b.Size, Whole: b.Complete() && len(text) == len(b.Bytes)}
}

// Event implements [exchange.Watcher].
func (e *entry) Event(r *record.Record) {
	if r.Meta != nil {
		return
	}
	l := e.log
	kept, whole := e.keep(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.IsEvent {
		if e.count++; e.count == 1 {
			e.first = r.Time
		}
	}
	if !whole {
		e.cut++
	}
	l.changedEntry(e)
	if e.gone {
		return
	}
	e.events = append(e.events, kept)
	l.grew(e, sizeOf(&kept))
	if len(e.events) > l.limits.Events {
		e.dropEvent()
	}
}

// Places of texts that are not the data of an event.
const (
	inRaw     place = 0x9e3779b97f4a7c15
	inComment place = 0xbf58476d1ce4e5b9
)

// keep returns a copy of an event without secrets, and whether it is whole.
func (e *entry) keep(r *record.Record) (kept record.Record, whole bool) {
	kept = *r
	limit := e.log.limits.EventSize
	if whole = len(r.Data)+len(r.Comment)+len(r.Raw) <= limit; !whole {
		kept.Data, kept.Comment = prefix(r.Data, limit), prefix(r.Comment, limit)
		if kept.Raw = nil; !r.IsEvent && !r.HasComment {
			kept.Comment, kept.HasComment = prefix(string(r.Raw), limit), true
		}
	}
	if e.lastType != r.Type {
		e.lastType, e.shownType = strings.Clone(r.Type), e.secrets.text(strings.Clone(prefix(r.Type, 1<<10)), false)
	}
	kept.Type = e.shownType
	kept.ID = e.secrets.text(strings.Clone(prefix(r.ID, 4<<10)), false)
	kept.Data = e.secrets.piece(strings.Clone(kept.Data), 0)
	kept.Comment = e.secrets.piece(strings.Clone(kept.Comment), inComment)
	if kept.Raw != nil {
		kept.Raw = []byte(e.secrets.piece(string(kept.Raw), inRaw))
	}
	return kept, whole
}

// prefix returns at most n bytes of text, cut between characters.
func prefix(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// Body implements [exchange.Watcher].
func (e *entry) Body(piece []byte) {
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	e.answerSize += int64(len(piece))
	l.changedEntry(e)
	if e.gone {
		return
	}
	if room := l.limits.BodySize - len(e.answer); room > 0 {
		piece = piece[:min(room, len(piece))]
		e.answer = append(e.answer, piece...)
		l.grew(e, len(piece))
	}
}

// End implements [exchange.Watcher].
func (e *entry) End(end exchange.End) {
	e.takeBody()
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	e.request = nil // of a body that is not whole there is no more to come
	e.ended = &end
	e.lastType, e.shownType = "", ""
	e.secrets.forget()
	l.changedEntry(e)
}

// index returns the place of an exchange by its number, and whether it is kept.
// The caller holds the mutex.
func (l *Log) index(number int64) (int, bool) {
	return slices.BinarySearchFunc(l.entries, number, func(e *entry, n int64) int { return cmp.Compare(e.number, n) })
}

// find returns an exchange that is kept, or nil. The caller holds the mutex.
func (l *Log) find(number int64) *entry {
	i, ok := l.index(number)
	if !ok {
		return nil
	}
	return l.entries[i]
}

// headerLines returns a header by name, one value a line.
func headerLines(header http.Header) [][2]string {
	lines := [][2]string{}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			lines = append(lines, [2]string{name, value})
		}
	}
	return lines
}
