package serve

import (
	"time"

	"github.com/ssectl/ssectl/internal/socket"
)

// checkInterval is how often a handler looks after its clients.
const checkInterval = time.Second

// keepAlive looks after all clients of a handler, from one goroutine, so that each
// of them needs no more than its own: it finds those that have left, those
// that are due for a heartbeat, and those that take nothing. It ends with the
// last client.
func (h *Handler) keepAlive(left <-chan struct{}) {
	interval := checkInterval
	if beat := h.heartbeat(); beat > 0 {
		interval = min(interval, max(beat/4, 10*time.Millisecond))
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	looked := time.Now()
	for {
		select {
		case <-left:
			return
		case <-ticker.C:
		}
		now := time.Now()
		look := now.Sub(looked) >= checkInterval
		if look {
			looked = now
		}
		h.mu.Lock()
		for c := range h.clients {
			h.lookAfter(c, now, look)
		}
		h.mu.Unlock()
	}
}

// lookAfter looks after one client; h.mu is held.
func (h *Handler) lookAfter(c *client, now time.Time, look bool) {
	sent, busy := c.bytes.Load()+c.moved.Load(), c.busy.Load()
	if busy && c.socket != nil {
		// The system wakes a writer only when a third of its buffer is free
		// again, which a slow reader may take minutes for. Each byte that
		// leaves the buffer shows that the client reads.
		sent -= int64(socket.Unsent(c.socket))
	}
	if sent != c.seen || busy != c.seenBusy {
		c.seen, c.seenBusy, c.unchanged = sent, busy, now
	}
	silent := now.Sub(c.unchanged)
	switch timeout, beat := h.writeTimeout(), h.heartbeat(); {
	case busy && timeout > 0 && silent >= timeout:
		h.unblock(c, EndedStuck)
	case look && c.socket != nil && c.ws == nil && !isAlive(c.socket):
		h.unblock(c, EndedClient)
	case !busy && beat > 0 && silent >= beat:
		c.unchanged = now
		c.beat.Store(true)
		c.wake()
	}
}

// unblock ends a client even if it is in a write.
func (h *Handler) unblock(c *client, cause string) {
	c.end(cause)
	c.setWriteDeadline(time.Now())
}

// setWriteDeadline bounds the write under way; h.mu is held.
func (c *client) setWriteDeadline(at time.Time) {
	switch {
	case c.ws != nil && c.conn != nil:
		c.conn.SetDeadline(at) // it may wait for a close frame
	case c.conn != nil:
		c.conn.SetWriteDeadline(at)
	case c.answer != nil:
		c.answer.control.SetWriteDeadline(at)
	}
}
