package query

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A member is a place in JSON that a simple expression looks at, or one on the way
// to it.
type member struct {
	value          // what was found there, null if nothing
	key     string // in an object
	index   int    // in an array, -1 in an object
	members []*member
}

// child returns the member of a key, or of an index.
func (m *member) child(key string, index int) *member {
	for _, c := range m.members {
		if c.key == key && c.index == index {
			return c
		}
	}
	c := &member{key: key, index: index}
	m.members = append(m.members, c)
	return c
}

// clear forgets what was found.
func (m *member) clear() {
	m.value = value{}
	for _, c := range m.members {
		c.clear()
	}
}

// maxDepth is the nesting that encoding/json allows.
const maxDepth = 10000

// scan finds the values of root and of its members, and reports whether data is one
// value of JSON. It takes what encoding/json takes
// (https://www.rfc-editor.org/rfc/rfc8259), and of equal keys the last one.
func scan(data []byte, root *member) bool {
	root.clear()
	s := scanner{data: data}
	if !s.any(root) {
		return false
	}
	s.space()
	return s.at == len(data)
}

// A scanner goes over JSON. Its methods report whether what they went over is that.
type scanner struct {
	data  []byte
	at    int
	depth int
}

// any goes over a value. If m is not nil, it keeps the value, and its members those
// in it.
func (s *scanner) any(m *member) (ok bool) {
	s.space()
	start, kind, escaped := s.at, null, false
	switch c := s.peek(); c {
	case '"':
		kind = text
		escaped, ok = s.text()
	case '{':
		kind = object
		ok = s.object(m)
	case '[':
		kind = array
		ok = s.array(m)
	case 't':
		kind = truth
		ok = s.word("true")
	case 'f':
		kind = falsehood
		ok = s.word("false")
	case 'n':
		ok = s.word("null")
	default:
		kind = number
		ok = s.number()
	}
	if m != nil && ok {
		m.value = value{kind: kind, escaped: escaped, text: s.data[start:s.at]}
		if kind == text {
			m.text = m.text[1 : len(m.text)-1]
		}
	}
	return ok
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

// take goes over c if it is next.
func (s *scanner) take(c byte) bool {
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) space() {
	for s.at < len(s.data) && s.data[s.at] <= ' ' {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) word(word string) bool {
	if rest := s.data[s.at:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scanner) object(m *member) bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	s.at++
	s.space()
	for first := true; !s.take('}'); first = false {
		if !first {
			if !s.take(',') {
				return false
			}
			s.space()
		}
		start := s.at
		if s.peek() != '"' {
			return false
		}
		escaped, ok := s.text()
		if !ok {
			return false
		}
		var found *member
		if m != nil && m.members != nil {
			found = m.named(value{kind: text, text: s.data[start+1 : s.at-1], escaped: escaped}.plain())
		}
		s.space()
		if !s.take(':') || !s.any(found) {
			return false
		}
		s.space()
	}
	s.depth--
	return true
}

// named returns the member of a key, nil if nobody looks at it, cleared of the value
// of an equal key.
func (m *member) named(key []byte) *member {
	for _, c := range m.members {
		if c.index < 0 && c.key == string(key) {
			if c.text != nil {
				c.clear()
			}
			return c
		}
	}
	return nil
}

func (s *scanner) array(m *member) bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	s.at++
	s.space()
	for i := 0; !s.take(']'); i++ {
		if i > 0 && !s.take(',') {
			return false
		}
		var found *member
		if m != nil && m.members != nil {
			if at := slices.IndexFunc(m.members, func(c *member) bool { return c.index == i }); at >= 0 {
				found = m.members[at]
			}
		}
		if !s.any(found) {
			return false
		}
		s.space()
	}
	s.depth--
	return true
}

// number goes over a number.
func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

// digits goes over one digit or more.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at > start
}

// text goes over a string, and reports whether there are escapes in it.
func (s *scanner) text() (escaped, ok bool) {
	at, data := s.at+1, s.data
	for at < len(data) {
		if at+8 <= len(data) {
			marks := special(binary.LittleEndian.Uint64(data[at:]))
			if marks == 0 {
				at += 8
				continue
			}
			at += bits.TrailingZeros64(marks) / 8
		}
		switch c := data[at]; {
		case c == '"':
			s.at = at + 1
			return escaped, true
		case c == '\\':
			escaped = true
			size := escapeSize(data[at:])
			if size == 0 {
				return escaped, false
			}
			at += size
		case c < ' ':
			return escaped, false
		default:
			at++
		}
	}
	return escaped, false
}

// special returns a word whose lowest bit that is set is in the first byte of word,
// read as a little-endian number, that is a quote, a backslash or a control
// character; 0 if there is none. (A byte that is too small for a subtraction borrows
// from those after it, so bits above the lowest one may be wrong.)
func special(word uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := word^ones*'"', word^ones*'\\'
	return ((word - ones*' ') | (quote - ones) | (backslash - ones)) &^ word & highs
}

// escapeSize returns the size of the escape that text starts with, 0 if it is none.
func escapeSize(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(text) < 6 {
			return 0
		}
		for _, c := range text[2:6] {
			if c-'0' > 9 && c|0x20-'a' > 'f'-'a' {
				return 0
			}
		}
		return 6
	}
	return 0
}
