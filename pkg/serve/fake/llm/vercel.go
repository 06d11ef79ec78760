package llm

import (
	"iter"
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// vercel is a server of UI message streams, as useChat asks for them
// (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol). Which path an app has for that is
// its own choice: any POST is answered.
type vercel struct {
	*engine
	chats store[*answer] // whose streams have not come to their end
}

func newVercel(e *engine) fake.Service {
	e.calls = "call_"
	return &vercel{engine: e}
}

// Reply implements [fake.Service].
func (s *vercel) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	path := strings.TrimSuffix(r.Path, "/")
	if isGet(r) {
		// The stream of a chat that was cut is sent again, from its beginning
		// (https://ai-sdk.dev/docs/ai-sdk-ui/chatbot-resume-streams).
		chat, ok := strings.CutSuffix(path, "/stream")
		if !ok {
			return nil
		}
		id := keyOf(r, chat[strings.LastIndexByte(chat, '/')+1:])
		if a, ok := s.chats.get(id); ok {
			return s.send(id, a, a.rest(a.written(a.uiEvents()), 0))
		}
		return &fake.Reply{Status: http.StatusNoContent}
	}
	if r.Method != http.MethodPost {
		return nil
	}
	p, wrong := s.prompt(r)
	if wrong != nil {
		return wrong
	}
	a := s.answer(p, content)
	id := text(r.JSON, "id")
	if id != "" {
		id = keyOf(r, id)
		s.chats.put(id, a, len(id)+a.memory())
	}
	return s.send(id, a, a.written(a.uiEvents()))
}

// send returns a reply with a stream, after whose end there is nothing more of the chat.
func (s *vercel) send(id string, a *answer, records iter.Seq[record.Record]) *fake.Reply {
	reply := s.stream(records, func() { s.chats.remove(id, a) })
	headers(reply).Set("X-Vercel-Ai-Ui-Message-Stream", "v1")
	return reply
}

// prompt reads a request, or returns the reply to one that is not valid.
func (s *vercel) prompt(r *fake.Request) (*prompt, *fake.Reply) {
	messages := list(r.JSON, "messages")
	if one := member(r.JSON, "message"); one != nil && messages == nil { // the server has the others
		messages = []any{one}
	}
	switch _, ok := r.JSON.(map[string]any); {
	case !ok:
		return nil, s.Error(r, http.StatusBadRequest, "the body of the request is not a JSON object")
	case len(messages) == 0:
		return nil, s.Error(r, http.StatusBadRequest, "the request has no messages")
	}
	p := &prompt{}
	for _, m := range messages {
		user := text(m, "role") == "user"
		if said := parts(member(m, "parts"), "text"); said != "" {
			p.said(said, user)
		} else if said := text(m, "content"); said != "" {
			p.said(said, user)
		}
		for _, part := range list(m, "parts") { // tools ran in the browser
			if output := member(part, "output"); output != nil {
				p.said(result(output), true)
			}
		}
	}
	return p, nil
}

// uiEvents returns the chunks of the stream.
func (a *answer) uiEvents() iter.Seq[event] {
	return func(yield func(event) bool) {
		more := true
		write := func(tokens int, kind string, pairs ...any) {
			more = more && yield(event{data: obj("type", kind).with(pairs...), tokens: tokens})
		}
		growing := func(kind, id string, all words) {
			write(0, kind+"-start", "id", id)
			for t, n := range all.pieces() {
				if write(n, kind+"-delta", "id", id, "delta", t); !more {
					return
				}
			}
			write(0, kind+"-end", "id", id)
		}
		write(0, "start", "messageId", "msg_"+a.key)
		write(0, "start-step")
		if a.thinking.count > 0 {
			growing("reasoning", "reasoning_1", a.thinking)
		}
		if a.speaks() {
			growing("text", "text_1", a.text)
		}
		for _, c := range a.calls {
			write(0, "tool-input-start", "toolCallId", c.ID, "toolName", c.Name)
			for piece, n := range c.pieces() {
				write(n, "tool-input-delta", "toolCallId", c.ID, "inputTextDelta", piece)
			}
			write(0, "tool-input-available", "toolCallId", c.ID, "toolName", c.Name, "input", c.Arguments)
		}
		switch {
		case a.fails():
			write(0, "error", "errorText", "the answer ended with an error")
		case a.Finish == "abort":
			write(0, "abort")
		default:
			write(0, "finish-step")
			if a.Finish != "" { // which version 5 has no place for
				write(0, "finish", "finishReason", a.Finish)
			} else {
				write(0, "finish")
			}
		}
		if more {
			yield(event{data: "[DONE]"})
		}
	}
}

// Error implements [fake.Service]. useChat has the text for the message of its error.
func (s *vercel) Error(_ *fake.Request, status int, message string) *fake.Reply {
	if message == "" {
		message = http.StatusText(status)
	}
	reply := &fake.Reply{Status: status, Body: []byte(message)}
	headers(reply).Set("Content-Type", "text/plain; charset=utf-8")
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		headers(reply).Set("Retry-After", "1")
	}
	return reply
}
