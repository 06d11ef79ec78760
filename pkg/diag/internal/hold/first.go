package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// First asks whether new connections get the next event that an open one gets.
var First = &Method{
	Name:     "first-event",
	Doc:      "new connections that miss the next event of an open one",
	estimate: func(v *View, _ ...Estimate) Estimate { return testFirst(v.Observation) },
}

// testFirst asks whether a new connection gets the first event that an open one
// gets. It needs no time in the events, and shows a server that is one event
// late where that is so for each connection.
func testFirst(o *seen.Observation) Estimate {
	est := Estimate{several: true}
	got := 0
	var missed []seen.MissedEvent
	for _, x := range o.Later() {
		switch look, m := seen.LookFirst(o, o.Main(), x); look {
		case seen.FirstGot:
			got++
		case seen.FirstMissed:
			missed = append(missed, m)
		}
	}
	est.missed = len(missed)
	est.Numbers = map[string]any{"first_got": got, "first_missed": len(missed)}
	switch hold, certain, maybe := weighMissed(missed); {
	case got > 0 && len(missed) == 0:
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("%d of %d new connections got the next event that was sent", got, got)
	case got == 0 && maybe && hold > seen.Noticeable:
		est.Verdict, est.Hold = judge(hold), hold
		if !certain {
			est.Verdict = Slight
		}
		est.Seen = fmt.Sprintf("%d of %d new connections missed the event that an open one got next, and no other", len(missed), len(missed))
	}
	return est
}

// weighMissed distinguishes a server that is one event late from one that takes
// some time to join a new connection. The latter would always have to take
// longer than some were open when they missed an event, and less than others
// needed for their first.
func weighMissed(missed []seen.MissedEvent) (hold time.Duration, certain, maybe bool) {
	var holds []time.Duration
	var most, least time.Duration
	for i, m := range missed {
		holds = append(holds, m.Hold)
		most = max(most, m.Into)
		if i == 0 || m.Next < least {
			least = m.Next
		}
	}
	hold = seen.Median(holds)
	maybe = len(missed) >= 2 && 2*most >= hold
	return hold, maybe && (len(missed) >= 4 || len(missed) == 3 && 2*least <= 3*most), maybe
}
