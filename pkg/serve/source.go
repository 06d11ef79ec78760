package serve

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A Source returns the records of an input, one a call, and io.EOF behind the
// last. After a [*LineError] it can be asked again, after other errors not.
type Source func() (stream.Record, error)

// A LineError is the error of one line of an input. The lines behind it can be
// read all the same.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Format is the form of an input.
type Format string

// The formats that [NewSource] reads.
const (
	FormatAuto  Format = ""
	FormatJSONL Format = "jsonl" // JSON lines, as ssectl listen writes them
	FormatSSE   Format = "sse"   // an event stream as it was on the wire
	FormatText  Format = "text"  // each line is the data of an event
	FormatHAR   Format = "har"   // what the network panel of a browser saves
)

// NewSource returns a source that reads r in the given format; [FormatAuto]
// looks at the first bytes, and waits for them. It also returns the format. An
// event larger than maxEventSize bytes is an error; zero means
// [stream.DefaultMaxEventSize].
func NewSource(r io.Reader, format Format, maxEventSize int) (Source, Format, error) {
	if maxEventSize <= 0 {
		maxEventSize = stream.DefaultMaxEventSize
	}
	buffered := bufio.NewReaderSize(r, 64<<10)
	if format == FormatAuto {
		format = sniff(buffered)
	}
	switch format {
	case FormatJSONL:
		return jsonlSource(buffered, maxEventSize), format, nil
	case FormatSSE:
		return sseSource(buffered, maxEventSize), format, nil
	case FormatText:
		return textSource(buffered, maxEventSize), format, nil
	case FormatHAR:
		source, err := harSource(buffered)
		return source, format, err
	}
	return nil, format, fmt.Errorf("unknown format %q: want jsonl, sse, text or har", format)
}

// sniff tells the format by the first bytes. It asks for no more of them than
// it needs: an input may be live, and its next byte hours away.
func sniff(r *bufio.Reader) Format {
	for n := 1; n <= r.Size(); n = max(n, r.Buffered()) + 1 {
		start, err := r.Peek(n)
		if r.Buffered() > n {
			start, _ = r.Peek(r.Buffered())
		}
		if format, sure := guess(start); sure || err != nil {
			return format
		}
	}
	return FormatText
}

// guess returns the format of an input that begins with start, and whether more
// of it could still change that.
func guess(start []byte) (format Format, sure bool) {
	text := bytes.TrimLeft(bytes.TrimPrefix(start, bom), "\r\n \t")
	if len(text) == 0 || bytes.HasPrefix(bom, start) {
		return FormatText, false
	}
	switch text[0] {
	case '{':
		key := bytes.TrimLeft(text[1:], "\r\n \t")
		if bytes.HasPrefix(key, harKey) {
			return FormatHAR, true
		}
		return FormatJSONL, !bytes.HasPrefix(harKey, key)
	case ':':
		return FormatSSE, true
	}
	for _, name := range fieldNames {
		if rest, ok := bytes.CutPrefix(text, name); ok {
			if len(rest) == 0 {
				return FormatSSE, false
			}
			if bytes.IndexByte([]byte(":\r\n"), rest[0]) >= 0 {
				return FormatSSE, true
			}
		} else if bytes.HasPrefix(name, text) {
			return FormatText, false
		}
	}
	return FormatText, true
}

var (
	harKey     = []byte(`"log"`)
	fieldNames = [][]byte{[]byte("data"), []byte("event"), []byte("id"), []byte("retry")}
)

// IDs says what becomes of the IDs of events.
type IDs string

// The choices of [NumberIDs].
const (
	IDsKeep IDs = "keep" // they stay as they are, if any
	IDsAuto IDs = "auto" // events without one are numbered by their place in the input
	IDsNone IDs = "none" // they are taken away
)

