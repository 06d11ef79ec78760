package tape

import (
	"io"
	"os"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
)

// An Exchange is a recording, as something that can be asked again.
type Exchange struct {
	Name     string // for people
	Request  *Request
	Response *Response
	Stream   bool // the answer is an event stream
	End      exchange.How

	recording *recording
}

// Exchanges returns the recordings of a directory in the order in which a [Player] has
// them. Notes name those that are left out.
func Exchanges(dir string, note func(string)) (all []*Exchange, err error) {
	list, err := load(dir, note)
	for _, r := range list {
		all = append(all, &Exchange{Name: r.name(), Request: r.request, Response: r.response, Stream: r.stream, End: r.end.How, recording: r})
	}
	return all, err
}

// Play gives the answer: each block of a stream to event, other bodies in pieces to
// body. It ends with the first error of these.
func (e *Exchange) Play(event func(*record.Record) error, body func([]byte) error) error {
	if !e.Stream && !e.recording.pieces {
		return body(e.Response.Body.Bytes)
	}
	file, err := os.Open(e.recording.file)
	if err != nil {
		return err
	}
	defer file.Close()
	for s := newScan(e.recording.file, file); ; {
		r, now, _, err := s.next()
		switch {
		case err == io.EOF || err == nil && now.number > e.recording.number:
			return nil
		case err != nil:
			return err
		case now.number < e.recording.number:
		case s.piece != nil:
			err = body(s.piece)
		case r.Meta == nil:
			err = event(&r)
		}
		if err != nil {
			return err
		}
	}
}
