package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Flow asks whether the stream ever pauses.
var Flow = &Method{
	Name:     "flow",
	Doc:      "the longest pause",
	estimate: func(v *View, _ ...Estimate) Estimate { return testFlow(v.Main) },
}

// testFlow finds streams that pause too little to be held: no event in a buffer
// waits longer than the pause before it is emptied.
func testFlow(t *seen.Timeline) Estimate {
	est := Estimate{}
	if len(t.Arrivals) == 0 || len(t.Events) < 20 {
		return est
	}
	span := t.Arrivals[len(t.Arrivals)-1].To - t.Arrivals[0].From
	var longest time.Duration
	for _, gap := range t.Pauses {
		longest = max(longest, gap)
	}
	if span >= 2*time.Second && longest < seen.Noticeable {
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("no pause longer than %s", seen.RoundDuration(longest))
		est.Numbers = map[string]any{"pause_max_ms": seen.Milliseconds(longest)}
	}
	return est
}
