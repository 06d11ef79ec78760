package hold

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Parts asks whether the events come in small parts, some time apart.
var Parts = &Method{
	Name:     "parts",
	Doc:      "events that arrive in small parts, some time apart",
	estimate: func(v *View, _ ...Estimate) Estimate { return testParts(v.Observation, v.Main) },
}

// testParts looks for hops that cut a stream into words or pieces and pass them on
// one by one. Their pauses are too short to count as such, and a stream that
// hardly ever pauses would seem to flow. But the network cuts no event that is
// smaller than a segment, so that most small arrivals end between events, unless
// somebody cut them.
func testParts(o *seen.Observation, t *seen.Timeline) Estimate {
	const least, small, apart = 30, 1000, 10 * time.Millisecond
	est := Estimate{}
	all, cuts, inLine := 0, 0, 0
	for i, gap := range t.Pauses {
		a := t.Arrivals[i]
		if a.Bytes > small || gap < apart || o.Stalled(a.To, a.To+gap) {
			continue
		}
		all++
		if a.Events > 0 && a.Pending <= len("data: ") {
			continue // a server may write the name of a field in advance
		}
		if a.State != seen.Between {
			cuts++
		}
		if a.State == seen.InLine {
			inLine++
		}
	}
	if cuts < least || 5*cuts < 3*all || 2*inLine < cuts {
		return est
	}
	var spans []time.Duration
	begun := 0 // the arrival that brings the first byte
	for i := range t.Events {
		for t.Arrivals[begun].Plain <= t.Events[i].Offset {
			begun++
		}
		spans = append(spans, t.Events[i].At-t.Arrivals[begun].To)
	}
	if span := seen.Percentile(spans, 0.9); len(spans) >= 5 && span >= 3*apart {
		est.Verdict, est.Hold = judge(span), span
		est.Seen = fmt.Sprintf("%d of %d small pieces end inside an event, and one in ten events takes %s or more to arrive", cuts, all, seen.RoundDuration(span))
		est.Numbers = map[string]any{"pieces_cut": cuts, "pieces": all}
	}
	return est
}
