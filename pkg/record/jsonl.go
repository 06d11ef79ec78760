package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A Writer writes records and blocks as JSON lines, with one Write for each
// line. It escapes the parts that the events of a stream have in common only
// once, so use one Writer for each stream. The zero value is ready for
// [Writer.AppendBlock].
type Writer struct {
	w   io.Writer
	buf []byte

	escapes escapeCache
	stamp   []byte // the end of a line written at stampAt: all events of one read share it
	stampAt time.Time
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes one record.
func (w *Writer) Write(r *Record) error { return w.write(w.AppendRecord(w.buf[:0], r)) }

// WriteBlock writes a block that was read at the given time, without the raw
// bytes that an exact replay needs; see [FromBlock] for a record that has them.
func (w *Writer) WriteBlock(b *stream.Block, at time.Time) error {
	return w.write(w.AppendBlock(w.buf[:0], b, at))
}

func (w *Writer) write(line []byte) error {
	w.buf = line[:0]
	_, err := w.w.Write(line)
	return err
}

// AppendBlock appends the line that [Writer.WriteBlock] writes, with its line
// feed, for callers that keep a buffer themselves.
func (w *Writer) AppendBlock(dst []byte, b *stream.Block, at time.Time) []byte {
	if b.IsEvent() {
		if typ := b.Type(); string(typ) == stream.DefaultType {
			dst = append(dst, `{"event":"message",`...)
		} else {
			dst = append(dst, `{"event":`...)
			dst = AppendString(dst, typ)
			dst = append(dst, ',')
		}
	} else {
		dst = append(dst, '{')
	}
	if b.HasID() {
		dst = append(dst, `"id":`...)
		dst = AppendString(dst, b.ID())
		dst = append(dst, ',')
	}
	if b.IsEvent() {
		dst = append(dst, `"data":"`...)
		dst = w.escapes.appendEscaped(dst, b.Data())
		dst = append(dst, '"', ',')
	}
	if d, ok := b.Retry(); ok {
		dst = append(dst, `"retry":`...)
		dst = strconv.AppendInt(dst, d.Milliseconds(), 10)
		dst = append(dst, ',')
	}
	if text, ok := b.Comment(); ok {
		dst = append(dst, `"comment":`...)
		dst = AppendString(dst, text)
		dst = append(dst, ',')
	}
	return w.appendStamp(dst, at)
}

// AppendRecord appends the line that [Writer.Write] writes, for callers that keep a
// buffer themselves. Data that events have in common is escaped once.
func (w *Writer) AppendRecord(dst []byte, r *Record) []byte {
	if !r.IsEvent || r.HasComment || r.Time.IsZero() || r.Delay > 0 || r.Raw != nil || r.Incomplete || r.Meta != nil {
		return r.AppendJSON(dst)
	}
	if typ := r.Type; typ == "" || typ == stream.DefaultType {
		dst = append(dst, `{"event":"message",`...)
	} else {
		dst = append(dst, `{"event":`...)
		dst = AppendString(dst, bytesOf(typ))
		dst = append(dst, ',')
	}
	if r.ID != "" || r.HasID {
		dst = append(dst, `"id":`...)
		dst = AppendString(dst, bytesOf(r.ID))
		dst = append(dst, ',')
	}
	dst = append(dst, `"data":"`...)
	dst = w.escapes.appendEscaped(dst, bytesOf(r.Data))
	dst = append(dst, '"', ',')
	if r.Retry != 0 || r.HasRetry {
		dst = append(dst, `"retry":`...)
		dst = strconv.AppendInt(dst, max(r.Retry.Milliseconds(), 0), 10)
		dst = append(dst, ',')
	}
	return w.appendStamp(dst, r.Time)
}

// appendStamp appends the time and the end of a line.
func (w *Writer) appendStamp(dst []byte, at time.Time) []byte {
	if w.stamp == nil || at != w.stampAt {
		w.stamp, w.stampAt = append(w.stamp[:0], `"time":"`...), at
		w.stamp = append(appendTime(w.stamp, at), '"', '}', '\n')
	}
	return append(dst, w.stamp...)
}

// AppendJSON appends the record as one JSON line with its line feed. A [Reader]
// returns the same record for the line, its time rounded down to a microsecond.
func (r *Record) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	key := func(name string) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
	}
	if r.IsEvent {
		typ := r.Type
		if typ == "" {
			typ = stream.DefaultType
		}
		key("event")
		dst = AppendString(dst, bytesOf(typ))
	}
	if r.ID != "" || r.HasID {
		key("id")
		dst = AppendString(dst, bytesOf(r.ID))
	}
	if r.IsEvent {
		key("data")
		dst = AppendString(dst, bytesOf(r.Data))
	}
	if r.Retry != 0 || r.HasRetry {
		key("retry")
		dst = strconv.AppendInt(dst, max(r.Retry.Milliseconds(), 0), 10)
	}
	if r.HasComment {
		key("comment")
		dst = AppendString(dst, bytesOf(r.Comment))
	}
	if !r.Time.IsZero() {
		key("time")
		dst = append(dst, '"')
		dst = appendTime(dst, r.Time)
		dst = append(dst, '"')
	}
	if r.Delay > 0 {
		key("delay")
		dst = append(dst, '"')
		dst = append(dst, r.Delay.String()...)
		dst = append(dst, '"')
	}
	if r.Raw != nil {
		if utf8.Valid(r.Raw) {
			key("raw")
			dst = AppendString(dst, r.Raw)
		} else {
			key("raw_b64")
			dst = append(dst, '"')
			dst = base64.StdEncoding.AppendEncode(dst, r.Raw)
			dst = append(dst, '"')
		}
	}
	if r.Incomplete {
		key("incomplete")
		dst = append(dst, "true"...)
	}
	if r.Meta != nil {
		key("meta")
		dst = append(dst, r.Meta...)
	}
	return append(dst, '}', '\n')
}

