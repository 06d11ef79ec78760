package serve

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// faults are those of a handler, sorted by the code that makes them happen. They
// never change.
type faults struct {
	status      []fault.Fault // of the handler
	contentType string
	noResume    bool

	changes bool // the bytes of the stream

	delay    time.Duration // of the client
	lifetime time.Duration // of an answer; 0 for any

	// The rest is for a faultWriter, if there is anything.
	stream   bool
	stamp    bool
	onEvent  []fault.Fault
	buffer   int
	chunk    int
	split    bool
	bom      bool
	compress bool
	eol      string
}

func newFaults(list []fault.Fault, stamp bool) *faults {
	f := &faults{stamp: stamp, stream: stamp, changes: stamp}
	for _, one := range list {
		switch one.Kind {
		case "status":
			f.status = append(f.status, one)
			continue
		case "type":
			f.contentType = one.Text
			continue
		case "no-resume":
			f.noResume = true
			continue
		case "delay":
			f.delay += one.Duration
			continue
		case "cut":
			if f.lifetime == 0 || one.Duration < f.lifetime {
				f.lifetime = one.Duration
			}
			continue
		case "buffer":
			f.buffer = int(one.Size)
		case "chunk":
			f.chunk = int(one.Size)
		case "split-utf8":
			f.split = true
		case "bom":
			f.bom = true
		case "gzip":
			f.compress = true
		case "eol":
			f.eol = one.Text
		default:
			f.onEvent = append(f.onEvent, one)
		}
		f.stream = true
		f.changes = f.changes || slices.Contains(changing, one.Kind)
	}
	return f
}

// changing are the kinds of faults that send other bytes than the history has,
// or more of them.
var changing = []string{"eol", "bom", "gzip", "duplicate", "garble", "big"}

// statusOf returns the status that connection n is answered with, 0 for a
// stream.
func (f *faults) statusOf(n int64) int {
	for i := range f.status {
		if f.status[i].Covers(n) {
			return int(f.status[i].Size)
		}
	}
	return 0
}

func (f *faults) setHeader(header http.Header) {
	if f.contentType != "" {
		header.Set("Content-Type", f.contentType)
	}
	if f.compress {
		header.Set("Content-Encoding", "gzip")
	}
}

// cuts reports whether a fault ends the connection within the response.
func (f *faults) cuts() bool {
	return f.lifetime > 0 || slices.ContainsFunc(f.onEvent, func(f fault.Fault) bool {
		return f.Kind == "drop" || f.Kind == "reset" || f.Kind == "truncate"
	})
}

// endAfter ends the client when its answer is so old, as a proxy does whose timeout
// counts the whole answer and not its silence.
func (c *client) endAfter(lifetime time.Duration) (stop func() bool) {
	cause := "cut after " + lifetime.String()
	return time.AfterFunc(lifetime, func() {
		c.h.mu.Lock()
		defer c.h.mu.Unlock()
		if _, here := c.h.clients[c]; !here {
			return // a response of net/http must not be touched any more
		}
		c.late.Store(true)
		c.end(cause)
		if c.busy.Load() {
			c.setWriteDeadline(time.Now())
		}
	}).Stop
}

// wrap returns out with the faults of the stream before it.
func (f *faults) wrap(out responseWriter, c *client) responseWriter {
	if !f.stream {
		return out
	}
	s := &faultWriter{faults: f, out: out, c: c}
	if f.compress {
		s.gzip = gzip.NewWriter(&s.packed)
	}
	if f.bom {
		s.pending = append(s.pending, bom...)
	}
	return s
}

// A faultWriter sends each event as its faults want it. Bytes go from pending (the
// stream), over packed (compressed), to held (as a buffering proxy does), and out
// in pieces.
type faultWriter struct {
	*faults
	out responseWriter
	c   *client

	events  int64 // on this connection
	sent    int64 // bytes of the stream
	pending []byte
	packed  bytes.Buffer
	gzip    *gzip.Writer
	held    []byte
}

func (s *faultWriter) batch(b *batch) error {
	for i := b.from; i < b.to; i++ {
		if b.entries[i].flags&entryIsEvent == 0 {
			s.add(b.text(i))
			continue
		}
		if err := s.event(b.text(i)); err != nil {
			return err
		}
	}
	return s.flush(false)
}

// event sends one event with the faults before and after it.
func (s *faultWriter) event(text []byte) error {
	s.events++
	copies := 1
	for i := range s.onEvent {
		on := &s.onEvent[i]
		if !on.Covers(s.events) {
			continue
		}
		switch on.Kind {
		case "big":
			s.add(appendEvent(nil, "big", strings.Repeat("x", int(on.Size))))
		case "truncate":
			s.add(text[:len(text)/2])
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
		s.add(text)
	}
	s.c.events.Add(1)
	return s.afterEvent()
}

func (s *faultWriter) afterEvent() error {
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
		case "stall":
			if err := s.flush(false); err != nil {
				return err
			}
			if err := s.c.sleep(on.Duration); err != nil {
				return err
			}
		}
	}
	return nil
}

// broken sends the pending bytes, and returns the error that cuts the response.
func (s *faultWriter) broken(cause string, reset bool) error {
	if err := s.flush(false); err != nil {
		return err
	}
	return &cutError{cause: cause, reset: reset}
}

// addStamp adds a comment, in front of the event that it belongs to, with the time
// and the number of bytes sent before.
func (s *faultWriter) addStamp() {
	var b [64]byte
	line := append(b[:0], ": t="...)
	line = strconv.AppendInt(line, time.Now().UnixNano(), 10)
	line = append(line, " off="...)
	line = strconv.AppendInt(line, s.sent, 10)
	s.add(append(line, '\n'))
}

// add adds text to the stream.
func (s *faultWriter) add(text []byte) {
	before := len(s.pending)
	if s.eol == "" {
		s.pending = append(s.pending, text...)
	} else {
		s.pending = appendEOL(s.pending, text, s.eol)
	}
	s.sent += int64(len(s.pending) - before)
}

func (s *faultWriter) text(text []byte) error {
	s.add(text)
	return s.flush(false)
}

// flush sends the pending bytes, as far as the faults let them pass.
func (s *faultWriter) flush(last bool) error {
	s.c.bytes.Add(int64(len(s.pending)))
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
func (s *faultWriter) pieces(text []byte) error {
	if len(text) == 0 || s.chunk == 0 && !s.split {
		return s.out.text(text)
	}
	for len(text) > 0 {
		n := len(text)
		if s.split {
			n = splitInRune(text)
		}
		if s.chunk > 0 {
			n = min(n, s.chunk)
		}
		if err := s.out.text(text[:n]); err != nil {
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

func (s *faultWriter) finish() error {
	if err := s.flush(true); err != nil {
		s.out.cut(false)
		return err
	}
	return s.out.finish()
}

func (s *faultWriter) cut(reset bool) { s.out.cut(reset) }

func (s *faultWriter) timeOut(header http.Header) bool { return s.out.timeOut(header) }

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
