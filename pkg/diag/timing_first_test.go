package diag

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
)

// behind holds each event of a connection until the next one is made.
func behind(_ *rand.Rand, events []published, from int) []step {
	var steps []step
	held := ""
	for _, e := range events {
		if e.at < from {
			continue
		}
		if held != "" {
			steps = append(steps, step{e.at, held})
		}
		held = e.text
	}
	return steps
}

// lateJoiner is a healthy server that begins to send some time after the
// headers.
func lateJoiner(ms int) hop {
	return func(r *rand.Rand, events []published, from int) []step {
		if from == 0 {
			return straight(r, events, from)
		}
		return straight(r, events, from+ms)
	}
}

// withBacklog gives every connection the last five events first.
func withBacklog(r *rand.Rand, events []published, from int) []step {
	steps := straight(r, events, from)
	past := events[:len(events)-len(steps)]
	greeting := ""
	for _, e := range past[max(0, len(past)-5):] {
		greeting += e.text
	}
	return append([]step{{from, greeting}}, steps...)
}

// simulateFirst has new connections opened while one stays open.
func simulateFirst(seed uint64, source func(*rand.Rand) (int, int, int), h hop) *Observation {
	r := rand.New(rand.NewPCG(seed, 23))
	events := publish(r, source)
	connect := func(role Role, from, until int) *Exchange {
		x := recorded(role, from, EndClient, until)
		for _, s := range network(r, h(r, events, from)) {
			if s.ms < until && s.text != "" {
				x.Body = append(x.Body, s.text...)
				x.Reads = append(x.Reads, Read{At: ms(s.ms), N: len(s.text)})
			}
		}
		return x
	}
	list := []*Exchange{connect(RoleA, 0, 14000), connect(RoleTwin, 1300+r.IntN(1400), 14000)}
	for i, e := range list[0].timeline().events {
		// In turn soon after an event, and later, as the probe does.
		if from := int(e.at.Milliseconds()) + 50 + i%2*600; from > 4000 && len(list) < 7 {
			list = append(list, connect(RoleFresh, from, from+6500))
		}
	}
	return recording(list...)
}

// TestFirstEvents simulates servers that are one event behind, and others that
// look alike, with traffic of each kind.
func TestFirstEvents(t *testing.T) {
	for _, test := range []struct {
		name   string
		hop    hop
		held   bool
		source []string
	}{
		{"one behind", behind, true, []string{"sparse", "bursty", "regular bursts"}},
		{"straight", straight, false, []string{"steady", "poisson", "sparse", "bursty", "regular bursts", "large", "tokens"}},
		{"joins late", lateJoiner(900), false, []string{"steady", "poisson", "sparse", "bursty", "regular bursts", "large", "tokens"}},
		{"joins later", lateJoiner(2500), false, []string{"steady", "poisson", "bursty", "regular bursts", "large", "tokens"}},
		{"with a backlog", withBacklog, false, []string{"steady", "poisson", "sparse", "bursty", "regular bursts", "large", "tokens"}},
	} {
		all, found := 0, 0
		for _, source := range test.source {
			for seed := range uint64(20) {
				all++
				op := testFirst(simulateFirst(seed, sources[source], test.hop))
				if op.verdict > clean {
					found++
				}
				switch {
				case !test.held && op.verdict > clean:
					t.Errorf("%s, %s, seed %d: %s %v", test.name, source, seed, op.seen, op.numbers)
				case test.held && op.verdict == clean:
					t.Errorf("%s, %s, seed %d: called clean: %s", test.name, source, seed, op.seen)
				}
			}
		}
		if t.Logf("%s: %d of %d held", test.name, found, all); test.held && 20*found < 19*all {
			t.Errorf("%s: %d of %d found", test.name, found, all)
		}
	}
}

// TestLead has two that come back be given an event before the one that stayed.
func TestLead(t *testing.T) {
	if f := Lookup("buffer-tail").Run(lead(true)); f.Status != Fail || f.Evidence["method"] != "L" {
		t.Errorf("late: %s: %s %v", f.Status, f.Title, f.Evidence)
	}
	if f := Lookup("buffer-tail").Run(lead(false)); f.Status == Fail || f.Status == Warn {
		t.Errorf("in time: %s: %s %v", f.Status, f.Title, f.Evidence)
	}
}

