package hold

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Opening asks whether the start of each stream is held.
var Opening = &Method{
	Name:     "opening",
	Doc:      "new connections that start late, with many events in one piece",
	estimate: func(v *View, _ ...Estimate) Estimate { return testOpening(v.Observation) },
}

// Lump asks the same of the answers of models, which each connection has for
// itself.
var Lump = &Method{
	Name: "first-piece",
	Doc:  "a first piece of many tokens, and single ones after it",
	estimate: func(v *View, _ ...Estimate) Estimate {
		if seen.DialectOf(v.Observation) == seen.NoDialect {
			return Estimate{}
		}
		return testLump(v.Main)
	},
}

// testOpening looks for events that an open stream got one by one while a new
// one was silent, and that the new one gets in one piece later. Something holds
// the start of each stream until there is enough of it.
func testOpening(o *seen.Observation) Estimate {
	est := Estimate{several: true}
	a := o.Main().Timeline()
	var holds []time.Duration
	for _, x := range o.Later() {
		var hold time.Duration
		groups := map[int]bool{}
		for _, p := range seen.Pairs(a, x.Timeline()) {
			if p.B.Arrival == 0 && p.A.At > x.Answered+seen.SettleFirst && !o.Stalled(p.A.At, p.B.At) {
				groups[p.A.Arrival] = true
				hold = max(hold, p.B.At-p.A.At)
			}
		}
		if len(groups) >= 3 && hold > Harmful {
			holds = append(holds, hold)
		}
	}
	if len(holds) >= 2 {
		est.Verdict, est.Hold = Held, seen.Median(holds)
		est.Seen = fmt.Sprintf("%d new connections got the events of an open one in one piece, up to %s later", len(holds), seen.RoundDuration(slices.Max(holds)))
	}
	return est
}

// testLump looks for a held start in the answers of models, which each
// connection has for itself: they come token by token, so that a first piece of
// very many was held.
func testLump(t *seen.Timeline) Estimate {
	est := Estimate{}
	if len(t.Arrivals) < 10 || t.Arrivals[0].Events < 15 {
		return est
	}
	single := 0
	for _, a := range t.Arrivals[1:] {
		if a.Events <= 2 {
			single++
		}
	}
	wait := t.Arrivals[0].From - t.Start
	if wait > time.Second && 5*single >= 4*(len(t.Arrivals)-1) {
		est.Verdict, est.Hold = Held, wait
		est.Seen = fmt.Sprintf("the first piece has %d events and came after %s; then they come one by one", t.Arrivals[0].Events, seen.RoundDuration(wait))
	}
	return est
}
