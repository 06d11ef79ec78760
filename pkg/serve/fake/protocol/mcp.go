package protocol

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// The revisions of MCP. The first two transports of it are in mcp_session.go and
// mcp_legacy.go; the later one, which has no sessions, is in mcp_stateless.go.
const (
	stateful  = "2025-11-25"
	stateless = "2026-07-28"
)

// statefulVersions are the revisions with sessions, the latest first.
var statefulVersions = []string{stateful, "2025-06-18", "2025-03-26", legacy}

// An mcp is a server of the Model Context Protocol. Tools are all that it has, and a
// content of [fake.Content] is the result of a call. Another method has the JSON of a
// content for its result.
type mcp struct {
	*base
	only  string // revision, or empty for all of them
	tools []Tool

	sessions shelf[*session]
	answers  shelf[*call]
}

// A Tool is a tool of an MCP server.
type Tool struct {
	Name        string
	Description string
	InputSchema map[string]any // nil takes any object; x-mcp-header wants a property in a header too
}

var defaultTools = []Tool{
	{Name: "echo", Description: "Returns its text", InputSchema: map[string]any{
		"type": "object", "properties": map[string]any{"text": map[string]any{"type": "string"}}, "required": []any{"text"},
	}},
	{Name: "count", Description: "Counts from 1, and reports its progress", InputSchema: map[string]any{
		"type": "object", "properties": map[string]any{"to": map[string]any{"type": "integer", "minimum": 1, "maximum": maxCount}},
	}},
}

const (
	maxCount     = 1000
	defaultCount = 3
)

func newMCP(only string) func(*base) fake.Service {
	return func(b *base) fake.Service {
		m := &mcp{base: b, only: only, tools: b.Tools}
		if m.tools == nil {
			m.tools = defaultTools
		}
		m.sessions.gone = (*session).end
		return m
	}
}

func (m *mcp) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	switch path := strings.TrimSuffix(r.Path, "/"); {
	case path == "/mcp" || path == "":
		if m.isStateless(r) {
			return m.replyStateless(r, content)
		}
		return m.replyInSession(r, content)
	case path == "/sse" && m.only == "":
		return m.openLegacy(r)
	case path == legacyMessages && m.only == "":
		return m.postLegacy(r, content)
	}
	return nil
}

// isStateless reports whether a request is one of the revision without sessions. A
// server of both takes the client's word
// (https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning).
func (m *mcp) isStateless(r *fake.Request) bool {
	if m.only != "" {
		return m.only == stateless
	}
	if r.Header.Get("Mcp-Protocol-Version") >= stateless { // revisions are dates
		return true
	}
	body := object(r.JSON)
	if _, ok := object(object(body["params"])["_meta"])[metaVersion]; ok {
		return true
	}
	return body["method"] == "server/discover" || body["method"] == "subscriptions/listen"
}

func (m *mcp) Error(r *fake.Request, status int, message string) *fake.Reply {
	return rpcError(r, status, message)
}

// readPost returns the message of a POST, or the reply to one that is none.
func readPost(r *fake.Request) (msg message, problem *fake.Reply) {
	if !accepts(r, "application/json") || !accepts(r, "text/event-stream") {
		return msg, refuseCall(nil, &failure{Code: invalidRequest, status: http.StatusNotAcceptable,
			Message: "not acceptable: a client must accept both application/json and text/event-stream"})
	}
	return readBody(r)
}

func readBody(r *fake.Request) (msg message, problem *fake.Reply) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case !strings.EqualFold(strings.TrimSpace(kind), "application/json"):
		return msg, refuseCall(nil, &failure{Code: invalidRequest, Message: "the Content-Type is not application/json", status: http.StatusUnsupportedMediaType})
	case r.JSON == nil:
		return msg, refuseCall(nil, &failure{Code: parseError, Message: "the body is no JSON", status: http.StatusBadRequest})
	}
	msg, ok := parseMessage(r.JSON)
	if !ok {
		return msg, refuseCall(msg.id, &failure{Code: invalidRequest, Message: "the body is not one message of JSON-RPC 2.0", status: http.StatusBadRequest})
	}
	return msg, nil
}

// capabilities are those of the server.
func capabilities() map[string]any {
	return map[string]any{
		"completions": map[string]any{},
		"prompts":     map[string]any{"listChanged": true},
		"resources":   map[string]any{"listChanged": true, "subscribe": true},
		"tools":       map[string]any{"listChanged": true},
	}
}

func serverInfo() map[string]any { return map[string]any{"name": "ssectl", "version": "1.0.0"} }

