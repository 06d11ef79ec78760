package llm

import (
	"encoding/base64"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// anthropic is the Messages API of Anthropic (https://platform.claude.com/docs/en/api/messages).
type anthropic struct{ *engine }

func newAnthropic(e *engine) fake.Service {
	e.calls = "toolu_"
	return &anthropic{e}
}

// anthropicModels are the models that are listed. Any other name is taken as well.
var anthropicModels = []string{"claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"}

// Reply implements [fake.Service].
func (s *anthropic) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	reply := s.route(r, content)
	if reply != nil && reply.Header.Get("Request-Id") == "" { // an error has its own
		s.sign(reply, s.requestID(), http.StatusOK)
	}
	return reply
}

func (s *anthropic) route(r *fake.Request, content *fake.Content) *fake.Reply {
	path := strings.TrimSuffix(r.Path, "/")
	post := r.Method == http.MethodPost
	switch id, ok := below(path, "/models/"); {
	case isGet(r) && ok:
		return reply(http.StatusOK, s.model(id))
	case isGet(r) && strings.HasSuffix(path, "/models"):
		return s.models()
	case post && strings.HasSuffix(path, "/messages"):
		return s.message(r, content)
	case post && strings.HasSuffix(path, "/messages/count_tokens"):
		p, wrong := s.prompt(r)
		if wrong != nil {
			return wrong
		}
		return reply(http.StatusOK, obj("input_tokens", p.tokens))
	}
	return nil
}

func (s *anthropic) model(id string) object {
	return obj("type", "model", "id", id, "display_name", id, "created_at", "2025-11-01T00:00:00Z")
}

func (s *anthropic) models() *fake.Reply {
	all := []object{}
	for _, id := range anthropicModels {
		all = append(all, s.model(id))
	}
	return reply(http.StatusOK, obj("data", all, "has_more", false, "first_id", anthropicModels[0], "last_id", anthropicModels[len(anthropicModels)-1]))
}

// prompt reads a request, or returns the reply to one that is not valid.
func (s *anthropic) prompt(r *fake.Request) (*prompt, *fake.Reply) {
	messages := list(r.JSON, "messages")
	_, ok := r.JSON.(map[string]any)
	switch {
	case !ok:
		return nil, s.Error(r, http.StatusBadRequest, "the body of the request is not a JSON object")
	case text(r.JSON, "model") == "":
		return nil, s.Error(r, http.StatusBadRequest, "model: Field required")
	case len(messages) == 0:
		return nil, s.Error(r, http.StatusBadRequest, "messages: Field required, at least one message")
	}
	p := &prompt{model: text(r.JSON, "model"), stream: truth(r.JSON, "stream"), limit: number(r.JSON, "max_tokens")}
	p.said(parts(member(r.JSON, "system"), "text"), false)
	for _, m := range messages {
		user := text(m, "role") == "user"
		blocks := list(m, "content")
		said := parts(blocks, "text")
		if blocks == nil {
			said = text(m, "content")
		}
		for _, block := range blocks {
			if text(block, "type") == "tool_result" {
				p.said(parts(member(block, "content"), "text"), true)
			}
		}
		// Texts of a message come after its results of tools.
		if said != "" || blocks == nil {
			p.said(said, user)
		}
	}
	for _, format := range []any{member(r.JSON, "output_config", "format"), member(r.JSON, "output_format")} {
		if text(format, "type") == "json_schema" {
			p.schema = member(format, "schema")
		}
	}
	choice := member(r.JSON, "tool_choice")
	for _, tool := range list(r.JSON, "tools") {
		p.mayCall(text(choice, "type") == "any" || text(choice, "type") == "tool", text(choice, "name"), text(tool, "name"), member(tool, "input_schema"))
	}
	return p, nil
}

// message answers a request for a message.
func (s *anthropic) message(r *fake.Request, content *fake.Content) *fake.Reply {
	p, wrong := s.prompt(r)
	switch {
	case wrong != nil:
		return wrong
	case p.limit == 0:
		return s.Error(r, http.StatusBadRequest, "max_tokens: Field required, a number of 1 or more")
	}
	a := s.answer(p, content)
	id := s.requestID()
	if p.stream {
		reply := s.stream(a.written(s.events(a, id)), nil)
		s.sign(reply, id, http.StatusOK)
		return reply
	}
	if a.fails() {
		return s.Error(r, anthropicStatus(a.Finish), "")
	}
	var blocks []object
	if a.thinking.count > 0 {
		blocks = append(blocks, obj("type", "thinking", "thinking", a.Thinking, "signature", a.signature()))
	}
	if a.speaks() {
		blocks = append(blocks, obj("type", "text", "text", a.Text))
	}
	for _, c := range a.calls {
		blocks = append(blocks, obj("type", "tool_use", "id", c.ID, "name", c.Name, "input", c.Arguments))
	}
	reply := s.whole(a, s.head(a, blocks, a.anthropicFinish(), a.usage.Output))
	s.sign(reply, id, http.StatusOK)
	return reply
}

func (a *answer) anthropicFinish() string { return a.finish("end_turn", "max_tokens", "tool_use") }

// speaks reports whether an answer has a text, which may be empty if it has nothing else.
func (a *answer) speaks() bool { return a.text.count > 0 || len(a.calls) == 0 }

// signature returns the signature of the thinking.
func (a *answer) signature() string {
	return base64.StdEncoding.EncodeToString([]byte("ssectl " + a.key))
}

