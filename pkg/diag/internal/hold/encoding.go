package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Encoding asks whether the compressed stream is later than the plain one.
var Encoding = &Method{
	Name:     "encoding",
	Doc:      "events that arrive later compressed than plain",
	Compares: true,
	estimate: func(v *View, _ ...Estimate) Estimate {
		if x := v.Get(seen.RoleIdentity); x.OK() {
			return testEncoding(v.Observation, v.Browser, x.Timeline())
		}
		return Estimate{}
	},
}

// testEncoding compares the arrivals of the compressed stream with those of the
// plain one.
func testEncoding(o *seen.Observation, a, plain *seen.Timeline) Estimate {
	est := Estimate{}
	if a.Encoded == "" || plain.Encoded != "" {
		return est
	}
	fresh := news(a)
	switch from := max(a.Start, plain.Start); {
	case seen.CountFrom(a.Events, from) == 0 && seen.CountFrom(plain.Events, from) >= 4,
		len(a.Comments) == 0 && len(a.Events) == 0 && len(plain.Comments) >= 4:
		est.Verdict, est.Hold = Held, a.EndedAt-from
		est.Seen = fmt.Sprintf("nothing could be read compressed; plain, %d events and %d comments arrived", len(plain.Events), len(plain.Comments))
		return est
	}
	perConnection, _ := seen.Replayed(a, plain)
	shifts := seen.GroupShifts(o, plain, a) // positive where the compressed one is late
	if !perConnection && len(shifts) >= 3 {
		late, bad := 0, 0
		var holds []time.Duration
		for _, s := range shifts {
			if s > seen.Noticeable {
				late++
				holds = append(holds, s)
			}
			if s > Harmful {
				bad++
			}
		}
		est.Numbers = map[string]any{"encoding_groups": len(shifts), "encoding_groups_late": late}
		switch n := len(shifts); {
		case 5*bad >= 2*n:
			est.Verdict, est.Hold = Held, seen.Median(holds)
		case 5*late >= 2*n:
			est.Verdict, est.Hold = Slight, seen.Median(holds)
		case 100*late <= 15*n:
			est.Verdict = Clean
			est.Seen = fmt.Sprintf("%s arrives as early as plain (%d events, median %+d ms)", a.Encoded, len(shifts), seen.Median(shifts).Milliseconds())
			return est
		}
		if est.Verdict != Undecided {
			est.Seen = fmt.Sprintf("%s is later than plain by %s (%d of %d)", a.Encoded, seen.RoundDuration(est.Hold), late, len(shifts))
			return est
		}
	}
	return compareRates(est, a, plain, fresh)
}

// compareRates compares how often something could be read, for streams that
// have no events in common.
func compareRates(est Estimate, a, plain *seen.Timeline, fresh int) Estimate {
	if len(plain.Arrivals) < 5 {
		return est
	}
	rate := func(n int, t *seen.Timeline) float64 {
		span := t.Arrivals[len(t.Arrivals)-1].To - t.Start
		return float64(n) / max(span.Seconds(), 0.001)
	}
	if len(a.Arrivals) == 0 {
		return est
	}
	ra, rp := rate(fresh, a), rate(news(plain), plain)
	switch {
	case rp >= 5*ra:
		est.Verdict, est.Hold = Held, time.Duration(float64(time.Second)/max(ra, 0.05))
		est.Seen = fmt.Sprintf("%s arrives %.1f times a second, plain %.1f times", a.Encoded, ra, rp)
	case rp <= 2*ra && fresh >= 5:
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("%s arrives as often as plain (%.1f and %.1f times a second)", a.Encoded, ra, rp)
	}
	return est
}

// news counts the arrivals that brought something to read.
func news(t *seen.Timeline) int {
	n, before := 0, 0
	for _, a := range t.Arrivals {
		if a.Plain > before {
			n++
		}
		before = a.Plain
	}
	return n
}
