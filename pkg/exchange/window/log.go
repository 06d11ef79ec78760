package window

import (
	"cmp"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// Limits bound a [Log]. A zero is replaced by the default.
type Limits struct {
	Exchanges int // 500
	Events    int // of one exchange: 5,000
	EventSize int // bytes of one event: 256 KiB
	BodySize  int // bytes of the body of a request or an answer: 1 MiB
	Size      int // bytes in all: 16 MiB
}

// A Log keeps the latest exchanges. Where there is no more room, the oldest ones
// that are over go first, and then the oldest events. It may be used by several
// goroutines at once.
type Log struct {
	// Asked, if not nil, is called with each request whose answer has ended, one after
	// the other for one client, at once for several. It must be set before the first.
	Asked func(Request)

	limits  Limits
	session string
	hidden  redact.Secrets // of all exchanges

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
	limits.Size = cmp.Or(limits.Size, 16<<20)
	return &Log{limits: limits, session: rand.Text()[:8]}
}

// Session is a text that no other Log has, so that a page notices that the numbers
// of exchanges and changes began anew.
func (l *Log) Session() string { return l.session }

// Hide keeps secrets out of all exchanges that follow, which clients do not send but
// the upstream gets: the values of a header, and those in a URL, which may be nil.
func (l *Log) Hide(header http.Header, u *url.URL) {
	var hidden redact.Secrets
	hidden.Header(header)
	hidden.URL(u)
	l.hidden.Keep(&hidden)
}

// entrySize is about what an exchange takes beside its bodies and events.
const entrySize = 4 << 10

// An entry is an exchange as it is kept: without secrets, but for the events and the
// answer, from which they are taken when somebody looks.
type entry struct {
	log     *Log
	number  int64
	changed int64 // the change that it had last
	size    int   // bytes, counted in that of the log
	gone    bool  // it is not kept any more

	start                     time.Time
	remote, method, url, host string
	test                      string // that the request names
	match                     exchange.Match
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

	opening sync.Mutex // is held while events are opened, one batch after the other
	events  queue
	count   int64     // of those that dispatch something
	first   time.Time // when the first of these came
	cut     int       // events that were too large to be kept whole

	ended *exchange.End
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
		test: pertest.Name(r.Header), header: shown(r.Header, redact.RequestHeader), request: r, secrets: l.secretsOf(r),
	}
	delete(e.header, pertest.Header)
	if body := r.Body(); body.Whole { // its secrets may come again in what follows
		e.request, e.body = nil, e.secrets.body(body, l.limits.BodySize)
	}
	e.match = e.matched(r.Match)
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
	l.grew(e, entrySize+len(e.body.Text))
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
		before := largest.events.size
		if !largest.events.dropChunk() {
			return
		}
		largest.size -= before - largest.events.size
		l.size -= before - largest.events.size
	}
}

func (l *Log) remove(i int) {
	e := l.entries[i]
	e.gone, e.request, e.events, e.answer = true, nil, queue{}, nil
	l.size -= e.size
	l.entries = slices.Delete(l.entries, i, i+1)
	l.gone++
	l.change++
	l.removed = l.change
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
	if limit := e.log.limits.EventSize; len(r.Data)+len(r.Comment)+len(r.Raw) > limit {
		e.keepPart(r, limit)
		return
	}
	e.keep(encode(r), r.Time, r.IsEvent, true)
}

// Block implements [exchange.BlockWatcher].
func (e *entry) Block(b *stream.Block, at time.Time) {
	if limit := e.log.limits.EventSize; len(b.Raw()) > limit {
		r := record.FromBlock(b, at)
		e.keepPart(&r, limit)
		return
	}
	e.keep(b.Raw(), at, b.IsEvent(), true)
}

// keepPart keeps the beginning of an event that is too large.
func (e *entry) keepPart(r *record.Record, limit int) {
	part := *r
	part.Data, part.Comment, part.ID = prefix(r.Data, limit), prefix(r.Comment, limit), prefix(r.ID, 4<<10)
	if part.Raw = nil; !r.IsEvent && !r.HasComment {
		part.Comment, part.HasComment = prefix(string(r.Raw), limit), true
	}
	e.keep(encode(&part), r.Time, r.IsEvent, false)
}

// keep keeps the bytes of a block.
func (e *entry) keep(raw []byte, at time.Time, isEvent, whole bool) {
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if isEvent {
		if e.count++; e.count == 1 {
			e.first = at
		}
	}
	if !whole {
		e.cut++
	}
	l.changedEntry(e)
	if e.gone || len(raw) == 0 {
		return
	}
	before := e.events.size
	e.events.add(raw, at, l.limits.Events)
	l.grew(e, e.events.size-before)
}

// Places of texts that are not the data of an event.
const (
	inRaw     place = 0x9e3779b97f4a7c15
	inComment place = 0xbf58476d1ce4e5b9
)

// hide returns a record without secrets.
func (s *secrets) hide(r record.Record) record.Record {
	r.Type, r.ID = s.text(r.Type, false), s.text(r.ID, false)
	r.Data = s.piece(r.Data, 0)
	r.Comment = s.piece(r.Comment, inComment)
	if r.Raw != nil {
		r.Raw = []byte(s.piece(string(r.Raw), inRaw))
	}
	return r
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
	l := e.log
	if l.Asked != nil {
		defer func() { l.Asked(e.asked()) }()
	}
	e.takeBody()
	l.mu.Lock()
	defer l.mu.Unlock()
	e.request = nil // of a body that is not whole there is no more to come
	e.ended = &end
	e.events.spare = nil
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
