package hold

import (
	"time"
)

// Harmful is from where on a hold is a fault.
const Harmful = 400 * time.Millisecond

// An Estimate is the result of one method.
type Estimate struct {
	Method  *Method
	Verdict Verdict
	Hold    time.Duration  // for about how long, where held
	Seen    string         // the numbers, in words
	Numbers map[string]any // the evidence, for reports alone
	Doubt   string         // the numbers, where other connections contradict them
	missed  int            // new connections that missed an event
	groups  int            // of events that were compared on two connections
	several bool           // made of as many connections as it has cases, so that it needs no second look
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

// worst returns the gravest estimate, and the first of those.
func worst(list ...Estimate) Estimate {
	var w Estimate
	for i, est := range list {
		if i == 0 || est.Verdict > w.Verdict {
			w = est
		}
	}
	return w
}
