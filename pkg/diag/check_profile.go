package diag

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A dialect is what the events of a model's answer look like.
type dialect string

const (
	dialectNone      dialect = ""
	dialectChat      dialect = "OpenAI chat completions"
	dialectResponses dialect = "OpenAI responses"
	dialectAnthropic dialect = "Anthropic messages"
)

// dialectOf tells by the events, within what the profile allows.
func dialectOf(o *Observation) dialect {
	profile := o.Options.Profile
	for i, e := range o.a().timeline().events {
		if i == 5 {
			break
		}
		head := e.data[:min(len(e.data), 4<<10)]
		switch {
		case profile != ProfileAnthropic && bytes.Contains(head, []byte(`"chat.completion.chunk"`)):
			return dialectChat
		case profile != ProfileAnthropic && strings.HasPrefix(e.typ, "response."):
			return dialectResponses
		case profile != ProfileOpenAI && e.typ == "message_start":
			return dialectAnthropic
		}
	}
	return dialectNone
}

// noDialect is what the checks of model answers say of other streams.
func noDialect(o *Observation) (Finding, bool) {
	if dialectOf(o) != dialectNone {
		return Finding{}, false
	}
	if p := o.Options.Profile; p == ProfileOpenAI || p == ProfileAnthropic {
		return inconclusive("the events are not those of an answer of %s", p), true
	}
	return skip("not the answer of a model"), true
}

func checkLLMTerminal(o *Observation) Finding {
	if f, ok := noDialect(o); ok {
		return f
	}
	d, t := dialectOf(o), o.a().timeline()
	finished, done := false, false
	for _, e := range t.events {
		switch d {
		case dialectChat:
			finished = finished || hasFinishReason(e.data)
			done = done || string(bytes.TrimSpace(e.data)) == "[DONE]"
		case dialectResponses:
			finished = finished || e.typ == "response.completed" || e.typ == "response.incomplete"
			done = finished
		case dialectAnthropic:
			finished = finished || e.typ == "message_stop"
			done = finished
		}
	}
	switch {
	case finished && done:
		return pass("complete, as %s end", d)
	case !t.ended:
		return inconclusive("not at its end in %s; a longer --duration decides", roundDuration(o.Duration))
	case modelError(t) != "":
		return fail("ended by an error: see llm-error").refer("llm-error").cure()
	case finished:
		return warn("a finish reason, but no [DONE]")
	case done:
		return fail("[DONE] without a finish reason: the answer was cut, and says it is whole")
	}
	return fail("cut: it ended without what ends %s", d)
}

// hasFinishReason reports whether a chunk says why the answer ends.
func hasFinishReason(data []byte) bool {
	var chunk struct {
		Choices []struct {
			FinishReason *string `json:"finish_reason"`
		} `json:"choices"`
	}
	if json.Unmarshal(data, &chunk) != nil {
		return false
	}
	for _, c := range chunk.Choices {
		if c.FinishReason != nil {
			return true
		}
	}
	return false
}

// modelError returns the message of an error within the stream.
func modelError(t *timeline) string {
	for _, e := range t.events {
		if e.typ == "error" || e.typ == "response.failed" || hasError(e.data) {
			return httpx.Clip(string(e.data), 80)
		}
	}
	return ""
}

// hasError reports whether a JSON object is the way in which an API tells an
// error.
func hasError(object []byte) bool {
	var payload struct {
		Type  string          `json:"type"`
		Error json.RawMessage `json:"error"`
	}
	json.Unmarshal(object, &payload)
	return payload.Type == "error" || len(payload.Error) > 0 && string(payload.Error) != "null"
}

func checkLLMError(o *Observation) Finding {
	if f, ok := noDialect(o); ok {
		return f
	}
	t := o.a().timeline()
	if bytes.Contains(t.plain, []byte("\nerror:")) {
		return fail("an error: field, which clients ignore; errors belong in an event")
	}
	if message := modelError(t); message != "" {
		return warn("the answer has an error, told as it should be").seen("%s", message).cure()
	}
	return pass("no error in the answer")
}

func checkLLMCadence(o *Observation) Finding {
	if f, ok := noDialect(o); ok {
		return f
	}
	t := o.a().timeline()
	if o.timing().whole.verdict == held {
		return fail("not streamed: the whole answer came at once, after %s", roundDuration(o.timing().whole.hold))
	}
	single, bringing := 0, 0
	var gaps []time.Duration
	for i, a := range t.arrivals {
		if a.events > 0 {
			bringing++
		}
		if a.events == 1 {
			single++
		}
		if i > 0 {
			gaps = append(gaps, a.from-t.arrivals[i-1].to)
		}
	}
	if bringing == 0 {
		return inconclusive("no event came")
	}
	first := t.events[0].at - t.start
	return info("first event after %s, then one every %s; %d of %d arrivals bring one event", roundDuration(first), roundDuration(median(gaps)), single, bringing).
		with("ttft_ms", milliseconds(first)).with("gap_p50_ms", milliseconds(median(gaps)))
}

