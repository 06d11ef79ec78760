package diag

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// A fake is an event stream with faults to choose. Event n is made n times
// every after the start, for all clients alike, and has the ID n.
type fake struct {
	every   time.Duration
	end     int                                           // after so many events the stream is over; 0 for never
	header  map[string]string                             // "" takes one away
	status  int                                           // where not 200
	event   func(n int) string                            // where not id and data
	resume  string                                        // how it treats Last-Event-ID
	first   string                                        // written before the events
	instead func(http.ResponseWriter, *http.Request) bool // reports that it has answered

	start time.Time
}

func (f *fake) serve(t *testing.T) *httptest.Server {
	if f.every == 0 {
		f.every = 25 * time.Millisecond
	}
	// A while ago, so that there is a past to ask for.
	f.start = time.Now().Add(-20 * f.every)
	return serveInMemory(t, f, (*httptest.Server).Start)
}

func (f *fake) text(n int) string {
	if f.event != nil {
		return f.event(n)
	}
	return fmt.Sprintf("id: %d\ndata: {\"n\":%d}\n\n", n, n)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.instead != nil && f.instead(w, r) {
		return
	}
	f.answer(w, r)
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform, private")
	for name, value := range f.header {
		h.Set(name, value)
		if value == "" {
			h.Del(name)
		}
	}
	if f.status != 0 {
		w.WriteHeader(f.status)
	}
	if r.Method != http.MethodGet || f.status != 0 {
		return
	}
	f.stream(w, r)
}

func (f *fake) stream(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w).Flush
	fmt.Fprint(w, f.first)
	flush()
	next := int(time.Since(f.start)/f.every) + 1
	if f.end > 0 {
		next = 1
	}
	if asked, err := strconv.Atoi(r.Header.Get("Last-Event-ID")); err == nil {
		next = f.after(asked, next)
		if f.end > 0 && next > f.end {
			return
		}
	} else if f.resume == "backlog" {
		next = max(1, next-3)
	}
	for ; f.end == 0 || next <= f.end; next++ {
		if f.end == 0 {
			wait := time.NewTimer(time.Until(f.start.Add(time.Duration(next) * f.every)))
			select {
			case <-wait.C:
			case <-r.Context().Done():
				wait.Stop()
				return
			}
		}
		if _, err := fmt.Fprint(w, f.text(next)); err != nil || flush() != nil {
			return
		}
	}
}

// after is the event to go on with.
func (f *fake) after(asked, live int) int {
	switch f.resume {
	case "inclusive":
		return asked
	case "overlap":
		return max(1, asked-4)
	case "gap":
		return asked + 2
	case "live":
		return live
	case "restart":
		return 1
	case "backlog":
		return max(1, live-3)
	}
	return asked + 1
}

// A run is the request and the options of one.
type run struct {
	Request *http.Request
	Options
}

// observed probes a server for a short time.
func observed(t *testing.T, url string, change func(*run)) *seen.Observation {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := run{request, Options{Client: &http.Client{}, Duration: 1600 * time.Millisecond, Timeout: time.Second}}
	if change != nil {
		change(&r)
	}
	inMemory(&r.Options)
	return observe(t.Context(), r.Request, r.Options)
}

// unflushed compresses, and never flushes.
func unflushed(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Accept-Encoding") == "identity" || r.Method != http.MethodGet {
		return false
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Content-Encoding", "gzip")
	zip := gzip.NewWriter(w)
	fmt.Fprint(zip, "data: held\n\n")
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
	return true
}
