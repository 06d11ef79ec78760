package llm

import (
	"iter"
	"net/http"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// maxChoices is the number of choices that an answer may have.
const maxChoices = 128

// chatPrompt reads the messages of a request.
func (s *openAI) chatPrompt(r *fake.Request) *prompt {
	p := s.prompt(r)
	if p.limit = number(r.JSON, "max_completion_tokens"); p.limit == 0 {
		p.limit = number(r.JSON, "max_tokens")
	}
	for _, m := range list(r.JSON, "messages") {
		content := parts(member(m, "content"), "text")
		role := text(m, "role")
		p.said(content, role == "user" || role == "tool" || role == "function")
	}
	switch text(r.JSON, "response_format", "type") {
	case "json_schema":
		p.schema = member(r.JSON, "response_format", "json_schema", "schema")
	case "json_object":
		p.schema = anyObject
	}
	choice := member(r.JSON, "tool_choice")
	for _, tool := range list(r.JSON, "tools") {
		p.mayCall(choice == "required" || text(choice, "type") == "function", text(choice, "function", "name"),
			text(tool, "function", "name"), member(tool, "function", "parameters"))
	}
	return p
}

func (s *openAI) prompt(r *fake.Request) *prompt {
	return &prompt{model: s.modelOf(r), stream: truth(r.JSON, "stream")}
}

// chat answers a request for a chat completion.
func (s *openAI) chat(r *fake.Request, content *fake.Content) *fake.Reply {
	if len(list(r.JSON, "messages")) == 0 {
		return s.wrong(r, "the request has no messages", "messages", "missing_required_parameter")
	}
	choices := max(1, number(r.JSON, "n"))
	if choices > maxChoices {
		return s.wrong(r, "n is too large", "n", "integer_above_max_value")
	}
	p := s.chatPrompt(r)
	p.choices = choices
	a := s.answer(p, content)
	if choices > 1 && a.size()*choices > maxAnswer {
		return s.wrong(r, "n is too large for a text of this length", "n", "integer_above_max_value")
	}
	if p.stream {
		return s.stream(a.written(a.chatEvents(choices, truth(r.JSON, "stream_options", "include_usage"))), nil)
	}
	if a.fails() {
		return s.broken(r, a)
	}
	all := []object{}
	for i := range choices {
		all = append(all, obj("index", i, "message", a.chatMessage(), "logprobs", nil, "finish_reason", a.chatFinish()))
	}
	return s.whole(a, obj(
		"id", "chatcmpl-"+a.key, "object", "chat.completion", "created", a.created.Unix(), "model", a.model,
		"choices", all, "usage", a.chatUsage(choices), "service_tier", "default", "system_fingerprint", "fp_ssectl",
	))
}

// broken returns the error that an answer ends with.
func (s *openAI) broken(r *fake.Request, a *answer) *fake.Reply {
	return s.failure(r, http.StatusInternalServerError, openAIError{kind: a.Finish}, "the answer ended with an error", "")
}

func (a *answer) chatFinish() string { return a.finish("stop", "length", "tool_calls") }

func (a *answer) chatUsage(choices int) object {
	output := a.usage.Output * choices
	return obj("prompt_tokens", a.usage.Input, "completion_tokens", output, "total_tokens", a.usage.Input+output,
		"prompt_tokens_details", obj("cached_tokens", 0, "audio_tokens", 0),
		"completion_tokens_details", obj("reasoning_tokens", a.thought*choices, "audio_tokens", 0, "accepted_prediction_tokens", 0, "rejected_prediction_tokens", 0))
}

// chatMessage returns the message of a choice.
func (a *answer) chatMessage() object {
	var content any = a.Text
	if a.Text == "" && len(a.calls) > 0 {
		content = nil
	}
	message := obj("role", "assistant", "content", content, "refusal", nil, "annotations", []any{})
	if a.Thinking != "" {
		message = message.with("reasoning_content", a.Thinking)
	}
	if len(a.calls) > 0 {
		calls := []object{}
		for _, c := range a.calls {
			calls = append(calls, obj("id", c.ID, "type", "function", "function", obj("name", c.Name, "arguments", string(c.Arguments))))
		}
		message = message.with("tool_calls", calls)
	}
	return message
}

// chatEvents returns the chunks of a chat completion. Where the usage is asked for, all of
// them have one, null but for the last.
func (a *answer) chatEvents(choices int, withUsage bool) iter.Seq[event] {
	return func(yield func(event) bool) {
		more := true
		chunk := func(tokens int, choices []object, usage any) {
			o := obj("id", "chatcmpl-"+a.key, "object", "chat.completion.chunk", "created", a.created.Unix(), "model", a.model,
				"service_tier", "default", "system_fingerprint", "fp_ssectl", "choices", choices)
			if withUsage {
				o = o.with("usage", usage)
			}
			more = more && yield(event{data: o, tokens: tokens})
		}
		for i := range choices {
			delta := func(tokens int, delta object, finish any) {
				if more {
					chunk(tokens, []object{obj("index", i, "delta", delta, "logprobs", nil, "finish_reason", finish)}, nil)
				}
			}
			first := obj("role", "assistant", "content", "", "refusal", nil)
			if a.text.count == 0 && len(a.calls) > 0 {
				first = obj("role", "assistant", "content", nil)
			}
			delta(0, first, nil)
			for t, n := range a.thinking.pieces() {
				if delta(n, obj("reasoning_content", t), nil); !more {
					return
				}
			}
			for t, n := range a.text.pieces() {
				if delta(n, obj("content", t), nil); !more {
					return
				}
			}
			for i, c := range a.calls {
				delta(0, obj("tool_calls", []object{obj("index", i, "id", c.ID, "type", "function", "function", obj("name", c.Name, "arguments", ""))}), nil)
				for piece, n := range c.pieces() {
					delta(n, obj("tool_calls", []object{obj("index", i, "function", obj("arguments", piece))}), nil)
				}
			}
			if a.fails() {
				if more {
					yield(event{data: obj("error", obj("message", "the answer ended with an error", "type", a.Finish, "param", nil, "code", nil))})
				}
				return
			}
			delta(0, obj(), a.chatFinish())
		}
		if more && withUsage {
			chunk(0, []object{}, a.chatUsage(choices))
		}
		if more {
			yield(event{data: "[DONE]"})
		}
	}
}

// complete answers a request for a completion of the old kind.
func (s *openAI) complete(r *fake.Request, content *fake.Content) *fake.Reply {
	p := s.prompt(r)
	p.limit = number(r.JSON, "max_tokens")
	switch given := member(r.JSON, "prompt").(type) {
	case string:
		p.said(given, true)
	case []any:
		p.said(parts(given), true)
	}
	a := s.answer(p, content)
	a.thinking, a.calls = words{}, nil // which it has no place for
	head := func(choice object) object {
		return obj("id", "cmpl-"+a.key, "object", "text_completion", "created", a.created.Unix(), "model", a.model, "choices", []object{choice})
	}
	choice := func(text string, finish any) object {
		return obj("index", 0, "text", text, "logprobs", nil, "finish_reason", finish)
	}
	finish := a.finish("stop", "length", "stop")
	if !p.stream {
		if a.fails() {
			return s.broken(r, a)
		}
		return s.whole(a, head(choice(a.Text, finish)).with("usage", a.chatUsage(1)))
	}
	return s.stream(a.written(func(yield func(event) bool) {
		for t, n := range a.text.pieces() {
			if !yield(event{data: head(choice(t, nil)), tokens: n}) {
				return
			}
		}
		if yield(event{data: head(choice("", finish))}) {
			yield(event{data: "[DONE]"})
		}
	}), nil)
}
