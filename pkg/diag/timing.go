package diag

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// The thresholds of a hold: below the first nobody notices, from the second on
// it is a fault.
const (
	holdWarn = 150 * time.Millisecond
	holdFail = 400 * time.Millisecond
)

// An opinion is what one method makes of a stream.
type opinion struct {
	method  string
	verdict verdict
	hold    time.Duration // estimate, where held
	seen    string        // the numbers, in words
	numbers map[string]any
	missed  int  // new connections that missed an event
	groups  int  // of events that were compared on two connections
	several bool // made of as many connections as it has cases, so that it needs no second look
}

type verdict int

const (
	undecided verdict = iota
	clean             // it is not held, for a reason
	slightly          // held, but shorter than a person notices
	held
)

// judge turns a hold into a verdict.
func judge(hold time.Duration) verdict {
	if hold >= holdFail {
		return held
	}
	return slightly
}

// pauseTest is method A: where in an event does the stream stand when it
// pauses? A server that flushes whole events stands between them, however
// bursty it is; a buffer that empties by size cuts at any byte.
type pauseTest struct {
	mid, aligned, noBlank int
	holds                 []time.Duration
	batches               []int // bytes of the arrivals before mid pauses
	several, arrivals     int   // arrivals that brought several events; anything whole
	llr                   float64
}

// The sequential test: a pause within an event is seen once in twenty on a
// lossy network, four times in five behind a buffer, because a cut at a fixed
// size hits the end of an event by chance only. It decides at odds of 1000:1
// against a false alarm, 100:1 against a miss, so after three pauses.
var (
	llrMid     = math.Log(0.8 / 0.05)
	llrAligned = math.Log(0.2 / 0.95)
)

const (
	llrHeld  = 6.9
	llrClean = -4.6

	// largeEvent is what does not leave a server in one segment.
	largeEvent = 1400
)

// testPauses runs method A over a stream; with large, over the pauses next to
// large events only, where a buffer holds the tail that does not fill it.
func testPauses(o *Observation, t *timeline, large bool) pauseTest {
	var p pauseTest
	for _, a := range t.arrivals {
		if a.events+a.comments > 0 {
			p.arrivals++
		}
		if a.events > 1 {
			p.several++
		}
	}
	least := max(100*time.Millisecond, 5*o.rtt()/2)
	cut := false
	count := func(i int, gap time.Duration) {
		a := t.arrivals[i]
		if large && a.pending < largeEvent && a.largest < largeEvent || o.stalled(a.to, a.to+gap) {
			return
		}
		after := cut // this arrival brought the end of what was cut before
		cut = false
		switch a.state {
		case between:
			if large && after {
				return // no second witness of one event
			}
			p.aligned++
			p.llr = min(p.llr, llrHeld) + llrAligned
		case noBlank:
			p.noBlank++
		case inLine:
			if gap >= least {
				cut = true
				p.mid++
				p.llr = max(p.llr, llrClean) + llrMid
				p.holds = append(p.holds, gap)
				p.batches = append(p.batches, a.bytes)
			}
		}
	}
	for i, gap := range t.pauses {
		count(i, gap)
	}
	if last := len(t.arrivals) - 1; last >= 0 && !t.ended {
		count(last, t.endedAt-t.arrivals[last].to)
	}
	return p
}

// opinion weighs the pauses.
func (p *pauseTest) opinion(method string) opinion {
	op := opinion{method: method, numbers: map[string]any{"pauses_mid": p.mid, "pauses_aligned": p.aligned}}
	hold := median(p.holds)
	long := 0
	for _, h := range p.holds {
		if h > 500*time.Millisecond {
			long++
		}
	}
	switch {
	case p.llr >= llrHeld, long >= 2 && p.aligned == 0:
		op.verdict, op.hold = judge(hold), hold
		op.seen = fmt.Sprintf("%d of %d pauses inside an event", p.mid, p.mid+p.aligned)
	case p.llr <= llrClean && p.mid == 0 && 3*p.several <= p.arrivals:
		op.verdict = clean
		op.seen = fmt.Sprintf("all %d pauses between events", p.aligned)
	case p.llr <= llrClean && p.mid > 0 && 3*p.several <= p.arrivals && 10*p.mid < p.aligned:
		op.verdict = clean
		op.seen = fmt.Sprintf("%d of %d pauses between events", p.aligned, p.mid+p.aligned)
	}
	return op
}

// terminatorLate reports whether the blank line comes with the next event.
func (p *pauseTest) terminatorLate() bool {
	return p.noBlank >= 3 && 5*p.noBlank >= 4*(p.noBlank+p.mid+p.aligned)
}

// testFlow finds streams that pause too little to be held: what a buffer lets
// go at once waited no longer than the pause before it.
func testFlow(t *timeline) opinion {
	op := opinion{method: "flow"}
	if len(t.arrivals) == 0 || len(t.events) < 20 {
		return op
	}
	span := t.arrivals[len(t.arrivals)-1].to - t.arrivals[0].from
	var longest time.Duration
	for _, gap := range t.pauses {
		longest = max(longest, gap)
	}
	if span >= 2*time.Second && longest < holdWarn {
		op.verdict = clean
		op.seen = fmt.Sprintf("no pause longer than %s", roundDuration(longest))
		op.numbers = map[string]any{"pause_max_ms": milliseconds(longest)}
	}
	return op
}

