package hold

import (
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// HeadersFail is how late headers are a fault on their own.
const HeadersFail = 3 * time.Second

// HeaderWait gathers the waits for headers of all streams of an observation.
// Every extra stream is another sample: the time to the first event depends on
// when you connect.
type headerWait struct {
	Alone      *seen.Exchange // its headers came well before its first byte
	Latest     *seen.Exchange // whose headers came last, of those that got them with the first byte
	WithEvent  int            // headers that came late, at the moment in which an open stream got an event
	Compressed bool           // without compression they come at once
}

// HeaderWaits weighs the streams in the form that a browser asks for; where
// that is not compressed, all are.
func HeaderWaits(o *seen.Observation) headerWait {
	w := headerWait{Latest: o.Main()}
	var plain []*seen.Exchange
	plainAlone := false
	for _, x := range o.Exchanges {
		if !x.OK() {
			continue
		}
		switch x.Role {
		case seen.RoleMain, seen.RoleSecond, seen.RoleConfirm, seen.RoleJoin:
			if seen.HeadersAlone(x) {
				w.Alone = x
			}
			w.add(o, x)
		case seen.RoleIdentity, seen.RoleNoID, seen.RoleUnknownID:
			plain = append(plain, x)
			plainAlone = plainAlone || seen.HeadersAlone(x)
		}
	}
	if coding.Of(o.Main().Header) != "" {
		w.Compressed = plainAlone && w.Alone == nil
		return w // a form that browsers do not ask for is another stream
	}
	if plainAlone && w.Alone == nil {
		if w.late() {
			w.Compressed = true // or would be, in the form that browsers ask for
			return w
		}
		w.Alone = plain[slices.IndexFunc(plain, seen.HeadersAlone)]
	}
	for _, x := range plain {
		w.add(o, x)
	}
	return w
}

func (w *headerWait) add(o *seen.Observation, x *seen.Exchange) {
	if len(x.Reads) == 0 {
		return
	}
	if x.TTFB() > w.Latest.TTFB() || len(w.Latest.Reads) == 0 {
		w.Latest = x
	}
	if x.TTFB() > seen.Noticeable && cameWithEvent(o, x) {
		w.WithEvent++
	}
}

// cameWithEvent reports whether the headers of x came at the moment in which a
// stream that was open got an event, after a silence that makes this no chance.
func cameWithEvent(o *seen.Observation, x *seen.Exchange) bool {
	for _, y := range o.Exchanges {
		if y == x || !y.OK() || y.Answered == 0 || y.Answered > x.Start {
			continue
		}
		t := y.Timeline()
		last := y.Answered
		for _, a := range t.Arrivals {
			if a.Events > 0 && a.From-last > 2*seen.Noticeable && (a.From-x.Answered).Abs() < 5*seen.Together {
				return true
			}
			last = a.To
		}
	}
	return false
}

// late reports whether the headers took long enough to ask why.
func (w *headerWait) late() bool { return w.Latest.TTFB() > Harmful }

// Evidence is the numbers, in words.
func (w *headerWait) Evidence(o *seen.Observation) string {
	text := ""
	if base, ok := o.Baseline(); ok {
		text = fmt.Sprintf("another request was answered after %s", seen.RoundDuration(base))
	}
	if w.WithEvent >= 2 {
		text = fmt.Sprintf("%d new connections got theirs when an open one got an event; %s", w.WithEvent, text)
	}
	if w.Compressed {
		text += "; without compression they come at once"
	}
	return text
}