// head returns the object of a message.
func (s *anthropic) head(a *answer, content []object, finish any, output int) object {
	if content == nil {
		content = []object{}
	}
	return obj("id", "msg_"+a.key, "type", "message", "role", "assistant", "model", a.model, "content", content,
		"stop_reason", finish, "stop_sequence", nil, "usage", obj("input_tokens", a.usage.Input,
			"cache_creation_input_tokens", 0, "cache_read_input_tokens", 0, "output_tokens", output, "service_tier", "standard"))
}

// events returns the events of the stream.
func (s *anthropic) events(a *answer, request string) iter.Seq[event] {
	return func(yield func(event) bool) {
		more, index := true, 0
		write := func(tokens int, name string, pairs ...any) {
			more = more && yield(event{name: name, data: obj("type", name).with(pairs...), tokens: tokens})
		}
		begin := func(block object) {
			write(0, "content_block_start", "index", index, "content_block", block)
			if index == 0 {
				write(0, "ping")
			}
		}
		delta := func(tokens int, kind, name, text string) {
			write(tokens, "content_block_delta", "index", index, "delta", obj("type", kind, name, text))
		}
		end := func() {
			write(0, "content_block_stop", "index", index)
			index++
		}
		write(0, "message_start", "message", s.head(a, nil, nil, 1))
		if a.thinking.count > 0 {
			begin(obj("type", "thinking", "thinking", "", "signature", ""))
			for t, n := range a.thinking.pieces() {
				if delta(n, "thinking_delta", "thinking", t); !more {
					return
				}
			}
			delta(0, "signature_delta", "signature", a.signature())
			end()
		}
		if a.speaks() {
			begin(obj("type", "text", "text", ""))
			for t, n := range a.text.pieces() {
				if delta(n, "text_delta", "text", t); !more {
					return
				}
			}
			if !a.fails() {
				end()
			}
		}
		for _, c := range a.calls {
			begin(obj("type", "tool_use", "id", c.ID, "name", c.Name, "input", obj()))
			delta(0, "input_json_delta", "partial_json", "")
			for piece, n := range c.pieces() {
				delta(n, "input_json_delta", "partial_json", piece)
			}
			end()
		}
		if a.fails() {
			write(0, "error", "error", obj("type", a.Finish, "message", anthropicErrors[anthropicStatus(a.Finish)].message), "request_id", request)
			return
		}
		write(0, "message_delta", "delta", obj("stop_reason", a.anthropicFinish(), "stop_sequence", nil), "usage", obj("output_tokens", a.usage.Output))
		write(0, "message_stop")
	}
}

// An anthropicError is the type of an error with a status, and the usual message.
type anthropicError struct{ kind, message string }

// https://platform.claude.com/docs/en/api/errors
var anthropicErrors = map[int]anthropicError{
	400: {"invalid_request_error", "the request is not valid"},
	401: {"authentication_error", "invalid x-api-key"},
	402: {"billing_error", "there is an issue with billing"},
	403: {"permission_error", "the API key has no permission for this"},
	404: {"not_found_error", "Not found"},
	413: {"request_too_large", "the request is too large"},
	429: {"rate_limit_error", "the rate limit is reached: try again in 1s"},
	500: {"api_error", "Internal server error"},
	504: {"timeout_error", "the request took too long"},
	529: {"overloaded_error", "Overloaded"},
}

// anthropicStatus returns the status of a type of error.
func anthropicStatus(kind string) int {
	for status, e := range anthropicErrors {
		if e.kind == kind {
			return status
		}
	}
	return http.StatusInternalServerError
}

// Error implements [fake.Service].
func (s *anthropic) Error(r *fake.Request, status int, message string) *fake.Reply {
	if status == http.StatusNotFound && message == "" && r != nil && r.Method != http.MethodPost {
		path := strings.TrimSuffix(r.Path, "/")
		if strings.HasSuffix(path, "/messages") || strings.HasSuffix(path, "/messages/count_tokens") {
			status, message = http.StatusMethodNotAllowed, "Method Not Allowed"
		}
	}
	e, ok := anthropicErrors[status]
	switch {
	case !ok && status >= 500:
		e = anthropicErrors[http.StatusInternalServerError]
	case !ok:
		e = anthropicErrors[http.StatusBadRequest]
	}
	if message == "" {
		message = e.message
	}
	id := s.requestID()
	reply := reply(status, obj("type", "error", "error", obj("type", e.kind, "message", message), "request_id", id))
	s.sign(reply, id, status)
	return reply
}

func (s *anthropic) requestID() string {
	return fmt.Sprintf("req_%08x%06d", uint32(s.seed), s.replies.Add(1))
}

// sign sets the headers that all replies have. A limit that is reached has nothing left.
func (s *anthropic) sign(reply *fake.Reply, id string, status int) {
	header := headers(reply)
	header.Set("Request-Id", id)
	header.Set("Anthropic-Organization-Id", "00000000-0000-0000-0000-000000000000")
	left, reset := "999", time.Now()
	if status == http.StatusTooManyRequests {
		left, reset = "0", reset.Add(time.Second)
		header.Set("Retry-After", "1")
	}
	for _, of := range []string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"} {
		header.Set("Anthropic-Ratelimit-"+of+"-Limit", "1000")
		header.Set("Anthropic-Ratelimit-"+of+"-Remaining", left)
		header.Set("Anthropic-Ratelimit-"+of+"-Reset", reset.UTC().Format(time.RFC3339))
	}
}
