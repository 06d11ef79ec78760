// Package answer sends answers that were recorded or made: at a pace, with the faults of
// a [fault.Plan], and with an end that is in order, cut or reset. It also reads the
// requests that they are the answers to, within bounds.
package answer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/socket"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

const (
	defaultWriteTimeout = 30 * time.Second

	flushedBytes = 32 << 10 // are written at once, where nothing waits
)

// Options are what the answers of a server have in common.
type Options struct {
	// Wait returns how long to wait where the answer has the given time: before an
	// event that is not the first (next), or before anything else. Nil means the time
	// of the answer.
	Wait func(own time.Duration, next bool) time.Duration

	// WriteTimeout is how long a client may take no data. Zero means 30 seconds, a
	// negative one forever.
	WriteTimeout time.Duration

	// Header is added to the errors that faults are, over their own.
	Header http.Header

	// Watch is told of the answer, and must not be nil.
	Watch exchange.Watcher
}

// An Answer is the head of an answer and the way to its body. Its header is that of
// the [http.ResponseWriter].
type Answer struct {
	Status  int
	Trailer http.Header
	Before  time.Duration // until the head
	Stream  bool          // is an event stream, to which faults happen

	// Ready, if not nil, returns when the head may be sent, or with an error if the
	// client leaves before.
	Ready func(context.Context) error

	// Body sends the body, piece by piece. It is not called where the answer has
	// none. Text is a body that is there already, sent Later than the head.
	Body  func(*Sender) error
	Text  []byte
	Later time.Duration

	// End is how the answer ends once the body is sent: [exchange.Whole],
	// [exchange.Reset], or another one, for which the connection is closed.
	End exchange.How

	// Refuse, if not nil, writes the answer of a fault that is a status.
	Refuse func(w http.ResponseWriter, r *http.Request, status int)
}

// A Sender sends one answer.
type Sender struct {
	Options

	// What was sent so far.
	Status int
	Events int64
	Bytes  int64     // of the body
	First  time.Time // of the events
	How    exchange.How
	End    string // for people
	Broken error  // of the Body, where the answer was cut because of it

	w       http.ResponseWriter
	control *http.ResponseController
	ctx     context.Context
	due     time.Time // of the latest line
	begun   bool      // the head is sent
	pending []byte
	breaker *fault.Writer // makes faults happen; nil if there are none
}

// ErrGone is the error of an answer whose client left.
var ErrGone = errors.New("closed by the client")

// New returns the sender of an answer whose time begins now.
func New(options Options, w http.ResponseWriter, ctx context.Context) *Sender {
	return &Sender{Options: options, How: exchange.ClientLeft, w: w, control: http.NewResponseController(w), ctx: ctx, due: time.Now()}
}

// Finish tells the watcher the end. It is to be deferred before [Sender.Send], for it
// counts also after the panic that cuts an answer.
func (s *Sender) Finish() {
	s.Watch.End(exchange.End{How: s.How, Time: time.Now(), First: s.First, Events: s.Events, Bytes: s.Bytes})
}

// Send sends the answer. It panics with [http.ErrAbortHandler] where the answer is to be
// cut.
func (s *Sender) Send(r *http.Request, a *Answer, plan *fault.Plan) {
	w := s.w
	s.Status = a.Status
	for name := range a.Trailer {
		w.Header().Add("Trailer", name)
	}
	if plan.Lifetime > 0 {
		ctx, cancel := context.WithTimeoutCause(s.ctx, plan.Lifetime, &fault.Cut{Cause: fmt.Sprintf("cut after %v", plan.Lifetime)})
		defer cancel()
		s.ctx = ctx
	}
	if plan.Delay > 0 {
		s.begun = true
		if err := s.sleep(plan.Delay); err != nil {
			s.End = err.Error()
			panic(http.ErrAbortHandler)
		}
		s.due = time.Now()
	}
	if plan.Status != 0 {
		s.refuse(r, a, plan.Status)
		return
	}
	if a.Stream {
		plan.SetHeader(w.Header())
		if plan.Breaks {
			s.breaker = plan.NewWriter(output{s})
		}
	}
	s.begun = true // there is nothing to send while the head waits
	if err := s.Wait(a.Before, false); err != nil {
		s.End = err.Error()
		panic(http.ErrAbortHandler)
	}
	if a.Ready != nil && a.Ready(s.ctx) != nil {
		s.End = s.Gone().Error()
		panic(http.ErrAbortHandler)
	}
	s.begun = false
	head := r.Method == http.MethodHead || !hasContent(a.Status)
	if a.Body == nil && !head && a.End == exchange.Whole && len(a.Trailer) == 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Text)))
	}
	s.Watch.Response(&exchange.Response{Time: time.Now(), Proto: r.Proto, Status: a.Status, Header: w.Header().Clone(), Stream: a.Stream})
	w.WriteHeader(a.Status)
	err := error(nil)
	if !head {
		err = s.body(a)
	}
	if err == nil {
		err = s.sendAll(a.End == exchange.Whole)
	}
	s.end(a, err, head)
}

