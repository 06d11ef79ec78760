package check

import (
	"net/url"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

func onThisMachine(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && httpx.IsLoopback(u.Hostname())
}

var securityChecks = []*Check{
	&secURLTokenCheck,
	&secPlainCheck,
	&secPrivateCacheCheck,
	&secEchoCheck,
}

var secURLTokenCheck = Check{
	ID: "sec-url-token", Group: "security", Title: "no secret in the URL", Worst: Warn,
	How:   "The names of the query parameters given, and user information.",
	Why:   "URLs end up in the access logs of every hop.",
	Cite:  "https://github.com/Wave-RF/WaveHouse/issues/324",
	Cures: []Cure{cureUseCookie},
	Quick: true, AtOnce: true, AnyAnswer: true, run: checkURLToken,
}

var cureUseCookie = Cure{{For: "app", Text: "a cookie, or a ticket that is good for seconds"}}

func checkURLToken(o *seen.Observation) Finding {
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

var secPlainCheck = Check{
	ID: "sec-plain", Group: "security", Title: "the stream is encrypted", Worst: Warn,
	How:   "http to a host that is not this machine.",
	Why:   "Everyone on the path can read and change it.",
	Cite:  "https://www.rfc-editor.org/rfc/rfc7258",
	Cures: []Cure{cureUseTLS},
	Quick: true, AtOnce: true, AnyAnswer: true, run: checkPlain,
}

var cureUseTLS = Cure{{For: "app", Text: "serve https"}}

func checkPlain(o *seen.Observation) Finding {
	switch u, err := url.Parse(o.URL); {
	case err != nil:
		return skip("no URL")
	case u.Scheme == "https":
		return pass("TLS")
	case onThisMachine(o.URL):
		return pass("no TLS, on this machine")
	}
	return warn("no TLS: everyone on the path can read the stream")
}

var secPrivateCacheCheck = Check{
	ID: "sec-private-cache", Group: "security", Title: "private answers stay private", Worst: Fail,
	How:   "If the request has credentials, the answer must be private or no-store.",
	Why:   "A shared cache gives the stream of one user to the next.",
	Cite:  "https://www.rfc-editor.org/rfc/rfc9111#section-3.5",
	Cures: []Cure{cureForbidCaching},
	Quick: true, AtOnce: true, run: checkPrivateCache,
}

func checkPrivateCache(o *seen.Observation) Finding {
	x := o.Main()
	if seen.SentHeader(x, "Authorization") == "" && seen.SentHeader(x, "Cookie") == "" {
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
		return info("no-cache alone: a shared cache may store the stream, but must revalidate before it serves it")
	case seen.SentHeader(x, "Authorization") != "" && cacheable(x.Header) != "" && len(d) == 0:
		return info("no Cache-Control: caches do not keep answers to Authorization, but networks have their own rules")
	}
	return fail("an answer to a request with credentials that a shared cache may keep")
}

var secEchoCheck = Check{
	ID: "sec-echo", Group: "security", Title: "requests cannot inject events", Worst: Fail,
	How:   "With Options.Injection: a query that contains a line break and an event field.",
	Why:   "Whoever sets a query or header can send events to other clients.",
	Cite:  "https://github.com/advisories/GHSA-4hxc-9384-m385",
	Cures: []Cure{cureOneLine},
	Needs: NeedsInjection,
	Quick: true, run: checkEcho,
}

func checkEcho(o *seen.Observation) Finding {
	x := o.Get(seen.RoleInject)
	if !x.OK() {
		return inconclusive("no stream for the injected query")
	}
	for _, e := range x.Timeline().Events {
		if e.Type == seen.InjectedType {
			return fail("a line break in the query starts a new line of the stream: anyone can inject events")
		}
	}
	return pass("a line break in the query injects no event")
}
