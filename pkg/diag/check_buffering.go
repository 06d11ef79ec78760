package diag

import (
	"net/http"
	"time"
)

func checkHeadersEarly(o *Observation) Finding {
	x := o.a()
	base, hasBase := o.baseline()
	if noStream(x) {
		return skip("no event stream to look at")
	}
	if x.Answered == 0 {
		if !hasBase {
			return inconclusive("no answer of any kind to compare with")
		}
		f := fail("no headers within %s, though another request was answered after %s", roundDuration(x.Ended-x.Start), roundDuration(base)).
			with("waited_ms", milliseconds(x.Ended-x.Start)).with("baseline_ms", milliseconds(base)).cure("FLUSH", "BUFFER")
		if plain := o.get(RoleIdentity); plain.ok() {
			f.Title = sprintf("no headers within %s, without compression after %s: a compressor holds them until its buffer is full", roundDuration(x.Ended-x.Start), roundDuration(plain.ttfb()))
			return f.with("identity_ms", milliseconds(plain.ttfb())).cure("ENC", "FLUSH")
		}
		if origin := o.get(RoleOrigin); origin.ok() {
			f.Seen = sprintf("the origin gave them after %s: the fault is between the origin and here", roundDuration(origin.ttfb()))
		}
		return f
	}
	if x, _ := o.starved(); x != nil {
		return skipFor("connect-parallel")
	}
	w := o.headerWaits()
	if w.alone != nil {
		return pass("headers after %s, and before the first byte of the stream", roundDuration(w.alone.ttfb())).with("ttfb_ms", milliseconds(w.alone.ttfb()))
	}
	ttfb := w.latest.ttfb()
	f := pass("headers after %s", roundDuration(ttfb))
	switch proven := w.withEvent >= 2; {
	case o.stalled(w.latest.Start, w.latest.Answered):
	case proven && ttfb >= time.Second:
		f = fail("headers wait for the first event, here for up to %s", roundDuration(ttfb))
	case proven && ttfb >= holdFail:
		f = warn("headers wait for the first event, here for up to %s", roundDuration(ttfb))
	case ttfb <= time.Second:
	case ttfb <= 5*base:
		f = inconclusive("headers came with the first event, after %s, but other answers of the server are slow too", roundDuration(ttfb))
	case ttfb >= headersFail:
		f = fail("headers came with the first event, after %s", roundDuration(ttfb))
	default:
		f = warn("headers came with the first event, after %s", roundDuration(ttfb))
	}
	if f.Status != Pass {
		f.Seen = w.evidence(o)
	}
	if f.Status != Pass && w.compressed {
		f = f.cure("ENC", "FLUSH")
	}
	return f.with("ttfb_ms", milliseconds(ttfb)).with("baseline_ms", milliseconds(base)).with("headers_with_event", w.withEvent)
}

// noStream reports whether it is plain that no stream will come: there was
// another answer, or none could.
func noStream(x *Exchange) bool {
	return x.Answered > 0 && !x.ok() || x.End == EndError
}

func checkFirstByte(o *Observation) Finding {
	x := o.a()
	if x.Method == http.MethodHead {
		return skip("no body asked for")
	}
	if len(x.Reads) == 0 {
		return info("no byte after the headers in %s: some networks deliver the headers no earlier than that", roundDuration(x.Ended-x.Answered))
	}
	wait := x.Reads[0].At - x.Answered
	if wait > 2*time.Second {
		return info("first byte %s after the headers: some networks deliver the headers no earlier than that", roundDuration(wait)).
			with("first_byte_ms", milliseconds(wait))
	}
	return pass("first byte %s after the headers", roundDuration(max(0, wait))).with("first_byte_ms", milliseconds(wait)).cure()
}

// quiet is what to say of a stream that gave nothing to judge by.
func quiet(o *Observation, t *timeline) (Finding, bool) {
	if len(t.arrivals) > 0 && (len(t.events) > 0 || len(t.comments) > 1 || len(t.plain) > 0 && len(t.events) == 0 && t.arrivals[len(t.arrivals)-1].pending > 0) {
		return Finding{}, false
	}
	what := "nothing came"
	if len(t.comments) > 0 {
		what = "one comment came"
	}
	return inconclusive("%s in %s: a quiet stream, or one held as a whole; --expect-every decides", what, roundDuration(o.Duration)), true
}

// heldFinding words a hold.
func heldFinding(op opinion, what string, args ...any) Finding {
	f := fail(what, args...)
	if op.verdict == slightly {
		f.Status = Warn
	}
	f.Seen = op.seen
	f = f.with("hold_ms", milliseconds(op.hold)).with("method", op.method)
	for key, value := range op.numbers {
		f = f.with(key, value)
	}
	return f
}

