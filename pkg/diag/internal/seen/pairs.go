package seen

import (
	"time"
)

// A pair is one event on two connections.
type pair struct{ A, B *Event }

// Pairs matches the events that two connections have in common, by ID or else
// by content, where that is unique on both.
func Pairs(a, b *Timeline) []pair {
	inA, inB := a.unique(), b.unique()
	var list []pair
	conflicts := 0
	for i := range b.Events {
		k := b.Events[i].Key()
		if ea, eb := inA[k], inB[k]; ea != nil && eb != nil {
			list = append(list, pair{ea, eb})
			if ea.Sum != eb.Sum {
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
func (t *Timeline) unique() map[string]*Event {
	m := make(map[string]*Event, len(t.Events))
	for i := range t.Events {
		e := &t.Events[i]
		if _, twice := m[e.Key()]; twice {
			m[e.Key()] = nil
		} else {
			m[e.Key()] = e
		}
	}
	return m
}

// Replayed reports whether b, which was opened later, got events that a had
// before that: perConnection if at the pace in which a had it, so that each
// connection has a stream of its own; past if it starts where a started.
func Replayed(a, b *Timeline) (perConnection, past bool) {
	if len(a.Events) == 0 || len(b.Events) == 0 {
		return false, false
	}
	var old []pair
	for _, p := range Pairs(a, b) {
		if p.A.At < b.Start {
			old = append(old, p)
		}
	}
	if len(old) == 0 {
		return false, false
	}
	first, last := old[0], old[len(old)-1]
	past = first.A == &a.Events[0] && first.B == &b.Events[0]
	took, again := last.A.At-first.A.At, last.B.At-first.B.At
	switch {
	case took < 50*time.Millisecond:
		// One lump on both: compare the events after it, and the wait for it.
		perConnection = past && sameShift(a, b)
	default:
		perConnection = 2*again > took
	}
	return perConnection, past
}

// sameShift reports whether b is a, only later by the time it was opened later.
func sameShift(a, b *Timeline) bool {
	offset := b.Start - a.Start
	all, shifted := 0, 0
	for _, p := range Pairs(a, b) {
		all++
		if d := p.B.At - p.A.At - offset; d.Abs() < max(offset/3, Noticeable) {
			shifted++
		}
	}
	return all > 0 && 5*shifted >= 4*all
}

// GroupShifts returns by how much the events that are live on both came later
// on b than on a. Events that arrived together on both count as one, so that
// one stall of the network spoils one.
func GroupShifts(o *Observation, a, b *Timeline) []time.Duration {
	opened := max(a.Start, b.Start)
	if len(b.Arrivals) > 0 {
		opened = max(opened, min(b.Arrivals[0].From, opened+time.Second))
	}
	seen := map[[2]int]bool{}
	var shifts []time.Duration
	for _, p := range Pairs(a, b) {
		group := [2]int{p.A.Arrival, p.B.Arrival}
		from, to := min(p.A.At, p.B.At), max(p.A.At, p.B.At)
		// The first events of b may be the past.
		backlog := p.A.At < opened || p.B.Arrival == 0 && p.B.At-b.Start < time.Second
		if seen[group] || backlog || o.Stalled(from, to) {
			continue
		}
		seen[group] = true
		shifts = append(shifts, p.B.At-p.A.At)
	}
	return shifts
}
