package diag

// A culprit is which of the checks of buffering a hold is reported by: one
// fault, one failure.
type culprit string

const (
	nobody        culprit = ""
	byWhole       culprit = "buffer-whole"
	byCompression culprit = "buffer-compression"
	bySize        culprit = "buffer-proxy"
	byTimer       culprit = "buffer-timer"
	byTail        culprit = "buffer-tail"
)

// blame finds the culprit, and the opinion that convicts it.
func (t *timing) blame(o *Observation) (culprit, opinion) {
	if t.whole.verdict == held {
		return byWhole, t.whole
	}
	if op := worst(t.sizes, t.pauses, t.heartbeats); op.verdict > clean {
		if t.pauses.verdict > clean && t.mostlySingle() {
			return byTail, t.pauses
		}
		return bySize, op
	}
	if t.tails.verdict > clean {
		return byTail, t.tails
	}
	if t.shift.verdict > clean {
		return byTail, t.shift
	}
	if t.a.encoded != "" {
		if op := worst(t.encoding, t.bare, t.twin); op.verdict > clean {
			return byCompression, op
		}
	}
	if op := worst(t.opening, t.lump); op.verdict > clean {
		return bySize, op
	}
	if t.first.verdict > clean && t.twin.verdict <= clean && !t.all.terminatorLate() {
		op := t.first
		op.verdict = max(op.verdict, t.clock.verdict) // two that agree
		return byTail, op
	}
	if op := worst(t.twin, t.clock, t.hop); op.verdict > clean {
		if _, regular := beat(t.main); regular {
			return t.regularBatches(), op
		}
		return bySize, op
	}
	if t.lead.verdict > clean && !t.all.terminatorLate() {
		return byTail, t.lead
	}
	if t.period.verdict > clean && t.twin.verdict == undecided && t.clock.verdict == undecided {
		return t.regularBatches(), t.period
	}
	return nobody, opinion{}
}

// holds reports whether anything holds the stream.
func (t *timing) holds(o *Observation) bool {
	who, _ := t.blame(o)
	return who != nobody
}

// mostlySingle reports whether the arrivals bring hardly more than an event
// each, so that what is held is the end of one, not a pile of them.
func (t *timing) mostlySingle() bool {
	return len(t.main.events) <= 2*len(t.main.arrivals) && 4*t.all.several <= t.all.arrivals
}
