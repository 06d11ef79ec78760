package answer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
)

// Any page that a person opens can send requests to a server on the same machine, so
// the memory that they take is bounded: a body that is not small is read and looked at
// while no other one is.
const (
	MaxBody    = 8 << 20          // bytes of a body that [Turns.Read] returns
	MaxRequest = 64 << 20         // bytes of a body that is read to its end
	SmallBody  = 32 << 10         // bytes of a body that waits for no other
	smallTurns = 16               // of those at once
	patience   = 30 * time.Second // with a client that sends a body, and until its turn
)

// A Turns lets bodies be looked at: few small ones, and one other, at a time.
type Turns struct {
	small, large chan struct{}
}

// NewTurns returns turns that nobody has.
func NewTurns() Turns {
	return Turns{small: make(chan struct{}, smallTurns), large: make(chan struct{}, 1)}
}

// ErrBusy is the error of a body whose turn did not come.
var ErrBusy = errors.New("other requests with large bodies take too long")

// Read returns the body of a request, at most a byte more than [MaxBody] of it, in its
// turn, which ends with a call of release.
func (t *Turns) Read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return []byte{}, release, nil
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(patience))
	defer control.SetReadDeadline(time.Time{})
	if body, err = io.ReadAll(io.LimitReader(r.Body, SmallBody+1)); err != nil {
		return nil, release, err
	}
	turn := t.small
	if len(body) > SmallBody {
		turn = t.large
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
	case <-timer.C:
		return nil, release, ErrBusy
	case <-r.Context().Done():
		return nil, release, r.Context().Err()
	}
	release = sync.OnceFunc(func() { <-turn })
	if len(body) <= SmallBody {
		return body, release, nil
	}
	control.SetReadDeadline(time.Now().Add(patience))
	whole := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 2*SmallBody), MaxBody+1)+bytes.MinRead)) // which does not grow then
	whole.Write(body)
	_, err = whole.ReadFrom(io.LimitReader(r.Body, MaxBody+1-int64(len(body))))
	return whole.Bytes(), release, err
}

// Drain reads the rest of a body, so that the client gets the answer, and returns its
// size.
func Drain(w http.ResponseWriter, r *http.Request) (int64, error) {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(patience))
	defer control.SetReadDeadline(time.Time{})
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, MaxRequest-MaxBody))
	if err == nil && n == MaxRequest-MaxBody {
		err = fmt.Errorf("the body is larger than %d bytes", MaxRequest)
	}
	return n, err
}

// Uncoded returns a body without the codings of its content, and the size of the
// whole if it is the beginning of one. A body that has more than [MaxBody] bytes then
// stays as it is: a few bytes may stand for very many.
func Uncoded(header http.Header, body []byte, size int64) ([]byte, int64) {
	if size > int64(len(body)) {
		return body, size
	}
	name := coding.Of(header)
	if name == "" || len(body) == 0 {
		return body, 0
	}
	reader, err := coding.NewReader(name, bytes.NewReader(body))
	if err != nil {
		return body, 0
	}
	defer reader.Close()
	text, err := io.ReadAll(io.LimitReader(reader, MaxBody+1))
	if err != nil || len(text) > MaxBody {
		return body, 0
	}
	return text, 0
}

// Again makes the body of a request whole again, of which the beginning was read.
// Release is called once that is read again.
func Again(r *http.Request, begun []byte, release func()) {
	r.Body = &again{begun: begun, rest: r.Body, release: release}
}

type again struct {
	begun   []byte
	rest    io.ReadCloser
	release func()
}

func (a *again) Read(p []byte) (n int, err error) {
	if len(a.begun) == 0 {
		return a.rest.Read(p)
	}
	n = copy(p, a.begun)
	if a.begun = a.begun[n:]; len(a.begun) == 0 {
		a.begun = nil
		a.release()
	}
	return n, nil
}

func (a *again) Close() error { return a.rest.Close() }
