package llm

import (
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// An interaction is an answer of the Interactions API
// (https://ai.google.dev/api/interactions-api).
type interaction struct {
	*answer
	background bool
}

// interact answers a request for an interaction.
func (s *gemini) interact(r *fake.Request, content *fake.Content) *fake.Reply {
	p := &prompt{model: text(r.JSON, "model"), stream: truth(r.JSON, "stream"), limit: number(r.JSON, "generation_config", "max_output_tokens")}
	if p.model == "" {
		p.model = text(r.JSON, "agent")
	}
	input := member(r.JSON, "input")
	switch {
	case p.model == "":
		return s.Error(r, http.StatusBadRequest, "the request names no model and no agent")
	case input == nil:
		return s.Error(r, http.StatusBadRequest, "the request has no input")
	}
	p.said(text(r.JSON, "system_instruction"), false)
	if one, ok := input.(map[string]any); ok {
		input = []any{one}
	}
	if said := parts(input, "text"); said != "" { // a text, or the parts of one
		p.said(said, true)
	}
	for _, turn := range list(input) {
		switch kind := text(turn, "type"); {
		case kind == "function_result":
			p.said(result(member(turn, "result")), true)
		case member(turn, "content") != nil:
			p.said(parts(member(turn, "content"), "text"), kind == "user_input" || kind == "" && text(turn, "role") != "model")
		}
	}
	x := &interaction{answer: s.answer(p, content), background: truth(r.JSON, "background")}
	if member(r.JSON, "store") != false {
		s.kept.put(keyOf(r, x.id()), x, x.memory())
	}
	switch {
	case p.stream:
		return s.stream(x.records(), nil)
	case truth(r.JSON, "background"):
		return reply(http.StatusOK, x.value("in_progress", false))
	case x.fails():
		return s.Error(r, http.StatusInternalServerError, "")
	}
	return s.whole(x.answer, x.value(x.end(), true))
}

// interaction answers a request that is about an interaction: for all of it, for the rest
// of its stream, or to delete it.
func (s *gemini) interaction(r *fake.Request, id string) *fake.Reply {
	id, action, _ := strings.Cut(id, "/")
	x, ok := s.kept.get(keyOf(r, id))
	switch {
	case !ok:
		return s.Error(r, http.StatusNotFound, fmt.Sprintf("there is no interaction %q", id))
	case action != "":
		return nil
	case r.Method == http.MethodDelete:
		s.kept.remove(keyOf(r, id), x)
		return reply(http.StatusOK, obj())
	case !isGet(r):
		return nil
	case r.Query.Get("stream") != "true":
		if x.background && time.Since(x.created) < x.duration() {
			return reply(http.StatusOK, x.value("in_progress", false))
		}
		return reply(http.StatusOK, x.value(x.end(), true))
	}
	from := 0
	if last := r.Query.Get("last_event_id"); last != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(last, "evt_"))
		if err != nil || n < 1 {
			return s.Error(r, http.StatusBadRequest, "last_event_id is not the ID of an event")
		}
		from = n
	}
	return s.stream(x.rest(x.records(), from), nil)
}

func (x *interaction) id() string { return "v1_" + x.key }

func (x *interaction) records() iter.Seq[record.Record] { return x.written(x.events()) }

// end returns the status at the end.
func (x *interaction) end() string {
	switch {
	case x.fails():
		return "failed"
	case x.cut:
		return "incomplete"
	case len(x.calls) > 0:
		return "requires_action"
	}
	return "completed"
}

// value returns the object of the interaction, with its steps if it is whole.
func (x *interaction) value(status string, whole bool) object {
	created := x.created.UTC().Format(time.RFC3339)
	o := obj("id", x.id(), "object", "interaction", "model", x.model, "status", status, "role", "model", "created", created, "updated", created)
	if !whole {
		return o
	}
	steps := []object{}
	if x.thinking.count > 0 {
		steps = append(steps, obj("type", "thought", "summary", []object{obj("type", "text", "text", x.Thinking)}, "signature", x.signature()))
	}
	if x.speaks() {
		steps = append(steps, obj("type", "model_output", "content", []object{obj("type", "text", "text", x.Text)}))
	}
	for _, c := range x.calls {
		steps = append(steps, obj("type", "function_call", "id", c.ID, "name", c.Name, "arguments", c.Arguments))
	}
	output := x.usage.Output - x.thought
	return o.with("steps", steps, "usage", obj("total_input_tokens", x.usage.Input, "total_output_tokens", output,
		"total_thought_tokens", x.thought, "total_cached_tokens", 0, "total_tool_use_tokens", 0, "total_tokens", x.usage.Input+x.usage.Output))
}

// events returns the events of the stream, whose IDs are their places, from 1.
func (x *interaction) events() iter.Seq[event] {
	return func(yield func(event) bool) {
		more, n, index := true, 0, 0
		write := func(tokens int, name string, pairs ...any) {
			n++
			data := obj("event_type", name).with(pairs...).with("event_id", fmt.Sprintf("evt_%d", n))
			more = more && yield(event{name: name, data: data, tokens: tokens})
		}
		step := func(step object, deltas func(delta func(tokens int, value object) bool)) {
			write(0, "step.start", "index", index, "step", step)
			deltas(func(tokens int, value object) bool {
				if more {
					write(tokens, "step.delta", "index", index, "delta", value)
				}
				return more
			})
			write(0, "step.stop", "index", index)
			index++
		}
		write(0, "interaction.created", "interaction", x.value("in_progress", false))
		write(0, "interaction.status_update", "interaction_id", x.id(), "status", "in_progress")
		if x.thinking.count > 0 {
			step(obj("type", "thought"), func(delta func(int, object) bool) {
				for t, n := range x.thinking.pieces() {
					if !delta(n, obj("type", "thought_summary", "content", obj("type", "text", "text", t))) {
						return
					}
				}
				delta(0, obj("type", "thought_signature", "signature", x.signature()))
			})
		}
		if x.speaks() {
			step(obj("type", "model_output"), func(delta func(int, object) bool) {
				for t, n := range x.text.pieces() {
					if !delta(n, obj("type", "text", "text", t)) {
						return
					}
				}
			})
		}
		for _, c := range x.calls {
			step(obj("type", "function_call", "id", c.ID, "name", c.Name, "arguments", obj()), func(delta func(int, object) bool) {
				for piece, n := range c.pieces() {
					if !delta(n, obj("type", "arguments_delta", "arguments", piece)) {
						return
					}
				}
			})
		}
		if x.fails() {
			write(0, "error", "error", obj("code", x.Finish, "message", "an internal error has occurred"))
			return
		}
		write(0, "interaction.completed", "interaction", x.value(x.end(), true))
		if more {
			yield(event{name: "done", data: "[DONE]"})
		}
	}
}
