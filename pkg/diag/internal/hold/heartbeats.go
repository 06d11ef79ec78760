package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Heartbeats asks whether comments come in groups.
var Heartbeats = &Method{
	Name:     "heartbeats",
	Doc:      "comments that arrive in groups",
	estimate: func(v *View, _ ...Estimate) Estimate { return testHeartbeats(v.Main) },
}

// testHeartbeats looks for groups of comments: they are written one at a time,
// so that they come in groups shows a hold.
func testHeartbeats(t *seen.Timeline) Estimate {
	est := Estimate{}
	carriers, groups := 0, 0
	var gaps []time.Duration
	last := time.Duration(-1)
	for _, a := range t.Arrivals {
		if a.Comments == 0 {
			continue
		}
		carriers++
		if last >= 0 {
			gaps = append(gaps, a.From-last)
		}
		last = a.To
		// A comment with each event is no heartbeat: those may come in bursts.
		if a.Comments >= 2 && a.Events == 0 {
			groups++
		}
	}
	if carriers >= 3 && groups >= 2 && 2*groups >= carriers && seen.Median(gaps) > seen.Noticeable {
		est.Verdict, est.Hold = judge(seen.Median(gaps)), seen.Median(gaps)
		est.Seen = fmt.Sprintf("%d of %d arrivals bring several heartbeats at once", groups, carriers)
	}
	return est
}