// NumberIDs returns a source whose events have the IDs that mode says. An
// automatic ID is the place of the event in the input, or one more than the ID
// before it where that is a larger number. An ID of the input that is a number
// but not above the automatic one before it is a [*LineError]: two events could
// have it.
func NumberIDs(source Source, mode IDs) Source {
	var place, number, auto int64 // of the event; highest so far; latest given
	return func() (stream.Record, error) {
		r, err := source()
		if err != nil {
			return r, err
		}
		if mode == IDsNone {
			r.ID, r.HasID = "", false
			r.Raw = withoutIDs(r.Raw)
		}
		if mode != IDsAuto {
			return r, nil
		}
		if r.IsEvent {
			place++
		}
		switch n, err := strconv.ParseInt(r.ID, 10, 64); {
		case r.ID == "" && r.IsEvent && !r.HasID:
			number = max(number+1, place)
			auto = number
			r.ID, r.HasID = strconv.FormatInt(auto, 10), true
			r.Raw = withID(r.Raw, r.ID)
		case err == nil && n > 0 && n <= auto:
			return r, &LineError{Line: int(place), Err: fmt.Errorf("ID %q is not above the automatic ID %d before it", r.ID, auto)}
		case err == nil:
			number = max(number, n)
		}
		return r, nil
	}
}

// withID puts an ID in front of the fields of a block. Line ends in front of them
// may be the rest of the block before: an LF whose CR came earlier.
func withID(raw []byte, id string) []byte {
	if raw == nil {
		return nil
	}
	fields := bytes.TrimLeft(bytes.TrimPrefix(raw, bom), "\r\n")
	before := raw[:len(raw)-len(fields)]
	return slices.Concat(before, []byte("id: "+id+"\n"), fields)
}

// withoutIDs returns the lines of raw but for the id fields.
func withoutIDs(raw []byte) []byte {
	if raw == nil {
		return nil
	}
	kept := []byte{}
	if rest, ok := bytes.CutPrefix(raw, bom); ok {
		kept, raw = append(kept, bom...), rest
	}
	for len(raw) > 0 {
		end := len(raw)
		if i := bytes.IndexAny(raw, "\r\n"); i >= 0 {
			end = i + 1
			if raw[i] == '\r' && end < len(raw) && raw[end] == '\n' {
				end++
			}
		}
		line := raw[:end]
		raw = raw[end:]
		name, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if string(name) != "id" {
			kept = append(kept, line...)
		}
	}
	return kept
}

// Load appends all that source has, and ends the history. The times in the
// records are the recorded pace. Any error ends it.
func (h *History) Load(source Source) error {
	h.init()
	var clock timeline
	for {
		r, err := source()
		if err == io.EOF {
			h.End()
			h.tag() // now, not when the first client waits
			return nil
		}
		if err == nil {
			err = h.append(&r, clock.next(&r))
		}
		if err != nil {
			return err
		}
	}
}

// Follow appends what source has as it comes in, and ends the history at its
// end. Bad lines are passed to skipped, and the rest goes on. After any other
// error clients get the events before it and are then cut.
func (h *History) Follow(source Source, skipped func(error)) (err error) {
	h.init()
	defer func() {
		if err != nil {
			h.fail()
		} else {
			h.End()
		}
	}()
	var clock timeline
	for {
		r, err := source()
		var bad *LineError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &bad):
			skipped(err)
			continue
		case err != nil:
			return err
		}
		if err := h.append(&r, clock.next(&r)); err != nil {
			return err
		}
	}
}

// A timeline turns the times and delays of records into one time axis.
type timeline struct {
	at   time.Duration
	last time.Time
}

// next returns when r is due, counted from the start of the recording.
func (t *timeline) next(r *stream.Record) time.Duration {
	switch {
	case r.Delay > 0:
		t.at += r.Delay
	case !r.Time.IsZero() && !t.last.IsZero():
		t.at += max(r.Time.Sub(t.last), 0)
	}
	if !r.Time.IsZero() {
		t.last = r.Time
	}
	return t.at
}
