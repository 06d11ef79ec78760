package serve

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// maxListed is how many clients the statistics list.
const maxListed = 100

// stats is what /.ssectl/stats says. Keys stay; new ones may come.
type stats struct {
	UptimeMS    int64         `json:"uptime_ms"`   // of the oldest history
	Connections int64         `json:"connections"` // so far
	Events      int64         `json:"events"`      // sent to all clients together
	Bytes       int64         `json:"bytes"`       // likewise, without the framing of HTTP
	Resumes     int64         `json:"resumes"`
	Types       []string      `json:"types"`        // of the events of the first endpoint
	ClientCount int           `json:"client_count"` // connected now
	Clients     []clientStats `json:"clients"`      // of them, the first 100
}

type clientStats struct {
	ID          int64     `json:"id"`
	Remote      string    `json:"remote"`
	Path        string    `json:"path"`
	Since       time.Time `json:"since"`
	Events      int64     `json:"events"`
	Bytes       int64     `json:"bytes"`
	Lag         int64     `json:"lag"`           // events that are there and were not sent
	LastEventID string    `json:"last_event_id"` // in force behind what was sent
	Token       string    `json:"token,omitempty"`
}

func (s *Site) serveStats(w http.ResponseWriter, r *http.Request) {
	all := s.stats(r.URL.Query().Get("client"))
	body, err := json.Marshal(all)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.asset(w, "application/json", append(body, '\n'))
}

// stats returns the statistics. The client that has the token is listed in any
// case.
func (s *Site) stats(token string) stats {
	all := stats{Types: []string{}, Clients: []clientStats{}}
	for i, h := range s.handlers() {
		h.init()
		all.UptimeMS = max(all.UptimeMS, time.Since(h.History.epoch).Milliseconds())
		if i == 0 {
			all.Types = append(all.Types, h.History.Types()...)
		}
		clients := h.snapshot()
		all.ClientCount += len(clients)
		all.Connections += h.connections.Load()
		all.Resumes += h.resumes.Load()
		all.Events += h.oldEvents.Load()
		all.Bytes += h.oldBytes.Load()
		total := h.History.Len()
		for _, c := range clients {
			events, bytes := c.events.Load(), c.bytes.Load()
			all.Events += events
			all.Bytes += bytes
			if mine := token != "" && c.token == token; len(all.Clients) >= maxListed && !mine {
				continue
			}
			position := c.position.Load()
			at := h.History.afterEvents(position)
			all.Clients = append(all.Clients, clientStats{
				ID: c.id, Remote: c.remote, Path: c.path, Since: c.start.UTC(), Events: events, Bytes: bytes,
				Lag: max(total-position, 0), LastEventID: at.seg.lastIDBefore(at.index), Token: c.token,
			})
		}
	}
	return all
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
