package diag

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
)

func checkRetry(o *Observation) Finding {
	t := o.a().timeline()
	for _, line := range bytes.FieldsFunc(t.whole(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		value, ok := bytes.CutPrefix(line, []byte("retry:"))
		if !ok {
			continue
		}
		if digits := strings.TrimPrefix(string(value), " "); strings.Trim(digits, "0123456789") != "" || digits == "" {
			return warn("%q is not a number of ms, so clients ignore it", httpx.Clip(digits, 40))
		}
	}
	if len(t.retries) == 0 {
		return info("none; browsers wait about 3 s").cure()
	}
	d := t.retries[len(t.retries)-1]
	f := pass("%s", roundDuration(d))
	switch {
	case d < 250*time.Millisecond:
		f = fail("%s: clients that come back so fast bring a server down that is down already", roundDuration(d))
	case d < time.Second:
		f = warn("%s: fast for many clients", roundDuration(d))
	case d > time.Minute:
		f = warn("%s: nobody waits so long", roundDuration(d))
	}
	return f.with("retry_ms", d.Milliseconds())
}

func checkReconnectNow(o *Observation) Finding {
	n := 0
	for _, role := range []Role{RoleResume1, RoleResume2, RoleControl, RoleUnknownID, RoleLastID} {
		x := o.get(role)
		if x == nil {
			continue
		}
		n++
		switch x.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict:
			f := warn("%d for a client that comes back at once", x.Status)
			if after := x.Header.Get("Retry-After"); after != "" {
				f.Seen = "Retry-After: " + after
			}
			return f
		}
	}
	if n == 0 {
		return skip("no reconnection was made")
	}
	return pass("%d reconnections at once, none turned away", n)
}

func checkEndSignal(o *Observation) Finding {
	x := o.a()
	t := x.timeline()
	switch {
	case x.End != EndEOF:
		return skip("the stream did not end")
	case len(t.events) == 0:
		return info("the stream ended without an event")
	}
	last := t.events[len(t.events)-1]
	named := slices.Contains([]string{"close", "done", "end", "complete", "bye", "message_stop", "response.completed"}, strings.ToLower(last.typ))
	if after := o.get(RoleLastID); after != nil && after.Status == http.StatusNoContent {
		return pass("204 says that it is over")
	}
	if named || string(last.data) == "[DONE]" {
		return pass("the last event says that it is over")
	}
	return info("nothing says that it is over: EventSource comes back")
}

// earliestCut is the age below which no hop is known to cut a stream: what
// breaks off sooner is broken by the server.
const earliestCut = 9 * time.Second

func checkEndClean(o *Observation) Finding {
	x := o.a()
	switch x.End {
	case EndEOF:
		return pass("the answer ended in order")
	case EndReset:
	default:
		return skip("the stream did not end")
	}
	age := x.Ended - x.Answered
	tail := len(x.timeline().tail)
	f := warn("the stream broke off after %s: %s", roundDuration(age), x.Error)
	switch {
	case tail > 0:
		f.Seen = sprintf("the last %d bytes are of an event that never ended", tail)
	case x.Between:
		f.Seen = "closed without the chunk that ends a body, as a limit on the way does"
	}
	switch {
	case strings.Contains(x.Error, "chunk"):
		f = fail("after %s the answer is no HTTP any more: %s", roundDuration(age), x.Error).cure("END")
	case x.Header.Get("Content-Length") != "":
		f = fail("%d of %s bytes came, then the connection ended", len(x.Body), x.Header.Get("Content-Length")).cure("CL", "END")
	case age < earliestCut && (tail > 0 || !x.Between || len(x.Body) == 0):
		f.Status = Fail
		f = f.cure("END", "TIMEOUT")
	}
	return f
}

