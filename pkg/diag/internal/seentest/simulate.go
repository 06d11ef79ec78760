package seentest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// ResumeServers treat the ID of event n in different ways, when live is the
// next event: they return the event that comes first.
var ResumeServers = map[string]func(n, live int) int{
	"resumed-exact":         func(n, _ int) int { return n + 1 },
	"resumed-inclusive":     func(n, _ int) int { return n },
	"resumed-overlap":       func(n, _ int) int { return max(1, n-4) },
	"resumed-gap":           func(n, live int) int { return min(n+3, live) },
	"ignored-live-only":     func(_, live int) int { return live },
	"ignored-restarts":      func(_, _ int) int { return 1 },
	"ignored-fixed-backlog": func(_, live int) int { return max(1, live-9) },
	"ids-not-stable":        func(n, _ int) int { return n + 1 },
}

func SimulateResume(seed uint64, source func(*rand.Rand) (int, int, int), server func(n, live int) int, unstable bool) *seen.Observation {
	r := rand.New(rand.NewPCG(seed, 11))
	events := publish(r, source)
	connect := func(role seen.Role, from, until, asked int) *seen.Exchange {
		live := 1
		for live <= len(events) && events[live-1].at < from {
			live++
		}
		first := live
		if asked > 0 {
			first = server(asked, live)
		} else if role == seen.RoleNoID && server(1, 1000) == 991 {
			first = server(0, live) // the same for a client without an ID
		}
		var steps []step
		for n := first; n <= len(events) && events[n-1].at < until; n++ {
			text := events[n-1].text
			if unstable {
				text = fmt.Sprintf("id: %d\ndata: %s %d\n\n", n, role, n)
			}
			steps = append(steps, Arrive(max(from, events[n-1].at), text))
		}
		x := Recorded(role, from, seen.EndClient, until)
		for _, s := range network(r, steps) {
			if s.MS < until {
				x.Body = append(x.Body, s.text...)
				x.Reads = append(x.Reads, seen.Read{At: MS(s.MS), N: len(s.text)})
			}
		}
		if asked > 0 {
			x.RequestHeader = http.Header{"Last-Event-ID": {fmt.Sprint(asked)}}
		}
		return x
	}
	a := connect(seen.RoleMain, 0, 12000, 0)
	past := len(seen.Before(a.Timeline().Events, MS(6000-400)))
	first, second := connect(seen.RoleResume1, 6000, 7300, past-1), connect(seen.RoleResume2, 7300, 8600, past-4)
	control := connect(seen.RoleNoID, 8600, 9900, 0)
	return Recording(a, first, second, control)
}

// Behind holds each event of a connection until the next one is made.
func Behind(_ *rand.Rand, events []published, from int) []step {
	var steps []step
	held := ""
	for _, e := range events {
		if e.at < from {
			continue
		}
		if held != "" {
			steps = append(steps, Arrive(e.at, held))
		}
		held = e.text
	}
	return steps
}

// LateJoiner is a healthy server that begins to send some time after the
// headers.
func LateJoiner(ms int) Hop {
	return func(r *rand.Rand, events []published, from int) []step {
		if from == 0 {
			return Straight(r, events, from)
		}
		return Straight(r, events, from+ms)
	}
}

// WithBacklog gives every connection the last five events first.
func WithBacklog(r *rand.Rand, events []published, from int) []step {
	steps := Straight(r, events, from)
	past := events[:len(events)-len(steps)]
	greeting := ""
	for _, e := range past[max(0, len(past)-5):] {
		greeting += e.text
	}
	return append([]step{Arrive(from, greeting)}, steps...)
}

// SimulateFirst has new connections opened while one stays open.
func SimulateFirst(seed uint64, source func(*rand.Rand) (int, int, int), h Hop) *seen.Observation {
	r := rand.New(rand.NewPCG(seed, 23))
	events := publish(r, source)
	connect := func(role seen.Role, from, until int) *seen.Exchange {
		x := Recorded(role, from, seen.EndClient, until)
		for _, s := range network(r, h(r, events, from)) {
			if s.MS < until && s.text != "" {
				x.Body = append(x.Body, s.text...)
				x.Reads = append(x.Reads, seen.Read{At: MS(s.MS), N: len(s.text)})
			}
		}
		return x
	}
	list := []*seen.Exchange{connect(seen.RoleMain, 0, 14000), connect(seen.RoleSecond, 1300+r.IntN(1400), 14000)}
	for i, e := range list[0].Timeline().Events {
		// In turn soon after an event, and later, as the probe does.
		if from := int(e.At.Milliseconds()) + 50 + i%2*600; from > 4000 && len(list) < 7 {
			list = append(list, connect(seen.RoleJoin, from, from+6500))
		}
	}
	return Recording(list...)
}

