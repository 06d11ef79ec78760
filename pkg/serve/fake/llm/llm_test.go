package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/stream"
)

// newService returns a service, or fails the test.
func newService(t *testing.T, name string, options Options) fake.Service {
	t.Helper()
	s, err := New(name, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request returns a request with a body, which may be empty.
func request(t *testing.T, method, target, body string) *fake.Request {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &fake.Request{Method: method, Path: u.Path, Query: u.Query(), Header: http.Header{}, Body: []byte(body)}
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&r.JSON) != nil {
		r.JSON = nil
	}
	return r
}

// sent returns the bytes of a stream, and its records.
func sent(t *testing.T, reply *fake.Reply) (text []byte, records []record.Record) {
	t.Helper()
	if reply == nil || reply.Stream == nil {
		t.Fatalf("no stream: %s", body(reply))
	}
	err := reply.Stream(t.Context(), func(r record.Record) error {
		records = append(records, r)
		if r.Raw != nil {
			text = append(text, r.Raw...)
			return nil
		}
		var err error
		text, err = r.AppendText(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text, records
}

// events decodes a stream. The data of each event but [DONE] is JSON.
func events(t *testing.T, reply *fake.Reply) (all []map[string]any) {
	t.Helper()
	text, records := sent(t, reply)
	n := 0
	for e, err := range stream.NewDecoder(bytes.NewReader(text)).Events() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Data != records[n].Data {
			t.Fatalf("event %d is %q, and its record %q", n, e.Data, records[n].Data)
		}
		n++
		if e.Data == "[DONE]" {
			continue
		}
		all = append(all, value(t, []byte(e.Data)))
	}
	if n != len(records) {
		t.Fatalf("%d events of %d records", n, len(records))
	}
	return all
}

func value(t *testing.T, text []byte) (v map[string]any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return v
}

func body(reply *fake.Reply) string {
	if reply == nil {
		return "no reply"
	}
	return fmt.Sprintf("%d %s", reply.Status, reply.Body)
}

// An api is how a service is asked, and how its answers are read.
type api struct {
	service, path string
	body          string // with %s for the JSON text of the user
	streamed      string // what makes it a stream: path
	streamedBody  string // or body

	text, thinking func(event map[string]any) string // the pieces in an event
	whole          func(answer map[string]any) string
}

// at returns a text in a value, by names and indexes.
func at(v any, path ...any) string {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = member(v, p)
		case int:
			all, _ := v.([]any)
			if p >= len(all) {
				return ""
			}
			v = all[p]
		}
	}
	s, _ := v.(string)
	return s
}

// every returns the texts of the parts of a kind.
func every(v any, kind, name string) (s string) {
	all, _ := v.([]any)
	for _, part := range all {
		if text(part, "type") == kind {
			s += text(part, name)
		}
	}
	return s
}

var apis = []api{
	{
		service: "openai", path: "/v1/chat/completions", body: `{"model":"m","messages":[{"role":"user","content":%s}]`, streamedBody: `,"stream":true`,
		text:     func(e map[string]any) string { return at(e, "choices", 0, "delta", "content") },
		thinking: func(e map[string]any) string { return at(e, "choices", 0, "delta", "reasoning_content") },
		whole:    func(a map[string]any) string { return at(a, "choices", 0, "message", "content") },
	},
	{
		service: "openai", path: "/completions", body: `{"model":"m","prompt":%s`, streamedBody: `,"stream":true`,
		text:  func(e map[string]any) string { return at(e, "choices", 0, "text") },
		whole: func(a map[string]any) string { return at(a, "choices", 0, "text") },
	},
	{
		service: "openai", path: "/openai/v1/responses", body: `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":%s}]}]`, streamedBody: `,"stream":true`,
		text: func(e map[string]any) string {
			if e["type"] != "response.output_text.delta" {
				return ""
			}
			return at(e, "delta")
		},
		thinking: func(e map[string]any) string {
			if e["type"] != "response.reasoning_summary_text.delta" {
				return ""
			}
			return at(e, "delta")
		},
		whole: func(a map[string]any) string {
			all := list(a, "output")
			for _, item := range all {
				if text(item, "type") == "message" {
					return every(member(item, "content"), "output_text", "text")
				}
			}
			return ""
		},
	},
	{
		service: "anthropic", path: "/v1/messages", body: `{"model":"m","max_tokens":100000000,"messages":[{"role":"user","content":%s}]`, streamedBody: `,"stream":true`,
		text:     func(e map[string]any) string { return at(e, "delta", "text") },
		thinking: func(e map[string]any) string { return at(e, "delta", "thinking") },
		whole:    func(a map[string]any) string { return every(a["content"], "text", "text") },
	},
	{
		service: "gemini", path: "/v1beta/models/m:generateContent", streamed: "/v1beta/models/m:streamGenerateContent?alt=sse",
		body: `{"contents":[{"role":"user","parts":[{"text":%s}]}]`,
		text: func(e map[string]any) string { return geminiParts(e, false) }, thinking: func(e map[string]any) string { return geminiParts(e, true) },
		whole: func(a map[string]any) string { return geminiParts(a, false) },
	},
	{
		service: "gemini", path: "/v1beta/interactions", body: `{"model":"m","input":%s`, streamedBody: `,"stream":true`,
		text:     func(e map[string]any) string { return at(e, "delta", "text") },
		thinking: func(e map[string]any) string { return at(e, "delta", "content", "text") },
		whole: func(a map[string]any) string {
			for _, step := range list(a, "steps") {
				if text(step, "type") == "model_output" {
					return every(member(step, "content"), "text", "text")
				}
			}
			return ""
		},
	},
	{
		service: "vercel-ai", path: "/api/chat", streamed: "/api/chat", body: `{"id":"c","messages":[{"role":"user","parts":[{"type":"text","text":%s}]}]`,
		text: func(e map[string]any) string {
			if e["type"] != "text-delta" {
				return ""
			}
			return at(e, "delta")
		},
		thinking: func(e map[string]any) string {
			if e["type"] != "reasoning-delta" {
				return ""
			}
			return at(e, "delta")
		},
	},
}

func geminiParts(e map[string]any, thought bool) (s string) {
	for _, c := range list(e, "candidates") {
		for _, part := range list(c, "content", "parts") {
			if truth(part, "thought") == thought {
				s += text(part, "text")
			}
		}
	}
	return s
}

func (a *api) name() string { return a.service + " " + a.path }

// ask returns a request with a message of the user.
func (a *api) ask(t *testing.T, said string, stream bool, more string) *fake.Request {
	quoted, _ := json.Marshal(said)
	body, path := fmt.Sprintf(a.body, quoted)+more, a.path
	if stream {
		body += a.streamedBody
		if a.streamed != "" {
			path = a.streamed
		}
	}
	return request(t, http.MethodPost, path, body+"}")
}

// TestEcho wants every service to repeat the message of the user, as a stream and whole.
func TestEcho(t *testing.T) {
	const said = "Harbour tide — 满潮 at 06:40 🌊\u2028 next line, \"quoted\"\n <b> & 👩‍👩‍👧 é"
	for _, a := range apis {
		s := newService(t, a.service, Options{})
		var got string
		all := events(t, s.Reply(a.ask(t, said, true, ""), nil))
		for _, e := range all {
			got += a.text(e)
		}
		if got != said || len(all) < 10 {
			t.Errorf("%s: %d events with %q, want %q", a.name(), len(all), got, said)
		}
		if a.whole == nil {
			continue
		}
		reply := s.Reply(a.ask(t, said, false, ""), nil)
		if got := a.whole(value(t, reply.Body)); got != said || reply.Status != http.StatusOK {
			t.Errorf("%s: %s", a.name(), body(reply))
		}
	}
}

// TestContents draws contents, and wants all of each of them in the answer.
func TestContents(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("SSECTL_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("SSECTL_TEST_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 150 {
		a := apis[rng.IntN(len(apis))]
		c := drawContent(rng)
		reply := newService(t, a.service, Options{}).Reply(a.ask(t, "hi", true, ""), c)
		var said, thought string
		for _, e := range events(t, reply) {
			said += a.text(e)
			if a.thinking != nil {
				thought += a.thinking(e)
			}
		}
		if said != c.Text || a.thinking != nil && thought != c.Thinking {
			t.Fatalf("%s: %q after %q, want %q after %q", a.name(), said, thought, c.Text, c.Thinking)
		}
		if a.whole != nil {
			reply := newService(t, a.service, Options{}).Reply(a.ask(t, "hi", false, ""), c)
			if got := a.whole(value(t, reply.Body)); got != c.Text {
				t.Fatalf("%s: whole %q, want %q", a.name(), got, c.Text)
			}
		}
	}
}

// drawContent draws a text, and often thinking and calls of tools.
func drawContent(rng *rand.Rand) *fake.Content {
	c := &fake.Content{Text: drawText(rng)}
	if rng.IntN(2) == 0 {
		c.Thinking = drawText(rng)
	}
	for range rng.IntN(3) {
		arguments, _ := json.Marshal(map[string]string{drawText(rng): drawText(rng)})
		c.Tools = append(c.Tools, fake.ToolCall{Name: "tool", Arguments: arguments})
	}
	return c
}

func drawText(rng *rand.Rand) string {
	alphabet := []string{"a", "b", "word", " ", " ", "\n", "\r\n", "\t", "潮", "あ", "é", "e\u0301", "🌊", "👩‍👩‍👧", "🇩🇪", "👍🏽", "\u2028", "\"", "\\", "<", "&", "\x00", "\u200d", "data: x\n\n"}
	var b strings.Builder
	length := []int{0, 1, 5, 50, 2000}[rng.IntN(5)]
	for range length {
		b.WriteString(alphabet[rng.IntN(len(alphabet))])
	}
	return b.String()
}

// TestTokens wants words, and no character in two of them.
func TestTokens(t *testing.T) {
	for text, want := range map[string][]string{
		"":                        nil,
		"one two  three\nfour":    {"one", " two", "  three", "\nfour"},
		"满潮 at 🌊":                 {"满", "潮", " at", " 🌊"},
		"e\u0301e\u0301":          {"e\u0301e\u0301"},
		"👩‍👩‍👧👍🏽🇩🇪":               {"👩‍👩‍👧👍🏽🇩🇪"},
		"abcdefghijklmnopqrstuvw": {"abcdefghijkl", "mnopqrstuvw"},
		"abcdefghijkle\u0301x":    {"abcdefghijkl", "e\u0301x"},
		" x ":                     {" x", " "},
	} {
		var got []string
		all, _ := newWords(text, token, math.MaxInt, 1)
		for piece := range all.pieces() {
			got = append(got, piece)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestLimit wants an answer to end at the limit of tokens, and to say so.
func TestLimit(t *testing.T) {
	for _, c := range []struct{ service, path, body, want string }{
		{"openai", "/v1/chat/completions", `{"model":"m","max_tokens":2,"messages":[{"role":"user","content":"one two three"}]}`, `"finish_reason":"length"`},
		{"openai", "/v1/chat/completions", `{"model":"m","max_completion_tokens":2,"messages":[{"role":"user","content":"one two three"}]}`, `"completion_tokens":2`},
		{"openai", "/v1/responses", `{"model":"m","max_output_tokens":2,"input":"one two three"}`, `"incomplete_details":{"reason":"max_output_tokens"}`},
		{"anthropic", "/v1/messages", `{"model":"m","max_tokens":2,"messages":[{"role":"user","content":"one two three"}]}`, `"stop_reason":"max_tokens"`},
		{"gemini", "/v1beta/models/m:generateContent", `{"generationConfig":{"maxOutputTokens":2},"contents":[{"parts":[{"text":"one two three"}]}]}`, `"finishReason":"MAX_TOKENS"`},
	} {
		reply := newService(t, c.service, Options{}).Reply(request(t, "POST", c.path, c.body), nil)
		if got := string(reply.Body); !strings.Contains(got, c.want) || !strings.Contains(got, `"one two"`) {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}

// TestWrong wants the error of the service for requests that are not valid.
func TestWrong(t *testing.T) {
	for _, c := range []struct {
		service, method, target, body string
		status                        int
		want                          string // in the body; "nil" for no reply
	}{
		{"openai", "POST", "/v1/chat/completions", `{`, 400, `"type":"invalid_request_error"`},
		{"openai", "POST", "/v1/chat/completions", `{"messages":[{}]}`, 400, `"param":"model"`},
		{"openai", "POST", "/v1/chat/completions", `{"model":"m"}`, 400, `"param":"messages"`},
		{"openai", "POST", "/v1/responses", `{"model":"m"}`, 400, `"param":"input"`},
		{"openai", "POST", "/v1/responses", `{"model":"m","input":"x","previous_response_id":"resp_0"}`, 400, `previous_response_not_found`},
		{"openai", "GET", "/v1/responses/resp_0", ``, 404, `resp_0`},
		{"openai", "POST", "/v1/embeddings", `{"model":"m"}`, 400, `"param":"input"`},
		{"openai", "GET", "/v1/files", ``, 0, "nil"},
		{"openai", "GET", "/v1/chat/completions", ``, 0, "nil"},
		{"anthropic", "POST", "/v1/messages", `[]`, 400, `"type":"invalid_request_error"`},
		{"anthropic", "POST", "/v1/messages", `{"max_tokens":1,"messages":[{}]}`, 400, `model: Field required`},
		{"anthropic", "POST", "/v1/messages", `{"model":"m","max_tokens":1}`, 400, `messages: `},
		{"anthropic", "POST", "/v1/messages", `{"model":"m","messages":[{"role":"user","content":"x"}]}`, 400, `max_tokens: `},
		{"anthropic", "DELETE", "/v1/messages", ``, 0, "nil"},
		{"gemini", "POST", "/v1beta/models/m:generateContent", ``, 400, `"status":"INVALID_ARGUMENT"`},
		{"gemini", "POST", "/v1beta/models/m:generateContent", `{}`, 400, `contents`},
		{"gemini", "POST", "/v1beta/models/m:fly", `{}`, 0, "nil"},
		{"gemini", "POST", "/v1beta/interactions", `{"model":"m"}`, 400, `input`},
		{"gemini", "GET", "/v1beta/interactions/v1_0", ``, 404, `"status":"NOT_FOUND"`},
		{"vercel-ai", "POST", "/api/chat", `{}`, 400, `no messages`},
		{"vercel-ai", "GET", "/api/chat/c/stream", ``, 204, ``},
		{"vercel-ai", "GET", "/", ``, 0, "nil"},
	} {
		reply := newService(t, c.service, Options{}).Reply(request(t, c.method, c.target, c.body), nil)
		if reply == nil {
			if c.want != "nil" {
				t.Errorf("%s %s: no reply", c.method, c.target)
			}
			continue
		}
		if reply.Status != c.status || !strings.Contains(string(reply.Body), c.want) {
			t.Errorf("%s %s %s: %s, want %d and %s", c.method, c.target, c.body, body(reply), c.status, c.want)
		}
	}
}

// TestMethods wants the error of an endpoint that there is, but for POST alone.
func TestMethods(t *testing.T) {
	for _, c := range []struct {
		service, method, target string
		status                  int
	}{
		{"openai", "GET", "/v1/chat/completions", 405},
		{"openai", "DELETE", "/v1/embeddings", 405},
		{"openai", "GET", "/v1/files", 404},
		{"openai", "POST", "/v1/files", 404},
		{"anthropic", "GET", "/v1/messages", 405},
		{"anthropic", "GET", "/v1/messages/count_tokens/", 405},
		{"anthropic", "GET", "/v1/files", 404},
		{"gemini", "GET", "/v1beta/models/m:generateContent", 404},
	} {
		s, r := newService(t, c.service, Options{}), request(t, c.method, c.target, "")
		if reply := s.Error(r, 404, ""); reply.Status != c.status {
			t.Errorf("%s %s: %s, want %d", c.method, c.target, body(reply), c.status)
		}
	}
}

// TestErrors wants the bodies and headers that the services have for failures.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		service string
		status  int
		want    string
		headers string // names
	}{
		{"openai", 400, `"type":"invalid_request_error"`, "X-Request-Id"},
		{"openai", 401, `"code":"invalid_api_key"`, "X-Request-Id"},
		{"openai", 404, `"param":null`, "X-Request-Id"},
		{"openai", 429, `"code":"rate_limit_exceeded"`, "Retry-After X-Ratelimit-Remaining-Requests X-Request-Id"},
		{"openai", 500, `"type":"server_error"`, "X-Request-Id"},
		{"openai", 503, `"code":null`, "Retry-After"},
		{"openai", 418, `"type":"invalid_request_error"`, ""},
		{"anthropic", 401, `"type":"authentication_error"`, "Request-Id"},
		{"anthropic", 404, `"type":"not_found_error"`, "Request-Id"},
		{"anthropic", 429, `"type":"rate_limit_error"`, "Retry-After Anthropic-Ratelimit-Requests-Remaining Anthropic-Ratelimit-Tokens-Reset"},
		{"anthropic", 500, `"type":"api_error"`, ""},
		{"anthropic", 529, `"type":"overloaded_error"`, ""},
		{"gemini", 400, `"status":"INVALID_ARGUMENT"`, ""},
		{"gemini", 429, `"status":"RESOURCE_EXHAUSTED"`, "Retry-After"},
		{"gemini", 503, `"status":"UNAVAILABLE"`, ""},
		{"gemini", 502, `"status":"INTERNAL"`, ""},
		{"vercel-ai", 500, `Internal Server Error`, "Content-Type"},
	} {
		reply := newService(t, c.service, Options{}).Error(request(t, "POST", "/", ""), c.status, "")
		if reply.Status != c.status || !strings.Contains(string(reply.Body), c.want) {
			t.Errorf("%s: %s, want %d and %s", c.service, body(reply), c.status, c.want)
		}
		for name := range strings.FieldsSeq(c.headers) {
			if reply.Header.Get(name) == "" {
				t.Errorf("%s %d has no %s", c.service, c.status, name)
			}
		}
		told := newService(t, c.service, Options{}).Error(request(t, "POST", "/", ""), c.status, "of ours")
		if !strings.Contains(string(told.Body), "of ours") {
			t.Errorf("%s: %s", c.service, body(told))
		}
	}
}

// TestFailing wants an answer that ends with an error to have its text first.
func TestFailing(t *testing.T) {
	want := map[string]string{
		"openai /v1/chat/completions": `"error":{"message":`, "openai /openai/v1/responses": "event: response.failed", "anthropic /v1/messages": "event: error",
		"gemini /v1beta/models/m:generateContent": `"error":{"code":500`, "gemini /v1beta/interactions": "event: error", "vercel-ai /api/chat": `"type":"error"`,
	}
	for _, a := range apis {
		if want[a.name()] == "" {
			continue
		}
		s := newService(t, a.service, Options{})
		content := &fake.Content{Text: "The first", Finish: "overloaded_error"}
		text, _ := sent(t, s.Reply(a.ask(t, "hi", true, ""), content))
		first, last := strings.Index(string(text), "first"), strings.LastIndex(string(text), want[a.name()])
		if first < 0 || last < first {
			t.Errorf("%s:\n%s", a.name(), text)
		}
		if a.whole == nil {
			continue
		}
		if reply := s.Reply(a.ask(t, "hi", false, ""), content); reply.Status < 500 {
			t.Errorf("%s: %s", a.name(), body(reply))
		}
	}
}

// TestLastTool wants the result of a tool, if that came last.
func TestLastTool(t *testing.T) {
	for _, c := range []struct{ service, path, body string }{
		{"openai", "/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[]},{"role":"tool","content":"06:40"}]}`},
		{"openai", "/responses", `{"model":"m","input":[{"role":"user","content":"hi"},{"type":"function_call"},{"type":"function_call_output","output":"06:40"}]}`},
		{"anthropic", "/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"06:40"}]}]}]}`},
		{"gemini", "/v1beta/models/m:generateContent", `{"contents":[{"parts":[{"text":"hi"}]},{"role":"user","parts":[{"functionResponse":{"name":"tide","response":{"output":"06:40"}}}]}]}`},
		{"gemini", "/v1beta/interactions", `{"model":"m","input":[{"type":"function_result","call_id":"c","result":"06:40"}]}`},
	} {
		reply := newService(t, c.service, Options{}).Reply(request(t, "POST", c.path, c.body), nil)
		if !strings.Contains(string(reply.Body), `"06:40"`) {
			t.Errorf("%s: %s", c.path, body(reply))
		}
	}
}

// TestTools wants the calls of a content, whole, and the reason that the answer ends.
func TestTools(t *testing.T) {
	content := &fake.Content{Tools: []fake.ToolCall{{Name: "tide", Arguments: json.RawMessage(`{"port": "Wick", "n": 1}`)}}}
	for i, want := range [][2]string{
		{`"tool_calls":[{"id":"call_`, `"finish_reason":"tool_calls"`},
		{},
		{`"type":"function_call"`, `"arguments":"{\"port\":\"Wick\",\"n\":1}"`},
		{`"type":"tool_use","id":"toolu_`, `"stop_reason":"tool_use"`},
		{`"functionCall":{"id":`, `"args":{"port":"Wick","n":1}`},
		{`"type":"function_call"`, `"status":"requires_action"`},
	} {
		a := apis[i]
		if want[0] == "" {
			continue
		}
		reply := newService(t, a.service, Options{}).Reply(a.ask(t, "hi", false, ""), content)
		for _, part := range want {
			if !strings.Contains(string(reply.Body), part) {
				t.Errorf("%s: %s\nwant %s", a.name(), body(reply), part)
			}
		}
	}
}

// TestPages wants models, embeddings and counts.
func TestPages(t *testing.T) {
	for _, c := range []struct{ service, method, target, body, want string }{
		{"openai", "GET", "/v1/models", "", `{"object":"list","data":[{"id":"gpt-5","object":"model"`},
		{"openai", "GET", "/openai/v1/models/meta/llama", "", `{"id":"meta/llama"`},
		{"openai", "POST", "/v1/embeddings", `{"model":"m","input":["a","b"],"dimensions":2}`, `"data":[{"object":"embedding","index":0,"embedding":[0,0]},{"object":"embedding","index":1,"embedding":[0,0]}]`},
		{"openai", "POST", "/v1/embeddings", `{"model":"m","input":[1,2,3],"dimensions":1,"encoding_format":"base64"}`, `"data":[{"object":"embedding","index":0,"embedding":"AAAAAA=="}]`},
		{"openai", "POST", "/openai/deployments/gpt/chat/completions", `{"messages":[{"role":"user","content":"hi"}]}`, `"model":"gpt"`},
		{"openai", "POST", "/v1/chat/completions", `{"model":"m","n":2,"messages":[{"role":"user","content":"hi"}]}`, `{"index":1,"message"`},
		{"anthropic", "GET", "/v1/models", "", `"has_more":false`},
		{"anthropic", "GET", "/v1/models/x", "", `"id":"x"`},
		{"anthropic", "POST", "/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"one two three"}]}`, `{"input_tokens":3}`},
		{"gemini", "GET", "/v1beta/models", "", `"name":"models/gemini-2.5-flash"`},
		{"gemini", "GET", "/v1beta/models/x", "", `"name":"models/x"`},
		{"gemini", "POST", "/v1beta/models/x:countTokens", `{"contents":[{"parts":[{"text":"one two"}]}]}`, `{"totalTokens":2}`},
		{"gemini", "POST", "/v1beta/models/x:embedContent", `{"outputDimensionality":2}`, `{"embedding":{"values":[0,0]}}`},
		{"gemini", "POST", "/v1beta/models/x:batchEmbedContents", `{"requests":[{"outputDimensionality":1}]}`, `{"embeddings":[{"values":[0]}]}`},
		{"gemini", "POST", "/v1beta/models/x:streamGenerateContent", `{"contents":[{"parts":[{"text":"one two"}]}]}`, `[{"candidates":[{"content":{"parts":[{"text":"one"}]`},
	} {
		reply := newService(t, c.service, Options{}).Reply(request(t, c.method, c.target, c.body), nil)
		if reply == nil || reply.Status != 200 || !strings.Contains(string(reply.Body), c.want) {
			t.Errorf("%s %s: %s, want %s", c.method, c.target, body(reply), c.want)
		}
	}
}

// TestNoPanic gives services values of all kinds where they expect others.
func TestNoPanic(t *testing.T) {
	paths := []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens", "/v1beta/interactions",
		"/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse", "/v1beta/models/m:batchEmbedContents", "/v1beta/models/m:countTokens", "/models/", "/responses/", "/stream"}
	values := []string{`null`, `1`, `-1`, `1e99`, `"x"`, `true`, `[]`, `[1]`, `[null]`, `[[]]`, `["x"]`, `[{}]`, `{}`, `{"content":1}`, `[{"role":"user","content":[1]}]`, `[{"parts":[1]}]`, `[{"type":"message","content":{}}]`}
	for _, name := range Names() {
		s := newService(t, name, Options{})
		for _, path := range paths {
			for _, v := range values {
				for _, m := range []string{"POST", "GET", "DELETE", "HEAD"} {
					r := request(t, m, path, strings.ReplaceAll(`{"model":"m","messages":V,"input":V,"prompt":V,"contents":V,"max_tokens":V,"n":V,"stream":V,"dimensions":V,"store":V,"background":V,"system":V,"instructions":V,"requests":V}`, "V", v))
					if reply := s.Reply(r, nil); reply != nil && reply.Stream != nil {
						sent(t, reply)
					}
				}
			}
		}
	}
}

// TestUnknown wants the error to name the choices.
func TestUnknown(t *testing.T) {
	if _, err := New("nobody", Options{}); err == nil || !strings.Contains(err.Error(), "anthropic, gemini, openai, vercel-ai") {
		t.Error(err)
	}
	for _, o := range []Options{{Slots: -1}, {Pace: fake.Pace{First: -1}}, {Pace: fake.Pace{Jitter: 2}}} {
		if _, err := New("openai", o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestPace wants the delays of tokens, and of none but tokens.
func TestPace(t *testing.T) {
	for _, a := range apis {
		s := newService(t, a.service, Options{Pace: fake.Pace{First: time.Second, Rate: 10}})
		_, records := sent(t, s.Reply(a.ask(t, "one two three", true, ""), nil))
		var delays []time.Duration
		for _, r := range records {
			if r.Delay > 0 {
				delays = append(delays, r.Delay)
			}
		}
		if want := "[1s 100ms 100ms]"; fmt.Sprint(delays) != want {
			t.Errorf("%s: %v, want %s", a.name(), delays, want)
		}
	}
	jitter := newService(t, "openai", Options{Pace: fake.Pace{First: time.Second, Jitter: 0.5}})
	_, records := sent(t, jitter.Reply(apis[0].ask(t, "one", true, ""), nil))
	if d := records[1].Delay; d < 500*time.Millisecond || d > 1500*time.Millisecond || d == time.Second {
		t.Errorf("with jitter it takes %v", d)
	}
}

// TestStreamStops wants a stream to end with the error of its client, and its slot to be
// free then.
func TestStreamStops(t *testing.T) {
	gone := errors.New("gone")
	for _, a := range apis {
		s := newService(t, a.service, Options{Slots: 1})
		for stop := range 30 {
			n := 0
			err := s.Reply(a.ask(t, "one two three", true, ""), &fake.Content{Text: "one two", Thinking: "hm", Tools: []fake.ToolCall{{Name: "t"}}}).Stream(t.Context(), func(record.Record) error {
				if n++; n > stop {
					return gone
				}
				return nil
			})
			if err == nil {
				break
			}
			if err != gone || n != stop+1 {
				t.Fatalf("%s: after %d events %v", a.name(), n, err)
			}
		}
	}
}

// TestCanceledWait wants a client that leaves while it waits to give up its place.
func TestCanceledWait(t *testing.T) {
	s := newService(t, "openai", Options{Slots: 1})
	ask := func(ctx context.Context, send func(record.Record) error) error {
		return s.Reply(apis[0].ask(t, "one", true, ""), nil).Stream(ctx, send)
	}
	started, finish, ended := make(chan bool), make(chan bool), make(chan error)
	go func() {
		first := true
		ended <- ask(t.Context(), func(record.Record) error {
			if first {
				first = false
				started <- true
				<-finish
			}
			return nil
		})
	}()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- ask(ctx, func(record.Record) error { return errors.New("sent without a slot") }) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	reply := s.Reply(apis[0].ask(t, "one", false, ""), nil)
	if err := reply.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := reply.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
