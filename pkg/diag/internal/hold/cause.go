package hold

import (
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// OnSeveral reports whether the hold was seen by a method that each connection
// is a case of, or such a method agrees.
func (t *Timing) OnSeveral(o *seen.Observation) bool {
	_, op := t.Attribute(o)
	return op.several || worst(t.First, t.lead, t.opening, t.phases).Verdict > Clean
}

// A Cause is which of the checks of buffering a hold is reported by: one
// fault, one failure.
type Cause string

const (
	NoCause       Cause = ""
	ByWhole       Cause = "buffer-whole"
	ByCompression Cause = "buffer-compression"
	BySize        Cause = "buffer-proxy"
	ByTimer       Cause = "buffer-timer"
	ByTail        Cause = "buffer-tail"
)

// Attribute finds the culprit, and the opinion that convicts it.
func (t *Timing) Attribute(o *seen.Observation) (Cause, Estimate) {
	if t.Whole.Verdict == Held {
		return ByWhole, t.Whole
	}
	if op := worst(t.sizes, t.Pauses, t.Heartbeats); op.Verdict > Clean {
		if t.Pauses.Verdict > Clean && t.MostlySingle() {
			return ByTail, t.Pauses
		}
		return BySize, op
	}
	if t.Tails.Verdict > Clean {
		return ByTail, t.Tails
	}
	if t.shift.Verdict > Clean {
		return ByTail, t.shift
	}
	if t.Browser.Encoded != "" {
		if op := worst(t.Encoding, t.bare, t.Second); op.Verdict > Clean {
			return ByCompression, op
		}
	}
	if op := worst(t.opening, t.lump); op.Verdict > Clean {
		return BySize, op
	}
	if t.First.Verdict > Clean && t.Second.Verdict <= Clean && !t.All.TerminatorLate() {
		op := t.First
		op.Verdict = max(op.Verdict, t.Clock.Verdict) // two that agree
		return ByTail, op
	}
	if op := worst(t.Second, t.Clock, t.Origin); op.Verdict > Clean {
		if _, regular := Beat(t.Main); regular {
			return t.regularBatches(), op
		}
		return BySize, op
	}
	if t.lead.Verdict > Clean && !t.All.TerminatorLate() {
		return ByTail, t.lead
	}
	if t.period.Verdict > Clean && t.Second.Verdict == Undecided && t.Clock.Verdict == Undecided {
		return t.regularBatches(), t.period
	}
	return NoCause, Estimate{}
}

// Holds reports whether anything holds the stream.
func (t *Timing) Holds(o *seen.Observation) bool {
	who, _ := t.Attribute(o)
	return who != NoCause
}

// MostlySingle reports whether the arrivals bring hardly more than an event
// each, so that what is held is the end of one, not a pile of them.
func (t *Timing) MostlySingle() bool {
	return len(t.Main.Events) <= 2*len(t.Main.Arrivals) && 4*t.All.Several <= t.All.Arrivals
}

// regularBatches says who lets go of batches by a beat: where they are of one
// size and the source is regular, that makes the beat.
func (t *Timing) regularBatches() Cause {
	if BufferSize(t.Main) > 0 {
		return BySize
	}
	return ByTimer
}
