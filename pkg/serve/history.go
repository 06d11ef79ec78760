package serve

import (
	"bytes"
	"errors"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

const (
	// segmentSize is how much of the log is one allocation, and one write to
	// a client that is behind.
	segmentSize = 256 << 10
	// segmentEntries bounds its entries, which take more memory than the bytes of
	// tiny blocks: a client that reads nothing holds a whole segment.
	segmentEntries = 8 << 10
	// maxKept bounds the size in bytes of a history with a Limit, whatever the
	// size of its events.
	maxKept = 256 << 20
	// maxIdle and idlePerEvent bound in bytes what it keeps besides its Limit of
	// events: an input of nothing but comments or blank lines must not grow it.
	maxIdle      = 2 << 20
	idlePerEvent = 1 << 10

	maxTypes = 1000
)

// ErrEnded is the error of appending to a history after [History.End].
var ErrEnded = errors.New("history has ended")

// A History is the log of the events of one stream. It holds each event once,
// in the form that goes over the wire, for any number of clients. The zero
// value is an empty history, ready for use.
//
// Append and End may be called from any goroutine. Clients read without a
// lock, and never make Append wait.
type History struct {
	// Limit is how many events are kept for clients that come later; the
	// oldest go first. Zero keeps all. Set it before the first event.
	Limit int

	once  sync.Once
	first atomic.Pointer[segment]
	wake  atomic.Pointer[chan struct{}] // closed for all clients that wait
	// waiting is set by a client before it looks a last time and waits, so
	// that appending costs nothing while nobody does.
	waiting atomic.Bool
	ended   atomic.Bool
	broken  atomic.Bool // its input failed: what it has is not the whole stream

	tagOnce sync.Once
	tagText string

	mu      sync.Mutex // guards the fields below
	tail    *segment
	scratch []byte
	unended []byte // an unfinished block, kept back: it can only be the last
	fresh   bool   // the next record starts a response, so it may have a BOM

	types     []string // of the events so far, in the order of their first
	typesSeen map[string]struct{}

	epoch time.Time    // when the history was made; never changes
	seed  maphash.Seed // never changes
}

// A segment is a part of the log. Bytes and entries that state counts never
// change again, so they are read without a lock.
type segment struct {
	buf     []byte // chunks of HTTP/1.1, one for each entry
	state   atomic.Uint64
	entries atomic.Pointer[[]entry] // at least as many as state counts
	next    atomic.Pointer[segment]
	trimmed atomic.Bool // no longer part of the history; next is not known

	// Counts and state before the segment.
	events int64  // events
	body   int64  // bytes, without the framing of chunks
	idle   int64  // bytes of memory for blocks that are no events
	lastID string // the last event ID in force
	newest bool   // no event came after the block that set lastID
}

// An entry is one block of the stream.
type entry struct {
	at      time.Duration // when it is due, counted from the start of the recording
	arrived uint32        // when it came in, in milliseconds from the epoch
	off     uint32        // where its chunk starts in the segment
	body    uint32        // bytes in the segment before it, without framing
	events  uint32        // events in the segment, with this one
	hash    uint32        // of its ID, if it has one
	head    uint8         // size of the chunk header
	flags   entryFlags
}

type entryFlags uint8

const (
	entryIsEvent entryFlags = 1 << iota
	entryHasID
	entryIsBOM  // belongs to the start of a response, and nowhere else
	entryIsTail // unfinished: nothing can follow but the end of the response
)

// pack and unpack put the number of entries and of bytes in one word, so that
// both become visible at once.
func pack(count, used int) uint64           { return uint64(count)<<32 | uint64(used) }
func unpack(state uint64) (count, used int) { return int(state >> 32), int(uint32(state)) }

func (h *History) init() {
	h.once.Do(func() {
		h.tail = newSegment(segmentSize)
		h.first.Store(h.tail)
		wake := make(chan struct{})
		h.wake.Store(&wake)
		h.epoch = time.Now()
		h.seed = maphash.MakeSeed()
		h.fresh = true
	})
}

func newSegment(size int) *segment {
	s := &segment{buf: make([]byte, size)}
	entries := make([]entry, 64)
	s.entries.Store(&entries)
	return s
}

// Append adds an event. The error is a [*stream.FieldError] for an event that
// cannot be written, or [ErrEnded].
func (h *History) Append(event stream.Event) error {
	h.init()
	return h.append(&record.Record{Event: event, IsEvent: true}, time.Since(h.epoch))
}

// AppendRecord adds a record: an event, or a comment, with the bytes that it
// was recorded with. A meta record adds nothing.
func (h *History) AppendRecord(r *record.Record) error {
	h.init()
	return h.append(r, time.Since(h.epoch))
}

// End ends the history: there will be no more events.
func (h *History) End() {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.Load() {
		return
	}
	h.put(h.unended, entry{at: time.Since(h.epoch), flags: entryIsTail})
	h.ended.Store(true)
	h.wakeAll()
}

// fail ends the history because its input could not be read to its end. Clients
// get what was whole, and then a cut: nothing may look like the end of the
// stream.
func (h *History) fail() {
	h.mu.Lock()
	h.unended = nil
	h.broken.Store(true)
	h.mu.Unlock()
	h.End()
}

// Ended reports whether [History.End] was called.
func (h *History) Ended() bool { return h.ended.Load() }

// Len returns the number of events appended so far, the trimmed ones included.
func (h *History) Len() int64 {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tail.eventsBefore(h.tail.count())
}

func (h *History) append(r *record.Record, at time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.Load() {
		return ErrEnded
	}
	if r.Meta != nil {
		h.fresh = true // a recording of several responses, one after the other
		return nil
	}
	text, err := r.AppendText(h.scratch[:0])
	if err != nil {
		return err
	}
	h.scratch = text[:0]
	h.unended = h.unended[:0]
	if r.Incomplete {
		h.unended = append(h.unended, text...)
		return nil
	}
	if h.fresh {
		h.fresh = false
		if rest, ok := bytes.CutPrefix(text, bom); ok {
			if h.tail.count() == 0 {
				h.put(bom, entry{at: at, flags: entryIsBOM})
			}
			text = rest
		}
	}
	e := entry{at: at}
	if r.IsEvent {
		e.flags |= entryIsEvent
	}
	if r.ID != "" || r.HasID {
		e.flags |= entryHasID
		e.hash = h.hash(r.ID)
	}
	h.put(text, e)
	if r.IsEvent {
		h.noteType(r.Type)
	}
	return nil
}

// noteType keeps the types that there are for [History.Types]; h.mu is held.
func (h *History) noteType(name string) {
	if name == "" {
		name = stream.DefaultType
	}
	if _, seen := h.typesSeen[name]; seen || len(h.types) == maxTypes {
		return
	}
	if h.typesSeen == nil {
		h.typesSeen = map[string]struct{}{}
	}
	h.typesSeen[name] = struct{}{}
	h.types = append(h.types, name)
}

// Types returns the types of the events so far, in the order in which they
// first came; 1,000 at most.
func (h *History) Types() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.types)
}