// MaxLineSize returns the size in bytes of the largest JSON line of an event of
// eventSize bytes. A control character is escaped as six bytes, in the data and
// once more in the raw bytes.
func MaxLineSize(eventSize int) int { return 12*min(eventSize, (math.MaxInt-64<<10)/12) + 64<<10 }

// A Reader reads JSON lines. A line is an object with these keys, all optional:
//
//	event       the event type, "message" by default
//	id          the event's own ID; "" sets it empty
//	data        the data, a string; any other JSON value but null is read as its
//	            compact text
//	retry       the reconnection time in milliseconds, a whole number
//	comment     a comment
//	time        when its last byte was read, RFC 3339, written in UTC with
//	            microseconds
//	delay       how long to wait before it: "500ms", or a number of milliseconds
//	raw         the bytes on the wire, if AppendText makes others of the other keys
//	raw_b64     the same in base64, if they are not valid UTF-8
//	incomplete  true for the unfinished block at the end of a stream
//	meta        an object about the recording, not part of the stream
//
// A key with the value null counts as absent, and other keys are ignored. A line
// with an event or a data key is an event.
type Reader struct {
	// MaxLineSize bounds a line in bytes, its line feed not counted. Zero
	// means that of an event of [stream.DefaultMaxEventSize].
	MaxLineSize int

	lines lineReader
	err   error // of the source, for good
	// fresh is true while nothing of the stream was read, so that a BOM in
	// raw bytes would be one.
	fresh bool
}

// NewReader returns a Reader that reads from r.
func NewReader(r io.Reader) *Reader {
	reader := &Reader{lines: newLineReader(r), fresh: true}
	reader.lines.skipBOM = true
	return reader
}

// Line returns the number of the line read last, from 1.
func (r *Reader) Line() int { return r.lines.number }

// Records ranges over the records. The loop may go on after a [*LineError]; any
// other error is the last value, and io.EOF is none.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			record, err := r.Read()
			if err == io.EOF || !yield(record, err) || err != nil && !isLineError(err) {
				return
			}
		}
	}
}

