package seen

import (
	"time"

	"github.com/ssectl/ssectl/internal/coding"
)

// How long a connection is given to be one of those that events are sent to,
// once its headers are there: to get the next event, and to count as having
// missed it.
const (
	joinFirst   = 50 * time.Millisecond
	SettleFirst = 250 * time.Millisecond
)

// A FirstLook is the evidence of one connection for hold.First.
type firstLook int

const (
	FirstUnknown firstLook = iota
	FirstGot               // its first event is the first that an open stream got from then on
	FirstMissed            // it is the second
)

// Later are the streams that were asked for without an ID, later than a
// and in the same form.
func (o *Observation) Later() []*Exchange {
	var list []*Exchange
	a := o.Main()
	for _, x := range o.Exchanges {
		switch x.Role {
		case RoleSecond, RoleIdentity, RoleConfirm, RoleJoin, RoleNoID:
			if x.OK() && x.Start > a.Start && coding.Of(x.Header) == coding.Of(a.Header) {
				list = append(list, x)
			}
		}
	}
	return list
}

// A MissedEvent is one that an open stream got and a new one did not.
type MissedEvent struct {
	Hold       time.Duration // how old it was when it came, about
	Into, Next time.Duration // how long the new one was open then, and when it got its first
}

// LookFirst compares the first event on b with the events on a meanwhile. A hop
// that holds each event until the next one is made still owes a the last event
// from before b was opened; b never gets that one.
func LookFirst(o *Observation, a, b *Exchange) (firstLook, MissedEvent) {
	events, own := a.Timeline().Events, b.Timeline().Events
	join, settle := max(joinFirst, 3*o.RTT()), max(SettleFirst, 3*o.RTT())
	opened := b.Answered + join
	i := 0
	for i < len(events) && events[i].At < b.Start {
		i++
	}
	// Something has to have come before, for a to be owed anything, and not as
	// a greeting; and nothing while b opened, which either might have got.
	if i == 0 || i == len(events) || events[i-1].At < a.Answered+settle || events[i].At < opened {
		return FirstUnknown, MissedEvent{}
	}
	first := &events[i]
	inA, inB := a.Timeline().unique(), b.Timeline().unique()
	if inA[first.Key()] == nil || o.Stalled(first.At-Noticeable, first.At+Noticeable) {
		return FirstUnknown, MissedEvent{}
	}
	for len(own) > 0 && own[0].At < opened {
		if e := inA[own[0].Key()]; e != nil && e.At >= a.Answered+settle {
			return FirstUnknown, MissedEvent{} // b was given some of the past, more than a greeting
		}
		own = own[1:]
	}
	if e, known := inB[first.Key()]; known {
		if e != nil && e.Sum == first.Sum && (e.At-first.At).Abs() < Noticeable {
			return FirstGot, MissedEvent{}
		}
		return FirstUnknown, MissedEvent{}
	}
	// It has to go on with the very next, at the same time: a server that only
	// takes long to join misses another number of events each time.
	if first.At < b.Answered+settle || len(own) == 0 || i+1 == len(events) || own[0].Key() != events[i+1].Key() || own[0].Sum != events[i+1].Sum || (own[0].At-events[i+1].At).Abs() >= Noticeable {
		return FirstUnknown, MissedEvent{}
	}
	return FirstMissed, MissedEvent{Hold: first.At - events[i-1].At, Into: first.At - b.Answered, Next: own[0].At - b.Answered}
}
