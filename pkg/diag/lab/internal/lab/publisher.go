// Package lab puts diag before real servers: a publisher that knows when it
// published what, proxies with the configurations that people have, and a
// listener of its own that measures how late events really come. The truth is
// taken from those times, never from a configuration.
package lab

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A Publisher is a live stream with a past: every client gets the same events,
// and who names an ID gets what followed it.
type Publisher struct {
	Traffic Traffic
	Header  http.Header // added to every answer
	Fault   Fault
	Resume  Resume
	Clock   bool // events say when they were made
	Prelude bool // a comment comes first

	mu      sync.Mutex // guards the fields below
	events  [][]byte   // the first has the ID 1
	times   []time.Time
	grown   chan struct{} // closed when an event is there
	watched int           // ID of the first event for the lab's own listener
}

// A Resume is how a publisher treats Last-Event-ID, by the verdict that is
// right for it.
type Resume string

// The ways of publishers. History is exact, too, but a client without an ID
// gets all.
const (
	Exact     Resume = "resumed-exact"
	History   Resume = "resumed-exact, all without"
	Inclusive Resume = "resumed-inclusive"
	Overlap   Resume = "resumed-overlap"
	Gap       Resume = "resumed-gap"
	LiveOnly  Resume = "ignored-live-only"
	Restarts  Resume = "ignored-restarts"
	Backlog   Resume = "ignored-fixed-backlog"
	Unstable  Resume = "ids-not-stable"
	Refused   Resume = "refused"
)

// NewPublisher returns a publisher to fill in.
func NewPublisher() *Publisher {
	return &Publisher{grown: make(chan struct{}), Header: http.Header{}}
}

// Publish makes events until the context ends.
func (p *Publisher) Publish(ctx context.Context) {
	for n := 0; ; n++ {
		wait, count, size := p.Traffic.next(n)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		p.mu.Lock()
		for range count {
			p.events = append(p.events, p.Traffic.event(len(p.events)+1, p.Clock, size, 0))
			p.times = append(p.times, time.Now())
		}
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
}

// Published is when the event of an ID was made.
func (p *Publisher) Published(id int) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id >= 1 && id <= len(p.times) {
		return p.times[id-1], true
	}
	return time.Time{}, false
}

// after returns the events after an ID, and a channel that is closed when there
// are more.
func (p *Publisher) after(id int) ([][]byte, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[min(max(0, id), len(p.events)):], p.grown
}

func (p *Publisher) latest() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}

// Watched is the ID of the first event for the lab's own listener.
func (p *Publisher) Watched() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watched
}

// oracleHeader marks the request of the lab's own listener.
const oracleHeader = "X-Lab-Oracle"

// ServeHTTP answers /events with the stream.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/events" {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	for name, values := range p.Header {
		h[name] = values
		if len(values) == 0 {
			h.Del(name)
		}
	}
	if r.Method != http.MethodGet {
		return
	}
	asked, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err == nil && p.Resume == Refused {
		http.Error(w, "no such event", http.StatusConflict)
		return
	}
	if count, _, _ := p.Traffic.own(); count > 0 {
		p.own(w, r, asked)
		return
	}
	from := p.start(asked, err == nil)
	if r.Header.Get(oracleHeader) != "" {
		p.mu.Lock()
		p.watched = from + 1
		p.mu.Unlock()
	}
	p.live(w, r, from)
}

// start is the ID after which a connection starts.
func (p *Publisher) start(asked int, resumes bool) int {
	latest := p.latest()
	switch {
	case p.Resume == Restarts, p.Resume == History && !resumes:
		return 0
	case p.Resume == Backlog:
		return max(0, latest-5)
	case p.Resume == LiveOnly, p.Resume == Unstable, !resumes:
		return latest
	case p.Resume == Inclusive:
		return max(0, asked-1)
	case p.Resume == Overlap:
		return max(0, asked-4)
	case p.Resume == Gap:
		return asked + 2
	}
	return asked
}

// live sends the events after an ID, past and future.
func (p *Publisher) live(w http.ResponseWriter, r *http.Request, last int) {
	w, flush := p.Fault.writer(w, r)
	p.prelude(w)
	flush()
	beat, stop := ticks(p.Traffic.heartbeat())
	defer stop()
	var tick <-chan time.Time
	if p.Fault == ByTimer {
		tick, stop = ticks(time.Second)
		defer stop()
	}
	var held []byte
	for sent := 0; ; {
		events, grown := p.after(last)
		for _, e := range events {
			if sent++; p.Resume == Unstable {
				e = renumber(e, sent)
			}
			e, held = p.Fault.event(e, held)
			if _, err := w.Write(e); err != nil {
				return
			}
		}
		last += len(events)
		if p.Fault != ByTimer && len(events) > 0 {
			flush()
		}
		if tick != nil {
			grown = nil // nothing goes out before the next tick
		}
		select {
		case <-grown:
			continue
		case <-beat:
			fmt.Fprint(w, ": hb\n\n")
			if p.Fault == ByTimer {
				continue
			}
		case <-tick:
		case <-r.Context().Done():
			return
		}
		flush()
	}
}

func (p *Publisher) prelude(w io.Writer) {
	if p.Prelude {
		io.WriteString(w, ": ok\n\n")
	}
}

// ticks is a ticker that never ticks for 0.
func ticks(every time.Duration) (<-chan time.Time, func()) {
	if every == 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(every)
	return ticker.C, ticker.Stop
}

// own answers as a model does, or a job: each client gets events of its own,
// and an end.
func (p *Publisher) own(w http.ResponseWriter, r *http.Request, asked int) {
	if p.Resume != Exact && p.Resume != History && p.Resume != "" || p.Traffic == Chat {
		asked = 0
	}
	count, least, most := p.Traffic.own()
	if asked >= count {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w, flush := p.Fault.writer(w, r)
	p.prelude(w)
	flush()
	answer := rand.Uint64()
	for n := asked + 1; n <= count; n++ {
		wait := time.NewTimer(least + rand.N(most-least))
		select {
		case <-wait.C:
		case <-r.Context().Done():
			wait.Stop()
			return
		}
		if r.Header.Get(oracleHeader) != "" {
			p.mu.Lock()
			p.times = append(p.times, time.Now())
			p.mu.Unlock()
		}
		w.Write(p.Traffic.event(n, p.Clock, 0, answer))
		flush()
	}
	if p.Traffic == Chat {
		fmt.Fprint(w, `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	}
	if zip, ok := w.(gzipWriter); ok {
		zip.zip.Close()
	}
}
