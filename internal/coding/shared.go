package coding

import (
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

// The windows of these decoders take megabytes.
var (
	brotliReaders = sync.Pool{New: func() any { return brotli.NewReader(nil) }}
	zstdReaders   = sync.Pool{New: func() any {
		d, err := newZstdReader(nil)
		if err != nil {
			panic(err) // an option is wrong
		}
		return d
	}}
)

// NewSharedReader is like [NewReader], for those who decode many bodies one after
// the other: Close gives the decoder to the next, so it must not be called while
// a Read goes on.
func NewSharedReader(coding string, r io.Reader) (io.ReadCloser, error) {
	switch coding {
	case "br":
		return take(&brotliReaders, r)
	case "zstd":
		return take(&zstdReaders, r)
	}
	return NewReader(coding, r)
}

type resetter interface {
	io.Reader
	Reset(io.Reader) error
}

func take(pool *sync.Pool, r io.Reader) (io.ReadCloser, error) {
	decoder := pool.Get().(resetter)
	if err := decoder.Reset(r); err != nil {
		return nil, err
	}
	return &shared{decoder, pool}, nil
}

// A shared decoder goes back to its pool when it is closed.
type shared struct {
	decoder resetter // nil after that
	pool    *sync.Pool
}

func (s *shared) Read(p []byte) (int, error) {
	if s.decoder == nil {
		return 0, io.ErrClosedPipe
	}
	return s.decoder.Read(p)
}

func (s *shared) Close() error {
	if s.decoder != nil {
		if s.decoder.Reset(strings.NewReader("")) == nil { // lets go of the source
			s.pool.Put(s.decoder)
		}
		s.decoder = nil
	}
	return nil
}