// lead is a stream that stays open and two that come back, which are given an
// event before the open one if early.
func lead(early bool) *Observation {
	a := recorded(RoleA, 0, EndClient, 9000, step{1000, ev(1, 60)}, step{3000, ev(2, 60)}, step{5000, ev(3, 60)}, step{7000, ev(4, 60)})
	first := 1
	if early {
		first = 2
	}
	back := func(role Role, from, first int) *Exchange {
		return recorded(role, from, EndClient, from+500, step{from + 5, ev(first, 60) + ev(first+1, 60)})
	}
	return recording(a, back(RoleResume1, 4000, first), back(RoleResume2, 5500, first+1))
}

// withFirstEvent is a stream whose headers wait for its first event.
func withFirstEvent(role Role, startMS int, at ...int) *Exchange {
	x := recorded(role, startMS, EndClient, 12000)
	for _, t := range at {
		if t > startMS {
			text := ev(t, 60)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, Read{At: ms(t), N: len(text)})
		}
	}
	x.Answered = x.Reads[0].At
	return x
}

// A statusCase is an observation with the outcome of a check.
type statusCase struct {
	name string
	o    *Observation
	want Status
}

// headersWithEvents are headers that come when others get an event: they wait for
// it, however short. Slow headers alone are less certain.
func headersWithEvents() []statusCase {
	events := []int{600, 1700, 2900, 3800, 5000, 6100, 7300}
	answer := recorded(RoleHead, 0, EndEOF, 5)
	a := withFirstEvent(RoleA, 0, events...)
	soon := append([]int{}, events...)
	for i := range soon {
		soon[i] = 600 * (i + 1)
	}
	return []statusCase{
		{"over a second", recording(a, answer, withFirstEvent(RoleTwin, 1750, events...), withFirstEvent(RoleFresh, 3850, events...)), Fail},
		{"half a second", recording(withFirstEvent(RoleA, 0, soon...), answer, withFirstEvent(RoleTwin, 1250, soon...), withFirstEvent(RoleFresh, 2450, soon...)), Warn},
		{"once", recording(withFirstEvent(RoleA, 0, soon...), answer, withFirstEvent(RoleTwin, 1250, soon...)), Pass},
		{"slow each time", recording(a, answer, with(withFirstEvent(RoleTwin, 1750, 2500, 3700), func(*Exchange) {}), withFirstEvent(RoleFresh, 4000, 4700, 5900)), Pass},
		{"alone elsewhere", recording(a, answer, withFirstEvent(RoleTwin, 1750, events...), recorded(RoleFresh, 3850, EndClient, 5100, step{5000, ev(5000, 60)})), Pass},
		{"compressed only", recording(with(a.as(RoleA), func(x *Exchange) {
			x.Header = http.Header{"Content-Type": {"text/event-stream"}, "Content-Encoding": {"br"}}
		}), answer, withFirstEvent(RoleTwin, 1750, events...), withFirstEvent(RoleFresh, 3850, events...),
			recorded(RoleIdentity, 400, EndClient, 6000, step{600, ev(600, 60)}, step{1700, ev(1700, 60)}, step{2900, ev(2900, 60)})), Fail},
	}
}

// TestHeadersWithEvents holds headers-early to the cases of headersWithEvents.
func TestHeadersWithEvents(t *testing.T) {
	for _, test := range headersWithEvents() {
		if f := Lookup("headers-early").Run(test.o); f.Status != test.want {
			t.Errorf("%s: %s, want %s: %s; %s", test.name, f.Status, test.want, f.Title, f.Seen)
		}
	}
}

// secondLooks are holds that a fresh connection shows too, and that it does not.
func secondLooks() []statusCase {
	held := pieces(RoleA, 800, 4096, 8)
	late := func(x *Exchange) *Exchange {
		return with(x, func(x *Exchange) {
			x.Start += ms(6000)
			x.Answered, x.Connected, x.Ended = x.Start+ms(1), x.Start, x.Ended+ms(6000)
			for i := range x.Reads {
				x.Reads[i].At += ms(6000)
			}
		})
	}
	return []statusCase{
		{"held again", recording(held, late(pieces(RoleAgain, 800, 4096, 8))), Fail},
		{"not again", recording(held, late(steady(RoleAgain, 0, 500, 12, 100))), Inconclusive},
	}
}

// TestSecondLook takes back what a fresh connection does not show, and keeps
// what it does.
func TestSecondLook(t *testing.T) {
	for _, test := range secondLooks() {
		report := Weigh(test.o, Config{Only: []string{"buffer-proxy"}, Request: get(t)})
		if got := report.Checks[0]; got.Status != test.want {
			t.Errorf("%s: %s, want %s: %s; %s", test.name, got.Status, test.want, got.Actual, fmt.Sprint(got.Evidence))
		}
	}
}
