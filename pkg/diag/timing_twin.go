package diag

import (
	"fmt"
	"slices"
	"time"
)

// A pair is one event on two connections.
type pair struct{ a, b *event }

// pairs matches the events that two connections have in common, by ID or else
// by content, where that is unique on both.
func pairs(a, b *timeline) []pair {
	inA, inB := a.unique(), b.unique()
	var list []pair
	conflicts := 0
	for i := range b.events {
		k := b.events[i].key()
		if ea, eb := inA[k], inB[k]; ea != nil && eb != nil {
			list = append(list, pair{ea, eb})
			if ea.sum != eb.sum {
				conflicts++
			}
		}
	}
	if 2*conflicts >= len(list) {
		return nil // the IDs mean other events on each connection
	}
	return list
}

// unique returns the events by their keys; where a key comes twice, it stands
// for none.
func (t *timeline) unique() map[string]*event {
	m := make(map[string]*event, len(t.events))
	for i := range t.events {
		e := &t.events[i]
		if _, twice := m[e.key()]; twice {
			m[e.key()] = nil
		} else {
			m[e.key()] = e
		}
	}
	return m
}

// replayed tells whether b, which was opened later, was given what a had had
// before that: perConnection if at the pace in which a had it, so that each
// connection has a stream of its own; past if it starts where a started.
func replayed(a, b *timeline) (perConnection, past bool) {
	if len(a.events) == 0 || len(b.events) == 0 {
		return false, false
	}
	var old []pair
	for _, p := range pairs(a, b) {
		if p.a.at < b.start {
			old = append(old, p)
		}
	}
	if len(old) == 0 {
		return false, false
	}
	first, last := old[0], old[len(old)-1]
	past = first.a == &a.events[0] && first.b == &b.events[0]
	took, again := last.a.at-first.a.at, last.b.at-first.b.at
	switch {
	case took < 50*time.Millisecond:
		// One lump on both: go by what came after it, and by the wait for it.
		perConnection = past && sameShift(a, b)
	default:
		perConnection = 2*again > took
	}
	return perConnection, past
}

// sameShift reports whether b is a, only later by the time it was opened later.
func sameShift(a, b *timeline) bool {
	offset := b.start - a.start
	all, shifted := 0, 0
	for _, p := range pairs(a, b) {
		all++
		if d := p.b.at - p.a.at - offset; d.Abs() < max(offset/3, holdWarn) {
			shifted++
		}
	}
	return all > 0 && 5*shifted >= 4*all
}

// groupShifts returns by how much the events that are live on both came later
// on b than on a. Events that arrived together on both count as one, so that
// one stall of the network spoils one.
func groupShifts(o *Observation, a, b *timeline) []time.Duration {
	opened := max(a.start, b.start)
	if len(b.arrivals) > 0 {
		opened = max(opened, min(b.arrivals[0].from, opened+time.Second))
	}
	seen := map[[2]int]bool{}
	var shifts []time.Duration
	for _, p := range pairs(a, b) {
		group := [2]int{p.a.arrival, p.b.arrival}
		from, to := min(p.a.at, p.b.at), max(p.a.at, p.b.at)
		// What b got on opening may be the past.
		backlog := p.a.at < opened || p.b.arrival == 0 && p.b.at-b.start < time.Second
		if seen[group] || backlog || o.stalled(from, to) {
			continue
		}
		seen[group] = true
		shifts = append(shifts, p.b.at-p.a.at)
	}
	return shifts
}

// twinShifts are those of connections in one form. Where b began with what a had
// in many pieces, its start was held, which tells nothing of what came after.
func twinShifts(o *Observation, a, b *timeline) []time.Duration {
	const many = 4
	pieces := map[int]bool{}
	for _, p := range pairs(a, b) {
		if p.b.arrival == 0 && p.a.at > b.start {
			pieces[p.a.arrival] = true
		}
	}
	if len(pieces) >= many {
		later := *b
		later.events = b.events[b.arrivals[0].events:]
		b = &later
	}
	return groupShifts(o, a, b)
}

