package hold

import (
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Timing is what all methods make of an observation.
type Timing struct {
	Main    *seen.Timeline // what the hops are judged by: without compression where there is some
	Browser *seen.Timeline
	All     pauseTest // A
	large   pauseTest // A, next to large events

	Pauses, Tails, Flow, Heartbeats, sizes, Whole, period Estimate
	Second, Encoding, bare, Clock, shift                  Estimate
	First, lead, opening, lump, phases                    Estimate
	Origin                                                Estimate // between the origin and here

	Punctual Estimate // C, where it tells that no event waits for the next one
	Doubt    string   // what a time in the events says, and nothing else
}

// timing weighs an observation, once.
func Of(o *seen.Observation) *Timing {
	return o.Once(timingKey{}, func() any { return newTiming(o) }).(*Timing)
}

type timingKey struct{}

func newTiming(o *seen.Observation) *Timing {
	a, twin, identity := o.Main().Timeline(), o.Get(seen.RoleSecond), o.Get(seen.RoleIdentity)
	t := &Timing{Browser: a, Main: a}
	if a.Encoded != "" {
		t.Main = &seen.Timeline{}
		if identity.OK() {
			t.Main = identity.Timeline()
		}
	}
	t.All = TestPauses(o, t.Main, false)
	t.large = TestPauses(o, t.Main, true)
	t.Pauses, t.Tails = t.All.Estimate("A"), t.large.Estimate("A")
	if t.Pauses.Verdict == Undecided {
		t.Pauses = worst(t.Pauses, t.poolPauses(o))
	}
	t.Flow, t.Heartbeats = testFlow(t.Main), testHeartbeats(t.Main)
	t.sizes, t.Whole, t.period = worst(testSizes(t.Main), testPacing(t.Main)), testWhole(t.Main), testPeriod(t.Main)
	c := findClock(o, t.Main)
	t.Clock, t.shift = testClock(o, c), testShift(c)
	t.First, t.lead, t.opening = testFirst(o), testLead(o), testOpening(o)
	if twin.OK() {
		t.Second = worst(testSecond(o, a, twin.Timeline()), testPhase(o, a, twin.Timeline()))
	}
	if a.Encoded == "" && identity.OK() {
		// A timer may be in phase on two connections, hardly on three.
		t.Second = worst(t.Second, testSecond(o, a, identity.Timeline()), testPhase(o, a, identity.Timeline()))
	}
	t.phases = testPhases(o, a, o.Later())
	t.Second = worst(t.Second, t.phases)
	t.doubtClock(c)
	if c.irregular() || t.Clock.Verdict == Clean && c.slot == stampSlot && c.onTime() {
		t.Punctual = t.Clock
	}
	if seen.DialectOf(o) != seen.NoDialect {
		t.lump = testLump(t.Main)
	}
	if origin := o.Get(seen.RoleOrigin); origin.OK() {
		t.Origin = testOrigin(o, origin.Timeline(), t.Main)
	}
	t.bare = testBare(a, o.Main(), identity)
	if identity.OK() {
		t.Encoding = testEncoding(o, a, identity.Timeline())
	}
	return t
}

// doubtClock takes back what a time in the events says and the connections
// contradict, because not every time is that of publishing: events come one by
// one, the same on each connection, but with times that vary; or each carries
// the time of the one before, and new connections miss none.
func (t *Timing) doubtClock(c *clock) {
	if c == nil || c.slot == stampSlot {
		return
	}
	if t.shift.Verdict > Clean && t.First.Verdict == Clean {
		t.Doubt, t.shift = t.shift.Seen, Estimate{Method: "C1"}
		t.Clock = Estimate{Method: "C"}
	}
	if t.Clock.Verdict > Clean && t.Second.Verdict == Clean && t.shift.Verdict <= Clean && t.First.Verdict <= Clean && 5*t.All.Several <= t.All.Arrivals {
		t.Doubt, t.Clock = t.Clock.Seen, Estimate{Method: "C"}
	}
}
