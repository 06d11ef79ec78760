package tape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
)

// A recording is an exchange on tape. The events of its stream stay in the file.
type recording struct {
	file   string // its path
	number int    // of the exchange in the file, from 0
	line   int    // where it begins

	request  *Request // nil if it answers every request
	response *Response
	end      ending
	events   int64
	stream   bool // has lines of an event stream
	pieces   bool // has lines with pieces of another body
	asked    time.Time
	answered time.Time
	ended    time.Time

	key   key
	given bool // in any test
}

// name returns the name of the recording for people.
func (r *recording) name() string {
	if r.number == 0 {
		return filepath.Base(r.file)
	}
	return fmt.Sprintf("%s, line %d", filepath.Base(r.file), r.line)
}

// A scan reads the exchanges of a file one after the other.
type scan struct {
	reader *record.Reader
	file   string
	cut    error // of the last line, which the recorder did not finish

	now    *recording
	number int
	piece  []byte // of a body, in the line read last
}

func newScan(file string, r io.Reader) *scan {
	s := &scan{reader: record.NewReader(r), file: file, number: -1}
	s.reader.MaxLineSize = maxTapeLine
	return s
}

// next returns the next line and the exchange it belongs to; first means that the
// exchange begins with it. The error is io.EOF at the end.
func (s *scan) next() (r record.Record, now *recording, first bool, err error) {
	for {
		if r, err = s.reader.Read(); err != nil {
			return r, nil, false, s.failed(err)
		}
		s.piece = nil
		if r.Meta == nil {
			if s.now == nil {
				s.begin(nil, r.Time)
				first = true
			}
			s.now.stream = true
			if r.IsEvent {
				s.now.events++
			}
			return r, s.now, first, nil
		}
		m, err := parseMeta(r.Meta)
		if err != nil {
			return r, nil, false, &record.LineError{Line: s.reader.Line(), Err: err}
		}
		if m.request == nil && m.response == nil && m.end == nil && m.piece == nil {
			continue
		}
		if m.request != nil || s.now == nil || m.response != nil && (s.now.response != nil || s.now.stream) {
			s.begin(m.request, r.Time)
			first = true
		}
		s.piece = m.piece
		s.now.pieces = s.now.pieces || m.piece != nil
		if m.response != nil {
			s.now.response, s.now.answered = m.response, r.Time
		}
		if m.end != nil {
			s.now.end, s.now.ended = *m.end, r.Time
		}
		return r, s.now, first, nil
	}
}

func (s *scan) begin(request *Request, at time.Time) {
	s.number++
	s.now = &recording{file: s.file, number: s.number, line: s.reader.Line(), request: request, asked: at, end: ending{How: exchange.Whole}}
}

// failed returns the error of a line, but io.EOF for the last one: a recorder
// that was killed did not finish it.
func (s *scan) failed(err error) error {
	var bad *record.LineError
	if !errors.As(err, &bad) {
		return err
	}
	if _, after := s.reader.Read(); after != io.EOF {
		return err
	}
	s.cut = err
	if s.now != nil {
		s.now.end.How = unknown
	}
	return io.EOF
}

// maxTape bounds the size of a file that is read for recordings.
const maxTape = 4 << 30

// maxTapeLine bounds a line of a tape: an event of the default size, with its raw bytes
// beside it, has room.
const maxTapeLine = 64 << 20

// checkLines returns the error of a line that is too long, without keeping any of it.
func checkLines(r io.Reader) error {
	piece, line, size := make([]byte, 64<<10), 1, 0
	for {
		n, err := r.Read(piece)
		for rest := piece[:n]; ; {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				size += len(rest)
			} else {
				size += end
			}
			if size > maxTapeLine {
				return &record.LineError{Line: line, Err: record.ErrLineTooLong}
			}
			if end < 0 {
				break
			}
			rest, line, size = rest[end+1:], line+1, 0
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// load reads the recordings of a directory in the order of their names. Notes name
// the files that are left out.
func load(dir string, note func(string)) ([]*recording, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return answer.CompareNames(a.Name(), b.Name()) })
	var all []*recording
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, suffix) || strings.HasPrefix(name, ".") {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			note(fmt.Sprintf("%s is no file, and left out", name))
			continue
		case info.Size() > maxTape:
			note(fmt.Sprintf("%s is larger than %d bytes, and left out", name, int64(maxTape)))
			continue
		}
		list, err := loadFile(path, note)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

func loadFile(path string, note func(string)) ([]*recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := checkLines(file); err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	s := newScan(path, file)
	var list []*recording
	for {
		_, now, first, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if first {
			list = append(list, now)
		}
	}
	if s.cut != nil {
		note(fmt.Sprintf("%s: %v: cut off, and played up to there", filepath.Base(path), s.cut))
	}
	return slices.DeleteFunc(list, func(r *recording) bool { return !r.complete(note) }), nil
}

// complete gives the recording the head of its answer, if it has none, and
// reports whether it can be played.
func (r *recording) complete(note func(string)) bool {
	switch {
	case r.end.How == exchange.Refused:
		return false
	case r.response == nil && !r.stream && !r.pieces:
		note(fmt.Sprintf("%s has no answer, and is left out", r.name()))
		return false
	case r.response == nil:
		r.response, r.answered = &Response{Status: http.StatusOK}, r.asked
	}
	header := &r.response.Header
	if *header == nil {
		*header = http.Header{}
		switch {
		case r.stream:
			header.Set("Content-Type", "text/event-stream")
		case r.response.Body.JSON != nil:
			header.Set("Content-Type", "application/json")
		}
	} else if header.Get("Content-Type") == "" && r.stream {
		header.Set("Content-Type", "text/event-stream")
	}
	if r.end.How == unknown {
		note(fmt.Sprintf("%s has no end, and is cut after its last event", r.name()))
	}
	if r.request == nil {
		r.request = &Request{}
	}
	return true
}
