package diag

import (
	"slices"
	"time"
)

// timing is what all methods make of an observation.
type timing struct {
	main  *timeline // what the hops are judged by: without compression where there is some
	a     *timeline
	all   pauseTest // A
	large pauseTest // A, next to large events

	pauses, tails, flow, heartbeats, sizes, whole, period opinion
	twin, encoding, bare, clock, shift                    opinion
	first, lead, opening, lump, phases                    opinion
	hop                                                   opinion // between the origin and here

	punctual opinion // C, where it tells that no event waits for the next one
	doubt    string  // what a time in the events says, and nothing else
}

// timing weighs an observation, once.
func timingOf(o *Observation) *timing {
	return o.once(timingKey{}, func() any { return newTiming(o) }).(*timing)
}

type timingKey struct{}

func newTiming(o *Observation) *timing {
	a, twin, identity := o.a().timeline(), o.get(RoleTwin), o.get(RoleIdentity)
	t := &timing{a: a, main: a}
	if a.encoded != "" {
		t.main = &timeline{}
		if identity.ok() {
			t.main = identity.timeline()
		}
	}
	t.all = testPauses(o, t.main, false)
	t.large = testPauses(o, t.main, true)
	t.pauses, t.tails = t.all.opinion("A"), t.large.opinion("A")
	if t.pauses.verdict == undecided {
		t.pauses = worst(t.pauses, t.poolPauses(o))
	}
	t.flow, t.heartbeats = testFlow(t.main), testHeartbeats(t.main)
	t.sizes, t.whole, t.period = worst(testSizes(t.main), testPacing(t.main)), testWhole(t.main), testPeriod(t.main)
	c := findClock(o, t.main)
	t.clock, t.shift = testClock(o, c), testShift(c)
	t.first, t.lead, t.opening = testFirst(o), testLead(o), testOpening(o)
	if twin.ok() {
		t.twin = worst(testTwin(o, a, twin.timeline()), testPhase(o, a, twin.timeline()))
	}
	if a.encoded == "" && identity.ok() {
		// A timer may be in phase on two connections, hardly on three.
		t.twin = worst(t.twin, testTwin(o, a, identity.timeline()), testPhase(o, a, identity.timeline()))
	}
	t.phases = testPhases(o, a, o.liveStreams())
	t.twin = worst(t.twin, t.phases)
	t.doubtClock(c)
	if c.irregular() || t.clock.verdict == clean && c.slot == stampSlot && c.onTime() {
		t.punctual = t.clock
	}
	if dialectOf(o) != dialectNone {
		t.lump = testLump(t.main)
	}
	if origin := o.get(RoleOrigin); origin.ok() {
		t.hop = testHop(o, origin.timeline(), t.main)
	}
	t.bare = testBare(a, o.a(), identity)
	if identity.ok() {
		t.encoding = testEncoding(o, a, identity.timeline())
	}
	return t
}

// doubtClock takes back what a time in the events says and the connections
// contradict, because not every time is that of publishing: events come one by
// one, the same on each connection, but with times that vary; or each carries
// the time of the one before, and new connections miss none.
func (t *timing) doubtClock(c *clock) {
	if c == nil || c.slot == stampSlot {
		return
	}
	if t.shift.verdict > clean && t.first.verdict == clean {
		t.doubt, t.shift = t.shift.seen, opinion{method: "C1"}
		t.clock = opinion{method: "C"}
	}
	if t.clock.verdict > clean && t.twin.verdict == clean && t.shift.verdict <= clean && t.first.verdict <= clean && 5*t.all.several <= t.all.arrivals {
		t.doubt, t.clock = t.clock.seen, opinion{method: "C"}
	}
}

// worst returns the gravest of the opinions, and the first of those.
func worst(opinions ...opinion) opinion {
	var w opinion
	for _, op := range opinions {
		if op.verdict > w.verdict || op.verdict == w.verdict && w.method == "" {
			w = op
		}
	}
	return w
}

// firstClean returns the first opinion that something is not held.
func firstClean(opinions ...opinion) (opinion, bool) {
	for _, op := range opinions {
		if op.verdict == clean {
			return op, true
		}
	}
	return opinion{}, false
}

