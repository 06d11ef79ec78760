package check

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var heartbeatCheck = Check{
	ID: "heartbeat", Group: "buffering", Title: "silence stays short", Worst: Fail,
	How:   "The longest time without a byte. Over 20 s info, from 30 s warn, from 55 s fail.",
	Why:   "Hops cut silent connections, most at 60 s, some at 30 s.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes",
	Cures: []Cure{cureBeat},
	run:   checkHeartbeat,
}

func checkHeartbeat(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if t.Ended {
		return skip("the stream ended")
	}
	watched := o.Main().Ended - o.Main().Answered
	longest, last := time.Duration(0), o.Main().Answered
	for _, a := range t.Arrivals {
		longest = max(longest, a.From-last)
		last = a.To
	}
	longest = max(longest, o.Main().Ended-last)
	f := inconclusive("no silence longer than %s in %s; Options.Soak watches longer", seen.RoundDuration(longest), seen.RoundDuration(watched)).minor()
	switch {
	case longest >= 55*time.Second:
		f = fail("silent for %s: many hops cut at 60 s", seen.RoundDuration(longest))
	case longest >= 30*time.Second:
		f = warn("silent for %s: some hops cut at 30 s", seen.RoundDuration(longest))
	case longest > 20*time.Second:
		f = info("silent for %s", seen.RoundDuration(longest))
	case len(t.Arrivals) == 0, 10*longest >= 9*watched:
		f = inconclusive("none, and nothing else, for %s; Options.Soak watches longer", seen.RoundDuration(longest))
	case watched >= 30*time.Second, longest*3 < watched && len(t.Events)+len(t.Comments) >= 4:
		f = pass("never silent for more than %s", seen.RoundDuration(longest))
	}
	return f.with("silence_ms", seen.Milliseconds(longest))
}

var heartbeatKindCheck = Check{
	ID: "heartbeat-kind", Group: "buffering", Title: "the form of heartbeats", Worst: Info,
	How:   "Comments, events of their own type, or messages.",
	Why:   "A heartbeat that is a message reaches the application as data.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes",
	Cures: []Cure{cureBeat},
	run:   checkHeartbeatKind,
}

func checkHeartbeatKind(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if len(t.Comments) > 0 {
		return info("comments, %d of them", len(t.Comments))
	}
	for _, e := range t.Events {
		switch strings.ToLower(e.Type) {
		case "ping", "heartbeat", "keepalive", "keep-alive", "hb":
			return info("events of type %q", httpx.Clip(e.Type, 40))
		}
	}
	for _, e := range t.Events {
		switch strings.ToLower(strings.Trim(string(e.Data), `"`)) {
		case "ping", "heartbeat", "keepalive", "keep-alive", ":":
			return info("messages with the data %q, which reach onmessage as payload", httpx.Clip(string(e.Data), 40))
		}
	}
	return info("none seen in %s", seen.RoundDuration(o.Duration))
}

var idleCutCheck = Check{
	ID: "idle-cut", Group: "buffering", Title: "silence does not end the stream", Worst: Fail,
	How:   "With Options.Soak, the stream is left alone. A cut after silence is compared with the known limits of hops.",
	Why:   "Clients reconnect all the time, and lose events unless they can resume.",
	Cite:  "https://github.com/harness/harness/issues/1293",
	Cures: []Cure{cureRaiseTimeout},
	Needs: NeedsSoak,
	run:   checkIdleCut,
}

