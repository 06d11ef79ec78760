package diag

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// A Timeline is the course of one event stream of a run, for pictures. It is bounded,
// however long the stream was. Times count from the start of the run.
type Timeline struct {
	Role    string        // as in [Connection]
	Start   time.Duration // of the request
	Headers time.Duration // when they were there, 0 if they never were
	End     time.Duration
	EndedBy string // as in [Connection]

	Encoding string // Content-Encoding, "" for none
	Bytes    int    // of the body, compression not undone
	Events   int

	Arrivals []Arrival
	Merged   int           // how many arrivals are drawn as part of the one before
	Kept     time.Duration // no pause that is longer was merged away, if any was

	Spans  []Span // in the order of time
	Hidden int    // shorter spans that are left out
}

// An Arrival is a group of reads, or several that were merged.
type Arrival struct {
	From, To time.Duration
	Bytes    int // of the body up to its end, compression undone
	Whole    int // of them, up to the end of the last event or comment
	Events   int // that it completed
	Comments int
}

// Inside reports whether the arrival ended inside an event or a comment.
func (a *Arrival) Inside() bool { return a.Whole < a.Bytes }

// A SpanKind is the meaning of a Span.
type SpanKind string

// The kinds of spans.
const (
	SpanHeld       SpanKind = "held"       // events were made and did not come: a fault
	SpanUnfinished SpanKind = "unfinished" // a part of an event was there, and its end was not
	SpanHeaders    SpanKind = "headers"    // nothing was there yet, not even headers
	SpanStall      SpanKind = "stall"      // the machine of the probe slept
)

// A Span is a stretch of a Timeline that needs an explanation.
type Span struct {
	From, To time.Duration
	Kind     SpanKind
	Text     string
}

const (
	maxTimelines = 12
	mainArrivals = 800 // of a stream that is compared with others
	maxArrivals  = 250 // of another one
	maxSpans     = 60  // of a stream

	// shownPause is the shortest stretch inside an event that is shown.
	shownPause = 100 * time.Millisecond
)

// compared are the roles whose events are live, and so the same on all.
var compared = []seen.Role{seen.RoleMain, seen.RoleSecond, seen.RoleIdentity, seen.RoleConfirm, seen.RoleOrigin}

// drawTimelines fills in the timelines, after the verdicts are settled: they decide
// which stretches are a fault.
func (r *Report) drawTimelines(o *seen.Observation) {
	streams := drawn(o)
	held := r.heldBy(o)
	late := lateEvents(o, held)
	r.Timelines = make([]Timeline, 0, len(streams))
	for _, x := range streams {
		line := x.Timeline()
		most := maxArrivals
		if slices.Contains(compared, x.Role) {
			most = mainArrivals
		}
		t := Timeline{
			Role: string(x.Role), Start: x.Start, Headers: x.Answered, End: x.Ended, EndedBy: string(x.End),
			Encoding: coding.Of(x.Header), Bytes: len(x.Body), Events: len(line.Events),
		}
		if t.End == 0 {
			t.End = o.Duration
		}
		t.Arrivals, t.Kept = thin(arrivals(line), most)
		t.Merged = len(line.Arrivals) - len(t.Arrivals)
		t.Spans, t.Hidden = r.spans(o, x, held, late[x])
		r.Timelines = append(r.Timelines, t)
	}
}

// drawn returns the streams to draw: those that are compared first, then the others
// in the order of time. The main one is among them even without an answer.
func drawn(o *seen.Observation) []*seen.Exchange {
	var streams []*seen.Exchange
	for _, x := range o.Exchanges {
		if x.Role == seen.RoleMain || x.OK() && x.Method != "HEAD" {
			streams = append(streams, x)
		}
	}
	place := func(x *seen.Exchange) int {
		if i := slices.Index(compared, x.Role); i >= 0 {
			return i
		}
		return len(compared)
	}
	slices.SortStableFunc(streams, func(a, b *seen.Exchange) int { return cmp.Compare(place(a), place(b)) })
	return streams[:min(len(streams), maxTimelines)]
}

func arrivals(t *seen.Timeline) []Arrival {
	var list []Arrival
	for _, a := range t.Arrivals {
		list = append(list, Arrival{From: a.From, To: a.To, Bytes: a.Plain, Whole: a.Plain - a.Pending, Events: a.Events, Comments: a.Comments})
	}
	return list
}

