//go:build attack

package attack

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

var soakTime = flag.Duration("soak", 20*time.Second, "how long TestAbuseSoak goes on")

// TestAbuseSoak has a thousand listeners read streams with every kind of fault
// at once, again and again: each must get exactly the events that the faults of
// its stream let through, and nothing may be left over.
func TestAbuseSoak(t *testing.T) {
	duration, listeners := *soakTime, 1000
	if testing.Short() {
		duration, listeners = min(duration, 3*time.Second), 200
	}
	s := newSoak(t, newSeed(t))
	s.round(t, time.Second/2, listeners/5) // fills caches and pools
	s.idle()
	before := usageNow()
	s.round(t, duration, listeners)
	s.idle()
	after := before.awaitNoGrowth()

	t.Logf("%d listeners on %d streams in %v: %d runs, %d connections, %d events, %d of them live",
		listeners, len(s.streams), duration, s.runs.Load(), s.connections.Load(), s.events.Load(), s.liveEvents.Load())
	t.Logf("before: %v", before)
	t.Logf("peak:   %v", s.peak)
	t.Logf("after:  %v", after)
	if after.grown(before) {
		t.Errorf("grown from %v to %v\n%s", before, after, stacks())
	}
}

// A soak is a server with many streams, and counts of their use.
type soak struct {
	seed    uint64
	streams []*soakStream
	client  *http.Client
	peak    usage

	runs, connections, events, liveEvents atomic.Int64
}

// A soakStream is a stream with faults, and its properties.
type soakStream struct {
	url     string
	name    string
	faults  []fault.Fault
	seed    uint64
	size    *atomic.Int64 // events of the history so far
	refused int           // the status that all requests are refused with, or 200 for the content type
	once    bool          // the server does not resume: one connection is all there is
}

func newSoak(t *testing.T, seed uint64) *soak {
	random := rand.New(rand.NewPCG(seed, 0))
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	s := &soak{seed: seed, client: &http.Client{Transport: transport}}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	var handlers []*serve.Handler
	t.Cleanup(func() {
		for _, h := range handlers {
			h.Close()
		}
		server.Close()
		transport.CloseIdleConnections()
	})
	add := func(faults ...string) {
		one := &soakStream{name: strings.Join(faults, " "), seed: random.Uint64(), size: new(atomic.Int64)}
		h := &serve.Handler{History: &serve.History{}}
		for _, text := range faults {
			f, err := fault.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			one.add(f)
		}
		h.Faults = one.faults
		if random.IntN(2) == 0 {
			h.Pace = serve.Pace{Every: time.Duration(1+random.IntN(3)) * time.Millisecond, Jitter: 0.5}
		}
		if random.IntN(3) == 0 {
			h.RetryHint = time.Duration(1+random.IntN(20)) * time.Millisecond
		}
		one.fill(h.History, 10+random.IntN(40))
		h.History.End()
		path := "/" + strconv.Itoa(len(s.streams))
		one.url = server.URL + path
		mux.Handle(path, h)
		handlers = append(handlers, h)
		s.streams = append(s.streams, one)
	}
	add()
	for _, kind := range fault.Kinds() {
		if kind.Name != "cut" { // is by the clock: on a slow machine nothing may come before it
			add(soakFault(random, kind.Name))
		}
	}
	for range 30 {
		add(soakFaults(random)...)
	}
	return s
}

// soakFault returns a fault of a kind that a listener can live through in a
// short time.
func soakFault(random *rand.Rand, kind string) string {
	at := kind + "@" + strconv.Itoa(2+random.IntN(9))
	pick := func(choices ...string) string { return choices[random.IntN(len(choices))] }
	switch kind {
	case "stall":
		return at + "=" + pick("5ms", "30ms")
	case "delay":
		return kind + "=" + pick("1ms", "20ms")
	case "status":
		return pick("status=503@1-9", "status=503@5-14", "status=404")
	case "type":
		return "type=text/plain"
	case "buffer":
		return kind + "=" + pick("100", "1k", "16k")
	case "chunk":
		return kind + "=" + pick("1", "7", "1k")
	case "eol":
		return kind + "=" + pick("cr", "crlf", "lf")
	case "big":
		return at + "=64k"
	case "close": // no event stream has it, and this one goes on
		return kind + "=1011" + strings.TrimPrefix(at, kind)
	case "drop", "reset", "truncate", "duplicate", "garble":
		return at
	}
	return kind
}

// soakFaults returns some faults that make sense together: one may break the
// connection, the others change its content.
func soakFaults(random *rand.Rand) []string {
	faults := []string{}
	for _, kind := range []string{"stall", "delay", "chunk", "split-utf8", "eol", "bom", "gzip", "duplicate", "garble"} {
		if random.IntN(3) == 0 {
			faults = append(faults, soakFault(random, kind))
		}
	}
	kinds := []string{"drop", "reset", "truncate", "status", "buffer", "no-resume"}
	return append(faults, soakFault(random, kinds[random.IntN(len(kinds))]))
}

