package serve

import (
	"sync"
	"syscall"
)

// A broadcaster writes new events to the clients that have everything else, and so
// spares each of them a turn of its goroutine: an event then costs little more
// than its write. It never waits for a client. One that does not take all at once
// gets it from its own goroutine, and comes back when it has caught up.
type broadcaster struct {
	history *History

	mu     sync.Mutex // guards parked, and the place and rest of those in it
	parked []*client

	// Of the write under way; fields, for a closure would be garbage.
	out     []byte
	written int
	err     error
	try     func(fd uintptr) (done bool)
}

func newBroadcaster(history *History) *broadcaster {
	bc := &broadcaster{history: history}
	bc.try = func(fd uintptr) bool {
		bc.written, bc.err = tryWrite(fd, bc.out)
		return true
	}
	return bc
}

// park leaves c to the broadcaster, unless there is already more for it.
func (bc *broadcaster) park(c *client) (parked bool) {
	bc.mu.Lock()
	defer bc.mu.Unlock()
	look := c.place
	if b, behind := look.next(); b.seg != nil || behind || bc.history.Ended() {
		return false
	}
	c.slot = len(bc.parked)
	bc.parked = append(bc.parked, c)
	return true
}

// take takes c back from the broadcaster, if it is still there.
func (bc *broadcaster) take(c *client) {
	bc.mu.Lock()
	defer bc.mu.Unlock()
	if c.slot >= 0 {
		bc.remove(c)
	}
}

func (bc *broadcaster) remove(c *client) {
	last := bc.parked[len(bc.parked)-1]
	bc.parked[c.slot], last.slot = last, c.slot
	bc.parked[len(bc.parked)-1] = nil
	bc.parked = bc.parked[:len(bc.parked)-1]
	c.slot = -1
}

// run broadcasts until stop is closed.
func (bc *broadcaster) run(stop <-chan struct{}) {
	for {
		wake := *bc.history.wake.Load()
		bc.history.waiting.Store(true)
		for bc.pass() {
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
func (bc *broadcaster) pass() (more bool) {
	bc.mu.Lock()
	defer bc.mu.Unlock()
	ended := bc.history.Ended()
	for i := len(bc.parked) - 1; i >= 0; i-- {
		c := bc.parked[i]
		if ended {
			bc.release(c)
			continue
		}
		b, behind := c.place.next()
		if behind {
			bc.release(c)
		}
		if b.seg == nil {
			continue
		}
		more = true
		bc.out, bc.written, bc.err = b.chunks(), 0, nil
		if err := c.raw.Write(bc.try); err != nil {
			bc.err = err
		}
		c.count(b.size())
		if bc.written < len(bc.out) || bc.err != nil {
			// An error will come again, where it can be dealt with.
			c.rest = bc.out[max(bc.written, 0):]
			bc.release(c)
		}
	}
	bc.out = nil
	return more
}

// release gives c back to its goroutine.
func (bc *broadcaster) release(c *client) {
	bc.remove(c)
	c.wake()
}

// rawOf returns access to the socket of conn, nil if there is none or if conn
// changes the bytes on their way to it.
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
