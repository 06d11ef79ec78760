package protocol

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// Keys of _meta in revision 2026-07-28
// (https://modelcontextprotocol.io/specification/2026-07-28/basic#_meta).
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaServer       = "io.modelcontextprotocol/serverInfo"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
)

// Codes of errors that revision 2026-07-28 has.
const (
	headerMismatch     = -32020
	unsupportedVersion = -32022
)

// cacheable are the methods whose results tell how long they are good for
// (https://modelcontextprotocol.io/specification/2026-07-28/changelog).
var cacheable = []string{"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}

func (m *mcp) replyStateless(r *fake.Request, content *fake.Content) *fake.Reply {
	if r.Method != http.MethodPost {
		return notAllowed(http.MethodPost)
	}
	msg, problem := readPost(r)
	switch {
	case problem != nil:
		return problem
	case msg.method == "":
		return refuseCall(nil, &failure{Code: invalidRequest, Message: "a client sends no responses", status: http.StatusBadRequest})
	case !msg.isRequest():
		return &fake.Reply{Status: http.StatusAccepted}
	}
	if f := m.validate(r, msg); f != nil {
		f.status = http.StatusBadRequest
		return refuseCall(msg.id, f)
	}
	switch msg.method {
	case "subscriptions/listen":
		return m.acknowledge(msg)
	case "server/discover":
		return fake.JSON(http.StatusOK, success(msg.id, complete(msg.method, map[string]any{"supportedVersions": m.versions(), "capabilities": capabilities()})))
	}
	result, f := m.result(msg, content, stateless)
	if f != nil {
		if f.Code == methodNotFound {
			f.status = http.StatusNotFound
		}
		return refuseCall(msg.id, f)
	}
	if o, ok := result.(map[string]any); ok {
		result = complete(msg.method, o)
	}
	response := success(msg.id, result)
	progress, total := m.progress(msg)
	if total == 0 {
		return fake.JSON(http.StatusOK, response)
	}
	return &fake.Reply{Stream: func(_ context.Context, send func(record.Record) error) error {
		for make := range progress {
			if err := send(make()); err != nil {
				return err
			}
		}
		return send(event("", "message", response))
	}}
}

// versions returns the revisions that the server speaks, the latest first.
func (m *mcp) versions() []string {
	if m.only != "" {
		return []string{stateless}
	}
	return append([]string{stateless}, statefulVersions...)
}

// complete returns a result with the fields that each of revision 2026-07-28 has.
func complete(method string, result map[string]any) map[string]any {
	fields := map[string]any{"resultType": "complete"}
	if slices.Contains(cacheable, method) {
		fields["ttlMs"], fields["cacheScope"] = 0, "private"
	}
	all := with(result, fields)
	all["_meta"] = with(object(result["_meta"]), map[string]any{metaServer: serverInfo()})
	return all
}

// validate compares the headers of a request with its body
// (https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#server-validation).
func (m *mcp) validate(r *fake.Request, msg message) *failure {
	version, method := r.Header.Get("Mcp-Protocol-Version"), r.Header.Get("Mcp-Method")
	meta := object(msg.params["_meta"])
	_, capable := meta[metaCapabilities].(map[string]any)
	switch {
	case version == "":
		return &failure{Code: headerMismatch, Message: "Header mismatch: Mcp-Protocol-Version is missing"}
	case meta[metaVersion] == nil:
		return &failure{Code: invalidParams, Message: "Invalid params: _meta has no " + metaVersion}
	case version != meta[metaVersion]:
		return mismatch("Mcp-Protocol-Version", version, meta[metaVersion])
	case version != stateless:
		return &failure{Code: unsupportedVersion, Message: "Unsupported protocol version", Data: map[string]any{"supported": m.versions(), "requested": version}}
	case !capable:
		return &failure{Code: invalidParams, Message: "Invalid params: _meta has no " + metaCapabilities}
	case method == "":
		return &failure{Code: headerMismatch, Message: "Header mismatch: Mcp-Method is missing"}
	case method != msg.method:
		return mismatch("Mcp-Method", method, msg.method)
	}
	return m.validateName(r, msg)
}

func (m *mcp) validateName(r *fake.Request, msg message) *failure {
	var want any
	switch msg.method {
	case "tools/call", "prompts/get":
		want = msg.params["name"]
	case "resources/read":
		want = msg.params["uri"]
	default:
		return nil
	}
	header := r.Header.Get("Mcp-Name")
	name, ok := decodeName(header)
	switch {
	case header == "":
		return &failure{Code: headerMismatch, Message: "Header mismatch: Mcp-Name is missing"}
	case !ok || name != want:
		return mismatch("Mcp-Name", header, want)
	}
	if msg.method == "tools/call" {
		return m.validateParams(r, text(want), object(msg.params["arguments"]))
	}
	return nil
}

// validateParams compares the arguments that a tool wants in headers too.
func (m *mcp) validateParams(r *fake.Request, tool string, arguments map[string]any) *failure {
	i := slices.IndexFunc(m.tools, func(t Tool) bool { return t.Name == tool })
	if i < 0 {
		return nil
	}
	return compareParams(r, m.tools[i].InputSchema, arguments)
}

// compareParams compares the arguments of an object with a schema.
func compareParams(r *fake.Request, schema, arguments map[string]any) *failure {
	properties := object(schema["properties"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, argument := object(properties[name]), arguments[name]
		if inner, ok := argument.(map[string]any); ok {
			if f := compareParams(r, property, inner); f != nil {
				return f
			}
		}
		header := text(property["x-mcp-header"])
		if header == "" {
			continue
		}
		header = "Mcp-Param-" + header
		got, ok := decodeName(r.Header.Get(header))
		switch {
		case argument == nil && got == "":
		case argument == nil || !ok || !sameParam(got, argument):
			return mismatch(header, r.Header.Get(header), argument)
		}
	}
	return nil
}

// sameParam reports whether a header has an argument: numbers are compared as such.
func sameParam(header string, argument any) bool {
	switch a := argument.(type) {
	case string:
		return header == a
	case bool:
		return header == strconv.FormatBool(a)
	case json.Number:
		want, err := a.Float64()
		got, gotErr := strconv.ParseFloat(header, 64)
		return err == nil && gotErr == nil && got == want
	}
	return false
}

func mismatch(name, header string, body any) *failure {
	return &failure{Code: headerMismatch, Message: fmt.Sprintf("Header mismatch: %s is %q in the header and %s in the body", name, header, encode(body))}
}

// decodeName decodes a name that a header cannot have as it is.
func decodeName(header string) (name string, ok bool) {
	coded, found := strings.CutPrefix(header, "=?base64?")
	if found {
		coded, found = strings.CutSuffix(coded, "?=")
	}
	if !found {
		return header, true
	}
	plain, err := base64.StdEncoding.DecodeString(coded)
	return string(plain), err == nil
}

// acknowledge answers a subscription with a stream that stays open
// (https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions).
// Nothing of the server ever changes.
func (m *mcp) acknowledge(msg message) *fake.Reply {
	agreed := map[string]any{}
	for name, wanted := range object(msg.params["notifications"]) {
		if slices.Contains([]string{"toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions"}, name) {
			agreed[name] = wanted
		}
	}
	first := event("", "message", notification("notifications/subscriptions/acknowledged",
		map[string]any{"_meta": map[string]any{metaSubscription: msg.id}, "notifications": agreed}))
	return &fake.Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
		if err := send(first); err != nil {
			return err
		}
		var silence feed
		return silence.follow(ctx, 0, m.beat(), nil, send)
	}}
}