func (s *soakStream) add(f fault.Fault) {
	s.faults = append(s.faults, f)
	switch {
	case f.Kind == "type":
		s.refused = http.StatusOK
	case f.Kind == "status" && f.First == 0:
		s.refused = int(f.Size)
	case f.Kind == "no-resume":
		s.once = true
	}
}

// event returns event i of the history, from 0 on.
func (s *soakStream) event(i int) stream.Event {
	random := rand.New(rand.NewPCG(s.seed, uint64(i)))
	event := stream.Event{ID: strconv.Itoa(i + 1), HasID: true, Type: stream.DefaultType}
	if random.IntN(3) == 0 {
		event.Type = "type " + strconv.Itoa(random.IntN(5))
	}
	var data []byte
	for range random.IntN(40) {
		data = append(data, []string{"x", " ", "ü", "潮", "🌊", "\n", ":", "data: ", "\t"}[random.IntN(9)]...)
	}
	event.Data = string(data)
	return event
}

// fill appends n events, with a comment here and there.
func (s *soakStream) fill(history *serve.History, n int) {
	for range n {
		i := int(s.size.Load())
		if i%7 == 3 {
			history.AppendRecord(&record.Record{HasComment: true, Comment: "between"})
		}
		s.size.Add(1)
		if err := history.Append(s.event(i)); err != nil {
			panic(err) // the events are ours
		}
	}
}

// A prediction knows the next events for a listener of a stream. It is notified
// when the listener connects.
type prediction struct {
	s     *soakStream
	next  int            // event of the history
	sent  int64          // events of the history on this connection
	queue []stream.Event // more that the faults make of them
	cut   bool           // nothing more on this connection
}

func (p *prediction) connected() { p.sent, p.queue, p.cut = 0, nil, false }

// expect returns the next event that may come on the connection. It may come
// to none, for a reset takes with it the bytes on the way.
func (p *prediction) expect() (event stream.Event, ok bool) {
	if len(p.queue) == 0 {
		p.advance()
	}
	if len(p.queue) == 0 {
		return stream.Event{}, false
	}
	event, p.queue = p.queue[0], p.queue[1:]
	if event.ID != "" {
		p.next, _ = strconv.Atoi(event.ID)
	}
	return event, true
}

func (p *prediction) advance() {
	if p.cut || int64(p.next) >= p.s.size.Load() {
		return
	}
	p.sent++
	event, copies := p.s.event(p.next), 1
	for _, fault := range p.s.faults {
		if fault.First != 0 && (p.sent < fault.First || p.sent > fault.Last) {
			continue
		}
		switch fault.Kind {
		case "big":
			p.queue = append(p.queue, stream.Event{Type: "big", Data: strings.Repeat("x", int(fault.Size))})
		case "garble":
			event.Data = garbled(event.Data)
		case "duplicate":
			copies++
		case "truncate":
			p.cut = true
			return
		case "drop", "reset":
			p.cut = true
		}
	}
	for range copies {
		p.queue = append(p.queue, event)
	}
}

// garbled returns data after the middle of each line was made invalid UTF-8.
func garbled(data string) string {
	lines := strings.Split(data, "\n")
	for n, line := range lines {
		bad := []byte(line)
		for i := len(bad) / 3; i <= 2*len(bad)/3 && i < len(bad); i++ {
			bad[i] = 0xff
		}
		lines[n] = string(stream.AppendValid(nil, bad))
	}
	return strings.Join(lines, "\n")
}

// round lets the listeners read streams until the time is over, and then to the
// end of the one they are at. A tenth of them follow a live stream all the time.
func (s *soak) round(t *testing.T, duration time.Duration, listeners int) {
	ctx, cancel := context.WithTimeout(t.Context(), duration+2*time.Minute)
	defer cancel()
	over := time.Now().Add(duration)
	var wg sync.WaitGroup
	live, end, closeAll := s.live(t)
	defer closeAll()
	for n := range listeners {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(s.seed, uint64(n+1)))
			if n%10 == 0 {
				s.listen(ctx, t, live[random.IntN(len(live))], random)
				return
			}
			for time.Now().Before(over) && ctx.Err() == nil && !t.Failed() {
				s.listen(ctx, t, s.streams[random.IntN(len(s.streams))], random)
			}
		})
	}
	s.watch(ctx, over)
	end()
	wg.Wait()
	if ctx.Err() != nil {
		t.Errorf("listeners did not end within two minutes")
	}
}