var cureRaiseTimeout = Cure{
	{For: "nginx", Text: "proxy_read_timeout 1h;"},
	{For: "app", Text: "heartbeats more often than the limit; for a limit of age, end the stream before it"},
	{For: "envoy", Text: "silence: stream_idle_timeout, in Envoy Gateway timeout: {http: {streamIdleTimeout: 1h}} of a ClientTrafficPolicy; age: timeout: 0s of the route, in Gateway API timeouts: {request: 0s} of the HTTPRoute"},
	{For: "haproxy", Text: "timeout server 1h; timeout client 1h"},
	{For: "traefik", Text: "entryPoints.NAME.transport.respondingTimeouts.writeTimeout=0, the default: others count the whole answer"},
	{For: "gcp", Text: "gcloud compute backend-services update NAME --global --timeout=3600; in GKE timeoutSec: 3600 of a GCPBackendPolicy: the default counts 30 s, whatever is sent"},
	{For: "cloudfront", Text: "heartbeats within OriginReadTimeout (30 s by default, 120 at most), and no ResponseCompletionTimeout"},
	{For: "azure", Text: "Front Door: az afd profile update --origin-response-timeout-seconds 240, the most; API Management: a heartbeat within 4 minutes"},
	{For: "vercel", Text: "export const maxDuration = 800, as much as the plan allows; end the stream before it, and let clients resume"},
	{For: "fly", Text: "fly.toml: [http_service.http_options] idle_timeout = 600, in seconds, or heartbeats within it"},
	{For: "netlify", Text: "an edge function: other functions end a stream after 10 s"},
	{For: "heroku", Text: "heartbeats within 55 s, which no setting raises"},
	{For: "squid", Text: "read_timeout above the time between heartbeats (15 minutes by default)"},
	{For: "trafficserver", Text: "proxy.config.http.transaction_no_activity_timeout_out and _in above the time between heartbeats"},
	bunTimeout,
}

// A limit is a limit that some hop is known to have.
type limit struct {
	After time.Duration
	Idle  bool // counts silence; else the age of the stream
	Hop   string
	Cite  string
}

// envoyRoute counts the whole answer, events or not.
var envoyRoute = limit{15 * time.Second, false, "Envoy route timeout", "https://github.com/nstapelbroek/envoy-swarm-control-plane/issues/16"}

// limits are the known limits of hops, in the order of their length. A cut is
// compared with them. They are no promise: all of them can be configured.
var limits = []limit{
	{10 * time.Second, true, "Bun.serve", "https://bun.sh/guides/http/sse"},
	envoyRoute,
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
func likelyHop(d time.Duration, idle bool) (limit, bool) {
	for _, t := range limits {
		tolerance := t.tolerance()
		if t.Idle == idle && math.Abs(float64(d-t.After)) <= float64(tolerance) {
			return t, true
		}
	}
	return limit{}, false
}

// cut returns how a soaked stream ended: after which silence, and at which age.
func cut(o *seen.Observation) (silence, age time.Duration, was bool) {
	x := o.Main()
	if x.End != seen.EndEOF && x.End != seen.EndReset {
		return 0, 0, false
	}
	t := x.Timeline()
	last := x.Answered
	if n := len(t.Arrivals); n > 0 {
		last = t.Arrivals[n-1].To
	}
	return x.Ended - last, x.Ended - x.Answered, true
}

func checkIdleCut(o *seen.Observation) Finding {
	silence, age, was := cut(o)
	watched := o.Main().Ended - o.Main().Answered
	switch {
	case !was:
		return pass("not cut in %s", seen.RoundDuration(watched))
	case silence <= max(2*time.Second, 3*o.Main().Timeline().LongestGap()/2):
		return pass("it ended after %s, but not for silence: see lifetime-cut", seen.RoundDuration(age))
	}
	f := warn("cut after %s of silence", seen.RoundDuration(silence)).with("silence_ms", seen.Milliseconds(silence))
	if silence < time.Minute {
		f.Status = Fail
	}
	if t, ok := likelyHop(silence, true); ok {
		f.Seen = fmt.Sprintf("that is the limit of %s", t.Hop)
		f = f.with("hop", t.Hop).with("limit_ms", seen.Milliseconds(t.After))
	}
	return f
}

var endCleanCheck = Check{
	ID: "end-clean", Group: "buffering", Title: "a stream ends cleanly", Worst: Fail,
	How:   "An answer that breaks off fails if it is shorter than its Content-Length, has broken chunks, or is reset or cut within a chunk or an event in its first 9 s, where no hop is known to cut, or if it is cut after a silence shorter than the 15 s between heartbeats. Otherwise it is a warning.",
	Why:   "A stream that breaks off looks like a network fault, which hides the limit behind it.",
	Cite:  "https://github.com/kubernetes/ingress-nginx/issues/14090",
	Cures: []Cure{cureRaiseTimeout},
	Quick: true, run: checkEndClean,
}

var cureEndInOrder = Cure{{For: "app", Text: "leave the framing of the body to the HTTP server, and end the answer instead of dropping the connection"}}

func checkEndClean(o *seen.Observation) Finding {
	x := o.Main()
	switch x.End {
	case seen.EndEOF:
		return pass("the answer ended cleanly")
	case seen.EndReset:
	default:
		return skip("the stream did not end")
	}
	if _, ok := cutByLimit(o); ok {
		return skipFor(lifetimeCutCheck.ID)
	}
	age := x.Ended - x.Answered
	tail, silence := len(x.Timeline().Tail), shortSilence(o)
	f := warn("the stream broke off after %s: %s", seen.RoundDuration(age), x.Error)
	switch {
	case tail > 0:
		f.Seen = fmt.Sprintf("the last %d bytes are of an event that never ended", tail)
	case x.Between:
		f.Seen = "closed without the chunk that ends a body, as a limit on the way does"
	}
	switch {
	case strings.Contains(x.Error, "chunk"):
		f = fail("after %s the answer is not valid HTTP: %s", seen.RoundDuration(age), x.Error).cure(cureEndInOrder)
	case x.Header.Get("Content-Length") != "":
		f = fail("%d of %s bytes came, then the connection ended", len(x.Body), x.Header.Get("Content-Length")).cure(cureDropLength, cureEndInOrder)
	case silence >= minLimit:
		f.Status = Fail
		f.Title = fmt.Sprintf("cut after %s of silence, sooner than heartbeats come: %s", seen.RoundDuration(silence), x.Error)
		f = f.with("silence_ms", seen.Milliseconds(silence)).cure(cureBeatFaster)
		if l, ok := likelyHop(silence, true); ok {
			f.Seen = fmt.Sprintf("that is the limit of %s", l.Hop)
			f = f.with("hop", l.Hop).cure(cureBun, cureBeatFaster)
		}
	case age < earliestCut && (tail > 0 || !x.Between || len(x.Body) == 0):
		f.Status = Fail
		f = f.cure(cureEndInOrder, cureRaiseTimeout)
	}
	return f
}

// usualBeat is the time between heartbeats that the standard recommends
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes).
const usualBeat = 15 * time.Second