// thin merges arrivals until there are at most so many. It keeps apart those with the
// longest pauses between them, and those of different parts of the time, half of them
// each: all that is lost is how bytes were spread over a busy part. It returns the
// longest pause that was merged away too.
func thin(list []Arrival, most int) ([]Arrival, time.Duration) {
	if len(list) <= most {
		return list, 0
	}
	pauses := make([]time.Duration, 0, len(list)-1)
	for i := 1; i < len(list); i++ {
		pauses = append(pauses, list[i].From-list[i-1].To)
	}
	slices.Sort(pauses)
	long := pauses[len(pauses)-most/2] // shorter ones may be merged away
	begun, parts := list[0].From, most/2
	part := func(a Arrival) int {
		return int(float64(a.From-begun) / float64(max(1, list[len(list)-1].From-begun)) * float64(parts-1))
	}
	thinned := []Arrival{list[0]}
	var lost time.Duration
	for i, a := range list[1:] {
		last := &thinned[len(thinned)-1]
		pause := a.From - list[i].To
		if pause > long || part(a) != part(list[i]) {
			thinned = append(thinned, a)
			continue
		}
		lost = max(lost, pause)
		last.To, last.Bytes, last.Whole = a.To, a.Bytes, a.Whole
		last.Events += a.Events
		last.Comments += a.Comments
	}
	return thinned, lost
}

// heldBy returns the estimate by which a check of buffering fails or warns, or nil.
func (r *Report) heldBy(o *seen.Observation) *hold.Estimate {
	cause, est := hold.Of(o).Attribute()
	for _, c := range r.Checks {
		if c.ID == string(cause) && c.Status.isFault() {
			return &est
		}
	}
	return nil
}

// isFault reports whether one of the checks failed or warns.
func (r *Report) isFault(ids ...string) bool {
	return slices.ContainsFunc(r.Checks, func(c Result) bool { return slices.Contains(ids, c.ID) && c.Status.isFault() })
}

// spans returns the stretches of a stream that need an explanation.
func (r *Report) spans(o *seen.Observation, x *seen.Exchange, held *hold.Estimate, late []Span) (spans []Span, hidden int) {
	t := x.Timeline()
	for _, s := range o.Stalls {
		if s.To > x.Start && (x.Ended == 0 || s.From < x.Ended) {
			spans = append(spans, Span{s.From, s.To, SpanStall, "this machine slept"})
		}
	}
	begun := max(x.Connected, x.Start)
	answered := x.Answered
	if answered == 0 {
		answered = max(x.Ended, begun)
	}
	if wait := answered - begun; wait > seen.Noticeable {
		s := Span{begun, answered, SpanHeaders, "no headers for " + seen.RoundDuration(wait)}
		if r.isFault("headers-early") || x.Answered == 0 && anotherAnswered(o, x) {
			s.Kind = SpanHeld
		}
		spans = append(spans, s)
	}
	unfinished := SpanUnfinished
	if held != nil || r.isFault("terminator-late") {
		unfinished = SpanHeld
	}
	inside := func(i int, to time.Duration) {
		a := t.Arrivals[i]
		switch gap := to - a.To; {
		case gap < shownPause:
		case a.State == seen.InLine:
			spans = append(spans, Span{a.To, to, unfinished, fmt.Sprintf("%s of an event were there, its end was not for %s", seen.RoundSize(a.Pending), seen.RoundDuration(gap))})
		case a.State == seen.NoBlank:
			spans = append(spans, Span{a.To, to, unfinished, fmt.Sprintf("a whole event was there, its blank line was not for %s", seen.RoundDuration(gap))})
		}
	}
	for i, gap := range t.Pauses {
		inside(i, t.Arrivals[i].To+gap)
	}
	if last := len(t.Arrivals) - 1; last >= 0 && !t.Ended {
		inside(last, t.EndedAt)
	}
	spans = append(spans, late...)
	if held != nil && isComparable(o, x) && !slices.ContainsFunc(spans, func(s Span) bool { return s.Kind == SpanHeld }) {
		spans = append(spans, estimated(x, held)...)
	}
	return longest(spans)
}

