package serve

import (
	"sync"
	"syscall"
)

// A pump writes new events to the clients that have everything else, and so
// spares each of them a turn of its goroutine: the price of an event is then
// little more than that of the write. It never waits for a client. One that
// does not take all at once gets it from its own goroutine, and comes back
// when it has caught up.
type pump struct {
	history *History

	mu     sync.Mutex // guards parked, and the place and rest of those in it
	parked []*client

	// Of the write under way; fields, for a closure would be garbage.
	out     []byte
	written int
	err     error
	try     func(fd uintptr) (done bool)
}

func newPump(history *History) *pump {
	p := &pump{history: history}
	p.try = func(fd uintptr) bool {
		p.written, p.err = tryWrite(fd, p.out)
		return true
	}
	return p
}

// park leaves c to the pump, unless there is already more for it.
func (p *pump) park(c *client) (parked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	look := c.place
	if b, behind := look.next(); b.seg != nil || behind || p.history.Ended() {
		return false
	}
	c.slot = len(p.parked)
	p.parked = append(p.parked, c)
	return true
}

// take takes c back from the pump, if it is still there.
func (p *pump) take(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.slot >= 0 {
		p.remove(c)
	}
}

func (p *pump) remove(c *client) {
	last := p.parked[len(p.parked)-1]
	p.parked[c.slot], last.slot = last, c.slot
	p.parked[len(p.parked)-1] = nil
	p.parked = p.parked[:len(p.parked)-1]
	c.slot = -1
}

// run pumps until stop is closed.
func (p *pump) run(stop <-chan struct{}) {
	for {
		wake := *p.history.wake.Load()
		p.history.waiting.Store(true)
		for p.pass() {
		}
		select {
		case <-wake:
		case <-stop:
			return
		}
	}
}

// pass gives each parked client the next batch, and reports whether there may
// be another one.
func (p *pump) pass() (more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := p.history.Ended()
	for i := len(p.parked) - 1; i >= 0; i-- {
		c := p.parked[i]
		if ended {
			p.release(c)
			continue
		}
		b, behind := c.place.next()
		if behind {
			p.release(c)
		}
		if b.seg == nil {
			continue
		}
		more = true
		p.out, p.written, p.err = b.wire(), 0, nil
		if err := c.raw.Write(p.try); err != nil {
			p.err = err
		}
		c.count(b.size())
		if p.written < len(p.out) || p.err != nil {
			// An error will come again, where it can be dealt with.
			c.rest = p.out[max(p.written, 0):]
			p.release(c)
		}
	}
	p.out = nil
	return more
}

// release gives c back to its goroutine.
func (p *pump) release(c *client) {
	p.remove(c)
	c.wake()
}

// rawOf returns access to the socket of conn, nil if there is none or if what
// is written to it is not what goes over the socket.
func rawOf(conn any) syscall.RawConn {
	sc, ok := conn.(syscall.Conn)
	if !ok || !canTry {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