func checkHeartbeat(o *Observation) Finding {
	t := o.a().timeline()
	if t.ended {
		return skip("the stream ended")
	}
	watched := o.a().Ended - o.a().Answered
	longest, last := time.Duration(0), o.a().Answered
	for _, a := range t.arrivals {
		longest = max(longest, a.from-last)
		last = a.to
	}
	longest = max(longest, o.a().Ended-last)
	f := skip("no silence longer than %s in %s; --soak watches longer", roundDuration(longest), roundDuration(watched))
	switch {
	case longest >= 55*time.Second:
		f = fail("silent for %s: many hops cut at 60 s", roundDuration(longest))
	case longest >= 30*time.Second:
		f = warn("silent for %s: some hops cut at 30 s", roundDuration(longest))
	case longest > 20*time.Second:
		f = info("silent for %s", roundDuration(longest))
	case len(t.arrivals) == 0, 10*longest >= 9*watched:
		f = inconclusive("none, and nothing else, for %s; --soak watches longer", roundDuration(longest))
	case watched >= 30*time.Second, longest*3 < watched && len(t.events)+len(t.comments) >= 4:
		f = pass("never silent for more than %s", roundDuration(longest))
	}
	return f.with("silence_ms", milliseconds(longest))
}

func checkHeartbeatKind(o *Observation) Finding {
	t := o.a().timeline()
	if len(t.comments) > 0 {
		return info("comments, %d of them", len(t.comments))
	}
	for _, e := range t.events {
		switch strings.ToLower(e.typ) {
		case "ping", "heartbeat", "keepalive", "keep-alive", "hb":
			return info("events of type %q", httpx.Clip(e.typ, 40))
		}
	}
	for _, e := range t.events {
		switch strings.ToLower(strings.Trim(string(e.data), `"`)) {
		case "ping", "heartbeat", "keepalive", "keep-alive", ":":
			return info("messages with the data %q, which reach onmessage as payload", httpx.Clip(string(e.data), 40))
		}
	}
	return info("none seen in %s", roundDuration(o.Duration))
}

func checkSharedCache(o *Observation) Finding {
	a, b := o.a(), o.get(RoleTwin)
	for _, x := range []*Exchange{a, b} {
		if x == nil || x.Answered == 0 {
			continue
		}
		// A hop that held the answer back may count that as age.
		age, _ := strconv.Atoi(x.Header.Get("Age"))
		if time.Duration(age)*time.Second > x.Answered-x.Start+time.Second {
			return fail("Age: %d: the stream comes out of a cache", age)
		}
		for _, name := range []string{"X-Cache", "Cf-Cache-Status", "X-Vercel-Cache", "Cdn-Cache"} {
			if value := x.Header.Get(name); strings.HasPrefix(strings.ToUpper(value), "HIT") {
				return fail("%s: %s: the stream comes out of a cache", name, value)
			}
		}
	}
	if b == nil {
		return skip("only one stream was opened")
	}
	if !b.ok() {
		return inconclusive("a second stream was not to be had")
	}
	switch perConnection, past := replayed(a.timeline(), b.timeline()); {
	case perConnection:
		return pass("each stream starts anew, at its own pace")
	case !past:
		return pass("a second stream is not a copy of the first")
	}
	if who, _ := o.timing().blame(o); who != nobody {
		return inconclusive("streams start alike, but they are held: see %s", who).refer(string(who))
	}
	bust := o.get(RoleBust)
	if !bust.ok() || len(bust.timeline().events) == 0 {
		return pass("a second stream starts as the first did, without a sign of a cache")
	}
	if bust.timeline().events[0].key() == a.timeline().events[0].key() {
		return pass("every stream starts with the same events, by any cache")
	}
	if late := o.lateStream(); late == nil || len(late.timeline().events) == 0 || late.timeline().events[0].key() != a.timeline().events[0].key() {
		return pass("a second stream starts as the first did, a later one does not: no recording")
	}
	return fail("a second stream gets the recording of the first; with another query it does not")
}

// lateStream is the last of the streams that were asked for as the first was.
func (o *Observation) lateStream() *Exchange {
	var late *Exchange
	for _, x := range o.liveStreams() {
		if x.Role != RoleIdentity && (late == nil || x.Start > late.Start) {
			late = x
		}
	}
	return late
}

func checkPath(o *Observation) Finding {
	x := o.a()
	if x.Status == 0 {
		x = o.get(RoleHead)
	}
	if x.silent() {
		return skip("no answer")
	}
	var names []string
	for _, h := range Hops(x.Header) {
		names = append(names, sprintf("%s (%s)", h.Name, h.By))
	}
	if len(names) == 0 {
		return info("no hop names itself")
	}
	return info("%s", strings.Join(names, ", "))
}