// A published event of a simulated source.
type published struct {
	at   int // ms
	text string
}

// Sources are the ways in which healthy servers send, all of them for 12 s.
var Sources = map[string]func(*rand.Rand) (gap, count, size int){
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

// A Hop is the effect of a path on a stream: it returns the arrivals.
type Hop func(r *rand.Rand, events []published, from int) []step

// network delivers each step a little late, in order. Now and then a packet is
// lost and comes 200 to 350 ms later, and with it all that follows.
func network(r *rand.Rand, steps []step) []step {
	var out []step
	last := 0
	for _, s := range steps {
		at := s.MS + 5 + r.IntN(15)
		if r.IntN(150) == 0 {
			at += 200 + r.IntN(150)
		}
		last = max(last, at)
		// A large write comes in several segments.
		for part := range slices.Chunk([]byte(s.text), 14000) {
			out = append(out, Arrive(last, string(part)))
			last += r.IntN(2)
		}
	}
	return out
}

func Straight(_ *rand.Rand, events []published, from int) []step {
	var steps []step
	for _, e := range events {
		if e.at >= from {
			steps = append(steps, Arrive(e.at, e.text))
		}
	}
	return steps
}

// BySizeOf lets go of whole buffers only.
func BySizeOf(size int) Hop {
	return func(_ *rand.Rand, events []published, from int) []step {
		var steps []step
		held := ""
		for _, e := range events {
			if e.at < from {
				continue
			}
			for held += e.text; len(held) >= size; held = held[size:] {
				steps = append(steps, Arrive(e.at, held[:size]))
			}
		}
		return steps
	}
}

// ByTimerOf lets go at a fixed period from the start of a connection.
func ByTimerOf(period int) Hop {
	return func(_ *rand.Rand, events []published, from int) []step {
		var steps []step
		held, next := "", from+period
		for _, e := range events {
			if e.at < from {
				continue
			}
			for ; e.at >= next; next += period {
				if held != "" {
					steps = append(steps, Arrive(next, held))
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
func Simulate(seed uint64, source func(*rand.Rand) (int, int, int), h Hop) (o *seen.Observation, hold int) {
	r := rand.New(rand.NewPCG(seed, 7))
	events := publish(r, source)
	connect := func(role seen.Role, from int) *seen.Exchange {
		x := Recorded(role, from, seen.EndClient, 12000)
		for _, s := range network(r, h(r, events, from)) {
			if s.MS < 12000 {
				x.Body = append(x.Body, s.text...)
				x.Reads = append(x.Reads, seen.Read{At: MS(s.MS), N: len(s.text)})
			}
		}
		x.Dial = 10 * time.Millisecond
		return x
	}
	a := connect(seen.RoleMain, 0)
	var holds []int
	for _, e := range a.Timeline().Events {
		var n int
		fmt.Sscan(e.ID, &n)
		holds = append(holds, int(e.At.Milliseconds())-events[n-1].at)
	}
	if slices.Sort(holds); len(holds) > 0 {
		hold = holds[len(holds)*9/10]
	}
	return Recording(a, connect(seen.RoleSecond, 1300+r.IntN(1400)), connect(seen.RoleIdentity, 500)), hold
}

// OwnPaces gives each connection a stream for itself, from its own start, in
// the pace of gap.
func OwnPaces(r *rand.Rand, gap func(*rand.Rand) time.Duration) *seen.Observation {
	connect := func(role seen.Role, from time.Duration) *seen.Exchange {
		x := Recorded(role, int(from.Milliseconds()), seen.EndClient, 8000)
		for n, at := 1, from; at < 8*time.Second; n++ {
			text := Ev(n, 40)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, seen.Read{At: at, N: len(text)})
			at += gap(r)
		}
		return x
	}
	return Recording(connect(seen.RoleMain, 0), connect(seen.RoleIdentity, MS(400)), connect(seen.RoleSecond, MS(1220)), connect(seen.RoleConfirm, MS(4700)))
}

// FlushedAt is the stream of a writer that flushes when it has size bytes, and
// its events come each 50 ms.
func FlushedAt(size int, role seen.Role, startMS int) *seen.Exchange {
	x := Recorded(role, startMS, seen.EndClient, 16000)
	held := ""
	for n := startMS/50 + 1; n*50 < 16000; n++ {
		if held += Ev(n, 37); len(held) >= size {
			x.Body = append(x.Body, held...)
			x.Reads = append(x.Reads, seen.Read{At: MS(n*50 + 2), N: len(held)})
			held = ""
		}
	}
	return x
}
