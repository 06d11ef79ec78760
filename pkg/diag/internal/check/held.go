package check

import (
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// quiet returns the finding for a stream that gives nothing to judge by.
func quiet(o *seen.Observation, t *seen.Timeline) (Finding, bool) {
	if len(t.Arrivals) > 0 && (len(t.Events) > 0 || len(t.Comments) > 1 || len(t.Plain) > 0 && len(t.Events) == 0 && t.Arrivals[len(t.Arrivals)-1].Pending > 0) {
		return Finding{}, false
	}
	what := "nothing arrived"
	if len(t.Comments) > 0 {
		what = "one comment came"
	}
	return inconclusive("%s in %s: a quiet stream, or one held as a whole; Options.ExpectEvery decides", what, seen.RoundDuration(o.Duration)), true
}

// heldFinding words a hold.
func heldFinding(est hold.Estimate, what string, args ...any) Finding {
	f := fail(what, args...)
	if est.Verdict == hold.Slight {
		f.Status = Warn
	}
	f.Seen = est.Seen
	f.hold, f.method = est.Hold, est.Method
	f = f.with("hold_ms", seen.Milliseconds(est.Hold)).with("method", est.Method.String())
	for key, value := range est.Numbers {
		f = f.with(key, value)
	}
	return f
}

// restsOn makes a finding rest on a hold that another check reports: without the
// hold, the other finding stands.
func (f Finding) restsOn(est hold.Estimate, without Finding) Finding {
	f.hold, f.method, f.Unheld = est.Hold, est.Method, &without
	return f.with("hold_ms", seen.Milliseconds(est.Hold))
}

// locate adds on which side of the origin a hold is, where that was seen.
func locate(o *seen.Observation, f Finding) Finding {
	origin := o.Get(seen.RoleOrigin)
	if !origin.OK() {
		return f
	}
	there := hold.CountPauses(o, origin.Timeline(), false)
	where := "the fault is between the origin and here"
	if there.Estimate().Verdict > hold.Clean || hold.Of(o).Verdict(hold.Origin) == hold.Clean {
		where = "the origin holds it already"
	}
	if f.Seen != "" {
		where = f.Seen + "; " + where
	}
	f.Seen = where
	return f
}

// attributed returns the estimate that shows the hold, and the finding of a
// check where another one reports it.
func attributed(o *seen.Observation, own hold.Cause) (hold.Estimate, Finding, bool) {
	who, est := hold.Of(o).Attribute()
	switch who {
	case hold.NoCause, own:
		return est, Finding{}, false
	}
	return est, skipFor(string(who)), true
}

// expected judges a stream by the pace that the user knows it has.
func expected(o *seen.Observation, t *seen.Timeline) (Finding, bool) {
	every := o.Options.ExpectEvery
	if every == 0 || t.Ended {
		return Finding{}, false
	}
	last, longest := t.Start, time.Duration(0)
	for _, e := range t.Events {
		longest = max(longest, e.At-last)
		last = e.At
	}
	longest = max(longest, t.EndedAt-last)
	if longest > every+max(time.Second, every/4) {
		return fail("no event for %s, though one is expected every %s", seen.RoundDuration(longest), every).with("silence_ms", seen.Milliseconds(longest)), true
	}
	return Finding{}, false
}