func checkComments(o *Observation) Finding {
	origin := o.get(RoleOrigin)
	if !origin.ok() {
		return inconclusive("the origin gave no event stream")
	}
	there, here := len(origin.timeline().comments), len(o.a().timeline().comments)
	switch {
	case there == 0:
		return inconclusive("the origin sent no comment")
	case here == 0 && there > 1:
		return info("a hop takes comments away (%d at the origin): send heartbeats as events", there).cure("HB")
	}
	return pass("comments come through")
}

func checkDisconnect(o *Observation) Finding {
	if len(o.Orphans) < 2 {
		return inconclusive("the count of streams could not be read")
	}
	with, after := o.Orphans[0], o.Orphans[1]
	if after >= with {
		return warn("10 s after the client left, the origin still has %d streams open (%d before)", after, with)
	}
	return pass("the origin noticed that the client left (%d streams, then %d)", with, after)
}

func checkCORSOrigin(o *Observation) Finding {
	allowed := o.a().Header.Get("Access-Control-Allow-Origin")
	switch want := o.Options.WebOrigin; allowed {
	case "*", want:
		return pass("%s", allowed)
	case "":
		return fail("no Access-Control-Allow-Origin: pages of %s cannot read the stream", want)
	default:
		return fail("Access-Control-Allow-Origin: %s, not %s", allowed, want)
	}
}

func checkCORSCredentials(o *Observation) Finding {
	h := o.a().Header
	switch {
	case h.Get("Access-Control-Allow-Origin") == "*":
		return fail("Access-Control-Allow-Origin: * does not go with credentials")
	case h.Get("Access-Control-Allow-Origin") != o.Options.WebOrigin:
		return fail("Access-Control-Allow-Origin is not %s", o.Options.WebOrigin)
	case h.Get("Access-Control-Allow-Credentials") != "true":
		return fail("no Access-Control-Allow-Credentials: true")
	case !lists(h, "Vary", "origin") && !lists(h, "Vary", "*"):
		return warn("no Vary: Origin: a cache may give the answer to another origin")
	}
	return pass("allowed for %s", o.Options.WebOrigin)
}

// lists reports whether a header that is a list has an item, in any case of letters.
func lists(header http.Header, name, item string) bool {
	for _, value := range header.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), item) {
				return true
			}
		}
	}
	return false
}

func checkCORSReflect(o *Observation) Finding {
	x := o.get(RoleCORS)
	if x == nil || x.Answered == 0 {
		return skip("not asked")
	}
	if x.Header.Get("Access-Control-Allow-Origin") == strangeOrigin && x.Header.Get("Access-Control-Allow-Credentials") == "true" {
		return warn("any origin is allowed, with credentials: every page can read the stream of who visits it")
	}
	return pass("a strange origin is not given credentials")
}

func checkCORSPreflight(o *Observation) Finding {
	x := o.get(RolePreflight)
	switch {
	case x == nil || x.Answered == 0 && x.End != EndTimeout:
		return skip("not asked")
	case x.Answered == 0 && checkParallel(o).Status == Fail:
		return skipFor("connect-parallel")
	case x.Answered == 0:
		return warn("OPTIONS was not answered within %s: each preflight keeps a handler busy", roundDuration(x.Ended-x.Start)).cure("OPTIONS")
	}
	if o.Options.WebOrigin == "" {
		return info("not judged; --web-origin ORIGIN says which pages read the stream")
	}
	allowed := func(name string) bool { return lists(x.Header, "Access-Control-Allow-Headers", name) }
	origin := x.Header.Get("Access-Control-Allow-Origin")
	if x.Status >= 300 || origin != "*" && origin != o.Options.WebOrigin {
		return warn("a preflight is refused (%d): clients built on fetch cannot send Last-Event-ID", x.Status)
	}
	for _, name := range []string{"last-event-id", "cache-control", "authorization"} {
		// * does not stand for authorization: https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
		if !allowed(name) && (!allowed("*") || name == "authorization") {
			return warn("a preflight does not allow %s", name)
		}
	}
	return pass("a preflight allows last-event-id, cache-control, authorization")
}

