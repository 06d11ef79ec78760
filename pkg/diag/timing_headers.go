package diag

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
)

// headersFail is how late headers are a fault on their own.
const headersFail = 3 * time.Second

// headerWait is what all streams of an observation tell about their headers.
// Each that was opened is one more throw of the dice: how long a first event
// takes depends on when it is asked for.
type headerWait struct {
	alone      *Exchange // its headers came well before its first byte
	latest     *Exchange // whose headers came last, of those that got them with the first byte
	withEvent  int       // headers that came late, at the moment in which an open stream got an event
	compressed bool      // without compression they come at once
}

// headerWaits weighs the streams in the form that a browser asks for; where
// that is not compressed, all are.
func headerWaits(o *Observation) headerWait {
	w := headerWait{latest: o.a()}
	var plain []*Exchange
	plainAlone := false
	for _, x := range o.Exchanges {
		if !x.ok() {
			continue
		}
		switch x.Role {
		case RoleA, RoleTwin, RoleAgain, RoleFresh:
			if headersAlone(x) {
				w.alone = x
			}
			w.add(o, x)
		case RoleIdentity, RoleControl, RoleUnknownID:
			plain = append(plain, x)
			plainAlone = plainAlone || headersAlone(x)
		}
	}
	if coding.Of(o.a().Header) != "" {
		w.compressed = plainAlone && w.alone == nil
		return w // what a browser does not ask for is another stream
	}
	if plainAlone && w.alone == nil {
		if w.late() {
			w.compressed = true // or would be, in the form that browsers ask for
			return w
		}
		w.alone = plain[slices.IndexFunc(plain, headersAlone)]
	}
	for _, x := range plain {
		w.add(o, x)
	}
	return w
}

// headersAlone reports whether headers came well before the first byte.
func headersAlone(x *Exchange) bool {
	if len(x.Reads) == 0 {
		return x.Ended-x.Answered > together
	}
	return x.Reads[0].At-x.Answered > 5*together
}

func (w *headerWait) add(o *Observation, x *Exchange) {
	if len(x.Reads) == 0 {
		return
	}
	if x.ttfb() > w.latest.ttfb() || len(w.latest.Reads) == 0 {
		w.latest = x
	}
	if x.ttfb() > holdWarn && cameWithEvent(o, x) {
		w.withEvent++
	}
}

// cameWithEvent reports whether the headers of x came at the moment in which a
// stream that was open got an event, after a silence that makes this no chance.
func cameWithEvent(o *Observation, x *Exchange) bool {
	for _, y := range o.Exchanges {
		if y == x || !y.ok() || y.Answered == 0 || y.Answered > x.Start {
			continue
		}
		t := y.timeline()
		last := y.Answered
		for _, a := range t.arrivals {
			if a.events > 0 && a.from-last > 2*holdWarn && (a.from-x.Answered).Abs() < 5*together {
				return true
			}
			last = a.to
		}
	}
	return false
}

// late reports whether the headers took long enough to ask why.
func (w *headerWait) late() bool { return w.latest.ttfb() > holdFail }

// evidence is the numbers, in words.
func (w *headerWait) evidence(o *Observation) string {
	seen := ""
	if base, ok := o.baseline(); ok {
		seen = fmt.Sprintf("another request was answered after %s", roundDuration(base))
	}
	if w.withEvent >= 2 {
		seen = fmt.Sprintf("%d new connections got theirs when an open one got an event; %s", w.withEvent, seen)
	}
	if w.compressed {
		seen += "; without compression they come at once"
	}
	return seen
}
