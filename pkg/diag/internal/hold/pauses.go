package hold

import (
	"fmt"
	"math"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Pauses asks where in an event a stream stands when it pauses.
var Pauses = &Method{
	Name: "pauses",
	Doc:  "pauses inside events",
	estimate: func(v *View, _ ...Estimate) Estimate {
		est := v.All().Estimate()
		if est.Verdict == Undecided {
			est = worst(est, poolPauses(v))
		}
		return est
	},
}

// Tails asks the same of the pauses next to large events, where a buffer holds
// the tail that does not fill it.
var Tails = &Method{
	Name:     "tails",
	Doc:      "pauses inside or right after large events",
	estimate: func(v *View, _ ...Estimate) Estimate { return v.large().Estimate() },
}

// A PauseTest counts the pauses of a stream by its place in an event: a server
// that flushes whole events pauses between them, however bursty it is; a buffer
// that empties by size cuts at any byte.
type PauseTest struct {
	Mid, Aligned, NoBlank int
	holds                 []time.Duration
	Batches               []int // bytes of the arrivals before mid pauses
	Several, Arrivals     int   // arrivals that brought several events; anything whole
	llr                   float64
}

// The sequential test: a pause within an event is seen once in twenty on a
// lossy network, four times in five after a buffer, because a cut at a fixed
// size hits the end of an event by chance only. It decides at odds of 1000:1
// against a false alarm, 100:1 against a miss, so after three pauses.
var (
	llrMid     = math.Log(0.8 / 0.05)
	llrAligned = math.Log(0.2 / 0.95)
)

const (
	llrHeld  = 6.9
	llrClean = -4.6

	// LargeEvent is a size above which an event leaves a server in more than
	// one segment.
	LargeEvent = 1400
)

// CountPauses counts the pauses of a stream; with large, those next to large
// events only, where a buffer holds the tail that does not fill it.
func CountPauses(o *seen.Observation, t *seen.Timeline, large bool) PauseTest {
	var p PauseTest
	for _, a := range t.Arrivals {
		if a.Events+a.Comments > 0 {
			p.Arrivals++
		}
		if a.Events > 1 {
			p.Several++
		}
	}
	least := max(100*time.Millisecond, 5*o.RTT()/2)
	cut := false
	count := func(i int, gap time.Duration) {
		a := t.Arrivals[i]
		if large && a.Pending < LargeEvent && a.Largest < LargeEvent || o.Stalled(a.To, a.To+gap) {
			return
		}
		after := cut // this arrival brought the end of an event that was cut
		cut = false
		switch a.State {
		case seen.Between:
			if large && after {
				return // the same event is no second case
			}
			p.Aligned++
			p.llr = min(p.llr, llrHeld) + llrAligned
		case seen.NoBlank:
			p.NoBlank++
		case seen.InLine:
			if gap >= least {
				cut = true
				p.Mid++
				p.llr = max(p.llr, llrClean) + llrMid
				p.holds = append(p.holds, gap)
				p.Batches = append(p.Batches, a.Bytes)
			}
		}
	}
	for i, gap := range t.Pauses {
		count(i, gap)
	}
	if last := len(t.Arrivals) - 1; last >= 0 && !t.Ended {
		count(last, t.EndedAt-t.Arrivals[last].To)
	}
	return p
}

// Estimate weighs the pauses.
func (p *PauseTest) Estimate() Estimate {
	est := Estimate{Numbers: map[string]any{"pauses_mid": p.Mid, "pauses_aligned": p.Aligned}}
	hold := seen.Median(p.holds)
	long := 0
	for _, h := range p.holds {
		if h > 500*time.Millisecond {
			long++
		}
	}
	switch {
	case p.llr >= llrHeld, long >= 2 && p.Aligned == 0:
		est.Verdict, est.Hold = judge(hold), hold
		est.Seen = fmt.Sprintf("%d of %d pauses inside an event", p.Mid, p.Mid+p.Aligned)
	case p.llr <= llrClean && p.Mid == 0 && 3*p.Several <= p.Arrivals:
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("all %d pauses between events", p.Aligned)
	case p.llr <= llrClean && p.Mid > 0 && 3*p.Several <= p.Arrivals && 10*p.Mid < p.Aligned:
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("%d of %d pauses between events", p.Aligned, p.Mid+p.Aligned)
	}
	return est
}

// TerminatorLate reports whether the blank line comes with the next event.
func (p *PauseTest) TerminatorLate() bool {
	return p.NoBlank >= 3 && 5*p.NoBlank >= 4*(p.NoBlank+p.Mid+p.Aligned)
}

// poolPauses counts the pauses of all connections, where each pauses too
// seldom: long pauses, within an event, on more than one of them.
func poolPauses(v *View) Estimate {
	t := v.All()
	est := Estimate{several: true}
	all := PauseTest{Mid: t.Mid, Aligned: t.Aligned, holds: t.holds, Batches: t.Batches}
	cut := min(1, t.Mid)
	for _, x := range v.Later() {
		if coding.Of(x.Header) != v.Main.Encoded {
			continue
		}
		p := CountPauses(v.Observation, x.Timeline(), false)
		all.Mid, all.Aligned = all.Mid+p.Mid, all.Aligned+p.Aligned
		all.holds, all.Batches = append(all.holds, p.holds...), append(all.Batches, p.Batches...)
		cut += min(1, p.Mid)
	}
	llr := float64(all.Mid)*llrMid + float64(all.Aligned)*llrAligned
	if hold := seen.Median(all.holds); cut >= 3 && llr >= llrHeld && hold > Harmful {
		est.Verdict, est.Hold = Held, hold
		est.Seen = fmt.Sprintf("%d of %d pauses inside an event, on %d connections", all.Mid, all.Mid+all.Aligned, cut)
		est.Numbers = map[string]any{"pauses_mid": all.Mid, "pauses_aligned": all.Aligned, "batch_bytes": seen.Median(all.Batches)}
	}
	return est
}