// mcpSession returns the session that initialize gave, "" for none.
func mcpSession(o *Observation) string {
	if x := o.get(RoleMCPPost); x != nil {
		return x.Header.Get("Mcp-Session-Id")
	}
	return ""
}

func checkMCPGet(o *Observation) Finding {
	x := o.get(RoleMCPGet)
	switch {
	case x == nil || x.Answered == 0:
		return inconclusive("GET was not answered")
	case x.Status == http.StatusMethodNotAllowed:
		return pass("405: the server has no stream of its own, and says so")
	case x.ok():
		return pass("an event stream")
	case x.Status == http.StatusOK:
		return fail("GET gives 200 with %q: clients that want a stream come back without end", x.Header.Get("Content-Type"))
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden:
		return inconclusive("GET gives %d: credentials are needed", x.Status)
	case x.Status == http.StatusConflict:
		return pass("409: the session has a stream already")
	case x.Status == http.StatusBadRequest, x.Status == http.StatusNotFound:
		return warn("GET gives %d; 405 is due where there is no stream", x.Status)
	}
	return fail("GET gives %d; an event stream or 405 is due", x.Status)
}

func checkMCPPost(o *Observation) Finding {
	x, later := o.get(RoleMCPPost), o.get(RoleDiscover)
	if later != nil && later.Status == http.StatusOK {
		if f := checkMCPAnswer(later); f.Status == Pass {
			f.Title = "server/discover of " + mcpStateless + " is answered; there are no IDs and no resuming in it"
			return f
		}
	}
	switch {
	case x == nil || x.Answered == 0:
		return inconclusive("POST was not answered")
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden:
		return inconclusive("POST gives %d: credentials are needed", x.Status)
	case x.Status != http.StatusOK:
		return fail("initialize gives %d", x.Status).seen("%s", whatCame(x))
	}
	return checkMCPAnswer(x)
}

// checkMCPAnswer judges what came for a first request.
func checkMCPAnswer(x *Exchange) Finding {
	switch {
	case x.ok():
		return checkMCPStream(x)
	case !strings.HasPrefix(x.Header.Get("Content-Type"), "application/json"):
		return fail("initialize gives %q", x.Header.Get("Content-Type"))
	case !isResponse(x.Body):
		return fail("initialize gives JSON that is no response to it").seen("%s", whatCame(x))
	}
	return pass("initialize is answered in JSON")
}

// checkMCPStream judges a response that came as a stream.
func checkMCPStream(x *Exchange) Finding {
	t := x.timeline()
	answered := false
	for i, e := range t.events {
		switch {
		case isResponse(e.data):
			answered = true
			if protocolOf(e.data) < "2025-11-25" && i > 0 && len(t.events[0].data) == 0 {
				return warn("a first event without data, which clients of %s do not know", protocolOf(e.data))
			}
		case len(e.data) == 0 && i > 0:
			return warn("an event without data in the middle: clients may not parse it")
		}
	}
	switch {
	case !answered && x.End == EndEOF:
		return fail("the stream ended without the response to initialize")
	case !answered:
		return fail("no response to initialize in %s", roundDuration(x.Ended-x.Answered))
	case x.End != EndEOF:
		return warn("the stream stays open after the response")
	}
	return pass("initialize is answered in a stream, which then ends")
}

// isResponse reports whether a message is the result of a request.
func isResponse(data []byte) bool {
	var message struct {
		ID     json.RawMessage `json:"id"`
		Result json.RawMessage `json:"result"`
	}
	return json.Unmarshal(data, &message) == nil && len(message.ID) > 0 && len(message.Result) > 0
}

func protocolOf(data []byte) string {
	var message struct {
		Result struct {
			ProtocolVersion string `json:"protocolVersion"`
		} `json:"result"`
	}
	json.Unmarshal(data, &message)
	return message.Result.ProtocolVersion
}

// The revisions of MCP that a probe speaks. The later one has no handshake, no
// IDs and no stream for a GET.
const (
	mcpStateful  = "2025-11-25"
	mcpStateless = "2026-07-28"
)

const (
	mcpInitialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + mcpStateful +
		`","capabilities":{},"clientInfo":{"name":"ssectl-diag","version":"1"}}}`

	mcpInitialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

	// https://modelcontextprotocol.io/specification/2026-07-28/server/discover
	mcpDiscover = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"` + mcpStateless + `","io.modelcontextprotocol/clientCapabilities":{}}}}`

	// mcpAccept is what https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
	// wants a POST to accept.
	mcpAccept = "application/json, " + stream.ContentType
)
