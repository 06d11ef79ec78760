package diag

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
)

// How long a connection is given to be one of those that events are sent to,
// once its headers are there: to get the next event, and to be blamed for not
// getting it.
const (
	joinFirst   = 50 * time.Millisecond
	settleFirst = 250 * time.Millisecond
)

// A firstLook is what one connection tells about method F.
type firstLook int

const (
	firstUntold firstLook = iota
	firstGot              // its first event is the first that an open stream got from then on
	firstMissed           // it is the second
)

// liveStreams are the streams that were asked for without an ID, later than a
// and in the same form.
func (o *Observation) liveStreams() []*Exchange {
	var list []*Exchange
	a := o.a()
	for _, x := range o.Exchanges {
		switch x.Role {
		case RoleTwin, RoleIdentity, RoleAgain, RoleFresh, RoleControl:
			if x.ok() && x.Start > a.Start && coding.Of(x.Header) == coding.Of(a.Header) {
				list = append(list, x)
			}
		}
	}
	return list
}

// A missedEvent is one that an open stream got and a new one did not.
type missedEvent struct {
	hold       time.Duration // how old it was when it came, about
	into, next time.Duration // how long the new one was open then, and when it got its first
}

// lookFirst compares what came first on b with what came on a meanwhile. Who
// holds each event until the next one is made still owes a the last event from
// before b was opened; b never gets that.
func lookFirst(o *Observation, a, b *Exchange) (firstLook, missedEvent) {
	events, own := a.timeline().events, b.timeline().events
	join, settle := max(joinFirst, 3*o.rtt()), max(settleFirst, 3*o.rtt())
	opened := b.Answered + join
	i := 0
	for i < len(events) && events[i].at < b.Start {
		i++
	}
	// Something has to have come before, for a to be owed anything, and not as
	// a greeting; and nothing while b opened, which either might have got.
	if i == 0 || i == len(events) || events[i-1].at < a.Answered+settle || events[i].at < opened {
		return firstUntold, missedEvent{}
	}
	first := &events[i]
	inA, inB := a.timeline().unique(), b.timeline().unique()
	if inA[first.key()] == nil || o.stalled(first.at-holdWarn, first.at+holdWarn) {
		return firstUntold, missedEvent{}
	}
	for len(own) > 0 && own[0].at < opened {
		if e := inA[own[0].key()]; e != nil && e.at >= a.Answered+settle {
			return firstUntold, missedEvent{} // b was given some of the past, more than a greeting
		}
		own = own[1:]
	}
	if e, known := inB[first.key()]; known {
		if e != nil && e.sum == first.sum && (e.at-first.at).Abs() < holdWarn {
			return firstGot, missedEvent{}
		}
		return firstUntold, missedEvent{}
	}
	// It has to go on with the very next, at the same time: who only takes long
	// to join misses another number of events each time.
	if first.at < b.Answered+settle || len(own) == 0 || i+1 == len(events) || own[0].key() != events[i+1].key() || own[0].sum != events[i+1].sum || (own[0].at-events[i+1].at).Abs() >= holdWarn {
		return firstUntold, missedEvent{}
	}
	return firstMissed, missedEvent{hold: first.at - events[i-1].at, into: first.at - b.Answered, next: own[0].at - b.Answered}
}

// testFirst is method F: does a new connection get the first event that an open
// one gets? It needs no time in the events, and shows what is one event behind
// where that is so for each connection.
func testFirst(o *Observation) opinion {
	op := opinion{method: "F", several: true}
	got := 0
	var missed []missedEvent
	for _, x := range o.liveStreams() {
		switch look, m := lookFirst(o, o.a(), x); look {
		case firstGot:
			got++
		case firstMissed:
			missed = append(missed, m)
		}
	}
	op.missed = len(missed)
	op.numbers = map[string]any{"first_got": got, "first_missed": len(missed)}
	switch hold, certain, maybe := weighMissed(missed); {
	case got > 0 && len(missed) == 0:
		op.verdict = clean
		op.seen = fmt.Sprintf("%d of %d new connections got the next event that was sent", got, got)
	case got == 0 && maybe && hold > holdWarn:
		op.verdict, op.hold = judge(hold), hold
		if !certain {
			op.verdict = slightly
		}
		op.seen = fmt.Sprintf("%d of %d new connections missed the event that an open one got next, and no other", len(missed), len(missed))
	}
	return op
}

