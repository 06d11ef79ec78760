package hold

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// testPhase looks for timers: two connections have the same period, and not the
// same phase. A source that ticks has one phase for all, but for the delay of
// the network.
func testPhase(o *seen.Observation, a, b *seen.Timeline) Estimate {
	est := Estimate{}
	if b.Start < a.Start {
		a, b = b, a
	}
	period, ok := Beat(a)
	other, ok2 := Beat(b)
	if perConnection, _ := seen.Replayed(a, b); !ok || !ok2 || perConnection || (period-other).Abs() > period/10 {
		return est
	}
	shifts := secondShifts(o, a, b)
	if len(shifts) < 3 || ownPace(shifts, b.Start-a.Start) {
		return est
	}
	for i, s := range shifts {
		shifts[i] = (s%period+3*period/2)%period - period/2
	}
	phase, near := seen.Median(shifts), 0
	for _, s := range shifts {
		if (s - phase).Abs() < 30*time.Millisecond {
			near++
		}
	}
	if phase.Abs() > 50*time.Millisecond+2*o.RTT() && 10*near >= 7*len(shifts) {
		est.Verdict, est.Hold = judge(period), period
		est.Seen = fmt.Sprintf("a second connection has the same period, %s later or earlier (%d of %d)", seen.RoundDuration(phase.Abs()), near, len(shifts))
		est.groups = len(shifts)
		est.Numbers = map[string]any{"twin_groups": len(shifts), "phase_ms": seen.Milliseconds(phase)}
	}
	return est
}

// Phases asks whether several later connections are late or early, each by a time
// of its own.
var Phases = &Method{
	Name:     "phases",
	Doc:      "several connections, each late or early by a time of its own",
	Compares: true,
	estimate: func(v *View, _ ...Estimate) Estimate { return testPhases(v.Observation, v.Browser, v.Later()) },
}

// testPhases looks for timers where each connection shows little: on some of
// those opened later, everything is late or early by the same time.
func testPhases(o *seen.Observation, a *seen.Timeline, others []*seen.Exchange) Estimate {
	est := Estimate{several: true}
	apart, groups := 0, 0
	var phases []time.Duration
	for _, x := range others {
		b := x.Timeline()
		shifts := secondShifts(o, a, b)
		if perConnection, past := seen.Replayed(a, b); perConnection || past || len(shifts) < 2 || ownPace(shifts, b.Start-a.Start) {
			continue
		}
		if phase := seen.Median(shifts).Abs(); phase > seen.Noticeable && slices.Max(shifts)-slices.Min(shifts) < seen.Noticeable/2 {
			apart++
			groups += len(shifts)
			phases = append(phases, phase)
		}
	}
	if apart >= 2 && groups >= 4 {
		est.Hold = slices.Max(phases)
		est.Verdict = judge(est.Hold)
		est.Seen = fmt.Sprintf("%d other connections are late or early by a time of their own, up to %s", apart, seen.RoundDuration(est.Hold))
		est.groups = groups
		est.Numbers = map[string]any{"twin_groups": groups}
	}
	return est
}