// Read returns the next record; blank lines are skipped. The error is io.EOF at
// the end, a [*LineError] for a bad line, after which reading can go on, or that
// of the source.
func (r *Reader) Read() (Record, error) {
	limit := r.MaxLineSize
	if limit <= 0 {
		limit = MaxLineSize(stream.DefaultMaxEventSize)
	}
	for r.err == nil {
		line, err := r.lines.next(limit)
		if err == ErrLineTooLong {
			return Record{}, &LineError{Line: r.lines.number, Err: err}
		}
		if err != nil {
			r.err = err
			break
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		record, err := parseJSON(line, r.fresh)
		if err != nil {
			var at *columnError
			bad := &LineError{Line: r.lines.number, Err: err}
			if errors.As(err, &at) {
				bad.Column, bad.Err = at.column, at.err
			}
			return Record{}, bad
		}
		r.fresh = record.Meta != nil // a meta line begins another response
		return record, nil
	}
	return Record{}, r.err
}

// ParseJSON reads one JSON line, as if it were the first of a recording. The
// error names the column and the cause.
func ParseJSON(line []byte) (Record, error) { return parseJSON(line, true) }

var errNoKey = errors.New("no key that makes an event (event, data, id, retry, comment); as text, each line would be the data of one")

// readJSONL reads JSON lines of which each has to stand for something.
func readJSONL(r io.Reader, maxEventSize int) iter.Seq2[Record, error] {
	reader := NewReader(r)
	reader.MaxLineSize = MaxLineSize(maxEventSize)
	return func(yield func(Record, error) bool) {
		for record, err := range reader.Records() {
			if err == nil && record.Meta == nil && record.Raw == nil && !record.hasFields() {
				err = &LineError{Line: reader.Line(), Err: errNoKey}
			}
			if !yield(record, err) {
				return
			}
		}
	}
}

// A columnError is an error at a place in a line.
type columnError struct {
	column int // in bytes from 1
	err    error
}

func (e *columnError) Error() string { return fmt.Sprintf("column %d: %v", e.column, e.err) }
func (e *columnError) Unwrap() error { return e.err }

// parseJSON reads a JSON line; streamStart means that its raw bytes are the first
// of a stream.
func parseJSON(line []byte, streamStart bool) (Record, error) {
	var r Record
	if err := checkObject(line); err != nil {
		return r, err
	}
	var raw []byte
	// The line is a valid object from here on, so walking it cannot fail.
	err := eachMember(line, func(key, value []byte, at int) (err error) {
		if string(value) == "null" {
			return nil
		}
		switch string(key) {
		case "event":
			r.Type, err = stringOf(value)
			r.IsEvent = true
		case "data":
			r.Data, err = dataOf(value)
			r.IsEvent = true
		case "id":
			r.ID, err = stringOf(value)
			r.HasID = true
		case "retry":
			r.Retry, err = retryOf(value)
			r.HasRetry = true
		case "comment":
			r.Comment, err = stringOf(value)
			r.HasComment = true
		case "time":
			r.Time, err = timeOf(value)
		case "delay":
			r.Delay, err = delayOf(value)
		case "raw":
			var s string
			s, err = stringOf(value)
			raw = []byte(s)
		case "raw_b64":
			var s string
			if s, err = stringOf(value); err == nil {
				raw, err = base64.StdEncoding.DecodeString(s)
			}
		case "incomplete":
			r.Incomplete = string(value) == "true"
			if !r.Incomplete && string(value) != "false" {
				err = wrongKind(value, "true or false")
			}
		case "meta":
			if value[0] != '{' {
				err = wrongKind(value, "an object")
				break
			}
			var compact bytes.Buffer
			err = json.Compact(&compact, value)
			r.Meta = compact.Bytes()
		}
		if err != nil {
			return &columnError{column: at + 1, err: fmt.Errorf("%s: %w", key, err)}
		}
		return nil
	})
	if err != nil {
		return Record{}, err
	}
	if r.IsEvent && r.Type == "" {
		r.Type = stream.DefaultType
	}
	if raw != nil {
		err = r.setRaw(raw, streamStart)
	}
	if err == nil && r.Raw == nil {
		err = r.check()
	}
	return r, err
}

// check returns the error of a record that cannot be sent.
func (r *Record) check() error {
	if r.ID == "" && (r.Type == "" || r.Type == stream.DefaultType) {
		return nil
	}
	var room [64]byte
	event := stream.Event{Type: r.Type, ID: r.ID}
	_, err := event.AppendText(room[:0])
	return err
}

// checkObject returns the error of a line that is not one JSON object.
func checkObject(line []byte) error {
	if !json.Valid(line) {
		// Only now, for its message: where the syntax breaks.
		var any json.RawMessage
		err := json.Unmarshal(line, &any)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return &columnError{column: int(max(syntax.Offset, 1)), err: fmt.Errorf("not JSON: %w", err)}
		}
		return fmt.Errorf("not JSON: %w", err)
	}
	if trimmed := bytes.TrimSpace(line); trimmed[0] != '{' {
		return wrongKind(trimmed, "a JSON object, one a line")
	}
	return nil
}

