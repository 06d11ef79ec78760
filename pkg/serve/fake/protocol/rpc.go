package protocol

import (
	"encoding/json"
	"maps"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// Codes of errors (https://www.jsonrpc.org/specification#error_object).
const (
	parseError     = -32700
	invalidRequest = -32600
	methodNotFound = -32601
	invalidParams  = -32602
	internalError  = -32603
)

// A message is a message of JSON-RPC 2.0 that a client sent.
type message struct {
	id     any    // a string or a number, nil if it has none
	method string // empty for a response
	params map[string]any
}

// isRequest reports whether the client wants a response.
func (m *message) isRequest() bool { return m.id != nil && m.method != "" }

// parseMessage returns the message of a body, and whether it is one.
func parseMessage(body any) (m message, ok bool) {
	o := object(body)
	m.method, m.params = text(o["method"]), object(o["params"])
	switch id := o["id"].(type) {
	case string, json.Number:
		m.id = id
	case nil:
	default:
		return message{id: nil}, false
	}
	_, result := o["result"]
	_, failure := o["error"]
	if params, has := o["params"]; has && m.params == nil && params != nil {
		return m, false
	}
	return m, o["jsonrpc"] == "2.0" && (m.method != "" || m.id != nil && (result || failure))
}

// A failure is an error of JSON-RPC.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`

	status int // of HTTP; 0 means 200
}

// A response is a response of JSON-RPC.
type response struct {
	Version string   `json:"jsonrpc"`
	ID      any      `json:"id"`
	Result  any      `json:"result,omitempty"`
	Error   *failure `json:"error,omitempty"`
}

func success(id, result any) response { return response{Version: "2.0", ID: id, Result: result} }

func failed(id any, f *failure) response { return response{Version: "2.0", ID: id, Error: f} }

// notification returns a message that wants no response.
func notification(method string, params map[string]any) map[string]any {
	return map[string]any{"jsonrpc": "2.0", "method": method, "params": params}
}

// refuseCall returns the reply to a request that fails.
func refuseCall(id any, f *failure) *fake.Reply { return refuse(f.status, failed(id, f)) }

// rpcError returns the reply with a status of failure.
func rpcError(r *fake.Request, status int, message string) *fake.Reply {
	code := invalidRequest
	if status >= 500 {
		code = internalError
	}
	m, _ := parseMessage(r.JSON)
	return refuseCall(m.id, &failure{Code: code, Message: words(status, message), status: status})
}

// with returns a copy of an object that has other fields too, where it has none.
func with(o map[string]any, fields map[string]any) map[string]any {
	all := maps.Clone(fields)
	maps.Copy(all, o)
	return all
}
