package serve

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/ssectl/ssectl/pkg/stream"
)

var errLongLine = errors.New("line is too long for an event")

// textSource makes an event of each line. Its buffer need not hold one.
func textSource(r *bufio.Reader, maxEventSize int) Source {
	var long []byte
	number := 0
	return func() (stream.Record, error) {
		long = long[:0]
		size := 0
		for {
			part, err := r.ReadSlice('\n')
			size += len(part)
			if size <= maxEventSize {
				long = append(long, part...)
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			if err != nil && (err != io.EOF || size == 0) {
				return stream.Record{}, err
			}
			break
		}
		number++
		if size > maxEventSize {
			return stream.Record{}, &LineError{Line: number, Err: errLongLine}
		}
		line := bytes.TrimSuffix(bytes.TrimSuffix(long, []byte("\n")), []byte("\r"))
		return stream.Record{IsEvent: true, Event: stream.Event{Data: string(line)}}, nil
	}
}