// anotherAnswered reports whether another stream had its headers while x waited.
func anotherAnswered(o *seen.Observation, x *seen.Exchange) bool {
	return slices.ContainsFunc(o.Exchanges, func(y *seen.Exchange) bool {
		return y != x && slices.Contains(compared, y.Role) && y.OK() && y.Answered < x.Ended
	})
}

// isComparable reports whether a hold that was found is one of this stream: of a form
// that is compressed as the one that is judged is.
func isComparable(o *seen.Observation, x *seen.Exchange) bool {
	return slices.Contains(compared, x.Role) && x.Role != seen.RoleOrigin && coding.Of(x.Header) == coding.Of(o.Main().Header)
}

// estimated returns where the hold must have been, by its length alone: before each
// arrival that ended a pause.
func estimated(x *seen.Exchange, held *hold.Estimate) []Span {
	t := x.Timeline()
	var spans []Span
	before := func(from, to time.Duration) {
		if held.Hold > 0 {
			from = max(from, to-held.Hold)
		}
		if to-from >= seen.Noticeable {
			spans = append(spans, Span{from, to, SpanHeld, fmt.Sprintf("held for %s, by the method %s", seen.RoundDuration(to-from), held.Method)})
		}
	}
	if len(t.Arrivals) == 0 {
		from := max(x.Answered, x.Start)
		return []Span{{from, x.Ended, SpanHeld, fmt.Sprintf("nothing for %s, by the method %s", seen.RoundDuration(x.Ended-from), held.Method)}}
	}
	before(max(x.Answered, x.Start), t.Arrivals[0].From)
	for i, gap := range t.Pauses {
		before(t.Arrivals[i].To, t.Arrivals[i].To+gap)
	}
	return spans
}

// lateEvents compares the streams pair by pair, where something is held: while one had
// an event and another did not, that one was held.
func lateEvents(o *seen.Observation, held *hold.Estimate) map[*seen.Exchange][]Span {
	late := map[*seen.Exchange][]Span{}
	if held == nil {
		return late
	}
	var streams []*seen.Exchange
	for _, x := range o.Exchanges {
		if slices.Contains(compared, x.Role) && x.OK() {
			streams = append(streams, x)
		}
	}
	for i, one := range streams {
		for _, another := range streams[i+1:] {
			a, b := one, another
			if b.Start < a.Start {
				a, b = b, a
			}
			ta, tb := a.Timeline(), b.Timeline()
			if own, past := seen.Replayed(ta, tb); own || past {
				continue
			}
			opened := b.Start
			if len(tb.Arrivals) > 0 {
				opened = max(opened, min(tb.Arrivals[0].From, opened+time.Second))
			}
			for _, p := range seen.Pairs(ta, tb) {
				early, other, x := p.A, p.B, b
				if p.B.At < p.A.At {
					early, other, x = p.B, p.A, a
				}
				// The first events of b may be the past.
				if early.At < opened || other.At-early.At < seen.Noticeable || p.B.Arrival == 0 && p.B.At-b.Start < time.Second {
					continue
				}
				late[x] = append(late[x], Span{early.At, other.At, SpanHeld, "another connection had the event already"})
			}
		}
	}
	for x, spans := range late {
		late[x] = joined(spans)
	}
	return late
}

// joined merges spans that overlap.
func joined(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var list []Span
	for _, s := range spans {
		if n := len(list); n > 0 && s.From <= list[n-1].To {
			list[n-1].To = max(list[n-1].To, s.To)
		} else {
			list = append(list, s)
		}
	}
	for i := range list {
		list[i].Text = fmt.Sprintf("for %s another connection had events that were not here", seen.RoundDuration(list[i].To-list[i].From))
	}
	return list
}

// longest returns the longest spans in the order of time, and how many it left out.
func longest(spans []Span) ([]Span, int) {
	hidden := max(0, len(spans)-maxSpans)
	if hidden > 0 {
		slices.SortStableFunc(spans, func(a, b Span) int { return cmp.Compare(b.To-b.From, a.To-a.From) })
		spans = spans[:maxSpans]
	}
	slices.SortStableFunc(spans, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	return spans, hidden
}
