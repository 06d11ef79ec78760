package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A sighting is a block that a client got, and when, from the start of the test.
type sighting struct {
	at   time.Duration
	text string
}

// watchers serves h in memory, and returns a function that connects and returns
// what comes until the connection ends.
func watchers(h http.Handler) (watch func(begin time.Time) []sighting, stop func()) {
	listener := make(pipes)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { server.Serve(listener); close(done) }()
	watch = func(begin time.Time) (seen []sighting) {
		near, far := net.Pipe()
		listener <- far
		go io.WriteString(near, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(near), nil)
		if err != nil {
			return nil
		}
		for block, err := range stream.NewDecoder(response.Body).Blocks() {
			if err != nil {
				break
			}
			// A client that Close ends gets no goodbye.
			text, comment := block.Comment()
			if (!comment || string(text) != "ok") && string(block.Type()) != "bye" {
				seen = append(seen, sighting{time.Since(begin), string(block.Raw())})
			}
		}
		near.Close()
		return seen
	}
	return watch, func() { server.Close(); <-done }
}

// randomHistory returns a history that has ended, of events at random times.
func randomHistory(random *rand.Rand) (*serve.History, string) {
	var text strings.Builder
	for i := range 1 + random.IntN(12) {
		switch random.IntN(6) {
		case 0:
			fmt.Fprintf(&text, "{\"comment\":\"c%d\",\"delay\":%d}\n", i, random.IntN(3000))
		case 1:
			fmt.Fprintf(&text, "{\"data\":\"%d\",\"event\":\"t%d\",\"delay\":%d}\n", i, i%3, random.IntN(3000))
		default:
			fmt.Fprintf(&text, "{\"data\":\"%d\",\"id\":\"%d\",\"delay\":%d}\n", i, i, random.IntN(3000))
		}
	}
	if random.IntN(2) == 0 {
		text.WriteString(`{"raw":"data: tail","incomplete":true}` + "\n")
	}
	source, _, err := serve.NewSource(strings.NewReader(text.String()), serve.FormatJSONL, 0)
	history := &serve.History{}
	if err == nil {
		err = history.Load(source)
	}
	if err != nil {
		panic(err)
	}
	return history, text.String()
}

// TestSharedClockIsOne has clients come at random times to histories of all
// paces, loops and ends. They have to see the same blocks, each at the same
// moment, or when they came if that is later.
func TestSharedClockIsOne(t *testing.T) {
	seed, cases := rand.Uint64(), 100
	if text := os.Getenv("SSECTL_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	if n, err := strconv.Atoi(os.Getenv("SSECTL_TEST_CASES")); err == nil {
		cases = n
	}
	t.Logf("SSECTL_TEST_SEED=%d", seed)
	for n := range cases {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		synctest.Test(t, func(t *testing.T) {
			history, text := randomHistory(random)
			live := random.IntN(3) == 0
			if live { // what comes in while clients are there, to its end
				history = &serve.History{}
				waits := make([]time.Duration, 1+random.IntN(12))
				for i := range waits {
					waits[i] = time.Duration(random.IntN(3_000_000)) * time.Microsecond
				}
				go func() {
					for i, wait := range waits {
						time.Sleep(wait)
						history.Append(stream.Event{ID: strconv.Itoa(i), Data: "live"})
					}
					history.End()
				}()
			}
			h := &serve.Handler{History: history, Heartbeat: -1, Rounds: random.IntN(4)}
			h.Pace = []serve.Pace{{}, {Every: time.Second}, {Recorded: true}, {Every: time.Second, Speed: 3, Jitter: 0.5}}[random.IntN(4)]
			h.AtEnd = []serve.AtEnd{serve.EndClose, serve.EndHold, serve.EndLoop}[random.IntN(3)]
			if h.Pace.Instant() && h.AtEnd == serve.EndLoop {
				h.AtEnd = serve.EndClose // or there is no end to it
			}
			if random.IntN(2) == 0 {
				h.CloseEvent = "bye"
			}
			what := fmt.Sprintf("case %d: live %v, pace %+v, %d rounds, at end %s, %q of\n%s", n, live, h.Pace, h.Rounds, h.AtEnd, h.CloseEvent, text)
			ctx, cancel := context.WithCancel(t.Context())
			replay := h.Share(1 << 20)
			watch, stop := watchers(h)
			begin := time.Now()
			var all sync.WaitGroup
			all.Go(func() { replay(ctx) })
			var joined [4]time.Duration
			var seen [4][]sighting
			for i := range joined {
				if i > 0 {
					joined[i] = time.Duration(random.Int64N(int64(40 * time.Second)))
				}
				all.Go(func() {
					time.Sleep(joined[i])
					seen[i] = watch(begin)
				})
			}
			time.Sleep(time.Minute + 333*time.Microsecond) // when no event is due
			cancel()
			h.Close()
			all.Wait()
			stop()
			for i := 1; i < len(seen); i++ {
				if len(seen[i]) != len(seen[0]) {
					t.Fatalf("%s\nclient %d, from %v on, got %d blocks, the first one %d\n%v\n%v", what, i, joined[i], len(seen[i]), len(seen[0]), seen[i], seen[0])
				}
				for k, got := range seen[i] {
					want := sighting{max(seen[0][k].at, joined[i]), seen[0][k].text}
					if got != want {
						t.Fatalf("%s\nclient %d, from %v on, got %v, want %v", what, i, joined[i], got, want)
					}
				}
			}
		})
	}
}

// TestSharedRounds counts what each round has: the unfinished end is in the last
// one alone, and types are known.
func TestSharedRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, _, _ := serve.NewSource(strings.NewReader("event: x\ndata: a\n\ndata: b"), serve.FormatSSE, 0)
		h := &serve.Handler{History: &serve.History{}, Rounds: 2, Heartbeat: -1}
		if err := h.History.Load(source); err != nil {
			t.Fatal(err)
		}
		replay := h.Share(0)
		watch, stop := watchers(h)
		if err := replay(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, s := range watch(time.Now()) {
			got.WriteString(s.text)
		}
		if want := "event: x\ndata: a\n\nevent: x\ndata: a\n\ndata: b"; got.String() != want {
			t.Errorf("got %q, want %q", got.String(), want)
		}
		if types := h.History.Types(); len(types) != 1 || types[0] != "x" {
			t.Errorf("the types are %q", types)
		}
		h.Close()
		stop()
	})
}

// TestSharedLongFile wants no event of a file left out, however many there are.
func TestSharedLongFile(t *testing.T) {
	const events = 20_000
	h := &serve.Handler{History: numbered(events)}
	if err := h.Share(10_000)(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, got := get(t, start(t, h)); strings.Count(got, "data: ") != events {
		t.Errorf("%d events, want %d", strings.Count(got, "data: "), events)
	}
	h = &serve.Handler{History: numbered(events), AtEnd: serve.EndLoop}
	h.Share(10_000)
	if h.History.Limit != events {
		t.Errorf("a loop keeps %d events, want those of a round, %d", h.History.Limit, events)
	}
}

// TestSharedLoopEnds has a loop of events that are due at once, which never waits
// for anything.
func TestSharedLoopEnds(t *testing.T) {
	h := &serve.Handler{History: numbered(2), AtEnd: serve.EndLoop}
	ctx, cancel := context.WithCancel(t.Context())
	replay := h.Share(10)
	done := make(chan struct{})
	go func() { replay(ctx); close(done) }()
	for h.History.Len() < 100 {
		runtime.Gosched()
	}
	cancel()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the replay did not end with its context within a minute")
	}
}
