package serve

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"iter"
	"sort"
	"sync"
	"time"
	"unsafe"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A cursor is a client's place in a history: the entry that it gets next.
type cursor struct {
	seg   *segment
	index int
}

// A batch is the next piece for a client: entries of one segment.
type batch struct {
	seg      *segment
	entries  []entry
	from, to int
	used     int // where entry to starts
}

// chunks returns the batch as chunks of HTTP/1.1.
func (b *batch) chunks() []byte {
	return b.seg.buf[b.entries[b.from].off:b.used]
}

// text returns the bytes of entry i.
func (b *batch) text(i int) []byte { return b.seg.text(b.entries, i, b.end(i)) }

func (b *batch) end(i int) int {
	if i+1 < b.to {
		return int(b.entries[i+1].off)
	}
	return b.used
}

// cut lets the batch end before entry to.
func (b *batch) cut(to int) {
	if to < b.to {
		b.to, b.used = to, int(b.entries[to].off)
	}
}

// size returns the number of events, and of bytes without framing, that the
// batch has.
func (b *batch) size() (events, size int64) {
	first, last := &b.entries[b.from], &b.entries[b.to-1]
	events = int64(last.events - first.events)
	if first.flags&entryIsEvent != 0 {
		events++
	}
	return events, int64(last.body-first.body) + int64(b.seg.bodySize(b.entries, b.to-1, b.used))
}

// next returns the entries at the cursor, and moves the cursor after them. Without
// any, seg is nil; behind reports that the history discarded the following ones
// before the client got there.
func (c *cursor) next() (b batch, behind bool) {
	for {
		count, used := unpack(c.seg.state.Load())
		if c.index < count {
			b = batch{seg: c.seg, entries: *c.seg.entries.Load(), from: c.index, to: count, used: used}
			c.index = count
			return b, false
		}
		next := c.seg.next.Load()
		if next == nil {
			return batch{}, c.seg.trimmed.Load()
		}
		// Entries that were added to the old segment before the new one followed
		// must not be missed.
		if c.seg.count() == c.index {
			c.seg, c.index = next, 0
		}
	}
}

// before returns when the entry before the cursor was due, counted from the
// start of the recording.
func (c cursor) before() time.Duration {
	if c.index == 0 {
		return 0
	}
	return (*c.seg.entries.Load())[c.index-1].at
}

func (s *segment) count() int {
	count, _ := unpack(s.state.Load())
	return count
}

// bodySize returns the size of entry i, which ends at end, without framing.
func (s *segment) bodySize(entries []entry, i, end int) int {
	return end - int(entries[i].off) - int(entries[i].head) - len(crlf)
}

func (s *segment) text(entries []entry, i, end int) []byte {
	e := &entries[i]
	return s.buf[int(e.off)+int(e.head) : end-len(crlf)]
}

// all returns the segment as one batch.
func (s *segment) all() batch {
	count, used := unpack(s.state.Load())
	return batch{seg: s, entries: *s.entries.Load(), to: count, used: used}
}

func (s *segment) eventsBefore(index int) int64 {
	if index == 0 {
		return s.events
	}
	return s.events + int64((*s.entries.Load())[index-1].events)
}

func (s *segment) bodyBefore(index int) int64 {
	if index == 0 {
		return s.body
	}
	b := s.all()
	b.cut(index)
	_, size := b.size()
	return s.body + size
}

// idleSize returns how many bytes of memory the blocks of the segment take that
// are no events.
func (s *segment) idleSize() (size int64) {
	b := s.all()
	end := b.used
	for i := b.to - 1; i >= 0; i-- {
		off := int(b.entries[i].off)
		if b.entries[i].flags&entryIsEvent == 0 {
			size += int64(end-off) + int64(unsafe.Sizeof(entry{}))
		}
		end = off
	}
	return size
}

// lastIDBefore returns the last event ID in force before entry index.
func (s *segment) lastIDBefore(index int) string {
	b := s.all()
	for i := index - 1; i >= 0; i-- {
		if b.entries[i].flags&entryHasID != 0 {
			return idOf(b.text(i))
		}
	}
	return s.lastID
}

// newestIDBefore returns the last event ID in force before entry index, and
// whether no event came after the block that set it.
func (s *segment) newestIDBefore(index int) (id string, newest bool) {
	b := s.all()
	for i := index - 1; i >= 0; i-- {
		switch flags := b.entries[i].flags; {
		case flags&entryHasID != 0:
			return idOf(b.text(i)), true
		case flags&entryIsEvent != 0:
			return "", false
		}
	}
	return s.lastID, s.newest
}

