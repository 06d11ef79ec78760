package record

import (
	"bytes"
	"errors"
	"io"
	"iter"

	"github.com/ssectl/ssectl/pkg/stream"
)

var errLongLine = errors.New("line is too long for an event")

// readText makes an event of each line.
func readText(r io.Reader, maxEventSize int) iter.Seq2[Record, error] {
	lines := newLineReader(r)
	return func(yield func(Record, error) bool) {
		for {
			line, err := lines.next(maxEventSize)
			var record Record
			switch {
			case err == io.EOF:
				return
			case err == ErrLineTooLong:
				err = &LineError{Line: lines.number, Err: errLongLine}
			case err == nil:
				line = bytes.TrimSuffix(line, []byte("\r"))
				record = Record{IsEvent: true, Event: stream.Event{Data: string(line)}}
			}
			if !yield(record, err) || err != nil && !isLineError(err) {
				return
			}
		}
	}
}