func checkH1Limit(o *Observation) Finding {
	x := o.a()
	switch {
	case x.Proto == "HTTP/2.0":
		return pass("HTTP/2: tabs share one connection")
	case x.TLS == nil || onThisMachine(o.URL):
		return info("HTTP/1.1: a browser opens six streams at most, over all its tabs")
	case o.get(RoleProtocol).ok() && o.get(RoleProtocol).Proto == "HTTP/2.0":
		return pass("HTTP/2 is offered")
	}
	return warn("only HTTP/1.1: the seventh tab of a browser hangs without a word")
}

func checkH2Offered(o *Observation) Finding {
	x, other := o.a(), o.get(RoleProtocol)
	switch {
	case x.Proto == "HTTP/2.0":
		return pass("HTTP/2")
	case x.TLS == nil:
		return info("no TLS, so browsers speak HTTP/1.1")
	case other.ok() && other.Proto == "HTTP/2.0":
		return pass("offered, though this run used %s", x.Proto)
	}
	return info("not offered")
}

func checkH3(o *Observation) Finding {
	if alt := o.a().Header.Get("Alt-Svc"); strings.Contains(alt, "h3") {
		return info("Alt-Svc names HTTP/3: a browser may move there, and reconnect once")
	}
	return info("not advertised")
}

func checkProtocolParity(o *Observation) Finding {
	a, b := o.a(), o.get(RoleProtocol)
	if b == nil {
		return skip("only one version of HTTP to be had")
	}
	late := func(x *Exchange) bool { return x.Answered == 0 || x.ttfb() > 3*time.Second }
	switch {
	case b.Answered == 0 && b.End == EndError:
		return skip("%s is not to be had: %s", otherName(a.Proto), b.Error)
	case b.Answered > 0 && b.Proto == a.Proto:
		return skip("only %s is to be had", a.Proto)
	case late(a) == late(b):
		return pass("%s and %s alike", a.Proto, nameOr(b.Proto, "the other version"))
	case late(b):
		// Most clients choose as the probe did, and do not meet it.
		return warn("no headers over %s, after %s over %s", otherName(a.Proto), roundDuration(a.ttfb()), a.Proto).
			seen("asked twice, for %s at least", roundDuration(b.Ended-b.Start))
	}
	return fail("headers after %s over %s, after %s over %s", roundDuration(a.ttfb()), a.Proto, roundDuration(b.ttfb()), b.Proto)
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

func onThisMachine(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && httpx.IsLoopback(u.Hostname())
}

func checkURLToken(o *Observation) Finding {
	u, err := url.Parse(o.URL)
	if err != nil {
		return skip("no URL")
	}
	for _, part := range strings.Split(u.RawQuery, "&") {
		if name, value, _ := strings.Cut(part, "="); value != "" && redact.Name(name) {
			return warn("%q in the URL ends up in access logs", name)
		}
	}
	if u.User != nil {
		return warn("a user name in the URL")
	}
	return pass("no secret in the URL")
}

func checkPlain(o *Observation) Finding {
	switch u, err := url.Parse(o.URL); {
	case err != nil:
		return skip("no URL")
	case u.Scheme == "https":
		return pass("TLS")
	case onThisMachine(o.URL):
		return pass("no TLS, on this machine")
	}
	return warn("no TLS: everyone on the way can read the stream")
}

func checkPrivateCache(o *Observation) Finding {
	x := o.a()
	if header(x, "Authorization") == "" && header(x, "Cookie") == "" {
		return skip("no credentials were sent")
	}
	d := directives(x.Header)
	_, private := d["private"]
	_, noStore := d["no-store"]
	_, noCache := d["no-cache"]
	switch {
	case private, noStore:
		return pass("%s", strings.Join(x.Header.Values("Cache-Control"), ", "))
	case noCache:
		return info("no-cache alone: a shared cache may keep the stream, but has to ask before it gives it away")
	case header(x, "Authorization") != "" && cacheable(x.Header) != "" && len(d) == 0:
		return info("no Cache-Control: caches do not keep answers to Authorization, but networks have their own rules")
	}
	return fail("an answer to a request with credentials that a shared cache may keep")
}

func checkEcho(o *Observation) Finding {
	x := o.get(RoleInject)
	if !x.ok() {
		return inconclusive("no stream with the strange query")
	}
	for _, e := range x.timeline().events {
		if e.typ == injectedType {
			return fail("a line break in the query starts a new line of the stream: anyone can write events")
		}
	}
	return pass("a line break in the query writes no event")
}
