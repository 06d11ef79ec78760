package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Whole asks whether all events come at once, at the end.
var Whole = &Method{
	Name:     "whole",
	Doc:      "all events within a twentieth of the wait for them",
	estimate: func(v *View, _ ...Estimate) Estimate { return testWhole(v.Main) },
}

// testWhole looks for a long answer in one piece, at the end.
func testWhole(t *seen.Timeline) Estimate {
	est := Estimate{}
	if !t.Ended || len(t.Events) < 10 {
		return est
	}
	first, last := t.Events[0].At, t.Events[len(t.Events)-1].At
	wait := last - t.Start
	if wait > 2*time.Second && last-first <= wait/20 {
		est.Verdict, est.Hold = Held, wait
		est.Seen = fmt.Sprintf("all %d events within %s after a wait of %s", len(t.Events), seen.RoundDuration(last-first), seen.RoundDuration(first-t.Start))
	} else if last-first > wait/4 {
		est.Verdict = Clean
	}
	return est
}
