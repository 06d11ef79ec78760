package diag

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// A published event of a simulated source.
type published struct {
	at   int // ms
	text string
}

// sources are the ways in which healthy servers send, all of them for 12 s.
var sources = map[string]func(*rand.Rand) (gap, count, size int){
	"steady":         func(*rand.Rand) (int, int, int) { return 100, 1, 250 },
	"poisson":        func(r *rand.Rand) (int, int, int) { return 10 + int(r.ExpFloat64()*150), 1, 80 + r.IntN(300) },
	"bursty":         func(r *rand.Rand) (int, int, int) { return 500 + r.IntN(1000), 2 + r.IntN(7), 100 + r.IntN(250) },
	"regular bursts": func(r *rand.Rand) (int, int, int) { return 1000, 5, 200 },
	"tokens":         func(r *rand.Rand) (int, int, int) { return 20 + r.IntN(40), 1, 40 + r.IntN(30) },
	"large": func(r *rand.Rand) (int, int, int) {
		if r.IntN(3) == 0 {
			return 400, 1, 20000 + r.IntN(30000)
		}
		return 400, 1, 200
	},
	"sparse": func(r *rand.Rand) (int, int, int) { return 1000 + r.IntN(2000), 1, 200 },
}

func publish(r *rand.Rand, source func(*rand.Rand) (int, int, int)) []published {
	var events []published
	for at := 0; at < 12000; {
		gap, count, size := source(r)
		at += gap
		for range count {
			n := len(events) + 1
			text := fmt.Sprintf("id: %d\ndata: %d ", n, n)
			text += strings.Repeat("x", max(0, size-len(text)-2)) + "\n\n"
			events = append(events, published{at, text})
		}
	}
	return events
}

// A hop is what a path does to a stream: what of it has arrived at a time.
type hop func(r *rand.Rand, events []published, from int) []step

// network delivers what is due at a time, a little later, in order. Now and
// then a packet is lost and comes 200 to 350 ms later, and all behind it.
func network(r *rand.Rand, steps []step) []step {
	var out []step
	last := 0
	for _, s := range steps {
		at := s.ms + 5 + r.IntN(15)
		if r.IntN(150) == 0 {
			at += 200 + r.IntN(150)
		}
		last = max(last, at)
		// What does not go into one segment comes in several.
		for part := range slices.Chunk([]byte(s.text), 14000) {
			out = append(out, step{last, string(part)})
			last += r.IntN(2)
		}
	}
	return out
}

func straight(_ *rand.Rand, events []published, from int) []step {
	var steps []step
	for _, e := range events {
		if e.at >= from {
			steps = append(steps, step{e.at, e.text})
		}
	}
	return steps
}

// bySizeOf lets go of whole buffers only.
func bySizeOf(size int) hop {
	return func(_ *rand.Rand, events []published, from int) []step {
		var steps []step
		held := ""
		for _, e := range events {
			if e.at < from {
				continue
			}
			for held += e.text; len(held) >= size; held = held[size:] {
				steps = append(steps, step{e.at, held[:size]})
			}
		}
		return steps
	}
}

// byTimerOf lets go at a fixed period from the start of a connection.
func byTimerOf(period int) hop {
	return func(_ *rand.Rand, events []published, from int) []step {
		var steps []step
		held, next := "", from+period
		for _, e := range events {
			if e.at < from {
				continue
			}
			for ; e.at >= next; next += period {
				if held != "" {
					steps = append(steps, step{next, held})
				}
				held = ""
			}
			held += e.text
		}
		return steps
	}
}

// run has three connections watch a source through a hop. hold is by how much
// nine of ten events were held at most.
func simulate(seed uint64, source func(*rand.Rand) (int, int, int), h hop) (o *Observation, hold int) {
	r := rand.New(rand.NewPCG(seed, 7))
	events := publish(r, source)
	connect := func(role Role, from int) *Exchange {
		x := recorded(role, from, EndClient, 12000)
		for _, s := range network(r, h(r, events, from)) {
			if s.ms < 12000 {
				x.Body = append(x.Body, s.text...)
				x.Reads = append(x.Reads, Read{At: ms(s.ms), N: len(s.text)})
			}
		}
		x.Dial = 10 * time.Millisecond
		return x
	}
	a := connect(RoleA, 0)
	var holds []int
	for _, e := range a.timeline().events {
		var n int
		fmt.Sscan(e.id, &n)
		holds = append(holds, int(e.at.Milliseconds())-events[n-1].at)
	}
	if slices.Sort(holds); len(holds) > 0 {
		hold = holds[len(holds)*9/10]
	}
	return recording(a, connect(RoleTwin, 1300+r.IntN(1400)), connect(RoleIdentity, 500)), hold
}

// alarm returns the check of buffering that found something.
func alarm(o *Observation) string {
	for _, check := range bufferingChecks {
		if f := check.Run(o); check.Timing && (f.Status == Fail || f.Status == Warn) {
			return fmt.Sprintf("%s: %s (%s)", check.ID, f.Title, f.Seen)
		}
	}
	return ""
}

// TestNoFalseAlarm simulates healthy streams over a network that loses packets.
func TestNoFalseAlarm(t *testing.T) {
	for name, source := range sources {
		for seed := range uint64(60) {
			o, _ := simulate(seed, source, straight)
			if found := alarm(o); found != "" {
				t.Errorf("%s, seed %d: %s", name, seed, found)
			}
		}
	}
}

