package check

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var connectChecks = []*Check{
	&connectReachCheck,
	&connectStatusCheck,
	&connectRedirectCheck,
	&connectTLSCheck,
	&tlsInterceptorCheck,
	&connectTTFBCheck,
	&connectHeadCheck,
	&connectParallelCheck,
}

var connectReachCheck = Check{
	ID: "connect-reach", Group: "connect", Title: "the server answers in HTTP", Worst: Fail,
	How:   "Timing of DNS, TCP, TLS and the first byte of the answer. No answer in time is exit code 3.",
	Why:   "Without an answer nothing can be tested.",
	Cite:  "https://www.rfc-editor.org/rfc/rfc9110",
	Quick: true, AtOnce: true, AnyAnswer: true, run: checkReach,
}

func checkReach(o *seen.Observation) Finding {
	x := o.Main()
	switch {
	case x.Answered > 0:
		f := pass("an answer after %s", seen.RoundDuration(x.Answered-x.Start))
		return f.with("connect_ms", seen.Milliseconds(x.Dial)).with("rtt_ms", seen.Milliseconds(o.RTT()))
	case x.End == seen.EndTimeout:
		if _, alive := o.Baseline(); alive {
			return pass("the server answers, though not this request: see headers-early").refer("headers-early")
		}
		return fail("no answer within %s", seen.RoundDuration(x.Ended-x.Start))
	}
	return fail("%s: %s", x.Phase, x.Error)
}

var connectStatusCheck = Check{
	ID: "connect-status", Group: "connect", Title: "the status is 200", Worst: Fail,
	How:   "The status after redirects. 204 asks clients to stop; any other status is final for EventSource.",
	Why:   "Browsers reconnect only after a 200.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model",
	Cures: []Cure{cureAnswer200},
	Quick: true, AtOnce: true, AnyAnswer: true, run: checkStatus,
}

var cureAnswer200 = Cure{{For: "app", Text: "200 with text/event-stream; for temporary errors, 200 and an event that reports the error"}}

var cureFinalURL = Cure{{For: "app", Text: "give clients the final URL"}}

func checkStatus(o *seen.Observation) Finding {
	x := o.Main()
	switch {
	case x.Status == 0:
		return skip("no answer")
	case x.Loop:
		return fail("%d: redirect loop", x.Status).cure(cureFinalURL)
	case x.Status == http.StatusOK:
		if len(x.Redirects) > 0 {
			return pass("200 after %d redirects", len(x.Redirects))
		}
		return pass("200, no redirect")
	case x.Status == http.StatusBadRequest && seen.SentHeader(x, "Mcp-Session-Id") == "" && seen.MCPSession(o) != "":
		return pass("400: requests need the session of initialize, as MCP requires")
	case x.Status == http.StatusMethodNotAllowed && o.Options.Profile == seen.ProfileMCP:
		return pass("405: no stream other than for requests, as MCP requires")
	case x.Status == http.StatusNoContent:
		return info("204: the server asks clients not to reconnect")
	}
	f := fail("%d %s: EventSource gives up for good", x.Status, http.StatusText(x.Status)).with("status", x.Status)
	switch {
	case refusedIncremental(x) != "":
		f.Seen = "see incremental"
		f = f.refer(incrementalCheck.ID)
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden:
		f = f.seen("credentials: -H 'Authorization: ...', -u, -b").cure()
	case x.Header.Get("Retry-After") != "":
		f.Seen = "Retry-After: " + x.Header.Get("Retry-After")
	default:
		f.Seen = whatCame(x)
	}
	return f
}

// whatCame describes a body that is no event stream in a few words.
func whatCame(x *seen.Exchange) string {
	body := x.PlainBody()
	if len(body) == 0 {
		return "the body is empty"
	}
	if page := pageCame(body); page != "" {
		return page
	}
	kind := "the body begins with"
	if body[0] == '{' || body[0] == '[' {
		kind = "the answer is JSON"
	}
	return fmt.Sprintf("%s: %q", kind, httpx.Clip(string(body), shownText))
}

// shownText is how many bytes of a text are shown in a finding.
const shownText = 80

// pageCame returns words for an HTML page, "" for another body.
func pageCame(body []byte) string {
	switch title, ok := httpx.Title(body); {
	case !ok:
		return ""
	case title == "":
		return "the answer is an HTML page"
	default:
		return fmt.Sprintf("the answer is an HTML page, titled %q", httpx.Clip(title, shownText))
	}
}