// live returns streams that grow until end is called, one of them with drops.
func (s *soak) live(t *testing.T) (streams []*soakStream, end, closeAll func()) {
	size, seed := new(atomic.Int64), rand.New(rand.NewPCG(s.seed, 0)).Uint64()
	history := &serve.History{}
	var servers []*httptest.Server
	var handlers []*serve.Handler
	for _, text := range []string{"", "drop@20"} {
		one := &soakStream{name: "live " + text, seed: seed, size: size}
		if text != "" {
			f, err := fault.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			one.add(f)
		}
		h := &serve.Handler{History: history, Options: serve.Options{Faults: one.faults}}
		server := httptest.NewServer(h)
		one.url = server.URL
		servers, handlers, streams = append(servers, server), append(handlers, h), append(streams, one)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			streams[0].fill(history, 1)
			select {
			case <-tick.C:
			case <-stop:
				history.End()
				return
			}
		}
	})
	end = func() {
		close(stop)
		wg.Wait()
		s.liveEvents.Add(size.Load())
	}
	closeAll = func() {
		for i := range servers {
			handlers[i].Close()
			servers[i].Close()
		}
	}
	return streams, end, closeAll
}

// watch keeps the peak of the usage until the time is over.
func (s *soak) watch(ctx context.Context, over time.Time) {
	ctx, cancel := context.WithDeadline(ctx, over)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.peak = s.peak.max(usageOf())
		case <-ctx.Done():
			return
		}
	}
}

func (s *soak) idle() { s.client.CloseIdleConnections() }

// listen reads a stream to its end, and checks each event and the end.
func (s *soak) listen(ctx context.Context, t *testing.T, from *soakStream, random *rand.Rand) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	will := &prediction{s: from}
	options := listen.Options{
		Client:  s.client,
		Backoff: listen.Backoff{Delay: time.Duration(1 + random.IntN(int(50*time.Millisecond))), MaxDelay: 100 * time.Millisecond},
		RetryOn: func(status int) bool { return status == http.StatusServiceUnavailable },
		OnChange: func(change listen.Change) {
			if _, ok := change.(listen.Connected); ok {
				will.connected()
			}
		},
	}
	if from.once {
		options.Reconnect = listen.ReconnectNever
	}
	l := listen.New(req, options)
	defer l.Close()
	events := 0
	for {
		b, err := l.Next()
		if err != nil {
			s.ended(t, from, will, err)
			break
		}
		events++
		got := b.Event()
		if want, ok := will.expect(); !ok || got != want {
			t.Errorf("stream %s: event %d is %+v, want %+v (%v)", from.name, events, got, want, ok)
			break
		}
	}
	s.runs.Add(1)
	s.events.Add(int64(events))
	s.connections.Add(int64(l.Stats().Connections))
}

// ended checks how a listener ended.
func (s *soak) ended(t *testing.T, from *soakStream, will *prediction, err error) {
	var refused *listen.ResponseError
	switch {
	case from.refused != 0:
		if !errors.As(err, &refused) || refused.Status != from.refused {
			t.Errorf("stream %s: ended with %v, want it refused with %d", from.name, err, from.refused)
		}
	case err != io.EOF:
		t.Errorf("stream %s: ended with %v behind event %d of %d", from.name, err, will.next, from.size.Load())
	case int64(will.next) != from.size.Load() || len(will.queue) > 0:
		t.Errorf("stream %s: ended behind event %d of %d, %d to come", from.name, will.next, from.size.Load(), len(will.queue))
	}
}

// A usage is the resources that this process uses.
type usage struct {
	goroutines  int
	descriptors int // 0 where the system does not count them
	heap        uint64
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %.1f MiB of heap", u.goroutines, u.descriptors, float64(u.heap)/(1<<20))
}

func usageOf() usage {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	files, _ := os.ReadDir("/proc/self/fd")
	return usage{runtime.NumGoroutine(), len(files), memory.HeapAlloc}
}

// usageNow is usageOf without garbage. Objects with finalizers take two rounds.
func usageNow() usage {
	runtime.GC()
	runtime.GC()
	return usageOf()
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	text := make([]byte, 1<<20)
	return string(text[:runtime.Stack(text, true)])
}

func (u usage) max(v usage) usage {
	return usage{max(u.goroutines, v.goroutines), max(u.descriptors, v.descriptors), max(u.heap, v.heap)}
}

// heapSlack is a difference of the heap that means nothing: pools and caches of
// the runtime.
const heapSlack = 4 << 20

func (u usage) grown(from usage) bool {
	return u.goroutines > from.goroutines || u.descriptors > from.descriptors || u.heap > from.heap+heapSlack
}

// awaitNoGrowth returns the usage once it is the same as before, or after a while:
// connections that were closed take their time to go.
func (u usage) awaitNoGrowth() usage {
	deadline := time.Now().Add(20 * time.Second)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		now := usageNow()
		if !now.grown(u) || time.Now().After(deadline) {
			return now
		}
		<-poll.C
	}
}
