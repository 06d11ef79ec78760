package stream

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// An Encoder writes events to a stream. Every method makes exactly one Write
// of whole lines, so that a writer which flushes or sends per Write never
// splits an event, and nothing is written when there is an error in the event.
type Encoder struct {
	w   io.Writer
	buf []byte
}

// NewEncoder returns an Encoder that writes to w.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{w: w} }

// Encode writes one event. The error is a [*FieldError] when the event cannot
// be written, else that of the Write.
func (e *Encoder) Encode(event *Event) error {
	buf, err := event.AppendText(e.buf[:0])
	if err != nil {
		return err
	}
	return e.write(buf)
}

// Comment writes a comment and a blank line; see [AppendComment].
func (e *Encoder) Comment(text string) error {
	return e.write(append(AppendComment(e.buf[:0], text), '\n'))
}

// Retry writes a block that sets the reconnection time and dispatches no
// event; see [AppendRetry].
func (e *Encoder) Retry(d time.Duration) error {
	return e.write(append(AppendRetry(e.buf[:0], d), '\n'))
}

func (e *Encoder) write(buf []byte) error {
	e.buf = buf[:0]
	_, err := e.w.Write(buf)
	return err
}

// AppendText appends the event in its canonical form: the event, id, retry and
// data fields, those that it has, as "name: value\n", and a blank line. Data is
// always written, empty data as one empty line, so the block dispatches an
// event. Each line break in the data, whether LF, CR or CRLF, starts a data
// line; a reader joins them with LF.
//
// A line break in the type or ID, or a NUL in the ID (which would make readers
// ignore it), is a [*FieldError], and dst is returned as it was.
func (event *Event) AppendText(dst []byte) ([]byte, error) {
	start := len(dst)
	dst, err := event.appendFields(dst)
	if err != nil {
		return dst[:start], err
	}
	dst = appendData(dst, event.Data)
	return append(dst, '\n'), nil
}

// appendFields appends the event, id and retry lines that the event has.
func (event *Event) appendFields(dst []byte) ([]byte, error) {
	if err := event.check(); err != nil {
		return dst, err
	}
	if event.namesType() {
		dst = append(dst, "event: "...)
		dst = append(dst, event.Type...)
		dst = append(dst, '\n')
	}
	if event.ID != "" || event.HasID {
		dst = append(dst, "id: "...)
		dst = append(dst, event.ID...)
		dst = append(dst, '\n')
	}
	if event.Retry != 0 || event.HasRetry {
		dst = AppendRetry(dst, event.Retry)
	}
	return dst, nil
}

// namesType reports whether the event needs an event field.
func (event *Event) namesType() bool { return event.Type != "" && event.Type != DefaultType }

// check returns the error of an event that cannot be written.
func (event *Event) check() error {
	if event.namesType() {
		if i := lineEnd(event.Type); i >= 0 {
			return &FieldError{Field: "event", Value: event.Type, Char: event.Type[i]}
		}
	}
	if event.ID == "" {
		return nil
	}
	i := lineEnd(event.ID)
	if i < 0 {
		i = strings.IndexByte(event.ID, 0)
	}
	if i >= 0 {
		return &FieldError{Field: "id", Value: event.ID, Char: event.ID[i]}
	}
	return nil
}

// AppendComment appends a comment, a line of its own for each line of text.
// Readers ignore it; a proxy sees that the connection is alive.
func AppendComment(dst []byte, text string) []byte { return appendLines(dst, ": ", text) }

// appendData appends one data line per line of data.
func appendData(dst []byte, data string) []byte { return appendLines(dst, "data: ", data) }

// appendLines appends each line of text after prefix, and a line feed.
func appendLines(dst []byte, prefix, text string) []byte {
	for {
		dst = append(dst, prefix...)
		i := lineEnd(text)
		if i < 0 {
			dst = append(dst, text...)
			return append(dst, '\n')
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, '\n')
		if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			i++
		}
		text = text[i+1:]
	}
}

// lineEnd returns the place of the first CR or LF, or -1. Two searches of
// memory beat one that looks for either.
func lineEnd(text string) int {
	i := strings.IndexByte(text, '\n')
	if i >= 0 {
		text = text[:i]
	}
	if cr := strings.IndexByte(text, '\r'); cr >= 0 {
		return cr
	}
	return i
}

// AppendRetry appends a retry field, which sets the reconnection time of the
// reader to d, rounded down to whole milliseconds and at least zero.
func AppendRetry(dst []byte, d time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, max(d.Milliseconds(), 0), 10)
	return append(dst, '\n')
}
