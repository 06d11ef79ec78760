package diag

import (
	"encoding/json"
	"strings"

	"github.com/ssectl/ssectl/pkg/stream"
)

// mcpSession returns the session that initialize gave, "" for none.
func mcpSession(o *Observation) string {
	if x := o.get(RoleMCPPost); x != nil {
		return x.Header.Get("Mcp-Session-Id")
	}
	return ""
}

// An mcpAnswer is what came for the first request of a client of MCP.
type mcpAnswer int

const (
	mcpInJSON     mcpAnswer = iota // a response in JSON
	mcpInStream                    // a response in a stream, which ends with it
	mcpNoJSON                      // another type
	mcpNoResponse                  // JSON that is no response
	mcpEmptyFirst                  // a first event without data, in a revision that does not have it
	mcpEmptyEvent                  // a later one
	mcpUnanswered                  // a stream that ended without a response
	mcpSilent                      // a stream without one so far
	mcpStaysOpen                   // a stream that goes on after it
)

// whole reports whether the answer is as the specification wants it.
func (a mcpAnswer) whole() bool { return a == mcpInJSON || a == mcpInStream }

func mcpAnswerOf(x *Exchange) mcpAnswer {
	switch {
	case x.ok():
		return mcpStreamOf(x)
	case !strings.HasPrefix(x.Header.Get("Content-Type"), "application/json"):
		return mcpNoJSON
	case !isResponse(x.Body):
		return mcpNoResponse
	}
	return mcpInJSON
}

func mcpStreamOf(x *Exchange) mcpAnswer {
	t := x.timeline()
	answered := false
	for i, e := range t.events {
		switch {
		case isResponse(e.data):
			answered = true
			if protocolOf(e.data) < mcpStateful && i > 0 && len(t.events[0].data) == 0 {
				return mcpEmptyFirst
			}
		case len(e.data) == 0 && i > 0:
			return mcpEmptyEvent
		}
	}
	switch {
	case !answered && x.End == EndEOF:
		return mcpUnanswered
	case !answered:
		return mcpSilent
	case x.End != EndEOF:
		return mcpStaysOpen
	}
	return mcpInStream
}

// mcpVersion returns the revision that a response in a stream names.
func mcpVersion(x *Exchange) string {
	for _, e := range x.timeline().events {
		if isResponse(e.data) {
			return protocolOf(e.data)
		}
	}
	return ""
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