// testHeartbeats is method B: comments are written one at a time, so that they
// come in groups shows a hold.
func testHeartbeats(t *timeline) opinion {
	op := opinion{method: "B"}
	carriers, groups := 0, 0
	var gaps []time.Duration
	last := time.Duration(-1)
	for _, a := range t.arrivals {
		if a.comments == 0 {
			continue
		}
		carriers++
		if last >= 0 {
			gaps = append(gaps, a.from-last)
		}
		last = a.to
		// A comment with each event is no heartbeat: those may come in bursts.
		if a.comments >= 2 && a.events == 0 {
			groups++
		}
	}
	if carriers >= 3 && groups >= 2 && 2*groups >= carriers && median(gaps) > holdWarn {
		op.verdict, op.hold = judge(median(gaps)), median(gaps)
		op.seen = fmt.Sprintf("%d of %d arrivals bring several heartbeats at once", groups, carriers)
	}
	return op
}

// testSizes is method S: the pieces are of one size although the events in
// them are not.
func testSizes(t *timeline) opinion {
	op := opinion{method: "S"}
	var batches, sizes []float64
	var gaps []time.Duration
	events := 0
	for i, gap := range t.pauses {
		if i == 0 {
			continue // what was there when we came
		}
		batches = append(batches, float64(t.arrivals[i].bytes))
		gaps = append(gaps, gap)
		events += t.arrivals[i].events
	}
	for _, e := range t.events {
		sizes = append(sizes, float64(e.size))
	}
	if len(batches) < 6 || events < 2*len(batches) {
		return op
	}
	perBatch := float64(events) / float64(len(batches))
	if cv(sizes) < 0.05 {
		return op // equal events make equal pieces, whoever makes them
	}
	if cv(batches) < 0.25*cv(sizes)/math.Sqrt(perBatch) && median(gaps) > holdWarn {
		op.verdict, op.hold = judge(median(gaps)), median(gaps)
		op.seen = fmt.Sprintf("pieces of %.0f bytes, ±%.1f %%, of events that differ by ±%.0f %%", mean(batches), 100*cv(batches), 100*cv(sizes))
		op.numbers = map[string]any{"batch_bytes": int(mean(batches))}
	}
	return op
}

// testPacing is method S for hops that let only so many bytes go at a time: the
// pieces are of one size and cut events anywhere, which no source does.
func testPacing(t *timeline) opinion {
	const smallest, least = 64, 12
	op := opinion{method: "S"}
	var sizes []int
	var gaps []time.Duration
	for i, gap := range t.pauses {
		if i > 0 { // the first is what was there when we came
			sizes = append(sizes, t.arrivals[i].bytes)
			gaps = append(gaps, gap)
		}
	}
	size, gap := median(sizes), median(gaps)
	equal, cuts := 0, 0
	for i := range sizes {
		if a := t.arrivals[i+1]; (a.bytes-size)*(a.bytes-size) <= 4 {
			equal++
			if a.state == inLine {
				cuts++
			}
		}
	}
	if equal >= least && size >= smallest && 5*equal >= 4*len(sizes) && 2*cuts >= equal && gap >= 50*time.Millisecond {
		op.verdict, op.hold = judge(gap), gap
		op.seen = fmt.Sprintf("pieces of %d bytes whatever the events, one every %s: something paces the stream", size, roundDuration(gap))
		op.numbers = map[string]any{"batch_bytes": size}
	}
	return op
}

// testWhole is method W: a long answer in one piece, at the end.
func testWhole(t *timeline) opinion {
	op := opinion{method: "W"}
	if !t.ended || len(t.events) < 10 {
		return op
	}
	first, last := t.events[0].at, t.events[len(t.events)-1].at
	wait := last - t.start
	if wait > 2*time.Second && last-first <= wait/20 {
		op.verdict, op.hold = held, wait
		op.seen = fmt.Sprintf("all %d events within %s after a wait of %s", len(t.events), roundDuration(last-first), roundDuration(first-t.start))
	} else if last-first > wait/4 {
		op.verdict = clean
	}
	return op
}

// testPeriod is method P, for streams that every connection gets for itself:
// batches by the clock, in a stream that has no reason for them.
func testPeriod(t *timeline) opinion {
	op := opinion{method: "P"}
	var gaps []float64
	for i, gap := range t.pauses {
		if i == 0 {
			continue
		}
		if t.arrivals[i].events < 3 {
			return op
		}
		gaps = append(gaps, gap.Seconds())
	}
	if len(gaps) >= 5 && mean(gaps) >= 0.3 && cv(gaps) < 0.05 {
		op.verdict, op.hold = slightly, time.Duration(mean(gaps)*float64(time.Second))
		op.seen = fmt.Sprintf("at least 3 events every %.2f s, ±%.1f %%", mean(gaps), 100*cv(gaps))
		op.numbers = map[string]any{"period_ms": int(1000 * mean(gaps))}
	}
	return op
}

func median[T int | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// percentile returns the value that the share p of all are not above.
func percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}

func deviation(values []float64) float64 {
	m, sum := mean(values), 0.0
	for _, v := range values {
		sum += (v - m) * (v - m)
	}
	return math.Sqrt(sum / float64(max(1, len(values))))
}

// cv is the coefficient of variation: deviation by mean.
func cv(values []float64) float64 {
	if m := mean(values); m != 0 {
		return deviation(values) / m
	}
	return 0
}
