package llm

import (
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/internal/weight"
)

// A response is an answer of the Responses API, with the request that it is for.
type response struct {
	*answer
	request  map[string]any // the fields of it that the response has too
	stored   bool
	canceled atomic.Bool
}

// respond answers a request for a response
// (https://platform.openai.com/docs/api-reference/responses).
func (s *openAI) respond(r *fake.Request, content *fake.Content) *fake.Reply {
	p := s.prompt(r)
	p.limit = number(r.JSON, "max_output_tokens")
	p.said(text(r.JSON, "instructions"), false)
	switch input := member(r.JSON, "input").(type) {
	case string:
		p.said(input, true)
	case []any:
		for _, item := range input {
			switch text(item, "type") {
			case "", "message":
				p.said(parts(member(item, "content"), "input_text", "output_text", "text"), text(item, "role") == "user")
			case "function_call_output", "custom_tool_call_output":
				p.said(parts(member(item, "output"), "input_text", "output_text", "text"), true)
			}
		}
	default:
		if member(r.JSON, "prompt") == nil && content == nil {
			return s.wrong(r, "the request has no input", "input", "missing_required_parameter")
		}
	}
	if id := text(r.JSON, "previous_response_id"); id != "" {
		if _, ok := s.kept.get(keyOf(r, id)); !ok {
			return s.wrong(r, fmt.Sprintf("there is no previous response %q", id), "previous_response_id", "previous_response_not_found")
		}
	}
	switch text(r.JSON, "text", "format", "type") {
	case "json_schema":
		p.schema = member(r.JSON, "text", "format", "schema")
	case "json_object":
		p.schema = anyObject
	}
	choice := member(r.JSON, "tool_choice")
	for _, tool := range list(r.JSON, "tools") {
		p.mayCall(choice == "required" || text(choice, "type") == "function", text(choice, "name"), text(tool, "name"), member(tool, "parameters"))
	}
	x := &response{answer: s.answer(p, content), request: asked(r.JSON), stored: member(r.JSON, "store") != false}
	background := truth(r.JSON, "background")
	if background && !x.stored {
		return s.wrong(r, "background needs store", "background", "invalid_value")
	}
	if x.stored {
		s.kept.put(keyOf(r, "resp_"+x.key), x, x.memory()+weight.Of(x.request))
	}
	switch {
	case p.stream:
		return s.stream(x.records(), nil)
	case background:
		return reply(http.StatusOK, x.value("queued"))
	case x.fails():
		return s.broken(r, x.answer)
	}
	return s.whole(x.answer, x.value(x.end()))
}

// response answers a request that is about a response: for all of it, for the rest of its
// stream, to delete or to cancel it.
func (s *openAI) response(r *fake.Request, id string) *fake.Reply {
	id, action, _ := strings.Cut(id, "/")
	x, ok := s.kept.get(keyOf(r, id))
	switch {
	case !ok:
		return s.failure(r, http.StatusNotFound, openAIError{kind: "invalid_request_error"}, fmt.Sprintf("there is no response %q", id), "")
	case action == "cancel" && r.Method == http.MethodPost:
		x.canceled.Store(x.status() != x.end())
		return reply(http.StatusOK, x.value(x.status()))
	case action != "":
		return nil
	case r.Method == http.MethodDelete:
		s.kept.remove(keyOf(r, id), x)
		return reply(http.StatusOK, obj("id", id, "object", "response", "deleted", true))
	case !isGet(r):
		return nil
	case r.Query.Get("stream") != "true":
		return reply(http.StatusOK, x.value(x.status()))
	case !truth(x.request, "background"):
		return s.wrong(r, "only a response that was made with background can be streamed again", "stream", "invalid_value")
	}
	from := 0
	if after := r.Query.Get("starting_after"); after != "" {
		n, err := strconv.Atoi(after)
		if err != nil || n < 0 {
			return s.wrong(r, "starting_after is not a sequence number", "starting_after", "invalid_value")
		}
		from = n + 1
	}
	return s.stream(x.rest(x.records(), from), nil)
}

// status returns how far a response has come.
func (x *response) status() string {
	switch {
	case x.canceled.Load():
		return "cancelled"
	case truth(x.request, "background") && time.Since(x.created) < x.duration():
		return "in_progress"
	}
	return x.end()
}

// end returns the status at the end.
func (x *response) end() string {
	switch {
	case x.fails():
		return "failed"
	case x.cut || x.Finish == "incomplete" || x.Finish == "max_output_tokens" || x.Finish == "content_filter":
		return "incomplete"
	}
	return "completed"
}

func (x *response) records() iter.Seq[record.Record] { return x.written(x.events()) }

// given returns a value of the request, or the usual one.
func (x *response) given(name string, usual any) any {
	if value := x.request[name]; value != nil {
		return value
	}
	return usual
}

// asked returns the fields of a request that a response repeats. Its input is not one of
// them.
func asked(request any) map[string]any {
	fields := map[string]any{}
	for _, name := range []string{
		"background", "instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "previous_response_id", "reasoning",
		"temperature", "text", "tool_choice", "tools", "top_p", "truncation", "user",
	} {
		if value := member(request, name); value != nil {
			fields[name] = value
		}
	}
	return fields
}

