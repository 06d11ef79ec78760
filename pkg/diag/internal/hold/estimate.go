package hold

import (
	"time"
)

// Harmful is from where on a hold is a fault.
const Harmful = 400 * time.Millisecond

// An Estimate is what one method makes of a stream.
type Estimate struct {
	Method  string
	Verdict Verdict
	Hold    time.Duration // estimate, where held
	Seen    string        // the numbers, in words
	Numbers map[string]any
	missed  int  // new connections that missed an event
	groups  int  // of events that were compared on two connections
	several bool // made of as many connections as it has cases, so that it needs no second look
}

type Verdict int

const (
	Undecided Verdict = iota
	Clean             // it is not held, for a reason
	Slight            // held, but shorter than a person notices
	Held
)

// judge turns a hold into a verdict.
func judge(hold time.Duration) Verdict {
	if hold >= Harmful {
		return Held
	}
	return Slight
}

// worst returns the gravest of the opinions, and the first of those.
func worst(opinions ...Estimate) Estimate {
	var w Estimate
	for _, op := range opinions {
		if op.Verdict > w.Verdict || op.Verdict == w.Verdict && w.Method == "" {
			w = op
		}
	}
	return w
}

// FirstClean returns the first opinion that something is not held.
func FirstClean(opinions ...Estimate) (Estimate, bool) {
	for _, op := range opinions {
		if op.Verdict == Clean {
			return op, true
		}
	}
	return Estimate{}, false
}
