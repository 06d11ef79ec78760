package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Lead asks whether a client that comes back gets events before those that stayed.
var Lead = &Method{
	Name:     "resumed-early",
	Doc:      "resumed streams that get events before open ones",
	estimate: func(v *View, _ ...Estimate) Estimate { return testLead(v.Observation) },
}

// testLead finds events that a client which comes back is given before those
// that never left have them.
func testLead(o *seen.Observation) Estimate {
	est := Estimate{several: true}
	a := o.Main()
	var leads []time.Duration
	for _, role := range []seen.Role{seen.RoleResume1, seen.RoleResume2} {
		x := o.Get(role)
		if !x.OK() {
			return est
		}
		var lead time.Duration
		for _, p := range seen.Pairs(a.Timeline(), x.Timeline()) {
			if p.B.At > x.Start && !o.Stalled(p.B.At, p.A.At) {
				lead = max(lead, p.A.At-p.B.At)
			}
		}
		if lead <= seen.Noticeable {
			return est
		}
		leads = append(leads, lead)
	}
	est.Verdict, est.Hold = judge(seen.Median(leads)), seen.Median(leads)
	est.Seen = fmt.Sprintf("clients that resume get events %s before clients that stayed", seen.RoundDuration(est.Hold))
	return est
}
