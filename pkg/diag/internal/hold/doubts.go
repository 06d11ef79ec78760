package hold

import (
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Settled reports whether watching longer would not change what the methods say:
// the stream flows, a second connection agrees, and none sees a hold.
func Settled(o *seen.Observation) bool {
	t := Of(o)
	for _, op := range []Estimate{t.Pauses, t.Tails, t.Flow, t.Heartbeats, t.sizes, t.Second, t.Encoding, t.Clock, t.shift, t.period, t.lead, t.opening, t.lump} {
		if op.Verdict > Clean {
			return true // seen once; it is looked for again on other connections
		}
	}
	if t.All.TerminatorLate() {
		return true
	}
	compared := t.Second.Verdict == Clean && t.Second.groups >= 12
	if t.Browser.Encoded != "" {
		compared = t.Encoding.Verdict == Clean
	}
	return compared && t.Pauses.Verdict == Clean && !WantsJoin(o)
}

// ByClock reports whether the times in the events, and nothing else, make
// each seem to wait for the next one.
func ByClock(o *seen.Observation) bool {
	_, op := Of(o).Attribute(o)
	return op.Method == "C1"
}

// Missed reports whether a new connection missed an event that an open one
// got.
func Missed(o *seen.Observation) bool { return Of(o).First.missed > 0 }

// WantsJoin reports whether new connections may tell more: what comes first on
// them, and what their headers wait for.
func WantsJoin(o *seen.Observation) bool {
	t, a := Of(o), o.Main()
	if t.Browser.Ended || len(t.Browser.Events) == 0 || t.Flow.Verdict == Clean || t.Punctual.Verdict == Clean || len(t.Browser.Arrivals) >= 4 && seen.MedianGap(t.Browser) < seen.Noticeable {
		return false // there is nothing to wait for
	}
	if perConnection, past := seen.Replayed(t.Browser, o.Get(seen.RoleSecond).Timeline()); perConnection || past {
		return false
	}
	if t.All.TerminatorLate() {
		return false
	}
	if w := HeaderWaits(o); w.Alone == nil && w.late() && w.Latest.TTFB() < HeadersFail && w.WithEvent < 2 {
		return true
	}
	settled := t.First.Verdict == Clean || t.First.Verdict == Held || t.First.missed >= 5
	who, op := t.Attribute(o)
	return a.Answered > 0 && !settled && (who == NoCause || op.Method == "F" || op.Method == "C1")
}