var connectRedirectCheck = Check{
	ID: "connect-redirect", Group: "connect", Title: "redirects stay on the origin", Worst: Fail,
	How:   "Each step: at most 20, no loop, none from https to http or to another origin, the method kept.",
	Why:   "Another origin needs CORS and gets no credentials, and each reconnection follows the whole chain again.",
	Cite:  "https://github.com/whatwg/html/issues/503",
	Cures: []Cure{cureFinalURL},
	Quick: true, AtOnce: true, AnyAnswer: true, run: checkRedirect,
}

func checkRedirect(o *seen.Observation) Finding {
	x := o.Main()
	switch {
	case x.Status == 0:
		return skip("no answer")
	case len(x.Redirects) == 0:
		return pass("no redirect")
	}
	if x.Loop {
		return fail("redirect loop, or more than %d redirects", seen.MaxRedirects).seen("%s", chain(x))
	}
	f := pass("%d redirects on the same origin", len(x.Redirects))
	method := x.Method
	for _, r := range x.Redirects {
		from, errFrom := url.Parse(r.From)
		to, errTo := url.Parse(r.To)
		if errFrom != nil || errTo != nil {
			continue
		}
		switch {
		case from.Scheme == "https" && to.Scheme == "http":
			return fail("a redirect leads from https to http").seen("%s", chain(x))
		case from.Scheme != to.Scheme || !strings.EqualFold(from.Host, to.Host):
			f = warn("a redirect leads to another origin: pages need CORS there, credentials are not sent on").seen("%s", chain(x))
		}
		if r.Method != method {
			f = warn("the redirect %d turns %s into %s; 307 and 308 keep it", r.Status, method, r.Method).seen("%s", chain(x))
		}
	}
	return f
}

func chain(x *seen.Exchange) string {
	var steps []string
	for i, r := range x.Redirects {
		if i == 5 {
			steps = append(steps, "...")
			break
		}
		steps = append(steps, fmt.Sprintf("%d to %s", r.Status, redact.URLText(r.To)))
	}
	return strings.Join(steps, ", ")
}

var connectTLSCheck = Check{
	ID: "connect-tls", Group: "connect", Title: "the certificate is valid", Worst: Fail,
	How:   "The TLS handshake: chain, name and dates. Fewer than 14 days left is a warning.",
	Why:   "When it expires, all clients fail at once.",
	Cite:  "https://www.rfc-editor.org/rfc/rfc9325",
	Quick: true, AtOnce: true, AnyAnswer: true, run: checkTLS,
}

func checkTLS(o *seen.Observation) Finding {
	x := o.Main()
	switch {
	case x.TLS == nil && x.Phase == seen.PhaseTLS:
		return fail("%s", x.Error)
	case x.TLS == nil:
		return skip("no TLS")
	}
	if x.TLS.Unproven {
		return info("%s, the certificate was not verified", tls.VersionName(x.TLS.Version))
	}
	left := x.TLS.NotAfter.Sub(o.Time)
	if left < 14*24*time.Hour {
		return warn("the certificate expires in %d days", int(left.Hours()/24)).with("days_left", int(left.Hours()/24))
	}
	return pass("%s, the certificate is valid for %d days", tls.VersionName(x.TLS.Version), int(left.Hours()/24))
}

var tlsInterceptorCheck = Check{
	ID: "tls-interceptor", Group: "connect", Title: "nothing opens the encryption on the way", Worst: Warn,
	How:   "The issuers of the certificate, compared with those of products that open TLS: Kaspersky, Zscaler, Sophos, Netskope and the like. One is info, and a warning where the stream is held or the certificate is not accepted.",
	Why:   "Such a product reads the stream to inspect it, and some hold events back. What was measured is then its doing, and other clients have none.",
	Cite:  "https://github.com/featurehub-io/featurehub/issues/296",
	Cures: []Cure{cureExemptHost},
	Quick: true, AtOnce: true, Timing: true, OnHold: true, AnyAnswer: true, run: checkInterceptor,
}

var cureExemptHost = Cure{{For: "client", Text: "exempt the host from the inspection of TLS in that product, or diagnose from a machine without it"}}

