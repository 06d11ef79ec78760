package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// A Record is one line of a JSON-lines file of events. It has these keys, all
// optional, a key without a value or with null standing for no key:
//
//	event       the event type, "message" by default
//	id          the event's own ID; "" sets it empty
//	data        the data, a string; when read, any other JSON value but null
//	            stands for its compact text
//	retry       the reconnection time in milliseconds, a whole number
//	comment     a comment
//	time        when its last byte was read, RFC 3339, written in UTC with
//	            microseconds
//	delay       how long to wait before it: "500ms", or a number of
//	            milliseconds; read only
//	raw         the bytes on the wire, where they are not what AppendText makes
//	            of the other keys
//	raw_b64     the same in base64, where they are not valid UTF-8
//	incomplete  true for the unfinished block at the end of a stream
//	meta        an object about the recording, not part of the stream
//
// A record with an event or data key is an event. Other keys are ignored.
type Record struct {
	Event           // what the block stated; Type and Data only if IsEvent
	IsEvent    bool // dispatches an event
	Comment    string
	HasComment bool

	Time  time.Time     // zero if the record has none
	Delay time.Duration // wait before this record

	// Raw is what goes on the wire in place of the canonical encoding, nil
	// if that will do. A reader drops the raw bytes of a record that say
	// something else than its other keys: they were edited since.
	Raw        []byte
	Incomplete bool

	Meta []byte // a JSON object, nil for a record of the stream
}

// AppendText appends what the record stands for on the wire: its raw bytes, or
// else comment lines, then the event, id, retry and data fields, then a blank
// line. A meta record, and one that says nothing, is nothing on the wire. The
// error is a [*FieldError].
func (r *Record) AppendText(dst []byte) ([]byte, error) {
	switch {
	case r.Meta != nil:
		return dst, nil
	case r.Raw != nil:
		return append(dst, r.Raw...), nil
	case !r.saysSomething():
		return dst, nil
	}
	start := len(dst)
	if r.HasComment {
		dst = AppendComment(dst, r.Comment)
	}
	fields := r.Event
	if !r.IsEvent {
		fields.Type = ""
	}
	dst, err := fields.appendFields(dst)
	if err != nil {
		return dst[:start], err
	}
	if r.IsEvent {
		dst = appendData(dst, r.Data)
	}
	return append(dst, '\n'), nil
}

// saysSomething reports whether the record has a key that a block could have.
func (r *Record) saysSomething() bool {
	return r.IsEvent || r.HasComment || r.ID != "" || r.HasID || r.Retry != 0 || r.HasRetry
}

// errSeveralBlocks refuses raw bytes that would be more than one record.
var errSeveralBlocks = errors.New("raw holds more than one block")

