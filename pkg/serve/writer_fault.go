package serve

import (
	"errors"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// faultsOf returns the faults of a request. A HEAD gets no stream, and does not
// count.
func (h *Handler) faultsOf(r *http.Request) *fault.Plan {
	if r.Method == http.MethodHead {
		return h.faults.Uncounted(r)
	}
	return h.faults.Of(r)
}

// endAfter ends the client when its answer is so old, as a proxy does whose timeout
// counts the whole answer and not its silence.
func (c *client) endAfter(lifetime time.Duration) (stop func() bool) {
	cause := "cut after " + lifetime.String()
	return time.AfterFunc(lifetime, func() {
		c.h.mu.Lock()
		defer c.h.mu.Unlock()
		if _, here := c.h.clients[c]; !here {
			return // a response of net/http must not be touched any more
		}
		c.late.Store(true)
		c.end(cause)
		if c.busy.Load() {
			c.setWriteDeadline(time.Now())
		}
	}).Stop
}

// withFaults returns out with the faults of the stream before it.
func (c *client) withFaults(out responseWriter) responseWriter {
	if !c.faults.Breaks {
		return out
	}
	s := &faultWriter{out: out}
	s.broken = c.faults.NewWriter(faultOutput{out, c})
	s.broken.Counted = func(events, bytes int64) {
		c.events.Add(events)
		if c.ws == nil {
			c.bytes.Add(bytes)
		}
	}
	return s
}

// A faultWriter sends each event as its faults want it.
type faultWriter struct {
	out    responseWriter
	broken *fault.Writer
}

func (s *faultWriter) batch(b *batch) error {
	for i := b.from; i < b.to; i++ {
		if b.entries[i].flags&entryIsEvent == 0 {
			s.broken.Add(b.text(i))
			continue
		}
		if err := s.broken.Event(b.text(i)); err != nil {
			return cutBy(err)
		}
	}
	return s.broken.Flush(false)
}

// cutBy returns the error of a fault that cuts the response as one of our own.
func cutBy(err error) error {
	var cut *fault.Cut
	if errors.As(err, &cut) {
		return &cutError{cause: cut.Cause, reset: cut.Reset, code: cut.Code}
	}
	return err
}

func (s *faultWriter) text(text []byte) error {
	s.broken.Add(text)
	return s.broken.Flush(false)
}

func (s *faultWriter) finish() error {
	if err := s.broken.Flush(true); err != nil {
		s.out.cut(false)
		return err
	}
	return s.out.finish()
}

func (s *faultWriter) cut(reset bool) { s.out.cut(reset) }

func (s *faultWriter) timeOut(header http.Header) bool { return s.out.timeOut(header) }

// A faultOutput is the connection of a client, to a fault.
type faultOutput struct {
	out responseWriter
	c   *client
}

func (o faultOutput) Send(text []byte) error { return o.out.text(text) }

func (o faultOutput) Sleep(wait time.Duration) error {
	if o.c.ws != nil {
		o.c.ws.silent.Store(true)
		defer o.c.ws.silent.Store(false)
	}
	return o.c.sleep(wait)
}
