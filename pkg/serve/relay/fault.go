package relay

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// answeredByFault answers in place of the upstream if a fault wants that, and reports
// whether it does.
func (x *passing) answeredByFault() bool {
	status := x.plan.Status
	if status == 0 {
		return false
	}
	if x.plan.Delay > 0 && x.sleep(x.plan.Delay) != nil {
		x.end.How, x.broken = exchange.ClientLeft, true
		return true
	}
	httpx.WriteError(x.w, x.in, status, http.StatusText(status), x.AnswerHeader)
	x.end.How, x.end.Err = exchange.Fault, fmt.Errorf("answered with status %d", status)
	return true
}

// breakRequest changes a request so that the faults of its answer can happen: events
// are not to be found in compressed bytes.
func (x *passing) breakRequest(header http.Header) {
	if x.plan.Breaks {
		header.Set("Accept-Encoding", "identity")
	}
	if x.plan.NoResume {
		delete(header, "Last-Event-Id")
	}
}

// breakHead changes the head of an answer.
func (x *passing) breakHead(header http.Header) {
	if !x.response.Stream {
		return
	}
	if x.plan.Breaks {
		delete(header, "Content-Length")
		delete(header, "Content-Encoding") // undone, if the upstream compressed all the same
	}
	x.plan.SetHeader(header)
}

// breakUp lets an event stream pass through its faults. Blocks pass when they are
// whole: where the fault does not change them, they are byte for byte those of the
// upstream.
func (x *passing) breakUp(coded string) {
	var body io.Reader = held{x}
	if coded != "" {
		body, x.undone = &decoded{coding: coded, body: body}, true
	}
	x.breaker = x.plan.NewWriter(client{x})
	decoder := stream.NewDecoder(body)
	decoder.MaxEventSize = x.MaxEventSize
	for b, err := range decoder.Blocks() {
		switch {
		case err != nil:
			x.brokenBy(err)
		case b.IsEvent():
			x.breakEvent(b)
		default:
			x.breaker.Add(b.Raw())
			x.watchBlock(b, x.at)
		}
		if err != nil || x.broke != nil || x.lostErr != nil {
			break
		}
	}
	if x.broke == nil && x.lostErr == nil {
		x.brokenBy(x.breaker.Flush(x.readErr == io.EOF))
	}
}

// breakEvent sends an event with its faults, and reports it to the watchers if it
// was sent.
func (x *passing) breakEvent(b *stream.Block) {
	before := x.breaker.Sent
	x.brokenBy(x.breaker.Event(b.Raw()))
	if x.broke == nil {
		x.brokenBy(x.breaker.Flush(false))
	}
	if x.breaker.Sent > before {
		x.watchBlock(b, x.at)
	}
}

// brokenBy notes the error of a fault, or of the stream.
func (x *passing) brokenBy(err error) {
	var cut *fault.Cut
	var size *stream.SizeError
	switch {
	case errors.As(err, &cut):
		x.broke = cut
	case errors.As(err, &size) && !x.undone:
		x.end.Unseen = err
		x.breaker.Flush(false)
		x.copy(nil) // as it is: no further event can be found
	case err != nil && x.lostErr == nil && (x.readErr == nil || x.readErr == io.EOF):
		x.readErr = err // of the coding, or a wait that was ended
	}
}

// held is the body of an answer to its faults: bytes that they added go out before
// the next read.
type held struct{ x *passing }

func (h held) Read(p []byte) (int, error) {
	if err := h.x.breaker.Flush(false); err != nil {
		return 0, err
	}
	return h.x.read(p)
}

// A decoded is a body without its coding. It waits for the first bytes when it is
// read.
type decoded struct {
	coding string
	body   io.Reader
	r      io.Reader
}

func (d *decoded) Read(p []byte) (int, error) {
	if d.r == nil {
		r, err := coding.NewReader(d.coding, d.body)
		if err != nil {
			return 0, err
		}
		d.r = r
	}
	return d.r.Read(p)
}

// client is the connection of the client, to a fault.
type client struct{ x *passing }

func (c client) Send(text []byte) error {
	if len(text) == 0 {
		return nil // the head is out
	}
	return c.x.write(text)
}

func (c client) Sleep(wait time.Duration) error { return c.x.sleep(wait) }

// maxLate bounds the bytes that a delay holds.
const maxLate = 16 << 20

// A lateBody gives a body a while after it came.
type lateBody struct {
	x      *passing
	pieces chan latePiece
	rest   []byte
	err    error
}

type latePiece struct {
	bytes []byte
	err   error
	due   time.Time
}

// late returns body with each piece a while after it came. The goroutine that reads
// ends with the body, which the caller closes.
func (x *passing) late(body io.Reader, wait time.Duration) *lateBody {
	const size = 16 << 10
	l := &lateBody{x: x, pieces: make(chan latePiece, maxLate/size)}
	go func() {
		for {
			buf := make([]byte, size)
			n, err := body.Read(buf)
			select {
			case l.pieces <- latePiece{buf[:n:n], err, time.Now().Add(wait)}:
			case <-x.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l *lateBody) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		select {
		case piece := <-l.pieces:
			if err := l.x.sleep(time.Until(piece.due)); err != nil {
				return 0, err
			}
			l.rest, l.err = piece.bytes, piece.err
		case <-l.x.ctx.Done():
			return 0, l.x.ctx.Err()
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
