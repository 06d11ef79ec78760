package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Origin asks whether the stream comes later here than at the origin.
var Origin = &Method{
	Name:     "origin",
	Doc:      "the same events earlier at the origin",
	Compares: true,
	estimate: func(v *View, _ ...Estimate) Estimate {
		if x := v.Get(seen.RoleOrigin); x.OK() {
			return testOrigin(v.Observation, x.Timeline(), v.Main)
		}
		return Estimate{}
	},
}

// testOrigin compares the stream with that of the origin, on the same clock: an
// event that comes later here was held in between.
func testOrigin(o *seen.Observation, origin, here *seen.Timeline) Estimate {
	est := Estimate{}
	perConnection, _ := seen.Replayed(here, origin)
	missed := seen.CountFrom(seen.Before(origin.Events, here.EndedAt-time.Second), max(origin.Start, here.Start))
	if !perConnection && len(here.Events) == 0 && missed >= 4 {
		est.Verdict, est.Hold = Held, here.EndedAt-here.Start
		est.Seen = fmt.Sprintf("the origin sent %d events, and none arrived here", missed)
		return est
	}
	shifts := seen.GroupShifts(o, origin, here)
	if perConnection || len(shifts) < 3 {
		return est
	}
	hold := seen.Percentile(shifts, 0.5)
	est.Numbers = map[string]any{"origin_groups": len(shifts)}
	if hold > seen.Noticeable {
		est.Verdict, est.Hold = judge(hold), hold
		est.Seen = fmt.Sprintf("the origin sent the same events %s earlier (%d events or groups)", seen.RoundDuration(hold), len(shifts))
	} else {
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("as early as at the origin (%d events or groups)", len(shifts))
	}
	return est
}
