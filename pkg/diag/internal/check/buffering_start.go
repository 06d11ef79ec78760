package check

import (
	"fmt"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var headersEarlyCheck = Check{
	ID: "headers-early", Group: "buffering", Title: "headers do not wait for the first event", Worst: Fail,
	How:       "Headers that arrive together with the first byte of the body, after more than 1 s and five times the time of another answer: from 1 s warn, from 3 s or never fail. Headers of two new connections that arrive when an open one gets an event wait for it: from 0.4 s warn, from 1 s fail.",
	Why:       "EventSource stays in CONNECTING, and proxies take the upstream for hung.",
	Cite:      "https://github.com/danielgtaylor/huma/issues/1037",
	Cures:     []Cure{cureFlushHeaders, cureStopNginx},
	Quick:     true,
	Timing:    true,
	AnyAnswer: true, // a request that is never answered must not pass
	run:       checkHeadersEarly,
}

var cureStopNginx = Cure{
	{For: "php", Text: phpText},
	{For: "nginx", Text: nginxText},
	{For: "app", Text: appText},
	{For: "nginx", Text: "fastcgi_buffering off; or uwsgi_buffering off; for apps behind FastCGI or uWSGI"},
	{For: "nginx", Text: "proxy_ignore_headers X-Accel-Buffering disables the app's header"},
	{For: "ingress-nginx", Text: `nginx.ingress.kubernetes.io/proxy-buffering: "off" and proxy-read-timeout: "3600"`},
}

var cureStopBuffer = Cure{
	{For: "php", Text: phpText},
	{For: "nginx", Text: nginxText},
	{For: "app", Text: appText},
	{For: "app", Text: "flush after each event; code that copies a stream has to flush after each read"},
	{For: "apache", Text: "ProxySet flushpackets=on for mod_proxy_fcgi; FcgidOutputBufferSize 0 for mod_fcgid; no mod_ratelimit on the stream"},
	{For: "lighttpd", Text: "server.stream-response-body = 1"},
	{For: "haproxy", Text: "option http-no-delay; take text/event-stream out of compression type"},
	{For: "varnish", Text: "set beresp.do_stream = true; set beresp.do_gzip = false; set beresp.do_esi = false; or return (pipe)"},
	{For: "caddy", Text: "keep encode away from the path: @other not path /events, encode @other gzip; no response_buffers; 2.11.9 or later needs neither"},
	{For: "traefik", Text: "no buffering middleware before the stream"},
	{For: "iis", Text: `<add mimeType="text/event-stream" enabled="false"/> in dynamicTypes, and DisableBuffering() in the app`},
	{For: "azure", Text: `API Management: buffer-response="false", and no logging of bodies`},
	{For: "apigw", Text: "API Gateway: responseTransferMode=STREAM"},
	{For: "cloudflare", Text: "Content-Type: text/event-stream; response buffering off"},
	{For: "trafficserver", Text: "flush true for compress.so"},
	{For: "apisix", Text: "the plugin proxy-buffering of the route: disable_proxy_buffering: true"},
	{For: "railway", Text: appText},
	passTunnel, passWorker, passFront, passFunction, passFastly,
	{For: "apigw", Text: lambdaText},
	{For: "lambda", Text: lambdaText},
	{For: "envoy", Text: envoyExtProc},
	{For: "iis", Text: arrText},
	{For: "kestrel", Text: "DisableBuffering() of IHttpResponseBodyFeature"},
}

func checkHeadersEarly(o *seen.Observation) Finding {
	x := o.Main()
	base, hasBase := o.Baseline()
	if noStream(x) {
		return skip("no event stream to look at")
	}
	if x.Answered == 0 {
		if !hasBase {
			return inconclusive("no answer of any kind to compare with")
		}
		f := fail("no headers within %s, though another request was answered after %s", seen.RoundDuration(x.Ended-x.Start), seen.RoundDuration(base)).
			with("waited_ms", seen.Milliseconds(x.Ended-x.Start)).with("baseline_ms", seen.Milliseconds(base)).cure(cureFlushHeaders, cureStopBuffer)
		if plain := o.Get(seen.RoleIdentity); plain.OK() {
			f.Title = fmt.Sprintf("no headers within %s, without compression after %s: a compressor holds them until its buffer is full", seen.RoundDuration(x.Ended-x.Start), seen.RoundDuration(plain.TTFB()))
			return f.with("identity_ms", seen.Milliseconds(plain.TTFB())).cure(cureFlushCompressor, cureFlushHeaders)
		}
		if origin := o.Get(seen.RoleOrigin); origin.OK() {
			f.Seen = fmt.Sprintf("the origin gave them after %s: the fault is between the origin and here", seen.RoundDuration(origin.TTFB()))
		}
		return f
	}
	if x, _ := starved(o); x != nil {
		return skipFor("connect-parallel")
	}
	w := hold.HeaderWaits(o)
	if w.Alone != nil {
		return pass("headers after %s, and before the first byte of the stream", seen.RoundDuration(w.Alone.TTFB())).with("ttfb_ms", seen.Milliseconds(w.Alone.TTFB()))
	}
	ttfb := w.Latest.TTFB()
	f := pass("headers after %s", seen.RoundDuration(ttfb))
	switch proven := w.WithEvent >= 2; {
	case o.Stalled(w.Latest.Start, w.Latest.Answered):
	case proven && ttfb >= time.Second:
		f = fail("headers wait for the first event, here for up to %s", seen.RoundDuration(ttfb))
	case proven && ttfb >= hold.Harmful:
		f = warn("headers wait for the first event, here for up to %s", seen.RoundDuration(ttfb))
	case ttfb <= time.Second:
	case ttfb <= 5*base:
		f = inconclusive("headers came with the first event, after %s, but other answers of the server are slow too", seen.RoundDuration(ttfb))
	case ttfb >= hold.HeadersFail:
		f = fail("headers came with the first event, after %s", seen.RoundDuration(ttfb))
	default:
		f = warn("headers came with the first event, after %s", seen.RoundDuration(ttfb))
	}
	if f.Status != Pass {
		f.Seen = w.Evidence(o)
	}
	if f.Status != Pass && w.Compressed {
		f = f.cure(cureFlushCompressor, cureFlushHeaders)
	}
	return f.with("ttfb_ms", seen.Milliseconds(ttfb)).with("baseline_ms", seen.Milliseconds(base)).with("headers_with_event", w.WithEvent)
}

// noStream reports whether it is plain that no stream will come: there was
// another answer, or none could.
func noStream(x *seen.Exchange) bool {
	return x.Answered > 0 && !x.OK() || x.End == seen.EndError
}

var firstByteCheck = Check{
	ID: "first-byte", Group: "buffering", Title: "the first byte arrives early", Worst: Info,
	How:   "Time from the headers to the first byte of the body.",
	Why:   "Some networks deliver the headers no earlier than that.",
	Cite:  "https://bunny.net/docs/scripting/server-sent-events",
	Cures: []Cure{cureFlushHeaders},
	run:   checkFirstByte,
}

func checkFirstByte(o *seen.Observation) Finding {
	x := o.Main()
	if x.Method == http.MethodHead {
		return skip("no body asked for")
	}
	if len(x.Reads) == 0 {
		return info("no byte in %s after the headers: some networks deliver the headers no earlier", seen.RoundDuration(x.Ended-x.Answered))
	}
	wait := x.Reads[0].At - x.Answered
	if wait > 2*time.Second {
		return info("first byte %s after the headers: some networks deliver the headers no earlier", seen.RoundDuration(wait)).
			with("first_byte_ms", seen.Milliseconds(wait))
	}
	return pass("first byte %s after the headers", seen.RoundDuration(max(0, wait))).with("first_byte_ms", seen.Milliseconds(wait)).cure()
}

var protocolParityCheck = Check{
	ID: "protocol-parity", Group: "buffering", Title: "HTTP/1.1 and HTTP/2 behave alike", Worst: Fail,
	How:   "The headers over the other version of HTTP, requested twice. Held there warn, held over the version of the first stream fail.",
	Why:   "One of the two is held, usually the one that browsers choose.",
	Cite:  "https://github.com/icing/mod_h2/issues/147",
	Cures: []Cure{cureFixHTTP2},
	run:   checkProtocolParity,
}

func checkProtocolParity(o *seen.Observation) Finding {
	a, b := o.Main(), o.Get(seen.RoleProtocol)
	if b == nil {
		return skip("only one version of HTTP is available")
	}
	late := func(x *seen.Exchange) bool { return x.Answered == 0 || x.TTFB() > 3*time.Second }
	switch {
	case b.Answered == 0 && b.End == seen.EndError:
		return skip("%s is not available: %s", otherName(a.Proto), b.Error)
	case b.Answered > 0 && b.Proto == a.Proto:
		return skip("only %s is available", a.Proto)
	case late(a) == late(b):
		return pass("%s and %s alike", a.Proto, nameOr(b.Proto, "the other version"))
	case late(b):
		// Most clients choose as the probe did, and do not meet it.
		return warn("no headers over %s, after %s over %s", otherName(a.Proto), seen.RoundDuration(a.TTFB()), a.Proto).
			seen("asked twice, for %s at least", seen.RoundDuration(b.Ended-b.Start))
	}
	return fail("headers after %s over %s, after %s over %s", seen.RoundDuration(a.TTFB()), a.Proto, seen.RoundDuration(b.TTFB()), b.Proto)
}

func nameOr(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

func otherName(proto string) string {
	if proto == "HTTP/2.0" {
		return "HTTP/1.1"
	}
	return "HTTP/2.0"
}