// setRaw takes raw as the bytes of the record, unless its keys say otherwise.
// A record with no key of its own takes everything from raw. streamStart says
// that raw begins a stream, where a BOM is dropped; without it both readings
// of a BOM are tried.
func (r *Record) setRaw(raw []byte, streamStart bool) error {
	was, err := readRaw(raw, streamStart)
	if r.saysSomething() || r.IsEvent {
		if err == nil && !was.saysTheSame(r) && streamStart {
			was, err = readRaw(raw, false)
		}
		if err == nil && was.saysTheSame(r) && !r.Incomplete {
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

func (r *Record) saysTheSame(other *Record) bool {
	return r.Event == other.Event && r.IsEvent == other.IsEvent && r.Comment == other.Comment &&
		r.HasComment == other.HasComment && !r.Incomplete
}

// readRaw returns what the one block in raw says. Blank lines around it count
// for nothing: the LF of a CRLF may have come late.
func readRaw(raw []byte, streamStart bool) (was Record, err error) {
	d := NewDecoder(bytes.NewReader(raw))
	d.MaxEventSize = len(raw) + 1
	d.started = !streamStart
	blocks := 0
	for b, err := range d.Blocks() {
		if err != nil {
			return was, err
		}
		if !b.Incomplete() && len(bytes.Trim(b.raw, "\r\n")) == 0 {
			continue
		}
		if blocks++; blocks > 1 {
			return was, errSeveralBlocks
		}
		was = b.fields()
	}
	return was, nil
}

// Record returns the block as a record that is exact: it has raw bytes if the
// canonical encoding would give others. at is when it was read.
func (b *Block) Record(at time.Time) Record {
	r := b.fields()
	r.Time = at
	if !r.saysSomething() || !b.isCanonical() {
		r.Raw = bytes.Clone(b.raw)
	}
	return r
}

// fields returns what the block says.
func (b *Block) fields() Record {
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

// isCanonical reports whether the bytes of the block are those that
// [Record.AppendText] makes of its fields. It walks over them, field by field
// in the order that AppendText writes them.
func (b *Block) isCanonical() bool {
	rest, ok := b.raw, !b.Incomplete()
	take := func(name string, value []byte) {
		ok = ok && len(rest) > len(name)+len(value) &&
			string(rest[:len(name)]) == name &&
			bytes.Equal(rest[len(name):len(name)+len(value)], value) &&
			rest[len(name)+len(value)] == '\n'
		if ok {
			rest = rest[len(name)+len(value)+1:]
		}
	}
	valid := func(text []byte) { ok = ok && validPrefix(text) == len(text) }
	if text, is := b.Comment(); is {
		valid(text)
		take(": ", text)
	}
	if typ := b.Type(); b.IsEvent() && string(typ) != DefaultType {
		valid(typ)
		take("event: ", typ)
	}
	if b.HasID() {
		valid(b.ID())
		take("id: ", b.ID())
	}
	if d, is := b.Retry(); is {
		var digits [20]byte
		line := AppendRetry(digits[:0], d)
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

var lf = []byte("\n")

// MaxLineSize returns the size in bytes of the largest JSON line of an event of
// eventSize bytes. Escapes make six bytes of a control character, in the data
// and once more where the line has the raw bytes too.
func MaxLineSize(eventSize int) int { return 12*min(eventSize, (math.MaxInt-64<<10)/12) + 64<<10 }

// A RecordError says which line of a JSON-lines file is wrong, and why.
type RecordError struct {
	Line   int // from 1
	Column int // in bytes from 1; 0 if the whole line is meant
	Err    error
}

func (e *RecordError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// ErrLineTooLong is in the [RecordError] of a line beyond
// [RecordReader.MaxLineSize].
var ErrLineTooLong = errors.New("line is too long")

// A RecordReader reads a JSON-lines file of events.
type RecordReader struct {
	// MaxLineSize bounds a line in bytes, its line feed not counted. Zero
	// means that of an event of [DefaultMaxEventSize].
	MaxLineSize int

	lines lineReader
	err   error // of the source, for good
	// fresh is true while nothing of the stream was read, so that a BOM in
	// raw bytes would be one.
	fresh bool
}

// NewRecordReader returns a RecordReader that reads from r.
func NewRecordReader(r io.Reader) *RecordReader {
	return &RecordReader{lines: newLineReader(r), fresh: true}
}

// Line returns the number of the line read last, from 1.
func (rr *RecordReader) Line() int { return rr.lines.number }

// Read returns the next record; blank lines are passed over. The error is
// io.EOF at the end, a [*RecordError] for a bad line, behind which reading can
// go on, or that of the source.
func (rr *RecordReader) Read() (Record, error) {
	limit := rr.MaxLineSize
	if limit <= 0 {
		limit = MaxLineSize(DefaultMaxEventSize)
	}
	for rr.err == nil {
		line, err := rr.lines.next(limit)
		if err == ErrLineTooLong {
			return Record{}, &RecordError{Line: rr.lines.number, Err: err}
		}
		if err != nil {
			rr.err = err
			break
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r, err := parseRecord(line, rr.fresh)
		if err != nil {
			var at *columnError
			bad := &RecordError{Line: rr.lines.number, Err: err}
			if errors.As(err, &at) {
				bad.Column, bad.Err = at.column, at.err
			}
			return Record{}, bad
		}
		rr.fresh = r.Meta != nil // a meta line begins another response
		return r, nil
	}
	return Record{}, rr.err
}

// ParseRecord reads one JSON line, as if it were the first of a recording. The
// error names the column and the cause.
func ParseRecord(line []byte) (Record, error) {
	return parseRecord(line, true)
}
