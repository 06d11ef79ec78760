package diag

import "time"

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
	f.hold, f.method = op.hold, op.method
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
	if there.opinion("A").verdict > clean || timingOf(o).hop.verdict == clean {
		where = "the origin holds it already"
	}
	if f.Seen != "" {
		where = f.Seen + "; " + where
	}
	f.Seen = where
	return f
}

// blamed is what a check says when the hold is another's.
func blamed(o *Observation, own culprit) (opinion, Finding, bool) {
	who, op := timingOf(o).blame(o)
	switch who {
	case nobody, own:
		return op, Finding{}, false
	}
	return op, skipFor(string(who)), true
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
