package tape

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unsafe"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A shape is a clean event: the bytes around its values, and the values. Most events of a
// stream have the shape of an earlier one, so only those of their values have to be
// looked at that are new.
type shape struct {
	kind   string // the type of the event
	data   []byte
	values []value // in order
}

// A value is a string in JSON, without its quotes, or a number.
type value struct {
	from, to int
	number   bool
	free     bool // of a number: one that is short is no secret
}

// Limits of the shapes of a stream, and of what has one. A stream of several types has
// some shapes in turns.
const (
	maxShapes      = 4
	maxShapeSize   = 8 << 10
	maxShapeValues = 64
)

// isCleanBlock is isClean for an event that has the shape of an earlier one. It reports
// false for all that take a longer look.
func (c *cleaner) isCleanBlock(b *stream.Block) bool {
	if len(c.queue) > 0 || len(c.tails) > 0 || !b.IsEvent() || !c.hasShape(b.Type(), b.Data()) || !record.IsCanonical(b) {
		return false
	}
	id := b.ID()
	return len(id) == 0 || c.isPlain(view(id))
}

// hasShape reports whether an event has the shape of an earlier one, and clean values.
func (c *cleaner) hasShape(kind, data []byte) bool {
	if len(c.shapes) == 0 || c.changes != c.secrets.Changes() {
		return false
	}
	for i := range c.shapes {
		if s := &c.shapes[i]; string(kind) == s.kind && c.fits(s, data) {
			if i > 0 {
				found := c.shapes[i]
				copy(c.shapes[1:], c.shapes[:i])
				c.shapes[0] = found
			}
			return true
		}
	}
	return false
}

// fits reports whether data has the shape, and clean values.
func (c *cleaner) fits(s *shape, data []byte) bool {
	same := s.data // the rest of it, as far as data has fitted
	for i := 0; ; i++ {
		n := commonPrefix(data, same)
		at := len(s.data) - len(same) + n // where they differ
		if at == len(s.data) && n == len(data) {
			return true
		}
		for i < len(s.values) && s.values[i].to < at {
			i++
		}
		if i == len(s.values) || s.values[i].from > at {
			return false // between the values
		}
		v := &s.values[i]
		data = data[n-(at-v.from):]
		end := c.clean(v, data)
		if end < 0 {
			return false
		}
		data, same = data[end:], s.data[v.to:]
	}
}

// commonPrefix returns the length of the bytes that both begin with.
func commonPrefix(a, b []byte) (n int) {
	for n+8 <= len(a) && n+8 <= len(b) {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// clean returns the end of the value that text begins with, or -1 if it is not clean or
// of another kind.
func (c *cleaner) clean(v *value, text []byte) (end int) {
	if v.number {
		end = wordEnd(view(text), 0)
		word := view(text[:end])
		if !isNumber(word) || !(v.free && isFree(word)) && !c.isPlain(word) {
			return -1
		}
		return end
	}
	if end = bytes.IndexByte(text, '"'); end < 0 {
		return -1
	}
	plain := view(text[:end])
	if strings.IndexByte(plain, '\\') >= 0 {
		to, closed := stringEnd(view(text), -1)
		if !closed {
			return -1
		}
		end = to - 1
		plain = unquote(string(text[:end]))
	}
	if !c.isPlain(plain) {
		return -1
	}
	return end
}

// learn keeps the shape of a clean event, whose texts the reader has. The secrets had the
// given number of changes before it was looked at.
func (c *cleaner) learn(r *record.Record, changes uint64) {
	if c.changes != changes {
		c.shapes, c.changes = c.shapes[:0], changes
	}
	count := len(c.reader.texts) + len(c.reader.free)
	if r.Data == "" || len(r.Data) > maxShapeSize || count == 0 || count > maxShapeValues || strings.IndexByte(`{["`, r.Data[0]) < 0 {
		return
	}
	list := c.shapes
	if len(list) < maxShapes {
		list = append(list, shape{})
	}
	s := list[len(list)-1] // the oldest, or a new one
	copy(list[1:], list)
	s.kind, s.data, s.values = strings.Clone(cmp.Or(r.Type, stream.DefaultType)), append(s.data[:0], r.Data...), s.values[:0]
	for i := range c.reader.texts {
		switch t := &c.reader.texts[i]; {
		case t.place != inData || t.secret:
		case t.kind == jsonString:
			s.values = append(s.values, value{from: t.from + 1, to: t.to - 1})
		case t.kind == jsonNumber:
			s.values = append(s.values, value{from: t.from, to: t.to, number: true})
		}
	}
	for _, n := range c.reader.free {
		s.values = append(s.values, value{from: n[0], to: n[1], number: true, free: true})
	}
	slices.SortFunc(s.values, func(a, b value) int { return a.from - b.from })
	list[0], c.shapes = s, list
}

// bytesOf returns the bytes of a text, for callers that do not change them.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// view returns bytes as a string, for callers that keep nothing of it.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }
