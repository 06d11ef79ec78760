package relay

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// watchBlock counts a block of an event stream, and gives it to the watcher.
func (x *passing) watchBlock(b *stream.Block, at time.Time) {
	if b.IsEvent() {
		x.countEvent(at)
	}
	switch w := x.watcher.(type) {
	case nil:
	case exchange.BlockWatcher:
		w.Block(b, at)
	default:
		x.record = record.FromBlock(b, at) // valid until Event returns, so one is enough
		w.Event(&x.record)
	}
}

func (x *passing) countEvent(at time.Time) {
	x.end.Events++
	if x.end.First.IsZero() {
		x.end.First = at
	}
}

// maxBehind is how many bytes of a compressed answer may wait to be decoded, and
// maxRest how many decoded ones the end of the answer waits for. That is no limit
// of time, so that nothing is lost on a busy machine.
const (
	maxBehind = 8 << 20
	maxRest   = 64 << 20
)

var errBehind = errors.New("the content is decoded too slowly to follow it")

// A side decodes a compressed answer for the watchers, beside its passing: a bomb
// that takes long to decode must not slow the client.
type side struct {
	x    *passing
	done chan struct{} // closed when nothing more is decoded

	mu     sync.Mutex // guards the fields below
	ready  sync.Cond  // signals that they changed
	pieces []piece
	size   int
	err    error // of the end
	gaveUp error // why the rest is not decoded
	rest   int   // bytes decoded since the end
	at     time.Time
}

// watchAside begins to decode the answer.
func (x *passing) watchAside(coded string) *side {
	s := &side{x: x, done: make(chan struct{})}
	s.ready.L = &s.mu
	go func() {
		defer close(s.done)
		err := s.decode(coded)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.giveUp(err)
	}()
	return s
}

// add adds a piece that has passed.
func (s *side) add(bytes []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gaveUp != nil:
		return
	case s.size+len(bytes) > maxBehind:
		s.giveUp(errBehind)
		return
	}
	s.pieces = append(s.pieces, piece{append([]byte(nil), bytes...), s.x.at})
	s.size += len(bytes)
	s.ready.Signal()
}

// giveUp drops all that waits, and all that comes.
func (s *side) giveUp(err error) {
	if s.gaveUp == nil {
		s.gaveUp = err
	}
	s.pieces = nil
	s.ready.Signal()
}

// end notes that all has passed.
func (s *side) end(whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = io.ErrUnexpectedEOF
	if whole {
		s.err = io.EOF
	}
	s.ready.Signal()
}

// wait waits for the watchers to have seen all.
func (s *side) wait() {
	<-s.done
	// A cut ends the coding too early, and is not its fault.
	if s.gaveUp != nil && !(s.err == io.ErrUnexpectedEOF && s.gaveUp != errBehind) {
		s.x.end.Unseen = s.gaveUp
	}
}

// Read reads the bytes that have passed.
func (s *side) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pieces) == 0 {
		switch {
		case s.gaveUp != nil:
			return 0, s.gaveUp
		case s.err != nil:
			return 0, s.err
		}
		s.ready.Wait()
	}
	first := &s.pieces[0]
	s.at = first.at
	n := copy(p, first.bytes)
	s.size -= n
	if first.bytes = first.bytes[n:]; len(first.bytes) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

// A decodedSide is the content, decoded.
type decodedSide struct {
	*side
	r io.Reader
}

// Read reads content, as long as there is a point in it.
func (d decodedSide) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		if d.rest += n; d.rest > maxRest {
			d.giveUp(errBehind)
		}
	}
	if d.gaveUp != nil {
		return 0, d.gaveUp
	}
	return n, err
}

// decode hands the content to the watchers. The error is nil at its end.
func (s *side) decode(coded string) error {
	undo, err := coding.NewReader(coded, s)
	if err != nil {
		if err == io.EOF { // an answer without a body
			return nil
		}
		return err
	}
	defer undo.Close()
	r := decodedSide{s, undo}
	if s.x.response.Stream {
		decoder := stream.NewDecoder(r)
		decoder.MaxEventSize = s.x.MaxEventSize
		for b, err := range decoder.Blocks() {
			if err != nil {
				return err
			}
			s.x.watchBlock(b, s.at)
		}
		return nil
	}
	buf := make([]byte, largeBuffer/2)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			s.x.watcher.Body(buf[:n])
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