// testTwin is method D: the same events on a second connection that was opened
// at another moment. Bursts that the source makes are the same on both; what a
// buffer makes is not.
func testTwin(o *Observation, a, b *timeline) opinion {
	op := opinion{method: "D"}
	if b.start < a.start {
		a, b = b, a
	}
	if perConnection, _ := replayed(a, b); perConnection {
		return op
	}
	shifts := twinShifts(o, a, b)
	if len(shifts) < 3 || ownPace(shifts, b.start-a.start) {
		return op
	}
	warn, bad := 0, 0
	var apart []time.Duration
	for _, s := range shifts {
		if s.Abs() > holdWarn {
			warn++
			apart = append(apart, s.Abs())
		}
		if s.Abs() > holdFail {
			bad++
		}
	}
	op.groups = len(shifts)
	op.numbers = map[string]any{"twin_groups": len(shifts), "twin_groups_apart": warn}
	switch n := len(shifts); {
	case 5*bad >= 2*n:
		op.verdict, op.hold = held, median(apart)
	case 5*warn >= 2*n:
		op.verdict, op.hold = slightly, median(apart)
	case 100*warn <= 15*n:
		op.verdict = clean
		op.seen = fmt.Sprintf("a second connection got the same at the same time (%d of %d)", n-warn, n)
		return op
	}
	if op.verdict != undecided {
		op.seen = fmt.Sprintf("a second connection differs by %s (%d of %d)", roundDuration(op.hold), warn, len(shifts))
	}
	return op
}

// testPhase is method D for timers: two connections have the same period, and
// not the same phase. A source that ticks has one phase for all, but for what
// the network adds.
func testPhase(o *Observation, a, b *timeline) opinion {
	op := opinion{method: "D"}
	if b.start < a.start {
		a, b = b, a
	}
	period, ok := beat(a)
	other, ok2 := beat(b)
	if perConnection, _ := replayed(a, b); !ok || !ok2 || perConnection || (period-other).Abs() > period/10 {
		return op
	}
	shifts := twinShifts(o, a, b)
	if len(shifts) < 3 || ownPace(shifts, b.start-a.start) {
		return op
	}
	for i, s := range shifts {
		shifts[i] = (s%period+3*period/2)%period - period/2
	}
	phase, near := median(shifts), 0
	for _, s := range shifts {
		if (s - phase).Abs() < 30*time.Millisecond {
			near++
		}
	}
	if phase.Abs() > 50*time.Millisecond+2*o.rtt() && 10*near >= 7*len(shifts) {
		op.verdict, op.hold = judge(period), period
		op.seen = fmt.Sprintf("a second connection has the same period, %s later or earlier (%d of %d)", roundDuration(phase.Abs()), near, len(shifts))
		op.groups = len(shifts)
		op.numbers = map[string]any{"twin_groups": len(shifts), "phase_ms": milliseconds(phase)}
	}
	return op
}

// testPhases is method D for timers where each connection shows little: on some
// of those that were opened later, everything is late or early by the same.
func testPhases(o *Observation, a *timeline, others []*Exchange) opinion {
	op := opinion{method: "D", several: true}
	apart, groups := 0, 0
	var phases []time.Duration
	for _, x := range others {
		b := x.timeline()
		shifts := twinShifts(o, a, b)
		if perConnection, past := replayed(a, b); perConnection || past || len(shifts) < 2 || ownPace(shifts, b.start-a.start) {
			continue
		}
		if phase := median(shifts).Abs(); phase > holdWarn && slices.Max(shifts)-slices.Min(shifts) < holdWarn/2 {
			apart++
			groups += len(shifts)
			phases = append(phases, phase)
		}
	}
	if apart >= 2 && groups >= 4 {
		op.hold = slices.Max(phases)
		op.verdict = judge(op.hold)
		op.seen = fmt.Sprintf("%d other connections are late or early by a time of their own, up to %s", apart, roundDuration(op.hold))
		op.groups = groups
		op.numbers = map[string]any{"twin_groups": groups}
	}
	return op
}

// testHop compares the stream with that of the origin, on the same clock: what
// comes later here was held in between.
func testHop(o *Observation, origin, here *timeline) opinion {
	op := opinion{method: "origin"}
	perConnection, _ := replayed(here, origin)
	missed := count(before(origin.events, here.endedAt-time.Second), max(origin.start, here.start))
	if !perConnection && len(here.events) == 0 && missed >= 4 {
		op.verdict, op.hold = held, here.endedAt-here.start
		op.seen = fmt.Sprintf("the origin sent %d events, and none came here", missed)
		return op
	}
	shifts := groupShifts(o, origin, here)
	if perConnection || len(shifts) < 3 {
		return op
	}
	hold := percentile(shifts, 0.5)
	op.numbers = map[string]any{"origin_groups": len(shifts)}
	if hold > holdWarn {
		op.verdict, op.hold = judge(hold), hold
		op.seen = fmt.Sprintf("the origin sent the same %s earlier (%d events or groups)", roundDuration(hold), len(shifts))
	} else {
		op.verdict = clean
		op.seen = fmt.Sprintf("as early as at the origin (%d events or groups)", len(shifts))
	}
	return op
}

