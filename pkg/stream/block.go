package stream

import (
	"bytes"
	"encoding/binary"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// A Block is a view of one block of a stream: the lines up to a blank line, or
// one of the other pieces that [Decoder.Block] lists. Its bytes belong to the
// decoder and are valid until the next call for a block. They are as on the wire,
// so malformed UTF-8 is still in them; [Block.Event] returns the text that the
// standard asks for.
type Block struct {
	raw             []byte
	join            []byte // the data, if it had several lines
	start, valueEnd int    // data or comment: raw[start:valueEnd]
	typ, typEnd     int    // the last event field
	id, idEnd       int    // the last id field
	retry           time.Duration
	flags           flags

	// lastType is the latest type of Event, which is mostly the next one too. It
	// is here because a pointer to the decoder would cost an allocation for each
	// decoder.
	lastType string
}

type flags uint8

const (
	hasData flags = 1 << iota
	hasType
	hasID
	hasRetry
	hasBOM
	isComment
	incomplete
	joined // data is in join
)

// The names of the fields, as the first bytes of a line read as a
// little-endian number. A line end is in none of them, so a match never goes
// over the end of a line.
const (
	mask2, mask4, mask5, mask6, mask7 = 1<<16 - 1, 1<<32 - 1, 1<<40 - 1, 1<<48 - 1, 1<<56 - 1

	dataName   = 'd' | 'a'<<8 | 't'<<16 | 'a'<<24
	dataSpace  = dataName | ':'<<32 | ' '<<40
	idName     = 'i' | 'd'<<8
	eventName  = 'e' | 'v'<<8 | 'e'<<16 | 'n'<<24 | 't'<<32
	idSpace    = idName | ':'<<16 | ' '<<24
	eventSpace = eventName | ':'<<40 | ' '<<48
	retryName  = 'r' | 'e'<<8 | 't'<<16 | 'r'<<24 | 'y'<<32
	crlfCRLF   = '\r' | '\n'<<8 | '\r'<<16 | '\n'<<24
)

func (b *Block) reset() {
	b.raw, b.join, b.flags = nil, b.join[:0], 0
}

// comment makes b a comment; line is the text of its line, at offset at.
func (b *Block) comment(line []byte, at int) {
	skip := 1
	if len(line) > 1 && line[1] == ' ' {
		skip = 2
	}
	b.start, b.valueEnd = at+skip, at+len(line)
	b.flags |= isComment
}

// field takes in the line raw[line:eol]. Offsets are kept, not slices: the
// buffer may move before the block ends. It reports whether the line set the
// reconnection time, which counts at once.
func (b *Block) field(raw []byte, line, eol int) (setsRetry bool) {
	word := binary.LittleEndian.Uint64(raw[line : line+loadSize])
	var name int
	switch {
	case word&mask4 == dataName:
		name = 4
	case word&mask2 == idName:
		name = 2
	case word&mask5 == eventName, word&mask5 == retryName:
		name = 5
	default:
		return false
	}
	from := line + name
	if from < eol {
		if raw[from] != ':' {
			return false // a longer name, so an unknown one
		}
		if from++; from < eol && raw[from] == ' ' {
			from++
		}
	}
	switch {
	case name == 4:
		b.data(raw, from, eol)
	case name == 2:
		// https://html.spec.whatwg.org/multipage/server-sent-events.html#processField:
		// an ID with a NUL is no ID.
		if bytes.IndexByte(raw[from:eol], 0) < 0 {
			b.id, b.idEnd = from, eol
			b.flags |= hasID
		}
	case word&mask5 == eventName:
		b.typ, b.typEnd = from, eol
		b.flags |= hasType
	default:
		if ms, ok := parseRetry(raw[from:eol]); ok {
			b.retry = ms
			b.flags |= hasRetry
			return true
		}
	}
	return false
}

// data adds a line to the data. One line stays where it is. Of several, join
// has each followed by a line feed, the last one too.
func (b *Block) data(raw []byte, from, to int) {
	if b.flags&hasData == 0 {
		b.start, b.valueEnd = from, to
		b.flags |= hasData
		return
	}
	if b.flags&joined == 0 {
		b.join = append(b.join[:0], raw[b.start:b.valueEnd]...)
		b.join = append(b.join, '\n')
		b.flags |= joined
	}
	b.join = append(b.join, raw[from:to]...)
	b.join = append(b.join, '\n')
}

// dataLines adds the run of lines "data: x\n" that buf[line:end] starts with,
// if the data is of several lines already, and returns the end of the run.
func (b *Block) dataLines(buf []byte, line, end int) int {
	if b.flags&joined == 0 {
		return line
	}
	join := b.join
	for end-line >= loadSize && binary.LittleEndian.Uint64(buf[line:])&mask6 == dataSpace {
		from := line + 6
		n := bytes.IndexByte(buf[from:end], '\n') + 1
		if n == 0 {
			break
		}
		// Lines differ in length. A copy of a length that no branch
		// predictor guesses costs more than one that copies too much.
		if at := len(join); n <= shortData && len(buf)-from >= shortData && cap(join)-at >= shortData {
			*(*[shortData]byte)(join[at : at+shortData]) = *(*[shortData]byte)(buf[from:])
			join = join[:at+n]
		} else {
			join = append(join, buf[from:from+n]...)
		}
		line = from + n
	}
	b.join = join
	return line
}

const shortData = 128

// parseRetry reads a reconnection time: ASCII digits and nothing else, as many
// as there may be.
func parseRetry(digits []byte) (time.Duration, bool) {
	if len(digits) == 0 {
		return 0, false
	}
	var ms int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		if ms <= maxRetry {
			ms = ms*10 + int64(c-'0')
		}
	}
	return time.Duration(min(ms, maxRetry)) * time.Millisecond, true
}

