package hold

import (
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Settled reports whether watching longer would not change the estimates: the
// stream flows, a second connection agrees, and no method sees a hold.
func Settled(o *seen.Observation) bool {
	v := Of(o)
	if v.Worst(Pauses, Tails, Flow, Heartbeats, Sizes, Second, Encoding, Clock, Shift, Period, Lead, Opening, Lump).Verdict > Clean {
		return true // seen once; it is looked for again on other connections
	}
	if v.All().TerminatorLate() {
		return true
	}
	compared := v.Verdict(Second) == Clean && v.Estimate(Second).groups >= 12
	if v.Browser.Encoded != "" {
		compared = v.Verdict(Encoding) == Clean
	}
	return compared && v.Verdict(Pauses) == Clean && !WantsJoin(o)
}

// ByClock reports whether the times in the events, and nothing else, make each
// seem to wait for the next one.
func ByClock(o *seen.Observation) bool {
	_, est := Of(o).Attribute()
	return est.Method == Shift
}

// Missed reports whether a new connection missed an event that an open one got.
func Missed(o *seen.Observation) bool { return Of(o).Estimate(First).missed > 0 }

// WantsJoin reports whether new connections may show more: which event comes
// first on them, and how long their headers wait.
func WantsJoin(o *seen.Observation) bool {
	v, a := Of(o), o.Main()
	b := v.Browser
	if b.Ended || len(b.Events) == 0 || v.Verdict(Flow) == Clean || v.Verdict(Punctual) == Clean || len(b.Arrivals) >= 4 && seen.MedianGap(b) < seen.Noticeable {
		return false // there is nothing to wait for
	}
	if perConnection, past := seen.Replayed(b, o.Get(seen.RoleSecond).Timeline()); perConnection || past {
		return false
	}
	if v.All().TerminatorLate() {
		return false
	}
	if w := HeaderWaits(o); w.Alone == nil && w.late() && w.Latest.TTFB() < HeadersFail && w.WithEvent < 2 {
		return true
	}
	first := v.Estimate(First)
	settled := first.Verdict == Clean || first.Verdict == Held || first.missed >= 5
	cause, est := v.Attribute()
	return a.Answered > 0 && !settled && (cause == NoCause || est.Method == First || est.Method == Shift)
}