// refuse sends the answer of a fault that is a status.
func (s *Sender) refuse(r *http.Request, a *Answer, status int) {
	s.Status, s.End, s.How = status, "refused by a fault", exchange.Fault
	s.Watch.Response(&exchange.Response{Time: time.Now(), Proto: r.Proto, Status: status, Header: http.Header{}})
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
		s.w.Header().Del(name) // those of the answer that is not given
	}
	if a.Refuse != nil {
		a.Refuse(s.w, r, status)
		return
	}
	httpx.WriteError(s.w, r, status, http.StatusText(status), s.Header)
}

func (s *Sender) body(a *Answer) error {
	if a.Body != nil {
		return a.Body(s)
	}
	if err := s.Wait(a.Later, false); err != nil {
		return err
	}
	s.pending = append(s.pending, a.Text...)
	s.Watch.Body(a.Text)
	return nil
}

// end ends the answer as it is to end, or as it did with an error.
func (s *Sender) end(a *Answer, err error, head bool) {
	var cut *fault.Cut
	switch {
	case errors.As(err, &cut):
		s.How = exchange.Fault
		if s.End = cut.Cause; cut.Reset {
			reset(s.control)
		}
	case err != nil:
		s.End = err.Error()
		if !errors.Is(err, ErrGone) {
			s.Broken = err
		}
	case head, a.End == exchange.Whole:
		for name, values := range a.Trailer {
			s.w.Header()[name] = values
		}
		s.End, s.How = string(exchange.Whole), exchange.Whole
		return
	case a.End == exchange.Reset:
		s.End, s.How = "reset, as recorded", exchange.Reset
		reset(s.control)
	default:
		s.End, s.How = fmt.Sprintf("cut, as recorded (%s)", a.End), exchange.Truncated
	}
	panic(http.ErrAbortHandler)
}

// hasContent reports whether an answer with a status has a body
// (https://www.rfc-editor.org/rfc/rfc9110#section-6.4.1).
func hasContent(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Event sends a block of an event stream.
func (s *Sender) Event(r *record.Record) error {
	before := len(s.pending)
	var err error
	if s.pending, err = r.AppendText(s.pending); err != nil {
		return err
	}
	if s.breaker != nil {
		text := bytes.Clone(s.pending[before:])
		s.pending = s.pending[:before]
		if err := s.broken(text, r.IsEvent); err != nil {
			return err
		}
	} else if r.IsEvent {
		s.Events++
	}
	r.Time = time.Now()
	if r.IsEvent && s.First.IsZero() {
		s.First = r.Time
	}
	s.Watch.Event(r)
	return s.full()
}

// Piece sends a piece of another body.
func (s *Sender) Piece(piece []byte) error {
	s.Watch.Body(piece)
	s.pending = append(s.pending, piece...)
	return s.full()
}

// full sends the pending bytes if there are enough.
func (s *Sender) full() error {
	if len(s.pending) < flushedBytes {
		return nil
	}
	return s.flush()
}

// Wait waits until the next line is due. Pending bytes go out before.
func (s *Sender) Wait(own time.Duration, next bool) error {
	wait := own
	if s.Options.Wait != nil {
		wait = s.Options.Wait(own, next)
	}
	if wait <= 0 {
		return nil
	}
	s.due = s.due.Add(wait)
	left := time.Until(s.due)
	if left <= 0 {
		return nil
	}
	if len(s.pending) > 0 || !s.begun || s.breaker != nil {
		if err := s.sendAll(false); err != nil {
			return err
		}
		left = time.Until(s.due)
	}
	return s.sleep(left)
}

// Idle notes that an answer waited, for so long, for something that has no time: what
// comes after it is due that much later.
func (s *Sender) Idle(d time.Duration) { s.due = s.due.Add(d) }

// Flush sends the head and all that was added, as far as faults let it pass. An answer
// that waits for something that has no time calls it before.
func (s *Sender) Flush() error { return s.sendAll(false) }

// sleep waits, unless the client leaves or a fault ends the answer.
func (s *Sender) sleep(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.ctx.Done():
		return s.Gone()
	}
}

