package clienttest

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// startFake starts a service that has the answers that "ssectl serve" has not: those
// that are no streams, and those that depend on the request.
func startFake(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	answer := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Request-Id", "req_sample_1")
			writeCoded(w, r, body)
		})
	}
	answer("GET /plain/v1/models", `{"object": "list", "data": [
		{"id": "sample-4", "object": "model", "created": 1795000000, "owned_by": "sample"},
		{"id": "sample-5", "object": "model", "created": 1795000000, "owned_by": "sample"}]}`)
	answer("POST /plain/v1/chat/completions", `{"id": "chatcmpl-sample0002", "object": "chat.completion", "created": 1795000000, "model": "sample-4",
		"choices": [{"index": 0, "message": {"role": "assistant", "content": "At 06:40 🌊", "refusal": null}, "logprobs": null, "finish_reason": "stop"}],
		"usage": {"prompt_tokens": 14, "completion_tokens": 4, "total_tokens": 18}}`)
	answer("POST /plain/v1/messages", `{"id": "msg_sample_a3", "type": "message", "role": "assistant", "model": "sample-sonnet",
		"content": [{"type": "text", "text": "At 06:40 🌊"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 31, "output_tokens": 8}}`)
	answer("POST /plain/v1beta/models/{call}", `{"candidates": [{"content": {"parts": [{"text": "春潮"}], "role": "model"}, "index": 0, "finishReason": "STOP"}],
		"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1, "totalTokenCount": 8}, "modelVersion": "sample-flash", "responseId": "sampleResp02"}`)
	mux.Handle("/plain/mcp", new(mcp))
	mux.Handle("/short/plain/mcp", &mcp{short: 2})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// writeCoded writes a body, compressed if the client accepts that.
func writeCoded(w http.ResponseWriter, r *http.Request, body string) {
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		io.WriteString(w, body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	io.WriteString(z, body)
	z.Close()
}

// An mcp is a server of the Model Context Protocol with one tool, over Streamable
// HTTP (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports).
// The answer of the tool is a stream, which can be resumed.
type mcp struct {
	short int // events after which the answer to a call ends, if not 0

	mu   sync.Mutex // guards call
	call []string   // the events of the last call
}

func (m *mcp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r.Method {
	case http.MethodPost:
		m.post(w, r)
	case http.MethodGet:
		var last int
		if n, _ := fmt.Sscanf(r.Header.Get("Last-Event-ID"), "call_%d", &last); n == 0 {
			http.Error(w, "no stream without a call", http.StatusMethodNotAllowed)
			return
		}
		m.stream(w, last+1, len(m.call))
	}
}

func (m *mcp) post(w http.ResponseWriter, r *http.Request) {
	var request struct {
		ID     json.RawMessage
		Method string
		Params struct {
			ProtocolVersion string
			Meta            struct{ ProgressToken json.RawMessage } `json:"_meta"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := func(result string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc": "2.0", "id": %s, "result": %s}`, request.ID, result)
	}
	switch request.Method {
	case "initialize":
		w.Header().Set("Mcp-Session-Id", "session-0123456789abcdef")
		answer(fmt.Sprintf(`{"protocolVersion": %q, "capabilities": {"tools": {}}, "serverInfo": {"name": "tides", "version": "1.0.0"}}`, request.Params.ProtocolVersion))
	case "tools/list":
		answer(`{"tools": [{"name": "tide", "inputSchema": {"type": "object", "properties": {"port": {"type": "string"}}}}]}`)
	case "tools/call":
		token := request.Params.Meta.ProgressToken
		m.call = []string{
			"retry: 10\ndata: \n\n",
			fmt.Sprintf(`data: {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": %s, "progress": 1, "message": "fetching 🌊"}}`, token) + "\n\n",
			fmt.Sprintf(`data: {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": %s, "progress": 2}}`, token) + "\n\n",
			fmt.Sprintf(`data: {"jsonrpc": "2.0", "id": %s, "result": {"content": [{"type": "text", "text": "06:40 high water"}], "isError": false}}`, request.ID) + "\n\n",
		}
		m.stream(w, 0, cmp.Or(m.short, len(m.call)))
	default: // a notification
		w.WriteHeader(http.StatusAccepted)
	}
}

// stream sends events of the last call.
func (m *mcp) stream(w http.ResponseWriter, from, to int) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := from; i < to; i++ {
		fmt.Fprintf(w, "id: call_%d\nevent: message\n%s", i, m.call[i])
	}
}
