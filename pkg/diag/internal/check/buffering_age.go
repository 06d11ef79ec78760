package check

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var lifetimeCutCheck = Check{
	ID: "lifetime-cut", Group: "buffering", Title: "age does not end the stream", Worst: Fail,
	How:       "Where Envoy is on the path and nothing else failed, the stream is watched until it is 16.5 s old: a reset or a 504 after 15 s, the limit of its routes, fails. With Options.Soak: cut although bytes flowed, or twice at the same age.",
	Why:       "No heartbeat helps against a limit of age.",
	Cite:      "https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts",
	Cures:     []Cure{cureRouteTimeout, cureRaiseTimeout},
	Needs:     NeedsSoak,
	Anyway:    func(o *seen.Observation) bool { _, ok := pastLimit(o); return ok },
	AnyAnswer: true, run: checkLifetimeCut,
}

// cureRouteTimeout lifts the limit that counts a whole answer, which has another
// name in each product that is built on Envoy.
var cureRouteTimeout = Cure{
	{For: "envoy", Text: `Gateway API: timeouts: {request: "0s"} in the rule of the HTTPRoute (Envoy Gateway: and a streamIdleTimeout); Istio: timeout: 0s in the route of the VirtualService; ` +
		`Contour: timeoutPolicy: {response: infinity} in the route of the HTTPProxy; Envoy itself: timeout: 0s in the route, and a stream_idle_timeout above the time between heartbeats`},
}

// limitMargin is how much longer than the limit of a hop a stream is watched.
const limitMargin = 1500 * time.Millisecond

// waited are the limits of age that a run waits for without being asked to, by the
// hop that has to be on the path.
var waited = []struct {
	hop string
	limit
}{
	{"envoy", envoyRoute},
}

// tolerance is how far from a limit a cut may be.
func (l limit) tolerance() time.Duration { return l.After/50 + time.Second }

// limitOnPath returns the limit of age of a hop on the path, of those that are
// waited for.
func limitOnPath(o *seen.Observation) (limit, bool) {
	hops := o.Hops()
	for _, w := range waited {
		if slices.ContainsFunc(hops, func(h seen.Hop) bool { return h.Name == w.hop }) {
			return w.limit, true
		}
	}
	return limit{}, false
}

// WatchUntil returns when the limit of age of a hop on the path is past for
// certain, so that a stream that is still open then is not cut by it; zero where
// there is none, or where one of the checks fails, which has to be mended first.
func WatchUntil(o *seen.Observation, checks []*Check) time.Duration {
	l, ok := limitOnPath(o)
	x := o.Main()
	if !ok || x.Answered > 0 && !x.OK() {
		return 0
	}
	if x.Answered > 0 { // where nothing is answered, that is the failure
		for _, c := range checks {
			if c.Needs.Given(&o.Options) && c.Run(o).Status == Fail {
				return 0
			}
		}
	}
	return asked(x) + l.After + limitMargin
}

// asked is when the request was there: hops count from then on.
func asked(x *seen.Exchange) time.Duration { return max(x.Start, x.Connected) }

// pastLimit returns the limit of age of a hop on the path, if the exchange shows
// whether it applies: it was cut by it, or was open for longer, or ended by itself
// about then.
func pastLimit(o *seen.Observation) (limit, bool) {
	if l, ok := cutByLimit(o); ok {
		return l, true
	}
	l, ok := limitOnPath(o)
	x := o.Main()
	age := x.Ended - asked(x)
	if x.End == seen.EndEOF {
		return l, ok && x.OK() && age >= l.After-l.tolerance()
	}
	return l, ok && x.OK() && age > l.After+l.tolerance()
}

// cutByLimit returns the limit of age of a hop on the path that cut the stream: it
// broke off at that age, or a gateway answered 504 then. A stream that ends in
// order ends by itself, whatever its age.
func cutByLimit(o *seen.Observation) (limit, bool) {
	l, ok := limitOnPath(o)
	x := o.Main()
	end := x.Ended
	switch {
	case x.Status == http.StatusGatewayTimeout:
		end = x.Answered
	case !x.OK() || x.End != seen.EndReset:
		return limit{}, false
	}
	return l, ok && math.Abs(float64(end-asked(x)-l.After)) <= float64(l.tolerance())
}

func checkLifetimeCut(o *seen.Observation) Finding {
	x := o.Main()
	if l, ok := cutByLimit(o); ok {
		age := x.Ended - asked(x)
		f := fail("cut after %s: that is the %s, which counts the whole answer", seen.RoundDuration(age), l.Hop)
		f.Seen = fmt.Sprintf("%d events came until then", len(x.Timeline().Events))
		if x.Status == http.StatusGatewayTimeout {
			age = x.Answered - asked(x)
			f = fail("504 after %s: that is the %s, which counts the whole answer", seen.RoundDuration(age), l.Hop)
		}
		return f.cure(cureRouteTimeout).with("age_ms", seen.Milliseconds(age)).with("hop", l.Hop).with("limit_ms", seen.Milliseconds(l.After))
	}
	if !x.OK() {
		return skip("no event stream to look at")
	}
	silence, age, was := cut(o)
	again := o.Get(seen.RoleSoak)
	switch {
	case !was:
		f := pass("not cut in %s", seen.RoundDuration(x.Ended-x.Answered))
		if l, ok := pastLimit(o); ok {
			f.Seen = fmt.Sprintf("the %s is %s", l.Hop, seen.RoundDuration(l.After))
		}
		return f
	case x.Header.Get("Content-Length") != "" || seen.DialectOf(o) != "":
		return skip("the stream has an end of its own")
	case o.Options.Soak == 0 && x.End == seen.EndEOF:
		return pass("it ended in order after %s", seen.RoundDuration(age))
	case o.Options.Soak == 0:
		return skipFor("end-clean")
	}
	sameAge := false
	if again != nil && (again.End == seen.EndEOF || again.End == seen.EndReset) {
		second := again.Ended - again.Answered
		sameAge = (second - age).Abs() <= age/50+time.Second
	}
	flowing := silence <= max(2*time.Second, 3*o.Main().Timeline().LongestGap()/2)
	if !flowing && !sameAge {
		return pass("it ended for silence: see idle-cut")
	}
	if !flowing {
		return skip("see idle-cut")
	}
	f := warn("ended after %s although bytes flowed", seen.RoundDuration(age)).with("age_ms", seen.Milliseconds(age)).cure(cureRaiseTimeout)
	if sameAge {
		f.Title = fmt.Sprintf("ended after %s, twice", seen.RoundDuration(age))
	}
	if age < time.Minute {
		f.Status = Fail
	}
	if t, ok := likelyHop(age, false); ok {
		f.Seen = fmt.Sprintf("that is the limit of %s", t.Hop)
		f = f.with("hop", t.Hop).with("limit_ms", seen.Milliseconds(t.After))
	}
	return f
}
