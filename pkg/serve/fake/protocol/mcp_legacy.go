package protocol

import (
	"context"
	"net/http"
	"net/url"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/stream"
)

// legacy is the last revision with the transport of two endpoints: a GET opens a stream
// that names the URL for messages, and answers come on that stream
// (https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse).
const legacy = "2024-11-05"

const legacyMessages = "/messages"

func (m *mcp) openLegacy(r *fake.Request) *fake.Reply {
	if r.Method != http.MethodGet {
		return notAllowed(http.MethodGet) // by which clients of both transports know this one
	}
	s := &session{id: m.newID("session"), version: legacy}
	key := keyOf(r, s.id)
	endpoint := legacyMessages + "?sessionId=" + url.QueryEscape(s.id)
	s.feed.append(record.Record{Event: stream.Event{Type: "endpoint", Data: endpoint}, IsEvent: true})
	return &fake.Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
		m.sessions.put(key, s, 0)
		defer func() {
			m.sessions.take(key)
			s.end()
		}()
		return s.feed.follow(ctx, 0, m.beat(), nil, send)
	}}
}

func (m *mcp) postLegacy(r *fake.Request, content *fake.Content) *fake.Reply {
	if r.Method != http.MethodPost {
		return notAllowed(http.MethodPost)
	}
	key := keyOf(r, r.Query.Get("sessionId"))
	s, ok := m.sessions.get(key)
	if !ok || s.version != legacy {
		return refuseCall(nil, &failure{Code: invalidRequest, Message: "Session not found", status: http.StatusNotFound})
	}
	msg, problem := readBody(r)
	if problem != nil {
		return problem
	}
	if msg.isRequest() {
		m.sessions.grow(key, s.feed.append(m.tell(msg, content)...))
	}
	return &fake.Reply{Status: http.StatusAccepted, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte("Accepted")}
}

// tell returns the messages that answer a request on the stream of its session.
func (m *mcp) tell(msg message, content *fake.Content) []record.Record {
	if msg.method == "initialize" {
		return []record.Record{event("", "message", success(msg.id, handshake(negotiated(msg))))}
	}
	result, failure := m.resultInSession(msg, content, legacy)
	if failure != nil {
		return []record.Record{event("", "message", failed(msg.id, failure))}
	}
	var records []record.Record
	if progress, total := m.progress(msg); total > 0 {
		for make := range progress {
			records = append(records, make())
		}
	}
	return append(records, event("", "message", success(msg.id, result)))
}
