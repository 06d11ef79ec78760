package hold

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Bare asks whether of a compressed stream only its header comes.
var Bare = &Method{
	Name: "header-only",
	Doc:  "a compressed stream of which only the header arrives",
	estimate: func(v *View, _ ...Estimate) Estimate {
		return testBare(v.Browser, v.Observation.Main(), v.Get(seen.RoleIdentity))
	},
}

// testBare looks for a compressed form of which only the header came, beside a
// plain form without headers. Many servers behave so while they are silent.
// Varnish does not: it passes headers on at once, and holds a stream that it
// compresses for everybody.
func testBare(a *seen.Timeline, x, plain *seen.Exchange) Estimate {
	est := Estimate{}
	wait := a.EndedAt - a.Start
	if a.Encoded == "" || len(a.Plain) > 0 || a.Bytes() == 0 || a.Bytes() > 20 || wait < 3*time.Second || plain == nil {
		return est
	}
	varnish := slices.ContainsFunc(x.Hops(), func(h seen.Hop) bool { return h.Name == "varnish" })
	if varnish && plain.Answered == 0 && plain.End != seen.EndError && plain.Ended-plain.Start > 3*time.Second {
		est.Verdict, est.Hold = Held, wait
		est.Seen = fmt.Sprintf("only the first %d bytes of the %s stream arrived, and not even headers of the plain one, which Varnish never delays", a.Bytes(), a.Encoded)
	}
	return est
}
