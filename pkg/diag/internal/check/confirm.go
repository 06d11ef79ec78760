package check

import (
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Faults returns the IDs of the checks of timing that find something, chosen or
// not: one finding may rest on another.
func Faults(o *seen.Observation) []string {
	var ids []string
	for check := range All() {
		if check.Timing && check.Needs.Given(&o.Options) && isFault(check.Run(o).Status) {
			ids = append(ids, check.ID)
		}
	}
	return ids
}

func isFault(s Status) bool { return s == Fail || s == Warn }

// SecondLook returns the second look at the stream as an observation: a
// connection of its own, opened when the first look had found something. The
// network may have had a bad moment. Where the stream has an end, or no
// beginning, the second stream is that look.
func SecondLook(o *seen.Observation) *seen.Observation {
	a, again, other := o.Main(), o.Get(seen.RoleConfirm), o.Get(seen.RoleSecond)
	if again == nil && other != nil && (a.End == seen.EndEOF && other.End == seen.EndEOF || a.Answered == 0) {
		again = other
	}
	if again == nil {
		return nil
	}
	s := &seen.Observation{
		URL: o.URL, Method: o.Method, Window: o.Window, Duration: o.Duration, Time: o.Time, Stalls: o.Stalls, Options: o.Options,
		Exchanges: []*seen.Exchange{again.As(seen.RoleMain)},
	}
	if again != other {
		s.Exchanges = append(s.Exchanges, a.As(seen.RoleSecond))
	}
	for _, x := range o.Exchanges {
		switch x.Role {
		case seen.RoleIdentity:
			if coding.Of(again.Header) == "" {
				continue // it belongs to the first look
			}
			fallthrough
		case seen.RoleHead, seen.RoleBaseline, seen.RolePreflight, seen.RoleOrigin:
			s.Exchanges = append(s.Exchanges, x)
		}
	}
	return s
}

// Unconfirmed returns which of the faults of an observation were seen only
// once. Another check may report the same hold the second time.
func Unconfirmed(o *seen.Observation, ids []string) []string {
	var left []string
	second := SecondLook(o)
	for _, id := range ids {
		if !confirmed(o, id, second) {
			left = append(left, id)
		}
	}
	return left
}

func confirmed(o *seen.Observation, id string, second *seen.Observation) bool {
	check := Lookup(id)
	held := check.Group == "buffering" || check.OnHold
	switch {
	case id == "headers-early" && hold.HeaderWaits(o).WithEvent >= 2:
		return true // on two connections, at two times
	case held && hold.Of(o).OnSeveral():
		return true
	case second == nil:
		return false
	case id == "headers-early" && hold.HeaderWaits(second).Alone == nil:
		return true // nothing speaks against it; the first event may have been quicker this time
	case id == "connect-parallel":
		return isFault(check.Run(&seen.Observation{Exchanges: []*seen.Exchange{o.Main(), second.Main().As(seen.RoleSecond)}}).Status)
	case id == "terminator-late":
		// A short second look has few pauses, and all of them count.
		p := hold.Of(second).All()
		return p.NoBlank > 0 && p.NoBlank >= p.Aligned+p.Mid
	case held:
		for _, c := range bufferingChecks {
			if c.Timing && isFault(c.Run(second).Status) {
				return true
			}
		}
		return false
	}
	return isFault(check.Run(second).Status)
}

// longHold is a hold that is no accident.
const longHold = 2 * time.Second

// OfConnection reports whether a hold is that of one connection for certain: no
// bad moment of the network is so long, and leaves another connection of the same
// time alone.
func (f Finding) OfConnection() bool {
	return f.hold >= longHold && f.method.Compares
}

// Contradicted reports whether a long hold that a second look did not show is one
// of the first connection alone. A compressor holds each connection alike, however
// little there was time to see: it takes a second stream that is flushed.
func Contradicted(o *seen.Observation, id string) bool {
	return id != bufferCompressionCheck.ID || bufferCompressionCheck.Run(SecondLook(o)).Status == Pass
}
