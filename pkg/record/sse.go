package record

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/stream"
)

// FromBlock returns a block, which was read at the given time, as a record that
// is exact: it has raw bytes if the canonical encoding differs.
func FromBlock(b *stream.Block, at time.Time) Record {
	r := fieldsOf(b)
	r.Time = at
	if !r.hasFields() || !IsCanonical(b) {
		r.Raw = bytes.Clone(b.Raw())
	}
	return r
}

// readSSE reads a saved stream, and keeps each byte of it.
func readSSE(r io.Reader, maxEventSize int) iter.Seq2[Record, error] {
	decoder := stream.NewDecoder(r)
	decoder.MaxEventSize = maxEventSize
	return func(yield func(Record, error) bool) {
		for block, err := range decoder.Blocks() {
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(FromBlock(block, time.Time{}), nil) {
				return
			}
		}
	}
}

// AppendText appends the record as it is sent: its raw bytes, or else comment
// lines, then the event, id, retry and data fields, then a blank line. A meta
// record, and one without any field, is nothing on the wire. The error is a
// [*stream.FieldError].
func (r *Record) AppendText(dst []byte) ([]byte, error) {
	switch {
	case r.Meta != nil:
		return dst, nil
	case r.Raw != nil:
		return append(dst, r.Raw...), nil
	case !r.hasFields():
		return dst, nil
	}
	start := len(dst)
	if r.HasComment {
		dst = stream.AppendComment(dst, r.Comment)
	}
	event := r.Event
	if !r.IsEvent {
		event.Type, event.Data = "", ""
	}
	dst, err := event.AppendText(dst)
	if err != nil {
		return dst[:start], err
	}
	if !r.IsEvent { // the same block without its data field
		dst = append(dst[:len(dst)-len("data: \n\n")], '\n')
	}
	return dst, nil
}

// errSeveralBlocks refuses raw bytes that would be more than one record.
var errSeveralBlocks = errors.New("raw holds more than one block")

// setRaw takes raw as the bytes of the record, unless its keys differ from them.
// A record with no key of its own takes everything from raw. At the start of a
// stream, where a decoder drops a BOM, both readings of a BOM are tried.
func (r *Record) setRaw(raw []byte, streamStart bool) error {
	was, err := parseRaw(raw, streamStart)
	if r.hasFields() {
		if err == nil && !was.equals(r) && streamStart {
			was, err = parseRaw(raw, false)
		}
		if err == nil && was.equals(r) && !r.Incomplete {
			r.Raw = raw
		}
		return nil
	}
	if err != nil {
		return err
	}
	was.Time, was.Delay, was.Meta, was.Raw = r.Time, r.Delay, r.Meta, raw
	*r = was
	return nil
}

// parseRaw returns the fields of the one block in raw. Blank lines around it are
// ignored: the LF of a CRLF may have come late.
func parseRaw(raw []byte, streamStart bool) (was Record, err error) {
	var source io.Reader = bytes.NewReader(raw)
	if !streamStart && bytes.HasPrefix(raw, bom) {
		source = io.MultiReader(bytes.NewReader(lf), source) // only a BOM at the very start is dropped
	}
	d := stream.NewDecoder(source)
	d.MaxEventSize = len(raw) + 1
	blocks := 0
	for b, err := range d.Blocks() {
		if err != nil {
			return was, err
		}
		if !b.Incomplete() && len(bytes.Trim(b.Raw(), "\r\n")) == 0 {
			continue
		}
		if blocks++; blocks > 1 {
			return was, errSeveralBlocks
		}
		was = fieldsOf(b)
	}
	return was, nil
}

// fieldsOf returns the fields of the block.
func fieldsOf(b *stream.Block) Record {
	r := Record{Incomplete: b.Incomplete(), IsEvent: b.IsEvent()}
	if !r.Incomplete {
		r.Event = b.Event()
	}
	if !r.IsEvent {
		r.Type, r.Data = "", ""
	}
	if text, ok := b.Comment(); ok {
		r.Comment, r.HasComment = validString(text), true
	}
	return r
}

// IsCanonical reports whether the bytes of the block are those that
// [Record.AppendText] makes of its fields, so that a line without its raw bytes is
// exact. It compares them field by field, in the order in which AppendText writes
// them.
func IsCanonical(b *stream.Block) bool {
	rest, ok := b.Raw(), !b.Incomplete()
	take := func(name string, value []byte) {
		ok = ok && len(rest) > len(name)+len(value) &&
			string(rest[:len(name)]) == name &&
			bytes.Equal(rest[len(name):len(name)+len(value)], value) &&
			rest[len(name)+len(value)] == '\n'
		if ok {
			rest = rest[len(name)+len(value)+1:]
		}
	}
	valid := func(text []byte) { ok = ok && utf8.Valid(text) }
	if text, is := b.Comment(); is {
		valid(text)
		take(": ", text)
	}
	if typ := b.Type(); b.IsEvent() && string(typ) != stream.DefaultType {
		valid(typ)
		take("event: ", typ)
	}
	if b.HasID() {
		valid(b.ID())
		take("id: ", b.ID())
	}
	if d, is := b.Retry(); is {
		var digits [20]byte
		line := stream.AppendRetry(digits[:0], d)
		take("", line[:len(line)-1])
	}
	if b.IsEvent() {
		data := b.Data()
		valid(data)
		for more := true; more && ok; {
			var line []byte
			line, data, more = bytes.Cut(data, lf)
			take("data: ", line)
		}
	}
	return ok && string(rest) == "\n"
}

var lf, bom = []byte("\n"), []byte("\ufeff")

// validString returns text with malformed UTF-8 replaced.
func validString(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	return string(stream.AppendValid(nil, text))
}