// Raw returns the bytes of the block as they were on the wire, line ends, BOM
// and comments included.
func (b *Block) Raw() []byte { return b.raw }

// IsEvent reports whether the block dispatches an event: it is finished and
// has a data field, if only an empty one.
func (b *Block) IsEvent() bool { return b.flags&(hasData|incomplete) == hasData }

// Incomplete reports whether the stream ended before the block did.
func (b *Block) Incomplete() bool { return b.flags&incomplete != 0 }

// Data returns the data, its lines joined with LF.
func (b *Block) Data() []byte {
	switch {
	case b.flags&hasData == 0:
		return nil
	case b.flags&joined != 0:
		return b.join[: len(b.join)-1 : len(b.join)-1]
	}
	return b.raw[b.start:b.valueEnd:b.valueEnd]
}

// Type returns the event type; [DefaultType] if the block named none.
func (b *Block) Type() []byte {
	if b.flags&hasType == 0 || b.typ == b.typEnd {
		return defaultType
	}
	return b.raw[b.typ:b.typEnd:b.typEnd]
}

var defaultType = []byte(DefaultType)

// HasID reports whether the block has an ID of its own, if only an empty one.
func (b *Block) HasID() bool { return b.flags&hasID != 0 }

// ID returns the block's own ID, empty if it has none or set it empty;
// HasID distinguishes the two.
func (b *Block) ID() []byte {
	if b.flags&hasID == 0 {
		return nil
	}
	return b.raw[b.id:b.idEnd:b.idEnd]
}

// Retry returns the reconnection time that the block set, if it set one.
func (b *Block) Retry() (d time.Duration, ok bool) {
	if b.flags&hasRetry == 0 {
		return 0, false
	}
	return b.retry, true
}

// Comment returns the text of a comment outside of a block, and whether this is
// one. Comments between the fields of a block are in [Block.Fields].
func (b *Block) Comment() (text []byte, ok bool) {
	if b.flags&isComment == 0 {
		return nil, false
	}
	return b.raw[b.start:b.valueEnd:b.valueEnd], true
}

// A Field is one line of a block. A comment is a field without a name.
type Field struct {
	Name  []byte
	Value []byte // without the one space that may follow the colon
}

// Fields ranges over the lines of the block, the unknown ones and an unfinished
// one at the end included, blank lines left out.
func (b *Block) Fields() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		rest := b.raw
		if b.flags&hasBOM != 0 {
			rest = rest[len(bom):]
		}
		for len(rest) > 0 {
			line := rest
			if i := bytes.IndexAny(rest, "\r\n"); i >= 0 {
				line, rest = rest[:i], rest[i+1:]
			} else {
				rest = nil
			}
			if len(line) == 0 {
				continue
			}
			name, value, _ := bytes.Cut(line, colon)
			if !yield(Field{name, bytes.TrimPrefix(value, space)}) {
				return
			}
		}
	}
}

var colon, space = []byte(":"), []byte(" ")

// Event returns the event of the block, owned by the caller. ID and Data share
// one allocation; clone the ID if you keep it without the data.
func (b *Block) Event() Event {
	data, typ, id := b.Data(), b.Type(), b.ID()
	event := Event{HasID: b.flags&hasID != 0}
	event.Retry, event.HasRetry = b.Retry()

	if !utf8.Valid(data) || !utf8.Valid(typ) || !utf8.Valid(id) {
		event.Type, event.ID, event.Data = validString(typ), validString(id), validString(data)
		return event
	}
	switch {
	case b.flags&hasType == 0:
		event.Type = DefaultType
	default:
		if b.lastType != string(typ) {
			b.lastType = string(typ)
		}
		event.Type = b.lastType
	}
	// The ID and the data share one string, and so one allocation.
	if len(id) == 0 {
		event.Data = string(data)
		return event
	}
	var both strings.Builder
	both.Grow(len(id) + len(data))
	both.Write(id)
	both.Write(data)
	event.ID, event.Data = both.String()[:len(id)], both.String()[len(id):]
	return event
}
