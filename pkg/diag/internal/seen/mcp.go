package seen

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/pkg/stream"
)

// MCPSession returns the session that initialize gave, "" for none.
func MCPSession(o *Observation) string {
	if x := o.Get(RoleMCPPost); x != nil {
		return x.Header.Get("Mcp-Session-Id")
	}
	return ""
}

// An MCPAnswer classifies the answer to the first request of a client of MCP.
type mcpAnswer int

const (
	MCPInJSON     mcpAnswer = iota // a response in JSON
	mcpInStream                    // a response in a stream, which ends with it
	MCPNoJSON                      // another type
	MCPNoResponse                  // JSON that is no response
	MCPEmptyFirst                  // a first event without data, in a revision that does not have it
	MCPEmptyEvent                  // a later one
	MCPUnanswered                  // a stream that ended without a response
	MCPSilent                      // a stream without one so far
	MCPStaysOpen                   // a stream that goes on after it
)

// Whole reports whether the answer is as the specification wants it.
func (a mcpAnswer) Whole() bool { return a == MCPInJSON || a == mcpInStream }

func MCPAnswerOf(x *Exchange) mcpAnswer {
	switch {
	case x.OK():
		return mcpStreamOf(x)
	case !strings.HasPrefix(x.Header.Get("Content-Type"), "application/json"):
		return MCPNoJSON
	case !isResponse(x.Body):
		return MCPNoResponse
	}
	return MCPInJSON
}

func mcpStreamOf(x *Exchange) mcpAnswer {
	t := x.Timeline()
	answered := false
	for i, e := range t.Events {
		switch {
		case isResponse(e.Data):
			answered = true
			if protocolOf(e.Data) < MCPStateful && i > 0 && len(t.Events[0].Data) == 0 {
				return MCPEmptyFirst
			}
		case len(e.Data) == 0 && i > 0:
			return MCPEmptyEvent
		}
	}
	switch {
	case !answered && x.End == EndEOF:
		return MCPUnanswered
	case !answered:
		return MCPSilent
	case x.End != EndEOF:
		return MCPStaysOpen
	}
	return mcpInStream
}

// MCPSpeaks returns the revisions that the server of an observation answered in,
// which is found out and not asked for.
func MCPSpeaks(o *Observation) (stateful, stateless bool) {
	answers := func(role Role) bool {
		x := o.Get(role)
		return x != nil && x.Status == http.StatusOK && MCPAnswerOf(x).Whole()
	}
	return answers(RoleMCPPost), answers(RoleDiscover)
}

// MCPAnnounces reports whether a server that was discovered announces notifications
// of changes.
func MCPAnnounces(o *Observation) bool {
	x := o.Get(RoleDiscover)
	for _, message := range mcpMessages(x) {
		var discovered struct {
			Result struct {
				Capabilities map[string]struct {
					ListChanged, Subscribe bool
				}
			}
		}
		if json.Unmarshal(message, &discovered) != nil {
			continue
		}
		for _, c := range discovered.Result.Capabilities {
			if c.ListChanged || c.Subscribe {
				return true
			}
		}
	}
	return false
}

// mcpMessages returns the messages of an answer, in a stream or alone.
func mcpMessages(x *Exchange) [][]byte {
	if !x.OK() {
		return [][]byte{x.Body}
	}
	var list [][]byte
	for _, e := range x.Timeline().Events {
		list = append(list, e.Data)
	}
	return list
}

// An MCPMessage is a message of JSON-RPC, as far as it is looked at.
type MCPMessage struct {
	Method string
	Params struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	Error struct{ Code int }
}

// MCPMessageOf parses a message; what is none has no method.
func MCPMessageOf(data []byte) (m MCPMessage) {
	json.Unmarshal(data, &m)
	return m
}

// MCPVersion returns the revision that a response in a stream names.
func MCPVersion(x *Exchange) string {
	for _, e := range x.Timeline().Events {
		if isResponse(e.Data) {
			return protocolOf(e.Data)
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
	MCPStateful  = "2025-11-25"
	MCPStateless = "2026-07-28"
)

const (
	MCPInitialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + MCPStateful +
		`","capabilities":{},"clientInfo":{"name":"ssectl-diag","version":"1"}}}`

	MCPInitialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

	// https://modelcontextprotocol.io/specification/2026-07-28/server/discover
	MCPDiscover = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{` +
		mcpMeta + `}}}`

	// https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
	MCPListen = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"_meta":{` + mcpMeta +
		`},"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}}}`

	// mcpMeta is what each request of the later revision has in its _meta.
	mcpMeta = `"io.modelcontextprotocol/protocolVersion":"` + MCPStateless +
		`","io.modelcontextprotocol/clientInfo":{"name":"ssectl-diag","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}`

	// MCPAccept is required of a POST by
	// https://modelcontextprotocol.io/specification/2025-11-25/basic/transports.
	MCPAccept = "application/json, " + stream.ContentType
)