// ownPace reports whether all shifts go one way and are about as long as the
// second connection was opened later: then each has a stream of its own, and
// comparing them says nothing.
func ownPace(shifts []time.Duration, offset time.Duration) bool {
	for _, s := range shifts {
		if s <= 0 {
			return false
		}
	}
	d := median(shifts) - offset
	return d.Abs() < offset/3
}

// testEncoding is method E: what came compressed against what came plain.
func testEncoding(o *Observation, a, plain *timeline) opinion {
	op := opinion{method: "E"}
	if a.encoded == "" || plain.encoded != "" {
		return op
	}
	fresh := news(a)
	switch from := max(a.start, plain.start); {
	case count(a.events, from) == 0 && count(plain.events, from) >= 4,
		len(a.comments) == 0 && len(a.events) == 0 && len(plain.comments) >= 4:
		op.verdict, op.hold = held, a.endedAt-from
		op.seen = fmt.Sprintf("compressed nothing could be read, plain %d events and %d comments came", len(plain.events), len(plain.comments))
		return op
	}
	perConnection, _ := replayed(a, plain)
	shifts := groupShifts(o, plain, a) // positive where the compressed one is late
	if !perConnection && len(shifts) >= 3 {
		late, bad := 0, 0
		var holds []time.Duration
		for _, s := range shifts {
			if s > holdWarn {
				late++
				holds = append(holds, s)
			}
			if s > holdFail {
				bad++
			}
		}
		op.numbers = map[string]any{"encoding_groups": len(shifts), "encoding_groups_late": late}
		switch n := len(shifts); {
		case 5*bad >= 2*n:
			op.verdict, op.hold = held, median(holds)
		case 5*late >= 2*n:
			op.verdict, op.hold = slightly, median(holds)
		case 100*late <= 15*n:
			op.verdict = clean
			op.seen = fmt.Sprintf("%s arrives as early as plain (%d events, median %+d ms)", a.encoded, len(shifts), median(shifts).Milliseconds())
			return op
		}
		if op.verdict != undecided {
			op.seen = fmt.Sprintf("%s is later than plain by %s (%d of %d)", a.encoded, roundDuration(op.hold), late, len(shifts))
			return op
		}
	}
	return compareRates(op, a, plain, fresh)
}

// testBare is method H: the header of the compressed form came, nothing behind
// it, and of the plain form not even headers. Many servers behave so while they
// have nothing to say. Varnish does not: it hands headers on at once, and what
// it compresses it holds for all.
func testBare(a *timeline, x, plain *Exchange) opinion {
	op := opinion{method: "H"}
	wait := a.endedAt - a.start
	if a.encoded == "" || len(a.plain) > 0 || a.bytes() == 0 || a.bytes() > 20 || wait < 3*time.Second || plain == nil {
		return op
	}
	varnish := slices.ContainsFunc(Hops(x.Header), func(h Hop) bool { return h.Name == "varnish" })
	if varnish && plain.Answered == 0 && plain.End != EndError && plain.Ended-plain.Start > 3*time.Second {
		op.verdict, op.hold = held, wait
		op.seen = fmt.Sprintf("of the %s stream only its first %d bytes, and of the plain one not even headers, which Varnish never delays", a.encoded, a.bytes())
	}
	return op
}

// compareRates compares how often something could be read, for streams that
// have no events in common.
func compareRates(op opinion, a, plain *timeline, fresh int) opinion {
	if len(plain.arrivals) < 5 {
		return op
	}
	rate := func(n int, t *timeline) float64 {
		span := t.arrivals[len(t.arrivals)-1].to - t.start
		return float64(n) / max(span.Seconds(), 0.001)
	}
	if len(a.arrivals) == 0 {
		return op
	}
	ra, rp := rate(fresh, a), rate(news(plain), plain)
	switch {
	case rp >= 5*ra:
		op.verdict, op.hold = held, time.Duration(float64(time.Second)/max(ra, 0.05))
		op.seen = fmt.Sprintf("%s arrives %.1f times a second, plain %.1f times", a.encoded, ra, rp)
	case rp <= 2*ra && fresh >= 5:
		op.verdict = clean
		op.seen = fmt.Sprintf("%s arrives as often as plain (%.1f and %.1f times a second)", a.encoded, ra, rp)
	}
	return op
}

// news counts the arrivals that brought something to read.
func news(t *timeline) int {
	n, before := 0, 0
	for _, a := range t.arrivals {
		if a.plain > before {
			n++
		}
		before = a.plain
	}
	return n
}

// count is how many events came after a time.
func count(events []event, from time.Duration) int {
	n := 0
	for _, e := range events {
		if e.at >= from {
			n++
		}
	}
	return n
}
