package relay

import (
	"errors"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// follow lets an event stream pass, and finds its events. The decoder reads when it
// has nothing left to hand over, and each piece that it reads is written at once:
// the client is served before the watchers.
func (x *passing) follow() {
	body := &passThrough{x: x}
	defer body.stop() // before the response is touched by anybody else
	decoder := stream.NewDecoder(body)
	decoder.MaxEventSize = x.MaxEventSize
	var err error
	for err == nil {
		if x.watcher == nil {
			if _, err = decoder.Next(); err == nil {
				x.countEvent(body.at)
			}
			continue
		}
		var b *stream.Block
		if b, err = decoder.Block(); err == nil {
			x.watchBlock(b, body.at)
		}
	}
	var size *stream.SizeError
	if errors.As(err, &size) {
		x.end.Unseen = err
		buf := make([]byte, firstBuffer)
		for err = nil; err == nil; { // what the decoder has read has passed
			_, err = body.Read(buf)
		}
	}
}

// A passThrough is the body of an answer to its decoder: it passes all it reads. While
// the stream is fast, the next piece passes as the one before is decoded.
type passThrough struct {
	x    *passing
	at   time.Time // when the latest bytes were read
	pump *pump     // nil while the stream is slow
	now  piece     // of the pump, as far as it is not read
}

const (
	fastRead = 32 << 10 // bytes of a read after which a stream is fast
	slowRead = 4 << 10  // and of one after which it is slow again
)

func (p *passThrough) Read(buf []byte) (int, error) {
	for p.pump != nil {
		if len(p.now.bytes) > 0 {
			n := copy(buf, p.now.bytes)
			p.now.bytes, p.at = p.now.bytes[n:], p.now.at
			return n, nil
		}
		if !p.pump.next(&p.now) {
			p.pump = nil
		}
	}
	x := p.x
	if x.lostErr != nil {
		return 0, x.lostErr
	}
	if x.readErr != nil {
		return 0, x.readErr
	}
	n, err := x.read(buf)
	p.at = x.at
	if n > 0 {
		if err := x.write(buf[:n]); err != nil {
			return 0, err
		}
	}
	if n >= fastRead && err == nil {
		p.pump = x.startPump()
	}
	return n, err
}

// stop ends what passes beside. That is over already, unless a watcher panicked.
func (p *passThrough) stop() {
	if p.pump != nil {
		p.x.cancel(errStopped)
		close(p.pump.stopped)
		for p.pump.next(&p.now) {
		}
	}
}

// A pump lets the body of an answer pass until it ends, or becomes slow, and then ends
// itself. Nobody else reads or writes meanwhile.
type pump struct {
	passed  chan piece
	free    chan []byte // buffers
	buf     []byte      // of the piece that was handed over last
	stopped chan struct{}
}

// A piece is a part of a body that has passed.
type piece struct {
	bytes []byte
	at    time.Time // when it was read
}

func (x *passing) startPump() *pump {
	const buffers = 2
	p := &pump{passed: make(chan piece, buffers), free: make(chan []byte, buffers), stopped: make(chan struct{})}
	for range buffers {
		p.free <- make([]byte, largeBuffer)
	}
	go p.run(x)
	return p
}

func (p *pump) run(x *passing) {
	defer close(p.passed)
	for n := slowRead; n >= slowRead && x.readErr == nil; {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-p.stopped:
			return
		}
		n, _ = x.read(buf)
		if n > 0 {
			if x.write(buf[:n]) != nil {
				return
			}
			p.passed <- piece{buf[:n], x.at}
		}
	}
}

// next sets now to the next piece, and reports whether there is one. The one before is
// not valid any more.
func (p *pump) next(now *piece) bool {
	if p.buf != nil {
		p.free <- p.buf
		p.buf = nil
	}
	var ok bool
	if *now, ok = <-p.passed; ok {
		p.buf = now.bytes[:cap(now.bytes)]
	}
	return ok
}