// Context returns the context of the answer: it ends when the client leaves, or a
// fault ends the answer.
func (s *Sender) Context() context.Context { return s.ctx }

// Gone returns why an answer cannot go on.
func (s *Sender) Gone() error {
	var cut *fault.Cut
	if errors.As(context.Cause(s.ctx), &cut) {
		return cut
	}
	if errors.Is(context.Cause(s.ctx), exchange.ErrStopped) {
		s.How = exchange.Stopped
		return errStopped
	}
	return ErrGone
}

// errStopped is an [ErrGone], of an answer that is not left but ended.
var errStopped = stoppedError{}

type stoppedError struct{}

func (stoppedError) Error() string        { return exchange.ErrStopped.Error() }
func (stoppedError) Is(target error) bool { return target == ErrGone }

// broken sends an event, or other bytes of the stream, as the faults want it.
func (s *Sender) broken(text []byte, isEvent bool) error {
	if !isEvent {
		s.breaker.Add(text)
		return nil
	}
	before := s.breaker.Sent
	err := s.breaker.Event(text)
	s.Events += s.breaker.Sent - before
	return err
}

// sendAll sends the pending bytes, as far as faults let it pass; last is that of a
// stream that ends in order.
func (s *Sender) sendAll(last bool) error {
	if s.breaker != nil {
		if err := s.breaker.Flush(last); err != nil {
			return err
		}
	}
	return s.flush()
}

// An output is where the faults of a sender write to.
type output struct{ s *Sender }

// Send is for faults.
func (o output) Send(text []byte) error {
	o.s.pending = append(o.s.pending, text...)
	return o.s.flush()
}

// Sleep is for faults.
func (o output) Sleep(wait time.Duration) error {
	err := o.s.sleep(wait)
	o.s.due = time.Now()
	return err
}

func (s *Sender) flush() error {
	if s.begun && len(s.pending) == 0 {
		return nil
	}
	if s.ctx.Err() != nil {
		return s.Gone()
	}
	s.begun = true
	if limit := s.WriteTimeout; limit >= 0 {
		if limit == 0 {
			limit = defaultWriteTimeout
		}
		s.control.SetWriteDeadline(time.Now().Add(limit))
		defer s.control.SetWriteDeadline(time.Time{})
	}
	n, err := s.w.Write(s.pending)
	s.Bytes += int64(n)
	s.pending = s.pending[:0]
	if err == nil {
		err = s.control.Flush()
	}
	if err != nil {
		return s.Gone()
	}
	return nil // also where the client left as soon as it had everything
}

// reset resets the connection of HTTP/1.1. One of HTTP/2 carries other streams:
// there the caller resets the stream.
func reset(control *http.ResponseController) {
	conn, _, err := control.Hijack()
	if err != nil {
		return
	}
	socket.Drain(socket.Raw(conn), func(wait time.Duration) error {
		time.Sleep(wait) // the server no longer knows when the client leaves
		return nil
	})
	socket.Cut(conn, true)
}