func checkInterceptor(o *seen.Observation) Finding {
	x := o.Main()
	name := httpx.Interceptor(x.Issuers)
	switch {
	case len(x.Issuers) == 0:
		return skip("no TLS")
	case name == "":
		return pass("the certificate was issued by none that is known")
	}
	f := info("%s opens the connection: its certificate is in place of that of the server", name)
	f.Seen = fmt.Sprintf("issued by %s", httpx.Clip(strings.Join(x.Issuers, ", "), shownText))
	if x.TLS == nil {
		f.Status, f.Title = Warn, fmt.Sprintf("%s opens the connection, and its certificate is not accepted", name)
		return f
	}
	who, est := hold.Of(o).Attribute()
	if o.Options.Quick || who == hold.NoCause {
		return f
	}
	held := f
	held.Status, held.Title = Warn, fmt.Sprintf("%s opens the connection, and the stream is held: see %s", name, who)
	return held.refer(string(who)).restsOn(est, f)
}

var connectTTFBCheck = Check{
	ID: "connect-ttfb", Group: "connect", Title: "headers arrive soon", Worst: Fail,
	How:    "Time to the headers minus a round trip. Over 2 s warn, over 10 s fail.",
	Why:    "Users see nothing until then.",
	Cite:   "https://github.com/h3js/h3/issues/903",
	Cures:  []Cure{cureFlushHeaders},
	AtOnce: true, Timing: true, AnyAnswer: true, run: checkTTFB,
}

func checkTTFB(o *seen.Observation) Finding {
	x := o.Main()
	if x.Answered == 0 {
		return skip("no headers")
	}
	if early := checkHeadersEarly(o); early.Status == Fail || early.Status == Warn {
		return skipFor("headers-early")
	}
	d := max(0, x.TTFB()-o.RTT())
	f := pass("headers after %s", seen.RoundDuration(d))
	switch {
	case o.Stalled(x.Start, x.Answered):
		f = inconclusive("headers after %s, but this machine was busy", seen.RoundDuration(d))
	case d > 10*time.Second:
		f = fail("headers after %s", seen.RoundDuration(d))
	case d > 2*time.Second:
		f = warn("headers after %s", seen.RoundDuration(d))
	}
	if base, ok := o.Baseline(); ok && f.Status != Pass {
		f.Seen = fmt.Sprintf("another request was answered after %s", seen.RoundDuration(base))
		if 2*base > x.TTFB() {
			f.Seen = fmt.Sprintf("the server is slow with other requests too (%s)", seen.RoundDuration(base))
		}
	}
	return f.with("ttfb_ms", seen.Milliseconds(x.TTFB()))
}

var connectHeadCheck = Check{
	ID: "connect-head", Group: "connect", Title: "HEAD is answered", Worst: Warn,
	How:   "A HEAD request beside the stream must be answered within 2 s.",
	Why:   "A monitor that sends HEAD occupies one handler each time, until none is left.",
	Cite:  "https://github.com/kemalcr/kemal/issues/798",
	Cures: []Cure{cureAnswerHead},
	Quick: true, run: checkHead,
}

var cureAnswerHead = Cure{{For: "app", Text: "answer HEAD with the headers alone"}}

func checkHead(o *seen.Observation) Finding {
	x := o.Get(seen.RoleHead)
	if x == nil {
		return skip("no HEAD request was made")
	}
	if x.Answered == 0 {
		if checkParallel(o).Status == Fail {
			return skipFor("connect-parallel")
		}
		if x.End == seen.EndTimeout {
			return warn("HEAD was not answered within %s: each one occupies a handler", seen.RoundDuration(x.Ended-x.Start))
		}
		return warn("HEAD: %s", x.Error)
	}
	if x.Status == http.StatusOK && o.Main().OK() && !seen.IsEventStream(x.Header) {
		return info("HEAD is answered after %s with another content type, %q", seen.RoundDuration(x.Ended-x.Start), x.Header.Get("Content-Type"))
	}
	return pass("HEAD is answered after %s", seen.RoundDuration(x.Ended-x.Start))
}

// aliveBeside reports whether something came on a stream while a was open too.
func aliveBeside(x, a *seen.Exchange) bool {
	for _, arrival := range x.Timeline().Arrivals {
		if arrival.From <= a.Ended {
			return true
		}
	}
	return false
}

var connectParallelCheck = Check{
	ID: "connect-parallel", Group: "connect", Title: "streams run in parallel", Worst: Fail,
	How:    "Up to three streams are open at once. Each must get headers, and events within twice the median gap plus a second.",
	Why:    "One reader blocks all others: a single worker, a cache lock, coalesced requests.",
	Cite:   "https://github.com/niwinz/django-sse/issues/12",
	Cures:  []Cure{cureMoreWorkers, cureForbidCaching},
	Timing: true, run: checkParallel,
}

var cureMoreWorkers = Cure{
	{For: "app", Text: "each stream occupies a worker: let one worker serve many streams, or start more (gunicorn -k gevent or --threads 100, PHP_CLI_SERVER_WORKERS for php -S, Puma in place of Unicorn)"},
}

