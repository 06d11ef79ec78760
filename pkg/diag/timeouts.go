package diag

import (
	"math"
	"time"
)

// A Timeout is a limit that some hop is known to have.
type Timeout struct {
	After time.Duration
	Idle  bool // counts silence; else the age of the stream
	Hop   string
	Cite  string
}

// Timeouts is what is known of limits, in the order of their length. It is
// what a cut is compared with, and no promise: all of them can be configured.
var Timeouts = []Timeout{
	{10 * time.Second, true, "Bun.serve", "https://bun.sh/guides/http/sse"},
	{15 * time.Second, false, "Envoy route timeout", "https://github.com/nstapelbroek/envoy-swarm-control-plane/issues/16"},
	{29 * time.Second, false, "AWS API Gateway", "https://github.com/ghdna/athena-express/issues/18"},
	{30 * time.Second, false, "Google Cloud load balancer backend", "https://github.com/kubernetes/ingress-gce/issues/518"},
	{30 * time.Second, true, "CloudFront origin read", "https://github.com/Wave-RF/WaveHouse/issues/346"},
	{55 * time.Second, true, "Heroku router", "https://github.com/heroku/busl/issues/99"},
	{60 * time.Second, true, "nginx proxy_read_timeout, or an AWS load balancer", "https://github.com/harness/harness/issues/1293"},
	{100 * time.Second, true, "Cloudflare", "https://github.com/mozilla-ai/otari/issues/528"},
	{120 * time.Second, true, "node http-proxy", "https://github.com/http-party/node-http-proxy/issues/921"},
	{120 * time.Second, false, "Ory Oathkeeper", "https://github.com/ory/oathkeeper/issues/877"},
	{125 * time.Second, true, "Cloudflare", "https://github.com/robhunter/agentdeals/issues/1098"},
	{240 * time.Second, true, "Azure load balancer or API Management", "https://learn.microsoft.com/azure/api-management/how-to-server-sent-events"},
	{300 * time.Second, true, "Envoy stream idle timeout, or Railway", "https://github.com/pomerium/pomerium/issues/6288"},
	{300 * time.Second, false, "Cloud Run or Vercel", "https://github.com/SquadQuest/SquadQuest/issues/466"},
	{350 * time.Second, true, "AWS network load balancer", "https://github.com/Wave-RF/WaveHouse/issues/346"},
}

// likelyHop names whose limit a cut after d fits, to within 2 % and a second.
func likelyHop(d time.Duration, idle bool) (Timeout, bool) {
	for _, t := range Timeouts {
		tolerance := t.After/50 + time.Second
		if t.Idle == idle && math.Abs(float64(d-t.After)) <= float64(tolerance) {
			return t, true
		}
	}
	return Timeout{}, false
}

// cut tells how a soaked stream ended: after a silence, or at an age.
func cut(o *Observation) (silence, age time.Duration, was bool) {
	x := o.a()
	if x.End != EndEOF && x.End != EndReset {
		return 0, 0, false
	}
	t := x.timeline()
	last := x.Answered
	if n := len(t.arrivals); n > 0 {
		last = t.arrivals[n-1].to
	}
	return x.Ended - last, x.Ended - x.Answered, true
}

// longestGap is the longest gap between arrivals that the stream survived.
func (t *timeline) longestGap() time.Duration {
	var longest time.Duration
	for _, gap := range t.pauses {
		longest = max(longest, gap)
	}
	return longest
}

func checkIdleCut(o *Observation) Finding {
	silence, age, was := cut(o)
	watched := o.a().Ended - o.a().Answered
	switch {
	case !was:
		return pass("not cut in %s", roundDuration(watched))
	case silence <= max(2*time.Second, 3*o.a().timeline().longestGap()/2):
		return pass("it ended after %s, but not of silence: see lifetime-cut", roundDuration(age))
	}
	f := warn("cut after %s of silence", roundDuration(silence)).with("silence_ms", milliseconds(silence))
	if silence < time.Minute {
		f.Status = Fail
	}
	if t, ok := likelyHop(silence, true); ok {
		f.Seen = sprintf("that is the limit of %s", t.Hop)
		f = f.with("hop", t.Hop).with("limit_ms", milliseconds(t.After))
	}
	return f
}

func checkLifetimeCut(o *Observation) Finding {
	silence, age, was := cut(o)
	again := o.get(RoleSoak)
	switch {
	case !was:
		return pass("not cut in %s", roundDuration(o.a().Ended-o.a().Answered))
	case o.a().Header.Get("Content-Length") != "" || dialectOf(o) != "":
		return skip("the stream has an end of its own")
	}
	sameAge := false
	if again != nil && (again.End == EndEOF || again.End == EndReset) {
		second := again.Ended - again.Answered
		sameAge = (second - age).Abs() <= age/50+time.Second
	}
	flowing := silence <= max(2*time.Second, 3*o.a().timeline().longestGap()/2)
	if !flowing && !sameAge {
		return pass("it ended of silence: see idle-cut")
	}
	if !flowing {
		return skip("see idle-cut")
	}
	f := warn("ended after %s although bytes flowed", roundDuration(age)).with("age_ms", milliseconds(age))
	if sameAge {
		f.Title = sprintf("ended after %s, twice", roundDuration(age))
	}
	if age < time.Minute {
		f.Status = Fail
	}
	if t, ok := likelyHop(age, false); ok {
		f.Seen = sprintf("that is the limit of %s", t.Hop)
		f = f.with("hop", t.Hop).with("limit_ms", milliseconds(t.After))
	}
	return f
}
