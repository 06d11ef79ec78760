package check

import (
	"fmt"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// A resumption classifies how a server treats Last-Event-ID.
type resumption string

// The verdicts, named as they stand in reports.
const (
	resumedExact        resumption = "resumed-exact"
	resumedInclusive    resumption = "resumed-inclusive"
	resumedOverlap      resumption = "resumed-overlap"
	resumedGap          resumption = "resumed-gap"
	ignoredLiveOnly     resumption = "ignored-live-only"
	ignoredRestarts     resumption = "ignored-restarts"
	ignoredFixedBacklog resumption = "ignored-fixed-backlog"
	idsNotStable        resumption = "ids-not-stable"
	resumeRefused       resumption = "refused"
	resumeUndecided     resumption = "inconclusive"
)

// A resumeResult is a verdict with its numbers. Places count the events of the
// reference stream that have an ID, from 0.
type resumeResult struct {
	verdict resumption
	n       int    // events repeated or lost
	why     string // where undecided
	see     string // the check that has more to say of that
	asked   [2]int // places of the IDs that were asked with
	first   [2]int // places of the events that came first
	status  int    // where refused
	came    bool   // something came on both
}

// A reply describes a connection that asked for the past.
type reply struct {
	older     bool // it began with events from before the reference, and several of them
	x         *seen.Exchange
	asked     int // place of the ID, -1 without
	first     int // place of the first event; below 0 if older than the reference
	delivered bool
	live      bool // the first event is one made after the request
	depth     int  // events of the reference that were past, from first on
	hole      int  // events left out inside
	conflicts int  // IDs with other data than the reference had
	common    int
}

// referenceOf returns the stream by which the places of resumed ones are measured:
// the first, or the plain one where that was closed for a second look.
func referenceOf(o *seen.Observation) *seen.Exchange {
	a, plain := o.Main(), o.Get(seen.RoleIdentity)
	if plain.OK() && coding.Of(a.Header) != "" && a.End == seen.EndClient && plain.Ended > a.Ended+time.Second {
		return plain
	}
	return a
}

// A reference is the stream that stayed open, as the measure of all places.
type reference struct {
	events []seen.Event
	place  map[string]int
}

func newReference(t *seen.Timeline) *reference {
	w := &reference{events: seen.WithIDs(t.Events), place: map[string]int{}}
	for i, e := range w.events {
		w.place[e.ID] = i
	}
	return w
}

// read finds the places of the events of a connection.
func (w *reference) read(x *seen.Exchange, id string) *reply {
	r := &reply{x: x, asked: -1}
	if x == nil {
		return r
	}
	if p, ok := w.place[id]; ok && id != "" {
		r.asked = p
	}
	older, last := 0, -1
	for _, e := range seen.WithIDs(x.Timeline().Events) {
		p, known := w.place[e.ID]
		if !known {
			if !r.delivered {
				older++
			}
			continue
		}
		r.common++
		if w.events[p].Sum != e.Sum {
			r.conflicts++
		}
		if !r.delivered {
			r.delivered, r.first = true, p
			if p == 0 {
				r.first = -older
			}
			r.live = w.events[p].At >= x.Start
		} else if p > last+1 {
			r.hole += p - last - 1
		}
		last = p
	}
	r.older = older >= 5 // a handful may be those of a gap
	past := len(seen.Before(w.events, x.Start))
	if r.delivered {
		r.depth = past - r.first
	}
	return r
}

// judgeResume weighs a reference stream, two connections that asked with
// different IDs, and one that asked with none.
func judgeResume(o *seen.Observation, main, first, second, control *seen.Exchange) resumeResult {
	if first == nil || second == nil {
		return resumeResult{verdict: resumeUndecided, why: "fewer than three IDs arrived; a longer Options.Duration decides"}
	}
	w := newReference(main.Timeline())
	if len(w.place) < len(w.events) && len(misplacedIDs(main.Timeline())) > 0 {
		return resumeResult{verdict: resumeUndecided, why: "heartbeats overwrite the position: see id-control", see: idControlCheck.ID}
	}
	if len(w.place) < len(w.events) {
		return resumeResult{verdict: resumeUndecided, why: "IDs come more than once on one connection: see id-stable", see: "id-stable"}
	}
	if unstableIDs(o, main) {
		return resumeResult{verdict: idsNotStable}
	}
	if alienConnections(o) > 0 {
		return resumeResult{verdict: resumeUndecided, why: "several origins answer, each with its own IDs: see id-stable", see: "id-stable"}
	}
	r1 := w.read(first, seen.SentHeader(first, "Last-Event-ID"))
	r2 := w.read(second, seen.SentHeader(second, "Last-Event-ID"))
	res := resumeResult{asked: [2]int{r1.asked, r2.asked}, first: [2]int{r1.first, r2.first}, came: r1.delivered && r2.delivered}
	for _, r := range []*reply{r1, r2} {
		switch {
		case r.x.Status == 0:
			res.verdict, res.why = resumeUndecided, "a request with Last-Event-ID was not answered"
			return res
		case r.x.Status == http.StatusNoContent:
			res.verdict, res.n = resumedGap, len(w.events)-1-r.asked
			return res
		case !r.x.OK():
			res.verdict, res.status = resumeRefused, r.x.Status
			return res
		}
	}
	if r1.conflicts+r2.conflicts > 0 && 2*(r1.conflicts+r2.conflicts) >= r1.common+r2.common {
		res.verdict = idsNotStable
		return res
	}
	switch {
	case r1.delivered && r2.delivered:
		return res.compare(w, r1, r2, control)
	case !r1.delivered && !r2.delivered, r1.delivered && r1.live, r2.delivered && r2.live:
		if r1.older && r2.older && !r1.delivered && !r2.delivered && sameStart(first, second) {
			// The replay had not come to the events of the reference.
			res.verdict = ignoredRestarts
			return res
		}
		return res.nothing(o, main, first, control)
	}
	res.verdict, res.why = resumeUndecided, "one of two requests with Last-Event-ID got nothing in time"
	return res
}

// sameStart reports whether two streams begin with the same event.
func sameStart(x, y *seen.Exchange) bool {
	a, b := x.Timeline().Events, y.Timeline().Events
	return len(a) > 0 && len(b) > 0 && a[0].ID == b[0].ID && a[0].Sum == b[0].Sum
}

// unstableIDs reports whether streams without an ID have other data under the
// same IDs.
func unstableIDs(o *seen.Observation, main *seen.Exchange) bool {
	sums := map[string]uint64{}
	for _, e := range seen.WithIDs(main.Timeline().Events) {
		sums[e.ID] = e.Sum
	}
	common, other := 0, 0
	for _, role := range []seen.Role{seen.RoleSecond, seen.RoleIdentity, seen.RoleNoID} {
		x := o.Get(role)
		if !x.OK() || x == main {
			continue
		}
		for _, e := range seen.WithIDs(x.Timeline().Events) {
			if sum, known := sums[e.ID]; known {
				common++
				if sum != e.Sum {
					other++
				}
			}
		}
	}
	return other >= 3 && 2*other >= common
}

// compare is the shift test: if the ID decides where a stream starts, two that
// were asked with different IDs start as far apart as the IDs are.
func (res resumeResult) compare(w *reference, r1, r2 *reply, control *seen.Exchange) resumeResult {
	offset1, offset2 := r1.first-(r1.asked+1), r2.first-(r2.asked+1)
	switch {
	case r1.asked == r2.asked:
		res.verdict, res.why = resumeUndecided, "only one ID could be tested"
	case offset1 == offset2 && offset1 == 0 && r1.hole+r2.hole == 0:
		res.verdict = resumedExact
	case offset1 == offset2 && offset1 == 0:
		res.verdict, res.n = resumedGap, max(r1.hole, r2.hole)
	case offset1 == offset2 && offset1 == -1:
		res.verdict, res.n = resumedInclusive, 1
	case offset1 == offset2 && offset1 < -1:
		res.verdict, res.n = resumedOverlap, -offset1
	case r1.first <= 0 && r2.first <= 0:
		return res.fromTheStart(w, r1, r2, control)
	case r1.live && r2.live:
		res.verdict, res.n = ignoredLiveOnly, max(offset1, offset2)
	case res.fixedBacklog(w, r1, r2, control):
		res.verdict, res.n = ignoredFixedBacklog, max(r1.depth, r2.depth)
	case offset1 >= 0 && offset2 >= 0:
		res.verdict, res.n = resumedGap, max(offset1, offset2)
	case offset1 <= 0 && offset2 <= 0:
		res.verdict, res.n = resumedOverlap, max(-offset1, -offset2)
	default:
		res.verdict, res.why = resumeUndecided, "the starts fit no pattern"
	}
	return res
}

// fromTheStart weighs that both get all there is, which a server does that
// starts anew each time, one that repeats some events where there are only
// some, and one that gives the last ones to everybody.
func (res resumeResult) fromTheStart(w *reference, r1, r2 *reply, control *seen.Exchange) resumeResult {
	const shortPast = 10
	past := max(r1.depth, r2.depth)
	if past > shortPast {
		res.verdict = ignoredRestarts
		return res
	}
	res.verdict, res.why = resumeUndecided, fmt.Sprintf("the ID makes no difference, and with %d past events a full replay looks like one of the last few; a longer Options.Duration decides", past)
	if c := w.read(control, ""); c.delivered && c.first > 0 {
		res.why = fmt.Sprintf("with an ID all %d events come again, too few to know the limit; a longer Options.Duration decides", past)
	}
	return res
}

// fixedBacklog reports whether everybody gets the same number of past events,
// those without an ID too. Events made while a connection opens make it one
// more or less.
func (res resumeResult) fixedBacklog(w *reference, r1, r2 *reply, control *seen.Exchange) bool {
	same := func(a, b int) bool { return a-b <= 1 && b-a <= 1 }
	if !same(r1.depth, r2.depth) || !control.OK() {
		return false
	}
	c := w.read(control, "")
	return c.delivered && same(c.depth, r1.depth)
}

// nothing weighs that neither request was given an event, though both were
// owed some.
func (res resumeResult) nothing(o *seen.Observation, main, first, control *seen.Exchange) resumeResult {
	if first.Timeline().Bytes() > hold.LargeEvent {
		res.verdict, res.why = resumeUndecided, "a large event came first, and did not end in time"
		return res
	}
	if who, _ := hold.Of(o).Attribute(); who != hold.NoCause {
		res.verdict, res.why, res.see = resumeUndecided, "nothing arrived in time, and the stream is held: see "+string(who), string(who)
		return res
	}
	if control.OK() && len(control.Timeline().Events) == 0 && seen.CountFrom(seen.Before(main.Timeline().Events, control.Ended-seen.Settled), control.Answered+seen.SettleFirst) > 0 {
		res.verdict, res.why = resumeUndecided, "nothing arrived in time, without an ID either: new streams start late"
		return res
	}
	if wait, watched := firstWait(o), first.Ended-first.Answered; wait > watched {
		res.verdict, res.why = resumeUndecided, fmt.Sprintf("nothing arrived in %s, and new streams take %s until their first event", seen.RoundDuration(watched), seen.RoundDuration(wait))
		return res
	}
	if perConnection, _ := seen.Replayed(main.Timeline(), o.Get(seen.RoleSecond).Timeline()); perConnection || main.End == seen.EndEOF && first.End != seen.EndEOF {
		res.verdict, res.why = resumeUndecided, "nothing arrived in time, and each connection has its own pace"
		return res
	}
	res.verdict, res.n = ignoredLiveOnly, res.lost(main)
	return res
}

// firstWait is how long a stream without an ID takes at least until its first
// event.
func firstWait(o *seen.Observation) time.Duration {
	least := time.Duration(0)
	for _, x := range append(o.Later(), o.Main()) {
		if events := x.Timeline().Events; len(events) > 0 && (least == 0 || events[0].At-x.Answered < least) {
			least = events[0].At - x.Answered
		}
	}
	return least
}

func (res resumeResult) lost(main *seen.Exchange) int {
	return max(1, len(seen.WithIDs(main.Timeline().Events))-1-res.asked[1])
}
