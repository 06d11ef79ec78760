package serve

import (
	"iter"
	"slices"
	"time"
)

// Stats are the counts of a [Handler] so far.
type Stats struct {
	Since       time.Time // when the history was made
	Connections int64
	Resumes     int64 // connections with a last event ID that was known
	Clients     int   // connected now
	Events      int64 // sent to all clients together
	Bytes       int64 // likewise, without the framing of HTTP
}

// Stats returns the counts so far.
func (h *Handler) Stats() Stats {
	h.init()
	clients := h.snapshot()
	s := Stats{
		Since:       h.History.epoch,
		Connections: h.connections.Load(),
		Resumes:     h.resumes.Load(),
		Clients:     len(clients),
		Events:      h.oldEvents.Load(),
		Bytes:       h.oldBytes.Load(),
	}
	for _, c := range clients {
		s.Events += c.events.Load()
		s.Bytes += c.bytes.Load()
	}
	return s
}

// A Client is a connection that gets events now.
type Client struct {
	Connection        // with its counts so far, and no end
	Token      string // the query parameter ssectl_client, by which a page knows its own connection

	position int64
	history  *History
}

// Lag returns how many events of the history were not sent yet.
func (c *Client) Lag() int64 { return max(c.history.Len()-c.position, 0) }

// Position returns the last event ID in force after the events that were sent.
func (c *Client) Position() string {
	at := c.history.afterEvents(c.position)
	return at.seg.lastIDBefore(at.index)
}

// Clients ranges over the clients, the oldest first.
func (h *Handler) Clients() iter.Seq[Client] {
	return func(yield func(Client) bool) {
		h.init()
		for _, c := range h.snapshot() {
			client := Client{Connection: c.soFar(), Token: c.token, position: c.position.Load(), history: h.History}
			if !yield(client) {
				return
			}
		}
	}
}

// Drop cuts the connection of the client with the given ID, and reports whether
// there is one.
func (h *Handler) Drop(id int64) (found bool) {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if c.id == id {
			h.unblock(c, EndedDropped)
			found = true
		}
	}
	return found
}

// snapshot returns the clients, the oldest first.
func (h *Handler) snapshot() []*client {
	h.mu.Lock()
	clients := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		clients = append(clients, c)
	}
	h.mu.Unlock()
	slices.SortFunc(clients, func(a, b *client) int { return int(a.id - b.id) })
	return clients
}
