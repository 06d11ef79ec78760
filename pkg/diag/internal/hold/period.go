package hold

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Period asks whether batches come by the clock, on one connection alone.
var Period = &Method{
	Name:     "period",
	Doc:      "batches at a fixed period",
	estimate: func(v *View, _ ...Estimate) Estimate { return testPeriod(v.Main) },
}

// testPeriod looks for batches by the clock, in a stream that every connection
// gets for itself and that has no reason for them.
func testPeriod(t *seen.Timeline) Estimate {
	est := Estimate{}
	var gaps []float64
	for i, gap := range t.Pauses {
		if i == 0 {
			continue
		}
		if t.Arrivals[i].Events < 3 {
			return est
		}
		gaps = append(gaps, gap.Seconds())
	}
	if len(gaps) >= 5 && seen.Mean(gaps) >= 0.3 && seen.Variation(gaps) < 0.05 {
		est.Verdict, est.Hold = Slight, time.Duration(seen.Mean(gaps)*float64(time.Second))
		est.Seen = fmt.Sprintf("at least 3 events every %.2f s, ±%.1f %%", seen.Mean(gaps), 100*seen.Variation(gaps))
		est.Numbers = map[string]any{"period_ms": int(1000 * seen.Mean(gaps))}
	}
	return est
}

// Beat returns the period of the arrivals, if four of five gaps between them
// are multiples of one. A packet that was lost spoils the gaps beside it.
func Beat(t *seen.Timeline) (time.Duration, bool) {
	var gaps []time.Duration
	for i, gap := range t.Pauses {
		if i > 0 && gap > seen.Noticeable {
			gaps = append(gaps, gap)
		}
	}
	if len(gaps) < 3 || 2*len(gaps) < len(t.Arrivals)-2 {
		return 0, false
	}
	for _, period := range []time.Duration{seen.Median(gaps), slices.Min(gaps), seen.Median(gaps) / 2} {
		if period <= seen.Noticeable {
			continue
		}
		fits, sum, steps := 0, time.Duration(0), time.Duration(0)
		for _, gap := range gaps {
			k := (gap + period/2) / period
			if off := gap - k*period; 0 < k && k <= 4 && off.Abs() <= period/20+2*seen.Together {
				fits++
				sum += gap
				steps += k
			}
		}
		if 5*fits >= 4*len(gaps) {
			return sum / steps, true
		}
	}
	return 0, false
}