// value returns the object of the response.
func (x *response) value(status string) object {
	var output []object
	var usage, failure, incomplete any
	switch status {
	case "completed", "incomplete", "failed":
		output = x.items()
		usage = obj("input_tokens", x.usage.Input, "input_tokens_details", obj("cached_tokens", 0),
			"output_tokens", x.usage.Output, "output_tokens_details", obj("reasoning_tokens", x.thought),
			"total_tokens", x.usage.Input+x.usage.Output)
	}
	if output == nil {
		output = []object{}
	}
	if status == "failed" {
		failure = obj("code", x.Finish, "message", "the answer ended with an error")
	}
	if status == "incomplete" {
		reason := "max_output_tokens"
		if x.Finish == "content_filter" {
			reason = x.Finish
		}
		incomplete = obj("reason", reason)
	}
	return obj("id", "resp_"+x.key, "object", "response", "created_at", x.created.Unix(), "status", status,
		"background", truth(x.request, "background"), "error", failure, "incomplete_details", incomplete,
		"instructions", x.request["instructions"], "max_output_tokens", x.request["max_output_tokens"],
		"model", x.model, "output", output, "parallel_tool_calls", x.given("parallel_tool_calls", true),
		"previous_response_id", x.request["previous_response_id"], "reasoning", x.given("reasoning", obj("effort", nil, "summary", nil)),
		"service_tier", "default", "store", x.stored, "temperature", x.given("temperature", 1),
		"text", x.given("text", obj("format", obj("type", "text"))), "tool_choice", x.given("tool_choice", "auto"),
		"tools", x.given("tools", []any{}), "top_p", x.given("top_p", 1), "truncation", x.given("truncation", "disabled"),
		"usage", usage, "user", x.request["user"], "metadata", x.given("metadata", obj()))
}

// items returns the whole output.
func (x *response) items() (all []object) {
	if x.thinking.count > 0 {
		all = append(all, x.reasoning([]object{summary(x.Thinking)}))
	}
	if x.speaks() {
		all = append(all, x.message("completed", []object{outputText(x.Text)}))
	}
	for _, c := range x.calls {
		all = append(all, x.functionCall(c, "completed", string(c.Arguments)))
	}
	return all
}

func (x *response) reasoning(summary []object) object {
	return obj("id", "rs_"+x.key, "type", "reasoning", "summary", summary)
}

func (x *response) message(status string, content []object) object {
	return obj("id", "msg_"+x.key, "type", "message", "status", status, "role", "assistant", "content", content)
}

func (x *response) functionCall(c call, status, arguments string) object {
	return obj("id", "fc_"+strings.TrimPrefix(c.ID, "call_"), "type", "function_call", "status", status, "call_id", c.ID, "name", c.Name, "arguments", arguments)
}

func summary(text string) object { return obj("type", "summary_text", "text", text) }

func outputText(text string) object {
	return obj("type", "output_text", "text", text, "annotations", []any{}, "logprobs", []any{})
}

// events returns the events of the stream. Their sequence numbers are their places.
func (x *response) events() iter.Seq[event] {
	return func(yield func(event) bool) {
		w := &responseWriter{yield: yield}
		w.write("response.created", "response", x.value("in_progress"))
		w.write("response.in_progress", "response", x.value("in_progress"))
		if x.thinking.count > 0 {
			w.begin(x.reasoning([]object{}))
			at := []any{"item_id", "rs_" + x.key, "output_index", w.output, "summary_index", 0}
			w.part("response.reasoning_summary_part", "response.reasoning_summary_text", at, summary, x.thinking)
			w.end(x.reasoning([]object{summary(x.Thinking)}))
		}
		if x.speaks() {
			w.begin(x.message("in_progress", []object{}))
			at := []any{"item_id", "msg_" + x.key, "output_index", w.output, "content_index", 0}
			w.part("response.content_part", "response.output_text", at, outputText, x.text)
			w.end(x.message("completed", []object{outputText(x.Text)}))
		}
		for _, c := range x.calls {
			item := x.functionCall(c, "in_progress", "")
			w.begin(item)
			at := []any{"item_id", item[0].value, "output_index", w.output}
			for piece, n := range c.pieces() {
				if w.tokens(n, "response.function_call_arguments.delta", append(at, "delta", piece)...); w.gone {
					return
				}
			}
			w.write("response.function_call_arguments.done", append(at, "name", c.Name, "arguments", string(c.Arguments))...)
			w.end(x.functionCall(c, "completed", string(c.Arguments)))
		}
		w.write("response."+x.end(), "response", x.value(x.end()))
	}
}

// A responseWriter numbers the events of a stream.
type responseWriter struct {
	yield  func(event) bool
	number int
	output int // index of the item
	gone   bool
}

func (w *responseWriter) write(name string, pairs ...any) { w.tokens(0, name, pairs...) }

// tokens writes an event that takes the time of tokens.
func (w *responseWriter) tokens(n int, name string, pairs ...any) {
	if w.gone {
		return
	}
	data := obj("type", name, "sequence_number", w.number).with(pairs...)
	w.number++
	w.gone = !w.yield(event{name: name, data: data, tokens: n})
}

func (w *responseWriter) begin(item object) {
	w.write("response.output_item.added", "output_index", w.output, "item", item)
}

func (w *responseWriter) end(item object) {
	w.write("response.output_item.done", "output_index", w.output, "item", item)
	w.output++
}

// part writes a part of an item that grows by tokens.
func (w *responseWriter) part(part, text string, at []any, form func(string) object, all words) {
	more := func(pairs ...any) []any { return append(at[:len(at):len(at)], pairs...) }
	var logprobs []any
	if text == "response.output_text" {
		logprobs = []any{"logprobs", []any{}}
	}
	w.write(part+".added", more("part", form(""))...)
	for t, n := range all.pieces() {
		if w.tokens(n, text+".delta", append(more("delta", t), logprobs...)...); w.gone {
			return
		}
	}
	w.write(text+".done", append(more("text", all.text), logprobs...)...)
	w.write(part+".done", more("part", form(all.text))...)
}