// idOf returns the ID that a block of the stream sets.
func idOf(text []byte) (id string) {
	decoding(text, func(d *stream.Decoder) {
		for range d.Blocks() {
		}
		id = d.LastEventID()
	})
	return id
}

// typeOf returns the type of the event that a block of the stream dispatches.
func typeOf(text []byte) (name string) {
	decoding(text, func(d *stream.Decoder) {
		if b, err := d.Next(); err == nil {
			name = string(b.Type())
		}
	})
	return name
}

// decoders are used again for the sake of their buffers.
var decoders = sync.Pool{New: func() any { return stream.NewDecoder(nil) }}

// decoding calls f with a decoder of a block.
func decoding(text []byte, f func(*stream.Decoder)) {
	d := decoders.Get().(*stream.Decoder)
	d.Reset(bytes.NewReader(text))
	d.SetLastEventID("")
	d.MaxEventSize = len(text) + 1
	f(d)
	d.Reset(nil)
	decoders.Put(d)
}

// segments ranges over the segments that are kept, from the oldest on.
func (h *History) segments() iter.Seq[*segment] {
	h.init()
	return func(yield func(*segment) bool) {
		for s := h.first.Load(); s != nil; {
			if !yield(s) {
				return
			}
			next := s.next.Load()
			if next == nil && s.trimmed.Load() {
				next = h.first.Load()
			}
			s = next
		}
	}
}

// start returns the place of the oldest event kept.
func (h *History) start() cursor {
	h.init()
	first := h.first.Load()
	if h.Limit > 0 {
		if skip := h.Len() - int64(h.Limit); skip > first.events {
			return h.afterEvents(skip)
		}
	}
	return cursor{seg: first}
}

// afterEvents returns the place after the nth event of the history.
func (h *History) afterEvents(n int64) cursor {
	var at cursor
	for s := range h.segments() {
		b := s.all()
		at = cursor{seg: s}
		if s.eventsBefore(b.to) < n {
			at.index = b.to
			continue
		}
		if s.events < n {
			at.index = 1 + sort.Search(b.to-1, func(i int) bool { return s.events+int64(b.entries[i].events) >= n })
		}
		break
	}
	return at
}

// again returns the place where another round of a loop starts.
func (h *History) again() cursor {
	c := h.start()
	if b := c.seg.all(); b.to > c.index && b.entries[c.index].flags&entryIsBOM != 0 {
		c.index++
	}
	return c
}

// live returns the place after the newest event.
func (h *History) live() cursor {
	var c cursor
	for s := range h.segments() {
		c = cursor{seg: s, index: s.count()}
	}
	return c
}

// find returns the place after the newest event that has the given ID. That may
// be the newest of those that are no longer kept: after it, nothing is missing.
func (h *History) find(id string) (c cursor, ok bool) {
	h.init()
	hash, oldest := h.hash(id), h.start()
	if newest, known := oldest.seg.newestIDBefore(oldest.index); known && newest == id {
		c, ok = oldest, true
	}
	for s := range h.segments() {
		// The oldest segment may have been trimmed since.
		if s.events < oldest.seg.events {
			continue
		}
		b := s.all()
		from := 0
		if s == oldest.seg {
			from = oldest.index
		}
		for i := b.to - 1; i >= from; i-- {
			e := &b.entries[i]
			if e.flags&entryHasID != 0 && e.hash == hash && idOf(b.text(i)) == id {
				c, ok = cursor{seg: s, index: i + 1}, true
				break
			}
		}
	}
	return c, ok
}

// atOffset returns the place of the byte at offset of the whole stream, without
// framing: an entry, and how many of its bytes come before.
func (h *History) atOffset(offset int64) (c cursor, skip int) {
	for s := range h.segments() {
		b := s.all()
		if b.to == 0 || offset >= s.bodyBefore(b.to) {
			c = cursor{seg: s, index: b.to}
			continue
		}
		i := sort.Search(b.to, func(i int) bool { return s.body+int64(b.entries[i].body) > offset }) - 1
		return cursor{seg: s, index: i}, int(offset - s.body - int64(b.entries[i].body))
	}
	return c, 0
}

// size returns the size of the whole stream without framing.
func (h *History) size() (size int64) {
	for s := range h.segments() {
		size = s.bodyBefore(s.count())
	}
	return size
}

// tag returns a name for the content of a history that has ended, the same
// wherever the content is. It is made once.
func (h *History) tag() string {
	h.tagOnce.Do(func() {
		var sum uint32
		for s := range h.segments() {
			b := s.all()
			for i := range b.to {
				sum = crc32.Update(sum, castagnoli, b.text(i))
			}
		}
		h.tagText = fmt.Sprintf(`"%x-%08x"`, h.size(), sum)
	})
	return h.tagText
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