// TestHeldStreamsFound simulates buffers; of a hundred streams that are held by
// 0.4 s or more, two may be missed.
func TestHeldStreamsFound(t *testing.T) {
	hops := map[string]hop{
		"1 KiB": bySizeOf(1 << 10), "4 KiB": bySizeOf(4 << 10), "8000": bySizeOf(8000), "16 KiB": bySizeOf(16 << 10),
		"0.6 s": byTimerOf(600), "1 s": byTimerOf(1000), "2 s": byTimerOf(2000),
	}
	all, missed := 0, 0
	for where, h := range hops {
		for name, source := range sources {
			for seed := range uint64(10) {
				o, hold := simulate(seed, source, h)
				// What comes in fewer than four pieces is for inconclusive.
				if hold < 400 || len(o.a().timeline().arrivals) < 4 {
					continue
				}
				if all++; alarm(o) == "" {
					missed++
					t.Logf("%s through %s, seed %d: held by %d ms, not found", name, where, seed, hold)
				}
			}
		}
	}
	if t.Logf("%d held, %d missed", all, missed); all < 200 || 50*missed > all {
		t.Errorf("%d of %d missed", missed, all)
	}
}

// ownPaces gives each connection a stream for itself, from its own start, in
// the pace of gap.
func ownPaces(r *rand.Rand, gap func(*rand.Rand) time.Duration) *Observation {
	connect := func(role Role, from time.Duration) *Exchange {
		x := recorded(role, int(from.Milliseconds()), EndClient, 8000)
		for n, at := 1, from; at < 8*time.Second; n++ {
			text := ev(n, 40)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, Read{At: at, N: len(text)})
			at += gap(r)
		}
		return x
	}
	return recording(connect(RoleA, 0), connect(RoleIdentity, ms(400)), connect(RoleTwin, ms(1220)), connect(RoleAgain, ms(4700)))
}

// TestFastReplayIsNotHeld has each client get the stream for itself, so fast
// that there is no pause in it.
func TestFastReplayIsNotHeld(t *testing.T) {
	paces := map[string]func(*rand.Rand) time.Duration{
		"1 ms": func(*rand.Rand) time.Duration { return time.Millisecond },
		"3 ms": func(*rand.Rand) time.Duration { return 3 * time.Millisecond },
		"3 ms, now and then later": func(r *rand.Rand) time.Duration {
			if r.IntN(60) == 0 {
				return 20 * time.Millisecond
			}
			return 3 * time.Millisecond
		},
		"up to 7 ms": func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(7000)) * time.Microsecond },
	}
	for name, gap := range paces {
		for seed := range uint64(10) {
			o := ownPaces(rand.New(rand.NewPCG(seed, 7)), gap)
			if found := alarm(o); found != "" {
				t.Errorf("%s, seed %d: %s", name, seed, found)
			}
			if f := Lookup("shared-cache").Run(o); f.Title != "each stream starts anew, at its own pace" {
				t.Errorf("%s, seed %d: shared-cache %s: %s", name, seed, f.Status, f.Title)
			}
		}
	}
}

// flushedAt is what a writer lets go of that flushes when it has size bytes, and
// its events come each 50 ms.
func flushedAt(size int, role Role, startMS int) *Exchange {
	x := recorded(role, startMS, EndClient, 16000)
	held := ""
	for n := startMS/50 + 1; n*50 < 16000; n++ {
		if held += ev(n, 37); len(held) >= size {
			x.Body = append(x.Body, held...)
			x.Reads = append(x.Reads, Read{At: ms(n*50 + 2), N: len(held)})
			held = ""
		}
	}
	return x
}

// TestSizeOfBufferNamed has a buffer of whole events let go at a beat, because
// the events come at one: its size tells.
func TestSizeOfBufferNamed(t *testing.T) {
	for size, want := range map[int]culprit{1024: bySize, 2048: bySize, 1400: byTimer} {
		o := recording(flushedAt(size, RoleA, 0), flushedAt(size, RoleIdentity, 800), flushedAt(size, RoleTwin, 2150))
		if who, op := timingOf(o).blame(o); who != want {
			t.Errorf("%d bytes: %q (%s), want %q", size, who, op.seen, want)
		}
		if want == bySize {
			if f := checkBufferProxy(o); f.Evidence["batch_bytes"] != size || f.Status != Fail {
				t.Errorf("%d bytes: %s: %s", size, f.Status, f.Title)
			}
		}
	}
}

// TestHeldStartIsNoTimer has each stream begin late, with all there was until
// then, and go on live.
func TestHeldStartIsNoTimer(t *testing.T) {
	o := lateStarts()
	for _, check := range bufferingChecks {
		if f := check.Run(o); check.Timing && check.ID != "headers-early" && isFault(f.Status) && f.Evidence["method"] != "O" {
			t.Errorf("%s: %s (%s)", check.ID, f.Title, f.Seen)
		}
	}
}

func lateStarts() *Observation {
	late := func(role Role, startMS int) *Exchange {
		x := recorded(role, startMS, EndClient, 9500)
		x.Answered = ms(startMS + 3000)
		for n := startMS/150 + 1; n*150 < 9500; n++ {
			text := ev(n, 37)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, Read{At: ms(max(startMS+3000, n*150)), N: len(text)})
		}
		return x
	}
	return recording(late(RoleA, 0), late(RoleTwin, 4100))
}