// eachMember calls f with the members of a valid JSON object and the places of
// their values.
func eachMember(object []byte, f func(key, value []byte, at int) error) error {
	i := bytes.IndexByte(object, '{') + 1
	for {
		i = skipSpace(object, i)
		switch object[i] {
		case '}':
			return nil
		case ',':
			i++
			continue
		}
		end := skipValue(object, i)
		key := object[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = unescape(key)
		}
		i = skipSpace(object, skipSpace(object, end)+1) // over the colon
		end = skipValue(object, i)
		if err := f(key, object[i:end], i); err != nil {
			return err
		}
		i = end
	}
}

func skipSpace(text []byte, i int) int {
	for text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns the end of the value of valid JSON that starts at i.
func skipValue(text []byte, i int) int {
	depth := 0
	for {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
			continue
		default: // a number or a literal
			for i < len(text) && bytes.IndexByte([]byte(",]} \t\r\n"), text[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

func wrongKind(value []byte, want string) error {
	kind := "a number"
	switch value[0] {
	case '"':
		kind = "a string"
	case '{':
		kind = "an object"
	case '[':
		kind = "an array"
	case 't', 'f':
		kind = "a boolean"
	case 'n':
		kind = "null"
	}
	return fmt.Errorf("want %s, got %s", want, kind)
}

func stringOf(value []byte) (string, error) {
	if value[0] != '"' {
		return "", wrongKind(value, "a string")
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return validString(inner), nil
	}
	if inner = unescape(inner); !utf8.Valid(inner) {
		return validString(inner), nil
	}
	return unsafe.String(unsafe.SliceData(inner), len(inner)), nil // nobody else has it
}

func dataOf(value []byte) (string, error) {
	if value[0] == '"' {
		return stringOf(value)
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, value)
	return validString(compact.Bytes()), err
}

// maxMillis is the longest time in milliseconds that a [time.Duration] holds; a
// longer one counts as this one.
const maxMillis = math.MaxInt64 / int64(time.Millisecond)

func retryOf(value []byte) (time.Duration, error) {
	if value[0] == '"' || value[0] == '{' || value[0] == '[' || value[0] == 't' || value[0] == 'f' {
		return 0, wrongKind(value, "a number of milliseconds")
	}
	ms, err := strconv.ParseInt(string(value), 10, 64) // JSON has no number with a plus sign
	if err != nil && !errors.Is(err, strconv.ErrRange) || ms < 0 || value[0] == '-' {
		return 0, fmt.Errorf("want whole milliseconds, 0 or more, got %s", value)
	}
	return time.Duration(min(ms, maxMillis)) * time.Millisecond, nil
}

func delayOf(value []byte) (time.Duration, error) {
	if value[0] == '"' {
		s, err := stringOf(value)
		if err != nil {
			return 0, err
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, fmt.Errorf(`want a duration as "500ms", 0 or more, got %q`, s)
		}
		return d, nil
	}
	ms, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return 0, wrongKind(value, `a duration as "500ms" or a number of milliseconds`)
	}
	if ms < 0 || ms > float64(maxMillis) || math.IsNaN(ms) {
		return 0, fmt.Errorf("want milliseconds, 0 or more, got %s", value)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}