// attribute says on which side of the origin a hold is, where that was seen.
func attribute(o *Observation, f Finding) Finding {
	origin := o.get(RoleOrigin)
	if !origin.ok() {
		return f
	}
	there := testPauses(o, origin.timeline(), false)
	where := "the fault is between the origin and here"
	if there.opinion("A").verdict > clean || o.timing().hop.verdict == clean {
		where = "the origin holds it already"
	}
	if f.Seen != "" {
		where = f.Seen + "; " + where
	}
	f.Seen = where
	return f
}

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
		if _, regular := t.main.beat(); regular {
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

// blamed is what a check says when the hold is another's.
func blamed(o *Observation, own culprit) (opinion, Finding, bool) {
	who, op := o.timing().blame(o)
	switch who {
	case nobody, own:
		return op, Finding{}, false
	}
	return op, skipFor(string(who)), true
}

func checkBufferProxy(o *Observation) Finding {
	t := o.timing()
	op, f, other := blamed(o, bySize)
	if other {
		return f
	}
	if op.verdict > clean {
		f := heldFinding(op, "events are held for about %s", roundDuration(op.hold))
		if op.method == "O" {
			f.Title = sprintf("the start of each stream is held for about %s", roundDuration(op.hold))
			f = f.cure("OPENING", "BUFFER")
		}
		size := median(t.all.batches)
		if op.method != "A" {
			size = t.main.bufferSize()
		}
		if size > 0 && op.method != "S" && op.method != "O" {
			f.Title += sprintf(" and let go in pieces of about %d bytes", size)
			f = f.with("batch_bytes", size)
		}
		return attribute(o, f)
	}
	if f, ok := expected(o, t.main); ok {
		return f
	}
	if f, ok := quiet(o, t.main); ok {
		return f
	}
	if t.doubt != "" && t.hop.verdict != clean {
		return inconclusive("only a time in the events speaks of a hold, which may not be that of publishing; serve --stamp or --origin decides").seen("%s", t.doubt)
	}
	if op, ok := firstClean(t.hop, t.pauses, t.flow, t.clock, t.twin, t.heartbeats); ok {
		f := pass("%s", op.seen).with("method", op.method)
		if op.method == "D" {
			// What is held for all alike would look the same.
			f.Title = "no connection has a buffer of its own: " + op.seen
		}
		return f
	}
	if t.main.ended {
		return inconclusive("the stream ended too soon to tell a burst from a buffer (%d events in %s)", len(t.main.events), roundDuration(t.main.endedAt-t.main.start))
	}
	return inconclusive("too few pauses to tell a burst from a buffer (%d events in %s); a longer --duration decides", len(t.main.events), roundDuration(o.Duration))
}

// expected judges a stream by the pace that the user knows it has.
func expected(o *Observation, t *timeline) (Finding, bool) {
	every := o.Options.ExpectEvery
	if every == 0 || t.ended {
		return Finding{}, false
	}
	last, longest := t.start, time.Duration(0)
	for _, e := range t.events {
		longest = max(longest, e.at-last)
		last = e.at
	}
	longest = max(longest, t.endedAt-last)
	if longest > every+max(time.Second, every/4) {
		return fail("no event for %s, though one is expected every %s", roundDuration(longest), every).with("silence_ms", milliseconds(longest)), true
	}
	return Finding{}, false
}

func checkBufferCompression(o *Observation) Finding {
	t := o.timing()
	if t.a.encoded == "" {
		return skip("the stream is not compressed")
	}
	if t.a.decodeErr != nil {
		return fail("cannot decode the %s stream: %v", t.a.encoded, t.a.decodeErr)
	}
	op, f, other := blamed(o, byCompression)
	if other {
		return f
	}
	if op.verdict > clean {
		return attribute(o, heldFinding(op, "%s holds events for about %s", t.a.encoded, roundDuration(op.hold)))
	}
	switch {
	case t.encoding.verdict == clean:
		return pass("%s", t.encoding.seen)
	case len(t.a.plain) == 0:
		if t.main.encoded != "" {
			return inconclusive("%s on each connection, and nothing in it could be read in %s: a quiet stream, or one that is never flushed; --expect-every decides", t.a.encoded, roundDuration(o.Duration))
		}
		return inconclusive("%s, and nothing in it could be read in %s; the plain stream was as quiet", t.a.encoded, roundDuration(o.Duration))
	}
	if all := testPauses(o, t.a, false); all.mid == 0 && all.aligned >= 3 && 3*all.several <= all.arrivals {
		return pass("%s, and all %d pauses are between events", t.a.encoded, all.aligned)
	}
	return inconclusive("%s, and too little to compare with the plain stream", t.a.encoded)
}

func checkBufferTail(o *Observation) Finding {
	t := o.timing()
	op, f, other := blamed(o, byTail)
	if other {
		return f
	}
	if op.verdict > clean {
		f := heldFinding(op, "the end of an event waits for the next one, here for about %s", roundDuration(op.hold))
		switch op.method {
		case "F", "C1":
			f.Title = sprintf("every event waits for the next one, here for about %s", roundDuration(op.hold))
			if op.method == "F" {
				f.Title = sprintf("every event waits for the next one, here for about %s, or new connections join as late", roundDuration(op.hold))
			}
			f = f.cure("BEHIND")
		case "L":
			f.Title = sprintf("open streams are given events late, by about %s", roundDuration(op.hold))
			f = f.cure("BEHIND")
		}
		return attribute(o, f)
	}
	if _, ok := quiet(o, t.main); ok {
		return skipFor("buffer-proxy")
	}
	largest := 0
	for _, e := range t.main.events {
		largest = max(largest, e.size)
	}
	if op, ok := firstClean(t.punctual, t.flow, t.first, t.hop); ok {
		return pass("no event waited for the next one (largest %s)", roundSize(largest)).seen("%s", op.seen).with("method", op.method)
	}
	if op, ok := firstClean(t.tails, t.pauses); ok || t.all.mid == 0 && t.all.aligned > 0 {
		// Whether whole events wait is another question, and nothing answered it.
		return inconclusive("no event was cut by a pause (largest %s), but a whole one may wait for the next; serve --stamp or --origin decides", roundSize(largest)).with("method", op.method)
	}
	return inconclusive("too few pauses to judge (%d inside an event, %d between)", t.all.mid, t.all.aligned)
}

func checkBufferTimer(o *Observation) Finding {
	t := o.timing()
	op, f, other := blamed(o, byTimer)
	if other {
		return f
	}
	if op.verdict > clean {
		every, regular := t.main.beat()
		f := heldFinding(op, "events come late, by up to %s", roundDuration(op.hold))
		if regular && !t.mostlySingle() {
			f.Title = sprintf("events come in batches, one every %s", roundDuration(every))
			f = f.with("period_ms", milliseconds(every))
			if every >= holdFail && op.method != "P" {
				f.Status = Fail // whatever the phases of two connections happened to be
			}
		}
		return attribute(o, f)
	}
	if _, ok := quiet(o, t.main); ok {
		return skipFor("buffer-proxy")
	}
	if op, ok := firstClean(t.twin, t.hop, t.clock, t.flow); ok {
		return pass("%s", op.seen).with("method", op.method)
	}
	if t.pauses.verdict == clean {
		return pass("events come one by one (%d of %d arrivals)", t.pauses.numbers["pauses_aligned"], len(t.main.arrivals))
	}
	if t.main.ended {
		return inconclusive("the stream ended too soon to judge")
	}
	return inconclusive("events come in groups, and nothing tells whether the server makes them so; serve --stamp or --origin decides")
}

func checkBufferWhole(o *Observation) Finding {
	x := o.a()
	if noStream(x) {
		return skip("no event stream to look at")
	}
	if x.Answered == 0 {
		return skipFor("headers-early")
	}
	t := o.timing()
	op, f, other := blamed(o, byWhole)
	if other {
		return f
	}
	if op.verdict > clean {
		f := heldFinding(op, "the whole answer came at once, after %s", roundDuration(op.hold))
		if dialectOf(o) == "" {
			f.Status = Warn // it may be a job that has nothing to say until it is done
		}
		return f
	}
	switch {
	case t.whole.verdict == clean, len(t.main.events) > 0 && !t.main.ended:
		return pass("events come while the stream is open")
	case len(t.main.events) > 0:
		return pass("the stream ended %s after it began", roundDuration(t.main.endedAt-t.main.start))
	}
	f, _ = quiet(o, t.main)
	if f.Status == "" {
		f = inconclusive("no whole event came in %s", roundDuration(o.Duration))
	}
	return f
}

func checkTerminatorLate(o *Observation) Finding {
	t := o.timing()
	all := t.all
	if all.terminatorLate() {
		return fail("the blank line that ends an event comes with the next event").
			seen("%d of %d pauses lack nothing but the blank line", all.noBlank, all.noBlank+all.mid+all.aligned).
			with("pauses_no_blank", all.noBlank)
	}
	if all.aligned+all.mid+all.noBlank == 0 {
		return inconclusive("no pause to judge by")
	}
	return pass("events end before the stream pauses")
}
