// Package lab puts diag before real servers: a publisher that knows when it
// published what, proxies with the configurations that people have, and a
// listener of its own that measures how late events really come. The truth is
// taken from those times, never from a configuration.
package lab

import (
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Traffic is how a publisher makes events.
type Traffic string

// The kinds of traffic.
const (
	Steady Traffic = "steady" // one of 250 bytes every 100 ms
	Sparse Traffic = "sparse" // one of 200 bytes every 1.2 to 2 s
	Bursty Traffic = "bursty" // some at once, then nothing for a second
	Large  Traffic = "large"  // small ones, and every third of 20 to 60 KiB
	Tokens Traffic = "tokens" // 40 to 60 bytes, 20 to 60 ms apart
	Silent Traffic = "silent" // headers, and no event
	Chat   Traffic = "chat"   // as tokens, but a model's answer of its own for each client, without IDs, with an end
)

// AllTraffic is every kind.
var AllTraffic = []Traffic{Steady, Sparse, Bursty, Large, Tokens, Silent, Chat}

// wait is how long until the next events, and size how large the next one is.
func (t Traffic) next(n int) (wait time.Duration, count, size int) {
	switch t {
	case Steady:
		return 100 * time.Millisecond, 1, 250
	case Sparse:
		return 1200*time.Millisecond + rand.N(800*time.Millisecond), 1, 200
	case Bursty:
		return 600*time.Millisecond + rand.N(800*time.Millisecond), 2 + rand.N(6), 120 + rand.N(200)
	case Large:
		if n%3 == 2 {
			return 400 * time.Millisecond, 1, 20<<10 + rand.N(40<<10)
		}
		return 600 * time.Millisecond, 1, 200
	case Tokens:
		return 20*time.Millisecond + rand.N(40*time.Millisecond), 1, 40 + rand.N(20)
	}
	return time.Hour, 0, 0 // Silent, and Chat, which has no live events
}

// A Publisher is a live stream with a past: every client gets the same events,
// and who names an ID gets what followed it.
type Publisher struct {
	Header http.Header // added to every answer
	Fault  Fault
	Clock  bool // events say when they were made
	Chat   bool // each client gets an answer of its own

	mu     sync.Mutex // guards what follows
	first  int        // ID of events[0]
	events [][]byte
	times  []time.Time
	grown  chan struct{} // closed when an event is there
}

// A Fault is what the publisher itself does wrong.
type Fault string

// The faults.
const (
	NoFault   Fault = ""
	NoFlush   Fault = "gzip without flush" // compresses, and waits for more
	ByTimer   Fault = "flush by timer"     // once a second, for each connection
	OneBehind Fault = "one behind"         // each event waits for the next
	LateBlank Fault = "blank line late"    // the blank line comes before the next event
)

// NewPublisher returns a publisher to fill in.
func NewPublisher() *Publisher {
	return &Publisher{first: 1, grown: make(chan struct{}), Header: http.Header{}}
}

// Publish makes events until the context ends.
func (p *Publisher) Publish(ctx context.Context, traffic Traffic) {
	for n := 0; ; n++ {
		wait, count, size := traffic.next(n)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		p.mu.Lock()
		for range count {
			id := p.first + len(p.events)
			clock := ""
			if p.Clock {
				clock = fmt.Sprintf(`"ms":%d,`, time.Now().UnixMilli())
			}
			text := fmt.Sprintf("id: %d\ndata: {\"n\":%d,%s\"text\":\"%s\"}\n\n", id, id, clock, filler(size))
			p.events = append(p.events, []byte(text))
			p.times = append(p.times, time.Now())
		}
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
}

// filler is text that does not compress to nothing.
func filler(size int) string {
	const words = "stream event buffer proxy flush token delta chunk server client retry cursor "
	var b strings.Builder
	for b.Len() < size {
		at := rand.N(len(words) - 8)
		b.WriteString(words[at : at+8])
		b.WriteString(strconv.Itoa(rand.N(10000)))
	}
	return b.String()[:size]
}

// Published is when the event of an ID was made.
func (p *Publisher) Published(id int) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := id - p.first; at >= 0 && at < len(p.times) {
		return p.times[at], true
	}
	return time.Time{}, false
}

// after returns the events behind an ID, and a channel that tells of more.
func (p *Publisher) after(id int) ([][]byte, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := min(max(0, id+1-p.first), len(p.events))
	return p.events[at:], p.grown
}

func (p *Publisher) latest() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first + len(p.events) - 1
}

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
	if p.Chat {
		p.chat(w, r)
		return
	}
	last := p.latest()
	if n, err := strconv.Atoi(r.Header.Get("Last-Event-ID")); err == nil {
		last = n
	}
	w, flush := p.Fault.writer(w, r)
	flush()
	for held := []byte(nil); ; {
		events, grown := p.after(last)
		for _, e := range events {
			e, held = p.Fault.event(e, held)
			if _, err := w.Write(e); err != nil {
				return
			}
		}
		last += len(events)
		if p.Fault != ByTimer && len(events) > 0 {
			flush()
		}
		var tick <-chan time.Time
		if p.Fault == ByTimer {
			tick = time.After(time.Second)
		}
		select {
		case <-grown:
			if tick == nil {
				continue
			}
			select { // nothing goes out before the clock says so
			case <-tick:
			case <-r.Context().Done():
				return
			}
		case <-tick:
		case <-r.Context().Done():
			return
		}
		flush()
	}
}

// oracleHeader marks the request of the lab's own listener, whose answer is the
// one with the publish times.
const oracleHeader = "X-Lab-Oracle"

// chatTokens is how many a model's answer has.
const chatTokens = 180

// chat answers as a model does.
func (p *Publisher) chat(w http.ResponseWriter, r *http.Request) {
	w, flush := p.Fault.writer(w, r)
	flush()
	answer := rand.Uint64()
	for n := 1; n <= chatTokens; n++ {
		wait := time.NewTimer(15*time.Millisecond + rand.N(45*time.Millisecond))
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
		fmt.Fprintf(w, "data: {\"id\":\"chatcmpl-%x\",\"object\":\"chat.completion.chunk\",\"n\":%d,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n", answer, n, filler(3+rand.N(8)))
		flush()
	}
	fmt.Fprint(w, `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	if zip, ok := w.(gzipWriter); ok {
		zip.zip.Close()
	}
}

// event returns what to write for an event now, and what to keep for later.
func (f Fault) event(e, held []byte) (now, later []byte) {
	switch f {
	case OneBehind:
		return held, e
	case LateBlank:
		return append(held, e[:len(e)-1]...), []byte("\n")
	}
	return e, nil
}

// writer returns what to write to, and how to flush it.
func (f Fault) writer(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, func()) {
	control := http.NewResponseController(w)
	flush := func() { control.Flush() }
	if f == NoFlush && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		return gzipWriter{w, gzip.NewWriter(w)}, flush
	}
	return w, flush
}

type gzipWriter struct {
	http.ResponseWriter
	zip *gzip.Writer
}

func (w gzipWriter) Write(p []byte) (int, error) { return w.zip.Write(p) }