// minLimit is the least silence before a cut that is taken for its reason.
const minLimit = 3 * time.Second

// cureBun is for the one limit of silence that is shorter than usualBeat.
var cureBun = Cure{bunTimeout}

var bunTimeout = Remedy{For: "bun", Text: "server.timeout(req, 0) in the handler, or idleTimeout: 255 in Bun.serve: the default is 10 s"}

var cureBeatFaster = Cure{
	{For: "app", Text: `write ": hb\n\n" more often than the limit, or raise the limit above the time between heartbeats`},
	{For: "nginx", Text: "proxy_read_timeout 1h; fastcgi_read_timeout 1h; or uwsgi_read_timeout 1h; for apps behind FastCGI or uWSGI"},
	{For: "haproxy", Text: "timeout server and timeout tunnel above the time between heartbeats"},
}

// shortSilence returns the silence before a cut that would come before the usual
// heartbeat does, zero for none. A silence that the stream or another connection
// survived is no reason for a cut.
func shortSilence(o *seen.Observation) time.Duration {
	x := o.Main()
	silence, _, was := cut(o)
	if !was || silence >= usualBeat || silence <= 3*x.Timeline().LongestGap()/2 {
		return 0
	}
	for _, other := range o.Exchanges {
		if other != x && other.OK() && other.Method == x.Method && other.URL == x.URL && survived(other) > silence+time.Second/2 {
			return 0
		}
	}
	return silence
}

// survived returns the longest time without a byte that did not end an exchange.
func survived(x *seen.Exchange) time.Duration {
	longest, last := time.Duration(0), x.Answered
	for _, a := range x.Timeline().Arrivals {
		longest = max(longest, a.From-last)
		last = a.To
	}
	if x.End == seen.EndClient {
		longest = max(longest, x.Ended-last)
	}
	return longest
}