// beat returns the period of the arrivals, if four of five gaps between them
// are multiples of one. A packet that was lost spoils the gaps beside it.
func beat(t *timeline) (time.Duration, bool) {
	var gaps []time.Duration
	for i, gap := range t.pauses {
		if i > 0 && gap > holdWarn {
			gaps = append(gaps, gap)
		}
	}
	if len(gaps) < 3 || 2*len(gaps) < len(t.arrivals)-2 {
		return 0, false
	}
	for _, period := range []time.Duration{median(gaps), slices.Min(gaps), median(gaps) / 2} {
		if period <= holdWarn {
			continue
		}
		fits, sum, steps := 0, time.Duration(0), time.Duration(0)
		for _, gap := range gaps {
			k := (gap + period/2) / period
			if off := gap - k*period; 0 < k && k <= 4 && off.Abs() <= period/20+2*together {
				fits++
				sum += gap
				steps += k
			}
		}
		if 5*fits >= 4*len(gaps) {
			return sum / steps, true
		}
	}
	return 0, false
}

// bufferSize is the size of a buffer by which the arrivals seem to be let go: a
// round number of bytes that each of them just reaches, or just does not. Zero
// stands for none.
func bufferSize(t *timeline) int {
	largest, least, most := 0, 0, 0
	for _, e := range t.events {
		largest = max(largest, e.size)
	}
	for i := range t.arrivals {
		if i == 0 {
			continue // what was there when we came
		}
		size := t.arrivals[i].bytes
		most = max(most, size)
		if least == 0 || size < least {
			least = size
		}
	}
	if len(t.arrivals) < 3 || largest == 0 || t.encoded != "" {
		return 0
	}
	for size := 512; size <= 64<<10; size *= 2 {
		// Where events are small beside it, that is no chance.
		fits := least >= size && most < size+largest || most <= size && least > size-largest
		if fits && 16*largest <= size {
			return size
		}
	}
	return 0
}

// regularBatches says who lets go of batches by a beat: where they are of one
// size and the source is regular, that makes the beat.
func (t *timing) regularBatches() culprit {
	if bufferSize(t.main) > 0 {
		return bySize
	}
	return byTimer
}

// enough reports whether watching longer would not change what the methods say:
// the stream flows, a second connection agrees, and none sees a hold.
func enough(o *Observation) bool {
	t := timingOf(o)
	for _, op := range []opinion{t.pauses, t.tails, t.flow, t.heartbeats, t.sizes, t.twin, t.encoding, t.clock, t.shift, t.period, t.lead, t.opening, t.lump} {
		if op.verdict > clean {
			return true // seen once; it is looked for again on other connections
		}
	}
	if t.all.terminatorLate() {
		return true
	}
	compared := t.twin.verdict == clean && t.twin.groups >= 12
	if t.a.encoded != "" {
		compared = t.encoding.verdict == clean
	}
	return compared && t.pauses.verdict == clean && !wantsFirst(o)
}

// seemsBehind reports whether the times in the events, and nothing else, make
// each seem to wait for the next one.
func seemsBehind(o *Observation) bool {
	_, op := timingOf(o).blame(o)
	return op.method == "C1"
}

// missedFirst reports whether a new connection missed an event that an open one
// got.
func missedFirst(o *Observation) bool { return timingOf(o).first.missed > 0 }

// wantsFirst reports whether new connections may tell more: what comes first on
// them, and what their headers wait for.
func wantsFirst(o *Observation) bool {
	t, a := timingOf(o), o.a()
	if t.a.ended || len(t.a.events) == 0 || t.flow.verdict == clean || t.punctual.verdict == clean || len(t.a.arrivals) >= 4 && medianGap(t.a) < holdWarn {
		return false // there is nothing to wait for
	}
	if perConnection, past := replayed(t.a, o.get(RoleTwin).timeline()); perConnection || past {
		return false
	}
	if t.all.terminatorLate() {
		return false
	}
	if w := headerWaits(o); w.alone == nil && w.late() && w.latest.ttfb() < headersFail && w.withEvent < 2 {
		return true
	}
	settled := t.first.verdict == clean || t.first.verdict == held || t.first.missed >= 5
	who, op := t.blame(o)
	return a.Answered > 0 && !settled && (who == nobody || op.method == "F" || op.method == "C1")
}
