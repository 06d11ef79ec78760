package check

import (
	"fmt"
	"net/http"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var mcpGetCheck = Check{
	ID: "mcp-get", Group: "llm", Title: "GET is answered with a stream or 405", Worst: Fail,
	How:   "GET on an MCP endpoint, accepting text/event-stream. Where the server speaks 2026-07-28 alone, which has neither, GET and DELETE want 405.",
	Why:   "With 200 and another type, clients reconnect forever.",
	Cite:  "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports",
	Cures: []Cure{cureAnswer405},
	Needs: NeedsMCP,
	Quick: true, AnyAnswer: true, run: checkMCPGet,
}

var cureAnswer405 = Cure{{For: "app", Text: "405 for GET where there is no stream, and for DELETE where there are no sessions"}}

func checkMCPGet(o *seen.Observation) Finding {
	x := o.Get(seen.RoleMCPGet)
	stateful, stateless := seen.MCPSpeaks(o)
	switch {
	case x == nil || x.Answered == 0:
		return inconclusive("GET was not answered")
	case x.Status == http.StatusMethodNotAllowed:
		if y := o.Get(seen.RoleMCPDelete); !y.Silent() && y.Status != http.StatusMethodNotAllowed {
			return warn("DELETE is answered with %d; want 405, as %s has no sessions", y.Status, seen.MCPStateless)
		}
		return pass("405: the server has no stream of its own")
	case x.OK() && stateless && !stateful:
		return warn("GET opens a stream, which %s no longer has: its clients ask by subscriptions/listen", seen.MCPStateless)
	case x.OK():
		return pass("an event stream")
	case x.Status == http.StatusOK:
		return fail("GET is answered with 200 and %q: clients that want a stream reconnect forever", x.Header.Get("Content-Type"))
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden:
		return inconclusive("GET is answered with %d: credentials are needed", x.Status)
	case x.Status == http.StatusConflict:
		return pass("409: the session has a stream already")
	case x.Status == http.StatusBadRequest, x.Status == http.StatusNotFound:
		return warn("GET is answered with %d; want 405 where there is no stream", x.Status)
	}
	return fail("GET is answered with %d; want an event stream or 405", x.Status)
}

var mcpPostCheck = Check{
	ID: "mcp-post", Group: "llm", Title: "POST is answered", Worst: Fail,
	How:   "initialize, accepting JSON and a stream, and server/discover, which took its place in 2026-07-28. One of them has to be answered: a response arrives, and a stream ends after it.",
	Why:   "Clients wait for a response that never comes.",
	Cite:  "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports",
	Cures: []Cure{cureAnswer405},
	Needs: NeedsMCP,
	Quick: true, AnyAnswer: true, run: checkMCPPost,
}

func checkMCPPost(o *seen.Observation) Finding {
	x, later := o.Get(seen.RoleMCPPost), o.Get(seen.RoleDiscover)
	stateful, stateless := seen.MCPSpeaks(o)
	if stateless && !stateful {
		f := checkMCPAnswer(later)
		f.Title = "server/discover of " + seen.MCPStateless + " is answered; that revision has no IDs and no resuming"
		return f
	}
	switch {
	case x == nil || x.Answered == 0:
		return inconclusive("POST was not answered")
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden:
		return inconclusive("POST is answered with %d: credentials are needed", x.Status)
	case x.Status != http.StatusOK:
		return fail("initialize is answered with %d", x.Status).seen("%s", whatCame(x))
	}
	f := checkMCPAnswer(x)
	if stateless {
		f.Title += ", and server/discover of " + seen.MCPStateless + " too"
	}
	return f
}

// checkMCPAnswer words the answer to a first request.
func checkMCPAnswer(x *seen.Exchange) Finding {
	switch answer := seen.MCPAnswerOf(x); answer {
	case seen.MCPNoJSON:
		return fail("initialize is answered with %q", x.Header.Get("Content-Type"))
	case seen.MCPNoResponse:
		return fail("initialize is answered with JSON that is not a response").seen("%s", whatCame(x))
	case seen.MCPInJSON:
		return pass("initialize is answered in JSON")
	case seen.MCPEmptyFirst:
		return warn("a first event without data, which clients of %s do not expect", seen.MCPVersion(x))
	case seen.MCPEmptyEvent:
		return warn("an event without data in the middle: clients may not parse it")
	case seen.MCPUnanswered:
		return fail("the stream ended without the response to initialize")
	case seen.MCPSilent:
		return fail("no response to initialize in %s", seen.RoundDuration(x.Ended-x.Answered))
	case seen.MCPStaysOpen:
		return warn("the stream stays open after the response")
	}
	return pass("initialize is answered in a stream, which then ends")
}

var mcpListenCheck = Check{
	ID: "mcp-listen", Group: "llm", Title: "subscriptions/listen opens a stream", Worst: Fail,
	How:   "Where server/discover of 2026-07-28 is answered, a POST of subscriptions/listen: an event stream that begins with notifications/subscriptions/acknowledged and stays open.",
	Why:   "It is the one stream of that revision. Without it clients never hear of changes.",
	Cite:  "https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions",
	Cures: []Cure{cureAcknowledge},
	Needs: NeedsMCP,
	Quick: true, AnyAnswer: true, run: checkMCPListen,
}

var cureAcknowledge = Cure{{For: "app", Text: "answer subscriptions/listen with text/event-stream, write notifications/subscriptions/acknowledged at once, keep the stream open, and write a comment every 15 s"}}

const (
	acknowledged   = "notifications/subscriptions/acknowledged"
	subscriptionID = "io.modelcontextprotocol/subscriptionId"
	methodNotFound = -32601 // https://www.jsonrpc.org/specification#error_object
)

func checkMCPListen(o *seen.Observation) Finding {
	if _, stateless := seen.MCPSpeaks(o); !stateless {
		return skip("the server does not speak %s", seen.MCPStateless)
	}
	x := o.Get(seen.RoleMCPListen)
	switch {
	case x == nil:
		return inconclusive("subscriptions/listen was not sent")
	case x.Answered == 0:
		return fail("subscriptions/listen got no headers: they have to come before the first change")
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden:
		return inconclusive("subscriptions/listen is answered with %d: credentials are needed", x.Status)
	case seen.MCPMessageOf(x.Body).Error.Code == methodNotFound && !x.OK():
		switch {
		case seen.MCPAnnounces(o):
			return warn("the server announces changes, but has no subscriptions/listen to send them on")
		case x.Status != http.StatusNotFound:
			return warn("an unknown method is answered with %d; want 404", x.Status)
		}
		return pass("the server announces no changes, and has no subscriptions/listen")
	case x.Status != http.StatusOK:
		return fail("subscriptions/listen is answered with %d", x.Status).seen("%s", whatCame(x))
	case !x.OK():
		return fail("subscriptions/listen is answered with %q, which no change can be sent on", x.Header.Get("Content-Type"))
	}
	events := x.Timeline().Events
	if len(events) == 0 {
		if x.End == seen.EndEOF {
			return fail("the stream of subscriptions/listen ended without a message")
		}
		return fail("no acknowledgment of subscriptions/listen in %s", seen.RoundDuration(x.Ended-x.Answered))
	}
	first := seen.MCPMessageOf(events[0].Data)
	switch {
	case first.Method != acknowledged:
		return fail("the stream of subscriptions/listen does not begin with its acknowledgment").seen("%s", firstMessage(events[0].Data))
	case x.End == seen.EndEOF, x.End == seen.EndReset:
		return fail("the stream of subscriptions/listen ended %s after its acknowledgment", seen.RoundDuration(x.Ended-events[0].At))
	case string(first.Params.Meta[subscriptionID]) != "1": // the ID of the request
		return warn("the acknowledgment lacks the ID of its request: clients cannot tell which subscription it is of").seen("_meta has no %s of 1", subscriptionID)
	case len(seen.WithIDs(events)) > 0:
		return info("acknowledged after %s; its events have IDs, though %s resumes nothing", seen.RoundDuration(events[0].At-x.Start), seen.MCPStateless)
	}
	return pass("acknowledged after %s, and open", seen.RoundDuration(events[0].At-x.Start))
}

func firstMessage(data []byte) string {
	if m := seen.MCPMessageOf(data); m.Method != "" {
		return fmt.Sprintf("the first message is %q", m.Method)
	}
	return "the first event is no message with a method"
}
