package diag

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
)

// servers are what a server may make of the ID of event n, when live is the
// next one to be made: which event comes first.
var resumeServers = map[resumption]func(n, live int) int{
	resumedExact:        func(n, _ int) int { return n + 1 },
	resumedInclusive:    func(n, _ int) int { return n },
	resumedOverlap:      func(n, _ int) int { return max(1, n-4) },
	resumedGap:          func(n, live int) int { return min(n+3, live) },
	ignoredLiveOnly:     func(_, live int) int { return live },
	ignoredRestarts:     func(_, _ int) int { return 1 },
	ignoredFixedBacklog: func(_, live int) int { return max(1, live-9) },
	idsNotStable:        func(n, _ int) int { return n + 1 },
}

// TestResumeVerdicts simulates servers of each kind with traffic of each kind.
// A verdict may be withheld, and must not be wrong.
func TestResumeVerdicts(t *testing.T) {
	all, right := 0, 0
	for want, server := range resumeServers {
		for _, name := range []string{"steady", "poisson", "bursty", "tokens", "regular bursts"} {
			for seed := range uint64(5) {
				all++
				o := simulateResume(seed, sources[name], server, want == idsNotStable)
				got := judgeResume(o, o.a(), o.get(RoleResume1), o.get(RoleResume2), o.get(RoleControl))
				switch got.verdict {
				case want:
					right++
				case resumeUndecided:
					t.Logf("%s, %s, seed %d: inconclusive: %s", want, name, seed, got.why)
				default:
					t.Errorf("%s, %s, seed %d: got %+v", want, name, seed, got)
				}
			}
		}
	}
	if t.Logf("%d of %d right", right, all); 20*right < 19*all {
		t.Errorf("%d of %d right", right, all)
	}
}

func simulateResume(seed uint64, source func(*rand.Rand) (int, int, int), server func(n, live int) int, unstable bool) *Observation {
	r := rand.New(rand.NewPCG(seed, 11))
	events := publish(r, source)
	connect := func(role Role, from, until, asked int) *Exchange {
		live := 1
		for live <= len(events) && events[live-1].at < from {
			live++
		}
		first := live
		if asked > 0 {
			first = server(asked, live)
		} else if role == RoleControl && server(1, 1000) == 991 {
			first = server(0, live) // the same for who asks nothing
		}
		var steps []step
		for n := first; n <= len(events) && events[n-1].at < until; n++ {
			text := events[n-1].text
			if unstable {
				text = fmt.Sprintf("id: %d\ndata: %s %d\n\n", n, role, n)
			}
			steps = append(steps, step{max(from, events[n-1].at), text})
		}
		x := recorded(role, from, EndClient, until)
		for _, s := range network(r, steps) {
			if s.ms < until {
				x.Body = append(x.Body, s.text...)
				x.Reads = append(x.Reads, Read{At: ms(s.ms), N: len(s.text)})
			}
		}
		if asked > 0 {
			x.RequestHeader = http.Header{"Last-Event-ID": {fmt.Sprint(asked)}}
		}
		return x
	}
	a := connect(RoleA, 0, 12000, 0)
	past := len(before(a.timeline().events, ms(6000-400)))
	first, second := connect(RoleResume1, 6000, 7300, past-1), connect(RoleResume2, 7300, 8600, past-4)
	control := connect(RoleControl, 8600, 9900, 0)
	return recording(a, first, second, control)
}
