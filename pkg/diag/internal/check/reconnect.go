package check

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var reconnectChecks = []*Check{
	&retryValueCheck,
	&reconnectNowCheck,
	&stormCheck,
	&endSignalCheck,
}

var retryValueCheck = Check{
	ID: "retry-value", Group: "reconnect", Title: "retry is sensible", Worst: Fail,
	How:   "The retry field: digits only. Under 250 ms fail, under 1 s or over a minute warn.",
	Why:   "A short time turns a restart into a reconnection storm.",
	Cite:  "https://github.com/cluesmith/codev/issues/1126",
	Cures: []Cure{cureSaneRetry},
	Quick: true, run: checkRetry,
}

var cureSaneRetry = Cure{{For: "app", Text: "retry: 2000 to 15000, and some jitter; over the limit 503 with Retry-After"}}

func checkRetry(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	for _, line := range bytes.FieldsFunc(t.Whole(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		value, ok := bytes.CutPrefix(line, []byte("retry:"))
		if !ok {
			continue
		}
		if digits := strings.TrimPrefix(string(value), " "); strings.Trim(digits, "0123456789") != "" || digits == "" {
			return warn("%q is not a number of ms, so clients ignore it", httpx.Clip(digits, 40))
		}
	}
	if len(t.Retries) == 0 {
		return info("none; browsers wait about 3 s").cure()
	}
	d := t.Retries[len(t.Retries)-1]
	f := pass("%s", seen.RoundDuration(d))
	switch {
	case d < 250*time.Millisecond:
		f = fail("%s: such fast reconnections overload a server that is restarting", seen.RoundDuration(d))
	case d < time.Second:
		f = warn("%s: fast for many clients", seen.RoundDuration(d))
	case d > time.Minute:
		f = warn("%s: users do not wait so long", seen.RoundDuration(d))
	}
	return f.with("retry_ms", d.Milliseconds())
}

var reconnectNowCheck = Check{
	ID: "reconnect-now", Group: "reconnect", Title: "immediate reconnections are allowed", Worst: Warn,
	How:   "The reconnections of this run: none may get 409, 429 or 503.",
	Why:   "A user who reloads a page is locked out.",
	Cite:  "https://github.com/Radiergummi/cetacean/issues/149",
	Cures: []Cure{cureSaneRetry},
	run:   checkReconnectNow,
}

func checkReconnectNow(o *seen.Observation) Finding {
	n := 0
	for _, role := range []seen.Role{seen.RoleResume1, seen.RoleResume2, seen.RoleNoID, seen.RoleUnknownID, seen.RoleLastID} {
		x := o.Get(role)
		if x == nil {
			continue
		}
		n++
		switch x.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict:
			f := warn("%d for an immediate reconnection", x.Status)
			if after := x.Header.Get("Retry-After"); after != "" {
				f.Seen = "Retry-After: " + after
			}
			return f
		}
	}
	if n == 0 {
		return skip("no reconnection was made")
	}
	return pass("%d immediate reconnections, none rejected", n)
}

var stormCheck = Check{
	ID: "storm", Group: "reconnect", Title: "clients do not come back all at once", Worst: Warn,
	How:   "A retry field, and Retry-After where a request of this run met a limit: 429 or 503. No load is made to find one.",
	Why:   "After a restart all clients come back within seconds. Without a time to wait, those that are turned away try again at once.",
	Cite:  "https://github.com/cluesmith/codev/issues/1126",
	Cures: []Cure{cureSpreadReturns},
	Quick: true, AnyAnswer: true, run: checkStorm,
}

var cureSpreadReturns = Cure{{For: "app", Text: "at the limit 503 with Retry-After, another number of seconds for each client; retry: 2000 to 15000 in the stream"}}

func checkStorm(o *seen.Observation) Finding {
	for _, x := range o.Exchanges {
		switch x.Role {
		case seen.RoleMain, seen.RoleSecond, seen.RoleIdentity, seen.RoleConfirm, seen.RoleJoin, seen.RoleNoID, seen.RoleResume1, seen.RoleResume2:
		default:
			continue // the limit may be one of requests, or the error that of an ID
		}
		if x.Status != http.StatusTooManyRequests && x.Status != http.StatusServiceUnavailable || refusedIncremental(x) != "" {
			continue
		}
		after := x.Header.Get("Retry-After")
		f := pass("%d at the limit, with Retry-After: %s", x.Status, httpx.Clip(after, 40)).with("status", x.Status)
		switch {
		case after == "":
			f.Status, f.Title = Warn, fmt.Sprintf("%d at the limit, without Retry-After: readers that are turned away choose their own time to come back", x.Status)
		case !waits(after, o.Time):
			f.Status, f.Title = Warn, fmt.Sprintf("%d at the limit, with Retry-After: %s, which is no time to wait", x.Status, httpx.Clip(after, 40))
		}
		return f
	}
	switch {
	case !o.Main().OK():
		return skip("no event stream to look at")
	case checkRetry(o).Status == Fail, checkRetry(o).Status == Warn:
		return skipFor(retryValueCheck.ID)
	}
	retries := o.Main().Timeline().Retries
	if len(retries) == 0 {
		return info("no retry field, and no limit was met: clients come back within a few seconds of each other")
	}
	return pass("retry: %d, and no limit was met", retries[len(retries)-1].Milliseconds())
}

// waits reports whether a Retry-After names a time to come, in seconds or as a date
// (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).
func waits(after string, now time.Time) bool {
	if n, err := strconv.Atoi(strings.TrimSpace(after)); err == nil {
		return n > 0
	}
	at, err := http.ParseTime(after)
	return err == nil && at.After(now)
}

var endSignalCheck = Check{
	ID: "end-signal", Group: "reconnect", Title: "the end is announced", Worst: Info,
	How:   "An event of a closing type or [DONE] at the end, or 204 after it.",
	Why:   "EventSource takes every end for a drop.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model",
	Cures: []Cure{cureEndWith204},
	Quick: true, run: checkEndSignal,
}

func checkEndSignal(o *seen.Observation) Finding {
	x := o.Main()
	t := x.Timeline()
	switch {
	case x.End != seen.EndEOF:
		return skip("the stream did not end")
	case len(t.Events) == 0:
		return info("the stream ended without an event")
	}
	last := t.Events[len(t.Events)-1]
	named := slices.Contains([]string{"close", "done", "end", "complete", "bye", "message_stop", "response.completed"}, strings.ToLower(last.Type))
	if after := o.Get(seen.RoleLastID); after != nil && after.Status == http.StatusNoContent {
		return pass("204 marks the end")
	}
	if named || string(last.Data) == "[DONE]" {
		return pass("the last event marks the end")
	}
	return info("nothing marks the end: EventSource reconnects")
}

// earliestCut is the age below which no hop is known to cut a stream: one that
// breaks off sooner is broken by the server.
const earliestCut = 9 * time.Second
