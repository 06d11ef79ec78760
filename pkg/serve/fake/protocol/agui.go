package protocol

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// An agui is an agent of AG-UI: a POST of a run is answered with the stream of its events
// (https://docs.ag-ui.com/concepts/events). Its path is whatever the client has.
type agui struct{ *base }

func newAGUI(b *base) fake.Service { return &agui{b} }

func (a *agui) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	if r.Method != http.MethodPost {
		return nil
	}
	input, ok := r.JSON.(map[string]any)
	if !ok {
		return a.Error(r, http.StatusUnprocessableEntity, "the body is no RunAgentInput")
	}
	run := map[string]any{"threadId": input["threadId"], "runId": input["runId"]}
	for key, kind := range map[string]string{"threadId": "thread", "runId": "run"} {
		if text(run[key]) == "" {
			run[key] = a.newID(kind)
		}
	}
	content = a.or(content, lastSaid(list(input["messages"])))
	return &fake.Reply{Stream: func(_ context.Context, send func(record.Record) error) error {
		return a.run(run, content, send)
	}}
}

// run sends the events of a run.
func (a *agui) run(run map[string]any, content *fake.Content, send func(record.Record) error) error {
	var err error
	wait := time.Duration(0) // before the next event
	add := func(typ string, fields map[string]any) {
		if err == nil {
			r := event("", "", with(fields, map[string]any{"type": typ}))
			r.Delay, wait = wait, 0
			err = send(r)
		}
	}
	n := 0
	spell := func(typ string, fields map[string]any, text string) {
		begin := n
		for p := range pieces(text, maxPieces) {
			if err != nil {
				return
			}
			n = begin + p.first + p.words
			wait = a.spell(piece{first: begin + p.first, words: p.words})
			add(typ, with(fields, map[string]any{"delta": text[p.start:p.end]}))
		}
	}
	add("RUN_STARTED", run)
	if content.Thinking != "" {
		id := map[string]any{"messageId": a.newID("reasoning")}
		add("REASONING_START", id)
		add("REASONING_MESSAGE_START", with(id, map[string]any{"role": "reasoning"}))
		spell("REASONING_MESSAGE_CONTENT", id, content.Thinking)
		add("REASONING_MESSAGE_END", id)
		add("REASONING_END", id)
	}
	message := map[string]any{"messageId": a.newID("message")}
	if content.Text != "" {
		add("TEXT_MESSAGE_START", with(message, map[string]any{"role": "assistant"}))
		spell("TEXT_MESSAGE_CONTENT", message, content.Text)
		add("TEXT_MESSAGE_END", message)
	}
	if content.JSON != nil {
		add("STATE_SNAPSHOT", map[string]any{"snapshot": content.JSON})
	}
	for _, tool := range content.Tools {
		id := tool.ID
		if id == "" {
			id = a.newID("call")
		}
		call := map[string]any{"toolCallId": id}
		start := map[string]any{"toolCallName": tool.Name}
		if content.Text != "" {
			start["parentMessageId"] = message["messageId"]
		}
		add("TOOL_CALL_START", with(call, start))
		spell("TOOL_CALL_ARGS", call, arguments(tool))
		add("TOOL_CALL_END", call)
	}
	if strings.HasSuffix(content.Finish, "error") {
		add("RUN_ERROR", map[string]any{"message": "the run failed"})
		return err
	}
	add("RUN_FINISHED", with(run, map[string]any{"outcome": map[string]any{"type": "success"}}))
	return err
}

func (a *agui) Error(_ *fake.Request, status int, message string) *fake.Reply {
	return refuse(status, map[string]any{"error": words(status, message)})
}

// arguments returns the arguments of a call as text.
func arguments(tool fake.ToolCall) string {
	if len(tool.Arguments) == 0 {
		return "{}"
	}
	return string(tool.Arguments)
}

// lastSaid returns the text of the last message that has any: its content is a text, or
// a list of parts with texts.
func lastSaid(messages []any) string {
	for i := len(messages) - 1; i >= 0; i-- {
		message := object(messages[i])
		content, ok := message["content"]
		if !ok {
			content = message["parts"]
		}
		if said := textOfParts(content); said != "" {
			return said
		}
	}
	return ""
}

func textOfParts(content any) string {
	if s, ok := content.(string); ok {
		return s
	}
	var said []string
	for _, part := range list(content) {
		if s := text(object(part)["text"]); s != "" {
			said = append(said, s)
		}
	}
	return strings.Join(said, "\n")
}
