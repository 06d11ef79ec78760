package fault

import (
	"bytes"
	"compress/gzip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An Output takes the stream of a [Writer].
type Output interface {
	// Send sends bytes at once; no bytes stand for the head of the response.
	Send([]byte) error
	// Sleep waits in silence.
	Sleep(time.Duration) error
}

// A Cut is the error of a fault that ends the response within.
type Cut struct {
	Cause string
	Reset bool // by a TCP reset, if possible
	Code  int  // by a close frame with this code, if it is not zero
}

func (e *Cut) Error() string { return e.Cause }

// A Writer sends each event as its faults want it. Bytes go from pending (the
// stream), over packed (compressed), to held (as a buffering proxy does), and out
// in pieces.
type Writer struct {
	*Plan
	Sent    int64                     // events that were sent
	Counted func(events, bytes int64) // called with what is added to the stream, if not nil

	out     Output
	events  int64 // on this connection
	sent    int64 // bytes of the stream
	pending []byte
	packed  bytes.Buffer
	gzip    *gzip.Writer
	held    []byte
}

// NewWriter returns a writer of the stream of one connection.
func (p *Plan) NewWriter(out Output) *Writer {
	s := &Writer{Plan: p, out: out}
	if p.compress {
		s.gzip = gzip.NewWriter(&s.packed)
	}
	if p.bom {
		s.pending = append(s.pending, bom...)
	}
	return s
}

var bom = []byte("\ufeff")

// Event sends one event with the faults before and after it.
func (s *Writer) Event(text []byte) error {
	s.events++
	copies := 1
	for i := range s.onEvent {
		on := &s.onEvent[i]
		if !on.Covers(s.events) {
			continue
		}
		switch on.Kind {
		case "big":
			s.Add([]byte("event: big\ndata: " + strings.Repeat("x", int(on.Size)) + "\n\n"))
		case "truncate":
			s.Add(text[:len(text)/2])
			return s.broken("truncated in event "+strconv.FormatInt(s.events, 10), false)
		case "garble":
			text = garble(text)
		case "duplicate":
			copies++
		}
	}
	for range copies {
		if s.stamp {
			s.addStamp()
		}
		s.Add(text)
	}
	s.Sent++
	if s.Counted != nil {
		s.Counted(1, 0)
	}
	return s.afterEvent()
}

func (s *Writer) afterEvent() error {
	n := strconv.FormatInt(s.events, 10)
	for i := range s.onEvent {
		on := &s.onEvent[i]
		if !on.Covers(s.events) {
			continue
		}
		switch on.Kind {
		case "drop":
			return s.broken("dropped after event "+n, false)
		case "reset":
			return s.broken("reset after event "+n, true)
		case "close":
			if s.messages {
				if err := s.Flush(true); err != nil {
					return err
				}
				return &Cut{Cause: "closed with " + strconv.FormatInt(on.Size, 10) + " after event " + n, Code: int(on.Size)}
			}
		case "stall":
			if err := s.Flush(false); err != nil {
				return err
			}
			if err := s.out.Sleep(on.Duration); err != nil {
				return err
			}
		}
	}
	return nil
}

// broken sends the pending bytes, and returns the error that cuts the response.
func (s *Writer) broken(cause string, reset bool) error {
	if err := s.Flush(false); err != nil {
		return err
	}
	return &Cut{Cause: cause, Reset: reset}
}

// addStamp adds a comment, in front of the event that it belongs to, with the time
// and the number of bytes sent before.
func (s *Writer) addStamp() {
	var b [64]byte
	line := append(b[:0], ": t="...)
	line = strconv.AppendInt(line, time.Now().UnixNano(), 10)
	line = append(line, " off="...)
	line = strconv.AppendInt(line, s.sent, 10)
	s.Add(append(line, '\n'))
}

// Add adds bytes to the stream that are no event: comments and the like. The next
// Event or Flush sends them.
func (s *Writer) Add(text []byte) {
	before := len(s.pending)
	if s.eol == "" {
		s.pending = append(s.pending, text...)
	} else {
		s.pending = appendEOL(s.pending, text, s.eol)
	}
	s.sent += int64(len(s.pending) - before)
}

// Flush sends the bytes that were added, as far as the faults let them pass. The last one is that
// of a stream that ends in order.
func (s *Writer) Flush(last bool) error {
	if s.Counted != nil {
		s.Counted(0, int64(len(s.pending)))
	}
	ready := s.pending
	if s.gzip != nil && (last || len(ready) > 0) {
		s.gzip.Write(ready)
		s.gzip.Flush()
		if last {
			s.gzip.Close()
		}
		ready = s.packed.Bytes()
		defer s.packed.Reset()
	}
	s.pending = s.pending[:0]
	if s.buffer > 0 {
		s.held = append(s.held, ready...)
		ready = s.held[:len(s.held)/s.buffer*s.buffer]
		if last {
			ready = s.held
		}
		if len(ready) == 0 {
			return nil
		}
	}
	err := s.pieces(ready)
	if s.buffer > 0 {
		s.held = append(s.held[:0], s.held[len(ready):]...)
	}
	return err
}

// pieces writes text in the pieces that the faults want.
func (s *Writer) pieces(text []byte) error {
	if len(text) == 0 || s.parts == (Pieces{}) {
		return s.out.Send(text)
	}
	for len(text) > 0 {
		n := s.parts.Next(text)
		if err := s.out.Send(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// splitInRune returns the size of a piece that ends after the first byte of a
// character of several bytes; the whole size if there is none.
func splitInRune(text []byte) int {
	for i, c := range text[:len(text)-1] {
		if c >= utf8.RuneSelf && utf8.RuneStart(c) {
			return i + 1
		}
	}
	return len(text)
}

// appendEOL appends text with all its line ends replaced.
func appendEOL(dst, text []byte, eol string) []byte {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\r':
			if i+1 < len(text) && text[i+1] == '\n' {
				i++
			}
			dst = append(dst, eol...)
		case '\n':
			dst = append(dst, eol...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// garble returns the event with the middle of each of its data lines
// overwritten by bytes that are never UTF-8. Lines and fields stay.
func garble(text []byte) []byte {
	bad := bytes.Clone(text)
	for start := 0; start < len(bad); {
		end := len(bad)
		if i := bytes.IndexAny(bad[start:], "\r\n"); i >= 0 {
			end = start + i
		}
		if line := bad[start:end]; bytes.HasPrefix(line, dataField) && len(line) > len(dataField)+1 {
			value := line[len(dataField)+1:]
			for i := len(value) / 3; i <= 2*len(value)/3 && i < len(value); i++ {
				value[i] = 0xff
			}
		}
		start = end + 1
	}
	return bad
}

var dataField = []byte("data:")