// result returns the result of a request, of the methods that all revisions have.
func (m *mcp) result(msg message, content *fake.Content, version string) (any, *failure) {
	if msg.method == "tools/call" {
		return m.call(msg, content, version)
	}
	made, known := m.made(msg.method)
	if content != nil && content.JSON != nil {
		return content.JSON, nil
	}
	switch {
	case known:
		return made, nil
	case msg.method == "resources/read" && version < stateless:
		return nil, &failure{Code: -32002, Message: "Resource not found", Data: map[string]any{"uri": msg.params["uri"]}}
	case msg.method == "resources/read":
		return nil, &failure{Code: invalidParams, Message: "Resource not found", Data: map[string]any{"uri": msg.params["uri"]}}
	case msg.method == "prompts/get":
		return nil, &failure{Code: invalidParams, Message: "Unknown prompt: " + text(msg.params["name"])}
	}
	return nil, &failure{Code: methodNotFound, Message: "Method not found: " + msg.method}
}

// made returns the usual result of a method, if it has one.
func (m *mcp) made(method string) (result any, known bool) {
	switch method {
	case "tools/list":
		tools := []any{}
		for _, tool := range m.tools {
			schema := tool.InputSchema
			if schema == nil {
				schema = map[string]any{"type": "object"}
			}
			tools = append(tools, map[string]any{"name": tool.Name, "description": tool.Description, "inputSchema": schema})
		}
		return map[string]any{"tools": tools}, true
	case "resources/list":
		return map[string]any{"resources": []any{}}, true
	case "resources/templates/list":
		return map[string]any{"resourceTemplates": []any{}}, true
	case "prompts/list":
		return map[string]any{"prompts": []any{}}, true
	case "completion/complete":
		return map[string]any{"completion": map[string]any{"values": []any{}, "total": 0, "hasMore": false}}, true
	}
	return nil, false
}

// call returns the result of a call of a tool.
func (m *mcp) call(msg message, content *fake.Content, version string) (any, *failure) {
	name := text(msg.params["name"])
	known := slices.ContainsFunc(m.tools, func(t Tool) bool { return t.Name == name })
	if content == nil && !known {
		return nil, &failure{Code: invalidParams, Message: "Unknown tool: " + name}
	}
	if content != nil && object(content.JSON)["resultType"] != nil {
		return content.JSON, nil // of another kind: more input is wanted
	}
	result := map[string]any{"isError": false}
	switch {
	case content == nil:
		result["content"] = textContent(m.run(name, object(msg.params["arguments"])))
	case object(content.JSON)["content"] != nil:
		result = with(object(content.JSON), result)
	case content.JSON != nil:
		// The text is for clients that know no structured content.
		result["content"] = textContent(encode(content.JSON))
		if _, ok := content.JSON.(map[string]any); ok || version >= stateless {
			result["structuredContent"] = content.JSON
		}
	default:
		result["content"] = textContent(content.Text)
	}
	if content != nil && strings.HasSuffix(content.Finish, "error") {
		result["isError"] = true
	}
	return result, nil
}

func textContent(text string) []any {
	return []any{map[string]any{"type": "text", "text": text}}
}

// run returns the text that a tool returns by itself.
func (m *mcp) run(name string, arguments map[string]any) string {
	if m.tells() {
		return m.Text
	}
	if name == "count" {
		return strconv.Itoa(steps(name, arguments))
	}
	if said := text(arguments["text"]); said != "" {
		return said
	}
	return encode(arguments)
}

// steps returns how often a call reports its progress.
func steps(name string, arguments map[string]any) int {
	if name != "count" {
		return defaultCount
	}
	n, err := strconv.Atoi(encode(arguments["to"]))
	if err != nil {
		return defaultCount
	}
	return min(max(n, 1), maxCount)
}

// progress returns the functions that make the notifications of a call whose client asked
// for them, and their number.
func (m *mcp) progress(msg message) (events iter.Seq[func() record.Record], total int) {
	token := object(msg.params["_meta"])["progressToken"]
	if token == nil || msg.method != "tools/call" {
		return nil, 0
	}
	total = steps(text(msg.params["name"]), object(msg.params["arguments"]))
	return func(yield func(func() record.Record) bool) {
		for n := range total {
			more := yield(func() record.Record {
				r := event("", "message", notification("notifications/progress", map[string]any{"progressToken": token, "progress": n + 1, "total": total}))
				r.Delay = m.delay(n)
				return r
			})
			if !more {
				return
			}
		}
	}, total
}
