package check

import (
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var corsChecks = []*Check{
	&corsOriginCheck,
	&corsCredentialsCheck,
	&corsReflectCheck,
	&corsPreflightCheck,
	&h1LimitCheck,
}

var corsOriginCheck = Check{
	ID: "cors-origin", Group: "cors", Title: "the page may read the stream", Worst: Fail,
	How:   "With Options.WebOrigin: Access-Control-Allow-Origin names it, or *.",
	Why:   "EventSource fails with no reason given.",
	Cite:  "https://fetch.spec.whatwg.org/#cors-check",
	Cures: []Cure{cureAllowOrigin},
	Needs: NeedsWebOrigin,
	Quick: true, AtOnce: true, run: checkCORSOrigin,
}

var cureAllowOrigin = Cure{{For: "app", Text: "Access-Control-Allow-Origin with the origin of the page, Vary: Origin; Allow-Credentials: true only for origins you know"}}

func checkCORSOrigin(o *seen.Observation) Finding {
	allowed := o.Main().Header.Get("Access-Control-Allow-Origin")
	switch want := o.Options.WebOrigin; allowed {
	case "*", want:
		return pass("%s", allowed)
	case "":
		return fail("no Access-Control-Allow-Origin: pages of %s cannot read the stream", want)
	default:
		return fail("Access-Control-Allow-Origin: %s, not %s", allowed, want)
	}
}

var corsCredentialsCheck = Check{
	ID: "cors-credentials", Group: "cors", Title: "the page may send cookies", Worst: Fail,
	How:   "With Options.Credentials: the origin by name, Allow-Credentials: true, Vary: Origin.",
	Why:   "withCredentials does not go with *.",
	Cite:  "https://fetch.spec.whatwg.org/#cors-protocol-and-credentials",
	Cures: []Cure{cureAllowOrigin},
	Needs: NeedsCredentials,
	Quick: true, AtOnce: true, run: checkCORSCredentials,
}

func checkCORSCredentials(o *seen.Observation) Finding {
	h := o.Main().Header
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

var corsReflectCheck = Check{
	ID: "cors-reflect", Group: "cors", Title: "not every page may send cookies", Worst: Warn,
	How:   "A strange Origin must not be reflected together with Allow-Credentials: true.",
	Why:   "Every page can read the streams of its visitors.",
	Cite:  "https://fetch.spec.whatwg.org/#cors-protocol-and-credentials",
	Cures: []Cure{cureAllowOrigin},
	run:   checkCORSReflect,
}

func checkCORSReflect(o *seen.Observation) Finding {
	x := o.Get(seen.RoleCORS)
	if x == nil || x.Answered == 0 {
		return skip("not asked")
	}
	if x.Header.Get("Access-Control-Allow-Origin") == seen.StrangeOrigin && x.Header.Get("Access-Control-Allow-Credentials") == "true" {
		return warn("any origin is allowed, with credentials: every page can read the streams of its visitors")
	}
	return pass("a strange origin is not given credentials")
}

var corsPreflightCheck = Check{
	ID: "cors-preflight", Group: "cors", Title: "fetch clients may send their headers", Worst: Warn,
	How:   "An OPTIONS request for last-event-id, cache-control and authorization, with a limit of 2 s.",
	Why:   "EventSource needs no preflight, clients built on fetch do.",
	Cite:  "https://github.com/EventSource/eventsource/issues/75",
	Cures: []Cure{cureAllowOrigin},
	run:   checkCORSPreflight,
}

var cureAnswerOptions = Cure{{For: "app", Text: "answer OPTIONS with the headers alone, at once"}}

func checkCORSPreflight(o *seen.Observation) Finding {
	x := o.Get(seen.RolePreflight)
	switch {
	case x == nil || x.Answered == 0 && x.End != seen.EndTimeout:
		return skip("not asked")
	case x.Answered == 0 && checkParallel(o).Status == Fail:
		return skipFor("connect-parallel")
	case x.Answered == 0:
		return warn("OPTIONS was not answered within %s: each preflight occupies a handler", seen.RoundDuration(x.Ended-x.Start)).cure(cureAnswerOptions)
	}
	if o.Options.WebOrigin == "" {
		return info("not judged; Options.WebOrigin sets the origin of the pages")
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

var h1LimitCheck = Check{
	ID: "h1-limit", Group: "cors", Title: "more than six tabs work", Worst: Warn,
	How:   "Whether TLS offers HTTP/1.1 alone.",
	Why:   "A browser opens six connections at most: the seventh tab hangs silently.",
	Cite:  "https://github.com/freenet/freenet-core/issues/5213",
	Cures: []Cure{cureFixHTTP2},
	run:   checkH1Limit,
}

func checkH1Limit(o *seen.Observation) Finding {
	x := o.Main()
	switch {
	case x.Proto == "HTTP/2.0":
		return pass("HTTP/2: tabs share one connection")
	case x.TLS == nil || onThisMachine(o.URL):
		return info("HTTP/1.1: a browser opens six streams at most, over all its tabs")
	case o.Get(seen.RoleProtocol).OK() && o.Get(seen.RoleProtocol).Proto == "HTTP/2.0":
		return pass("HTTP/2 is offered")
	}
	return warn("only HTTP/1.1: the seventh tab of a browser hangs silently")
}