// weighMissed tells a server that is one event behind from one that takes some
// time to join a new connection, and would have to take always more than some
// were open when they missed an event, and less than when they got their first.
func weighMissed(missed []missedEvent) (hold time.Duration, certain, maybe bool) {
	var holds []time.Duration
	var most, least time.Duration
	for i, m := range missed {
		holds = append(holds, m.hold)
		most = max(most, m.into)
		if i == 0 || m.next < least {
			least = m.next
		}
	}
	hold = median(holds)
	maybe = len(missed) >= 2 && 2*most >= hold
	return hold, maybe && (len(missed) >= 4 || len(missed) == 3 && 2*least <= 3*most), maybe
}

// testLead finds events that a client which comes back is given before those
// that never left have them.
func testLead(o *Observation) opinion {
	op := opinion{method: "L", several: true}
	a := o.a()
	var leads []time.Duration
	for _, role := range []Role{RoleResume1, RoleResume2} {
		x := o.get(role)
		if !x.ok() {
			return op
		}
		var lead time.Duration
		for _, p := range pairs(a.timeline(), x.timeline()) {
			if p.b.at > x.Start && !o.stalled(p.b.at, p.a.at) {
				lead = max(lead, p.a.at-p.b.at)
			}
		}
		if lead <= holdWarn {
			return op
		}
		leads = append(leads, lead)
	}
	op.verdict, op.hold = judge(median(leads)), median(leads)
	op.seen = fmt.Sprintf("who comes back with an ID is given events %s before those who stayed", roundDuration(op.hold))
	return op
}

// testOpening is method O: what an open stream got while a new one was open,
// but had nothing yet, comes on that in one piece later. Something holds the
// start of each stream until there is enough of it.
func testOpening(o *Observation) opinion {
	op := opinion{method: "O", several: true}
	a := o.a().timeline()
	var holds []time.Duration
	for _, x := range o.liveStreams() {
		var hold time.Duration
		groups := map[int]bool{}
		for _, p := range pairs(a, x.timeline()) {
			if p.b.arrival == 0 && p.a.at > x.Answered+settleFirst && !o.stalled(p.a.at, p.b.at) {
				groups[p.a.arrival] = true
				hold = max(hold, p.b.at-p.a.at)
			}
		}
		if len(groups) >= 3 && hold > holdFail {
			holds = append(holds, hold)
		}
	}
	if len(holds) >= 2 {
		op.verdict, op.hold = held, median(holds)
		op.seen = fmt.Sprintf("%d new connections got in one piece what an open one got meanwhile, up to %s later", len(holds), roundDuration(slices.Max(holds)))
	}
	return op
}

// testLump is method O for the answers of models, which each connection has for
// itself: they come token by token, so that a first piece of very many was held.
func testLump(t *timeline) opinion {
	op := opinion{method: "O"}
	if len(t.arrivals) < 10 || t.arrivals[0].events < 15 {
		return op
	}
	single := 0
	for _, a := range t.arrivals[1:] {
		if a.events <= 2 {
			single++
		}
	}
	wait := t.arrivals[0].from - t.start
	if wait > time.Second && 5*single >= 4*(len(t.arrivals)-1) {
		op.verdict, op.hold = held, wait
		op.seen = fmt.Sprintf("the first piece has %d events and came after %s; then they come one by one", t.arrivals[0].events, roundDuration(wait))
	}
	return op
}
