package stream

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// A columnError is an error at a place in a line.
type columnError struct {
	column int // in bytes from 1
	err    error
}

func (e *columnError) Error() string { return fmt.Sprintf("column %d: %v", e.column, e.err) }
func (e *columnError) Unwrap() error { return e.err }

// parseRecord reads a JSON line. streamStart tells whether its raw bytes are
// the first of a stream.
func parseRecord(line []byte, streamStart bool) (Record, error) {
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
		r.Type = DefaultType
	}
	if raw != nil {
		err = r.setRaw(raw, streamStart)
	}
	if err == nil && r.Raw == nil {
		err = r.check()
	}
	return r, err
}

// checkObject returns what is wrong with a line that is not one JSON object.
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

// unescape replaces the escapes of the inside of a valid JSON string.
func unescape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(out, text...)
		}
		out = append(out, text[:i]...)
		c := text[i+1]
		text = text[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hex4(text)
			text = text[4:]
			if utf16.IsSurrogate(r) {
				// Half a pair is U+FFFD, and what follows it stands for itself.
				pair := utf8.RuneError
				if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(text[2:]))
				}
				if r = pair; pair != utf8.RuneError {
					text = text[6:]
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, c)
	}
}

// hex4 reads the four hexadecimal digits that text starts with.
func hex4(text []byte) (r rune) {
	for _, c := range text[:4] {
		if c <= '9' {
			c -= '0'
		} else {
			c = c&^0x20 - 'A' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

func dataOf(value []byte) (string, error) {
	if value[0] == '"' {
		return stringOf(value)
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, value)
	return validString(compact.Bytes()), err
}

func retryOf(value []byte) (time.Duration, error) {
	if value[0] == '"' || value[0] == '{' || value[0] == '[' || value[0] == 't' || value[0] == 'f' {
		return 0, wrongKind(value, "a number of milliseconds")
	}
	d, ok := parseRetry(value)
	if !ok {
		return 0, fmt.Errorf("want whole milliseconds, 0 or more, got %s", value)
	}
	return d, nil
}

func timeOf(value []byte) (time.Time, error) {
	s, err := stringOf(value)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if year := t.UTC().Year(); err != nil || year < 0 || year > 9999 {
		return time.Time{}, fmt.Errorf("want an RFC 3339 time, got %q", s)
	}
	return t, nil
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
	if ms < 0 || ms > float64(maxRetry) || math.IsNaN(ms) {
		return 0, fmt.Errorf("want milliseconds, 0 or more, got %s", value)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}

// A lineReader reads lines of any length up to a limit, and counts them.
type lineReader struct {
	r      *bufio.Reader
	long   []byte // a line that did not fit the buffer of r
	number int
}

func newLineReader(r io.Reader) lineReader {
	return lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next line without its line end, valid until the next call. A
// line beyond limit is passed over whole, with [ErrLineTooLong].
func (l *lineReader) next(limit int) ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		l.long = append(l.long[:0], line...)
		for err == bufio.ErrBufferFull {
			line, err = l.r.ReadSlice('\n')
			if len(l.long) <= limit+len(bom) {
				l.long = append(l.long, line...)
			}
		}
		line = l.long
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, err
	}
	l.number++
	if l.number == 1 {
		line = bytes.TrimPrefix(line, bom)
	}
	if line = bytes.TrimSuffix(line, lf); len(line) > limit {
		return nil, ErrLineTooLong
	}
	return line, nil
}
