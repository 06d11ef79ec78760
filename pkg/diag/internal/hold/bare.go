package hold

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// testBare is method H: the header of the compressed form came, nothing behind
// it, and of the plain form not even headers. Many servers behave so while they
// have nothing to say. Varnish does not: it hands headers on at once, and what
// it compresses it holds for all.
func testBare(a *seen.Timeline, x, plain *seen.Exchange) Estimate {
	op := Estimate{Method: "H"}
	wait := a.EndedAt - a.Start
	if a.Encoded == "" || len(a.Plain) > 0 || a.Bytes() == 0 || a.Bytes() > 20 || wait < 3*time.Second || plain == nil {
		return op
	}
	varnish := slices.ContainsFunc(seen.Hops(x.Header), func(h seen.Hop) bool { return h.Name == "varnish" })
	if varnish && plain.Answered == 0 && plain.End != seen.EndError && plain.Ended-plain.Start > 3*time.Second {
		op.Verdict, op.Hold = Held, wait
		op.Seen = fmt.Sprintf("of the %s stream only its first %d bytes, and of the plain one not even headers, which Varnish never delays", a.Encoded, a.Bytes())
	}
	return op
}