// starved returns a request for the stream that got no headers before another
// stream had ended, or none at all, though the open streams got events all the
// time; and the number of those. Each stream keeps a worker of the server then,
// and all are taken. It is nil without one.
func starved(o *seen.Observation) (waiting *seen.Exchange, open int) {
	for _, x := range o.Exchanges {
		switch x.Role {
		case seen.RoleSecond, seen.RoleIdentity, seen.RoleConfirm, seen.RoleJoin, seen.RoleNoID:
		default:
			continue
		}
		until := x.Answered
		if until == 0 {
			until = x.Ended
		}
		if x.Answered == 0 && x.End != seen.EndTimeout || until-x.Start <= time.Second+5*o.Main().TTFB() {
			continue
		}
		served, freed := 0, x.Answered == 0
		for _, y := range o.Exchanges {
			if y == x || !y.OK() || y.Answered >= x.Start || y.Ended <= x.Start {
				continue
			}
			end := min(y.Ended, until)
			if t := y.Timeline(); seen.CountFrom(t.Events, x.Start)-seen.CountFrom(t.Events, end) < 3 {
				continue
			}
			switch {
			case end == until:
				served++
			case until-end < time.Second: // the worker has to see first that its client has left
				served++
				freed = true
			}
		}
		if freed && served >= 2 && served > open {
			waiting, open = x, served
		}
	}
	return waiting, open
}

func checkParallel(o *seen.Observation) Finding {
	a := o.Main()
	if x, open := starved(o); x != nil {
		f := fail("%d streams at once, and no more: another one got no headers in %s", open, seen.RoundDuration(x.Ended-x.Start))
		if x.Answered > 0 {
			f = fail("%d streams at once, and no more: another one had to wait %s for one of them to end", open, seen.RoundDuration(x.TTFB()))
		}
		return f.with("open", open).cure(cureMoreWorkers)
	}
	var others []*seen.Exchange
	for _, role := range []seen.Role{seen.RoleIdentity, seen.RoleSecond} {
		// A stream in another form may be slow for that reason.
		if x := o.Get(role); x != nil && (role == seen.RoleSecond || coding.Of(a.Header) == "") {
			others = append(others, x)
		}
	}
	if len(others) == 0 {
		return skip("only one stream was opened")
	}
	var gaps []time.Duration
	for i := 1; i < len(a.Timeline().Events); i++ {
		gaps = append(gaps, a.Timeline().Events[i].At-a.Timeline().Events[i-1].At)
	}
	due := 2*seen.Median(gaps) + time.Second
	for _, x := range others {
		// An A that ended meanwhile no longer keeps the server busy.
		beside := min(x.Ended, a.Ended) - x.Start
		switch {
		case x.Answered == 0 && x.End == seen.EndError:
			return fail("a second stream at the same time: %s", x.Error)
		case x.Answered == 0 && a.Answered > 0 && beside > max(2*time.Second, 5*a.TTFB()):
			return fail("a second stream at the same time got no headers in %s", seen.RoundDuration(x.Ended-x.Start))
		case x.Answered >= a.Ended && a.End == seen.EndClient && beside > max(2*time.Second, 5*a.TTFB()):
			return fail("a second stream got headers only when the first was closed, after %s", seen.RoundDuration(beside))
		case x.Answered > 0 && x.Status != a.Status:
			return fail("a second stream at the same time got status %d", x.Status)
		case x.Answered > a.Ended && a.Ended > 0 && a.End == seen.EndEOF && x.TTFB() > time.Second+5*a.TTFB():
			return fail("a second stream had to wait for the first to end (%s)", seen.RoundDuration(x.TTFB()))
		}
		live := seen.CountFrom(a.Timeline().Events, x.Answered+due)
		if x.OK() && coding.Of(x.Header) == coding.Of(a.Header) && live >= 4 && len(x.Timeline().Events) == 0 && x.Ended-x.Answered > 2*due && a.Ended > x.Answered+2*due {
			return fail("a second stream at the same time got no event in %s, the first %d", seen.RoundDuration(x.Ended-x.Answered), live)
		}
	}
	alive := 1
	for _, x := range others {
		if aliveBeside(x, a) {
			alive++
		}
	}
	if alive <= len(others) && len(gaps) > 0 {
		return inconclusive("%d streams were open at once, but only %d got events meanwhile", len(others)+1, alive)
	}
	return pass("%d streams at once, all alive", len(others)+1)
}
