package hold

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Shift asks whether events come when the next one is made, by the times that they
// carry. Where new connections miss no event, each carries the time of the one
// before it.
var Shift = &Method{
	Name:     "shift",
	Doc:      "arrivals that match the timestamp of the next event",
	Requires: []*Method{First},
	estimate: func(v *View, required ...Estimate) Estimate {
		c := v.clock()
		est := testShift(c)
		if c != nil && c.slot != stampSlot && est.Verdict > Clean && required[0].Verdict == Clean {
			return Estimate{Doubt: est.Seen}
		}
		return est
	},
}

// testShift compares the arrivals with the times of the next event and with
// their own. If the next ones fit better, each event waits for the one after
// it.
func testShift(c *clock) Estimate {
	est := Estimate{}
	if c == nil || len(c.at) < 5 || c.resolution > 0 {
		return est
	}
	var own, next []float64
	for i := range len(c.at) - 1 {
		if c.at[i] == c.at[i+1] {
			continue // in one arrival, so the one did not wait for the other
		}
		own = append(own, (c.at[i] - c.stamps[i]).Seconds())
		next = append(next, (c.at[i] - c.stamps[i+1]).Seconds())
	}
	if len(own) < 4 {
		return est
	}
	slices.Sort(own)
	hold := time.Duration((own[len(own)/2] - slices.Min(next)) * 1e9)
	if seen.Deviation(own) > 0.02 && seen.Deviation(next) < seen.Deviation(own)/4 && hold > seen.Noticeable {
		est.Verdict, est.Hold = judge(hold), hold
		est.Seen = fmt.Sprintf("events come when the next one is made, by the time in %s", c.slot)
		est.Numbers = map[string]any{"shift_spread_ratio": math.Round(100*seen.Deviation(next)/seen.Deviation(own)) / 100}
	}
	return est
}
