package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// secondShifts are those of connections in one form. Where b began with one
// piece that a had in many, its start was held, and the rest need not be.
func secondShifts(o *seen.Observation, a, b *seen.Timeline) []time.Duration {
	const many = 4
	pieces := map[int]bool{}
	for _, p := range seen.Pairs(a, b) {
		if p.B.Arrival == 0 && p.A.At > b.Start {
			pieces[p.A.Arrival] = true
		}
	}
	if len(pieces) >= many {
		later := *b
		later.Events = b.Events[b.Arrivals[0].Events:]
		b = &later
	}
	return seen.GroupShifts(o, a, b)
}

// Second asks whether a second connection gets the same events at the same time.
var Second = &Method{
	Name:     "second-stream",
	Doc:      "the same events at another time on a second connection",
	Compares: true,
	Requires: []*Method{Phases},
	estimate: func(v *View, required ...Estimate) Estimate {
		var est Estimate
		o, a := v.Observation, v.Browser
		if x := o.Get(seen.RoleSecond); x.OK() {
			est = worst(testSecond(o, a, x.Timeline()), testPhase(o, a, x.Timeline()))
		}
		if x := o.Get(seen.RoleIdentity); a.Encoded == "" && x.OK() {
			// A timer may be in phase on two connections, hardly on three.
			est = worst(est, testSecond(o, a, x.Timeline()), testPhase(o, a, x.Timeline()))
		}
		return worst(est, required[0])
	},
}

// testSecond compares the same events on a second connection that was opened at
// another moment. Bursts of the source are the same on both, bursts of a buffer
// are not.
func testSecond(o *seen.Observation, a, b *seen.Timeline) Estimate {
	est := Estimate{}
	if b.Start < a.Start {
		a, b = b, a
	}
	if perConnection, _ := seen.Replayed(a, b); perConnection {
		return est
	}
	shifts := secondShifts(o, a, b)
	if len(shifts) < 3 || ownPace(shifts, b.Start-a.Start) {
		return est
	}
	warn, bad := 0, 0
	var apart []time.Duration
	for _, s := range shifts {
		if s.Abs() > seen.Noticeable {
			warn++
			apart = append(apart, s.Abs())
		}
		if s.Abs() > Harmful {
			bad++
		}
	}
	est.groups = len(shifts)
	est.Numbers = map[string]any{"twin_groups": len(shifts), "twin_groups_apart": warn}
	switch n := len(shifts); {
	case 5*bad >= 2*n:
		est.Verdict, est.Hold = Held, seen.Median(apart)
	case 5*warn >= 2*n:
		est.Verdict, est.Hold = Slight, seen.Median(apart)
	case 100*warn <= 15*n:
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("a second connection got the same events at the same time (%d of %d)", n-warn, n)
		return est
	}
	if est.Verdict != Undecided {
		est.Seen = fmt.Sprintf("a second connection differs by %s (%d of %d)", seen.RoundDuration(est.Hold), warn, len(shifts))
	}
	return est
}

// ownPace reports whether all shifts go one way and are about as long as the
// second connection was opened later: then each has a stream of its own, and
// comparing them is pointless.
func ownPace(shifts []time.Duration, offset time.Duration) bool {
	for _, s := range shifts {
		if s <= 0 {
			return false
		}
	}
	d := seen.Median(shifts) - offset
	return d.Abs() < offset/3
}
