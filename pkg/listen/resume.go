package listen

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/stream"
)

// Resume is how a reconnection continues where the last connection ended.
type Resume string

// The choices of [Options.Resume].
const (
	// ResumeID sends Last-Event-ID, as the standard has it.
	ResumeID Resume = "id"

	// ResumeRange asks for the bytes after the last whole event, for an
	// event log that a file server serves
	// (https://www.rfc-editor.org/rfc/rfc9110#name-range-requests).
	ResumeRange Resume = "range"

	// ResumeOff starts afresh on every connection.
	ResumeOff Resume = "off"
)

// A Position is a place in a stream to resume from, and can be kept between
// runs. Which of its parts count depends on [Options.Resume].
type Position struct {
	LastEventID string
	Offset      int64  // in bytes from the start of the log
	Checksum    uint32 // of the bytes before Offset
	Validator   string // ETag or Last-Modified of the log
}

// A position is where in a log the response that is being read begins, after the
// bytes of it that are skipped.
type position struct {
	base      int64  // where that is in the log
	sum       uint32 // of all bytes up to the last block handed over
	validator string

	skipping int64  // so many of the first bytes of the response have been seen
	skipped  uint32 // checksum of those that were skipped
	compare  bool   // it must be sum, or this is another log
}

func (p *position) set(start Position) {
	p.base, p.sum, p.validator = start.Offset, start.Checksum, start.Validator
}

// errReplaced reports that a log which came again begins otherwise than before.
var errReplaced = errors.New("the log has been replaced")

// skip drops the bytes seen before from the front of a piece of the response and
// returns how many are left in it.
func (p *position) skip(piece []byte) (int, error) {
	if p.skipping == 0 {
		return len(piece), nil
	}
	n := min(p.skipping, int64(len(piece)))
	p.skipping -= n
	p.skipped = crc32.Update(p.skipped, castagnoli(), piece[:n])
	if p.skipping == 0 && p.compare && p.skipped != p.sum {
		return 0, errReplaced
	}
	return copy(piece, piece[n:]), nil
}

// castagnoli returns the table of a checksum that processors compute.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// block reads a block and adds it to the checksum, which distinguishes a log that
// comes again from another one.
func (s *Stream) block() (*stream.Block, error) {
	b, err := s.decoder.Block()
	if err == nil && !b.Incomplete() {
		s.position.sum = crc32.Update(s.position.sum, castagnoli(), b.Raw())
	}
	return b, err
}

// event reads an event and adds all blocks before it to the checksum.
func (s *Stream) event() (*stream.Block, error) {
	for {
		b, err := s.block()
		if err != nil || b.IsEvent() {
			return b, err
		}
	}
}

// offset is where the last whole block ends in the log.
func (s *Stream) offset() int64 {
	if s.response == nil {
		return s.position.base
	}
	return s.position.base + s.decoder.InputOffset()
}

// ask adds to a request where to resume. It reports whether there was anything
// to ask for.
func (s *Stream) ask(req *http.Request) bool {
	header := req.Header
	header.Del("Last-Event-ID")
	switch s.options.Resume {
	case ResumeOff:
		s.decoder.SetLastEventID("")
		return false
	case ResumeRange:
		if s.position.base == 0 {
			return false
		}
		header.Set("Range", fmt.Sprintf("bytes=%d-", s.position.base))
		if s.position.validator != "" {
			header.Set("If-Range", s.position.validator)
		}
		return true
	}
	id := s.LastEventID()
	if id == "" {
		return false
	}
	if s.isWebSocket {
		s.options.WebSocket.askByQuery(req.URL, id)
		return true
	}
	// No header can hold a control character, and net/http refuses to send one,
	// so such an ID would fail again and again.
	if !httpx.IsFieldValue(id) {
		s.restart("the last event ID has control characters, which no header can hold")
		return false
	}
	header["Last-Event-Id"] = []string{id}
	return true
}

// leave keeps the place of the connection that has ended.
func (s *Stream) leave(err error) {
	if s.options.Resume == ResumeRange {
		shorter := err == io.EOF && s.position.skipping > 0
		s.position.base, s.position.skipping = s.offset(), 0
		switch {
		case shorter:
			s.restart("the log is shorter than it was")
		case err == errReplaced:
			s.restart(err.Error())
		}
	}
	if s.resumed && !s.got {
		s.barren++
		if s.options.FreshAfter > 0 && s.barren >= s.options.FreshAfter {
			s.barren = 0
			s.restart(fmt.Sprintf("%d resumed connections in a row brought no event", s.options.FreshAfter))
		}
	}
}

// restart forgets the position.
func (s *Stream) restart(reason string) {
	s.decoder.SetLastEventID("")
	s.position = position{}
	s.tell(Restarted{Reason: reason})
}

// follow takes the position that a response states: Mercure hubs, old and new,
// name the ID after which they continue (https://mercure.rocks/spec#reconciliation).
func (s *Stream) follow(header http.Header) {
	if s.options.Resume != ResumeID {
		return
	}
	for _, name := range []string{"Mercure-Last-Event-Id", "Last-Event-Id"} {
		if values := header[name]; len(values) > 0 {
			s.decoder.SetLastEventID(string(stream.AppendValid(nil, []byte(values[0]))))
			return
		}
	}
}

// locate finds out where in a log a response begins. A 200 brings the whole of
// it again: it may be another one, or the same one grown, for which servers
// give new validators too, so its bytes decide.
func (s *Stream) locate(resp *http.Response) error {
	if s.options.Resume != ResumeRange {
		return nil
	}
	asked := s.position.base
	s.position.validator = httpx.Validator(resp.Header)
	s.position.skipping, s.position.skipped, s.position.compare = asked, 0, true
	if resp.StatusCode == http.StatusPartialContent {
		first, err := rangeStart(resp.Header.Get("Content-Range"))
		if err != nil || first > asked {
			return &callerError{fmt.Errorf("asked for the bytes from %d on, got %q", asked, resp.Header.Get("Content-Range"))}
		}
		s.position.skipping, s.position.compare = asked-first, false
	}
	return nil
}

// nothingNew takes a 416: the log ends where we are, or is another one if it
// ends before.
func (s *Stream) nothingNew(resp *http.Response) error {
	_, size, ok := strings.Cut(resp.Header.Get("Content-Range"), "/")
	if n, err := strconv.ParseInt(size, 10, 64); ok && err == nil && n < s.position.base {
		s.restart("the log is shorter than it was")
	}
	return errNothingNew
}

var errContentRange = errors.New("no Content-Range in bytes")

// rangeStart returns the first byte of a Content-Range.
func rangeStart(contentRange string) (int64, error) {
	bytes, ok := strings.CutPrefix(contentRange, "bytes ")
	first, _, dash := strings.Cut(bytes, "-")
	if !ok || !dash {
		return 0, errContentRange
	}
	return strconv.ParseInt(strings.TrimFunc(first, unicode.IsSpace), 10, 64)
}

// isFileType reports whether a content type is one that file servers give to
// files they do not know.
func isFileType(contentType string) bool {
	essence, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(essence)) {
	case "", "text/plain", "application/octet-stream":
		return true
	}
	return false
}
