package serve

import (
	"io"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// sseSource reads an event stream, and keeps each byte of it.
func sseSource(r io.Reader, maxEventSize int) Source {
	decoder := stream.NewDecoder(r)
	decoder.MaxEventSize = maxEventSize
	return func() (stream.Record, error) {
		block, err := decoder.Block()
		if err != nil {
			return stream.Record{}, err
		}
		return block.Record(time.Time{}), nil
	}
}