// hash returns a short stand-in for an ID, for the search of [History.find].
func (h *History) hash(id string) uint32 { return uint32(maphash.String(h.seed, id)) }

// put adds a block of the stream to the log. The caller holds h.mu.
func (h *History) put(text []byte, e entry) {
	if len(text) == 0 {
		return // an empty chunk would be the end of the response
	}
	var digits [16]byte
	head := append(strconv.AppendInt(digits[:0], int64(len(text)), 16), "\r\n"...)
	size := len(head) + len(text) + len(crlf)

	s := h.tail
	count, used := unpack(s.state.Load())
	if used+size > len(s.buf) || count == segmentEntries {
		s = h.grow(max(segmentSize, size))
		count, used = 0, 0
	}
	e.arrived = uint32(time.Since(h.epoch).Milliseconds())
	e.off, e.head = uint32(used), uint8(len(head))
	used += copy(s.buf[used:], head)
	used += copy(s.buf[used:], text)
	used += copy(s.buf[used:], crlf)

	entries := *s.entries.Load()
	if count > 0 {
		last := &entries[count-1]
		e.events = last.events
		e.body = last.body + uint32(s.bodySize(entries, count-1, int(e.off)))
	}
	if e.flags&entryIsEvent != 0 {
		e.events++
	}
	if count == len(entries) {
		entries = append(entries, make([]entry, len(entries))...)
		s.entries.Store(&entries)
	}
	entries[count] = e
	s.state.Store(pack(count+1, used))
	if s != h.tail {
		h.tail.next.Store(s)
		h.tail = s
		h.trim()
	}
	if h.waiting.Load() {
		h.wakeAll()
	}
}

// grow returns a segment to go after the tail.
func (h *History) grow(size int) *segment {
	tail := h.tail
	count := tail.count()
	s := newSegment(size)
	s.events = tail.eventsBefore(count)
	s.body = tail.bodyBefore(count)
	s.idle = tail.idle + tail.idleSize()
	s.lastID = tail.lastIDBefore(count)
	_, s.newest = tail.newestIDBefore(count)
	return s
}

// trim lets go of the segments that are not needed for Limit events.
func (h *History) trim() {
	if h.Limit <= 0 {
		return
	}
	for {
		first := h.first.Load()
		next := first.next.Load()
		if next == nil {
			return
		}
		kept := h.tail.events - next.events
		if kept < int64(h.Limit) && h.tail.body-next.body < maxKept && h.tail.idle-next.idle < maxIdle+idlePerEvent*int64(h.Limit) {
			return
		}
		h.first.Store(next)
		// A client that is still here holds this segment and no other.
		first.trimmed.Store(true)
		first.next.Store(nil)
	}
}

func (h *History) wakeAll() {
	h.waiting.Store(false)
	fresh := make(chan struct{})
	close(*h.wake.Swap(&fresh))
}

var crlf, bom = []byte("\r\n"), []byte("\ufeff")
