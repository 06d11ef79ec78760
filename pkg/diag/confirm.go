package diag

import (
	"slices"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
)

// suspects returns the IDs of the checks of timing that find something, chosen
// or not: what one says may rest on what another finds.
func suspects(o *Observation) []string {
	var ids []string
	for _, check := range catalog {
		if check.Timing && check.wanted(&o.Options) && isFault(check.Run(o).Status) {
			ids = append(ids, check.ID)
		}
	}
	return ids
}

func isFault(s Status) bool { return s == Fail || s == Warn }

// secondLook returns what a second look at the stream saw, as an observation: on a
// connection of its own that was opened when the first look had found
// something. The network may have had a bad moment. Where the stream has an end,
// or no beginning, the twin is that look.
func secondLook(o *Observation) *Observation {
	a, again, twin := o.a(), o.get(RoleAgain), o.get(RoleTwin)
	if again == nil && twin != nil && (a.End == EndEOF && twin.End == EndEOF || a.Answered == 0) {
		again = twin
	}
	if again == nil {
		return nil
	}
	s := &Observation{
		URL: o.URL, Method: o.Method, Window: o.Window, Duration: o.Duration, Time: o.Time, Stalls: o.Stalls, Options: o.Options,
		Exchanges: []*Exchange{again.as(RoleA)},
	}
	if again != twin {
		s.Exchanges = append(s.Exchanges, a.as(RoleTwin))
	}
	for _, x := range o.Exchanges {
		switch x.Role {
		case RoleIdentity:
			if coding.Of(again.Header) == "" {
				continue // it belongs to the first look
			}
			fallthrough
		case RoleHead, RoleBaseline, RolePreflight, RoleOrigin:
			s.Exchanges = append(s.Exchanges, x)
		}
	}
	return s
}

// unconfirmed returns which of the faults of an observation were seen only
// once. It may be another check that tells of the same hold the second time.
func unconfirmed(o *Observation, ids []string) []string {
	var left []string
	second := secondLook(o)
	for _, id := range ids {
		if !confirmed(o, id, second) {
			left = append(left, id)
		}
	}
	return left
}

func confirmed(o *Observation, id string, second *Observation) bool {
	check := Lookup(id)
	switch {
	case id == "headers-early" && headerWaits(o).withEvent >= 2:
		return true // on two connections, at two times
	case check.Group == "buffering" && timingOf(o).onSeveral(o):
		return true
	case second == nil:
		return false
	case id == "headers-early" && headerWaits(second).alone == nil:
		return true // nothing speaks against it; the first event may have been quicker this time
	case id == "connect-parallel":
		return isFault(check.Run(&Observation{Exchanges: []*Exchange{o.a(), second.a().as(RoleTwin)}}).Status)
	case id == "terminator-late":
		// A short second look has few pauses, and all of them count.
		p := timingOf(second).all
		return p.noBlank > 0 && p.noBlank >= p.aligned+p.mid
	case check.Group == "buffering":
		for _, c := range bufferingChecks {
			if c.Timing && isFault(c.Run(second).Status) {
				return true
			}
		}
		return false
	}
	return isFault(check.Run(second).Status)
}

// onSeveral reports whether the hold was seen by a method that each connection
// is a case of, or such a method agrees.
func (t *timing) onSeveral(o *Observation) bool {
	_, op := t.blame(o)
	return op.several || worst(t.first, t.lead, t.opening, t.phases).verdict > clean
}

// confirm takes back the faults that a second look does not show.
func (r *Report) confirm(o *Observation) {
	var ids []string
	for _, c := range r.Checks {
		if c.check.Timing && isFault(c.Status) {
			ids = append(ids, c.ID)
		}
	}
	if secondLook(o) == nil {
		return
	}
	left := unconfirmed(o, ids)
	for i := range r.Checks {
		if c := &r.Checks[i]; slices.Contains(left, c.ID) {
			if c.found.hold >= longHold && compares(c.found.method) {
				// No bad moment of the network is so long and leaves the other
				// connection alone: it depends on the connection.
				c.Status, c.Seen = Warn, c.Seen+"; not so on a fresh connection"
				continue
			}
			c.Seen = c.Actual + "; not so on a fresh connection"
			c.Actual = "seen once, and not again"
			c.Status, c.Remedies = Inconclusive, nil
		}
	}
}

// longHold is a hold that is no accident.
const longHold = 2 * time.Second

// compares reports whether a method holds a connection against another of the
// same time.
func compares(method string) bool { return method == "D" || method == "E" || method == "origin" }
