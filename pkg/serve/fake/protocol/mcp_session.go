package protocol

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A session is one of the Streamable HTTP transport
// (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports), or a
// stream of the transport before it.
type session struct {
	id      string
	version string
	feed    feed // of messages that no request asked for
}

func (s *session) end() { s.feed.end() }

// A call is the answer to a request that is a stream, which its session can resume.
type call struct {
	answer
	session *session
}

// retry is the reconnection time that streams tell.
const retry = 200 * time.Millisecond

func (m *mcp) replyInSession(r *fake.Request, content *fake.Content) *fake.Reply {
	if version := r.Header.Get("Mcp-Protocol-Version"); version != "" && !slices.Contains(statefulVersions, version) {
		return refuseCall(nil, &failure{Code: invalidRequest, status: http.StatusBadRequest,
			Message: fmt.Sprintf("Bad Request: Unsupported protocol version (supported versions: %s)", strings.Join(statefulVersions, ", "))})
	}
	switch r.Method {
	case http.MethodPost:
		return m.postInSession(r, content)
	case http.MethodGet:
		return m.listen(r)
	case http.MethodDelete:
		s, problem := m.session(r)
		if problem != nil {
			return problem
		}
		m.sessions.take(keyOf(r, s.id))
		s.end()
		return &fake.Reply{}
	}
	return notAllowed(http.MethodGet, http.MethodPost, http.MethodDelete)
}

// session returns the session of a request, or the reply to one without.
func (m *mcp) session(r *fake.Request) (*session, *fake.Reply) {
	id := r.Header.Get("Mcp-Session-Id")
	if id == "" {
		return nil, refuseCall(nil, &failure{Code: invalidRequest, Message: "Bad Request: Mcp-Session-Id header is required", status: http.StatusBadRequest})
	}
	s, ok := m.sessions.get(keyOf(r, id))
	if !ok {
		return nil, refuseCall(nil, &failure{Code: invalidRequest, Message: "Session not found", status: http.StatusNotFound})
	}
	return s, nil
}

func (m *mcp) postInSession(r *fake.Request, content *fake.Content) *fake.Reply {
	msg, problem := readPost(r)
	if problem != nil {
		return problem
	}
	if msg.method == "initialize" && msg.isRequest() {
		return m.initialize(r, msg)
	}
	s, problem := m.session(r)
	if problem != nil {
		return problem
	}
	if !msg.isRequest() {
		return &fake.Reply{Status: http.StatusAccepted}
	}
	result, failure := m.resultInSession(msg, content, s.version)
	if failure != nil {
		return refuseCall(msg.id, failure)
	}
	response := success(msg.id, result)
	progress, total := m.progress(msg)
	if total == 0 {
		return fake.JSON(http.StatusOK, response)
	}
	return &fake.Reply{Stream: m.keep(s, progress, response, len(r.Body)).stream(0)}
}

// initialize answers the handshake, with the revision that the client asked for where it
// is one of those with sessions.
func (m *mcp) initialize(r *fake.Request, msg message) *fake.Reply {
	s := &session{id: m.newID("session"), version: negotiated(msg)}
	m.sessions.put(keyOf(r, s.id), s, 0)
	reply := fake.JSON(http.StatusOK, success(msg.id, handshake(s.version)))
	reply.Header.Set("Mcp-Session-Id", s.id)
	return reply
}

func negotiated(msg message) string {
	if version := text(msg.params["protocolVersion"]); slices.Contains(statefulVersions, version) {
		return version
	}
	return stateful
}

func handshake(version string) map[string]any {
	return map[string]any{"protocolVersion": version, "capabilities": with(capabilities(), map[string]any{"logging": map[string]any{}}), "serverInfo": serverInfo()}
}

// resultInSession returns the result of a request, of the methods that need a session too.
func (m *mcp) resultInSession(msg message, content *fake.Content, version string) (any, *failure) {
	switch msg.method {
	case "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		return map[string]any{}, nil
	}
	return m.result(msg, content, version)
}

// keep keeps the stream of a call for as long as its session may resume it. Its IDs are
// unique, so that each names its stream. Revisions that know it have a first
// event without a message, which alone makes a cut before the first message good.
func (m *mcp) keep(s *session, progress iter.Seq[func() record.Record], response response, size int) *call {
	id := m.newID("stream")
	last := event("", "message", response)
	c := &call{session: s, answer: newAnswer(func(yield func(func() record.Record) bool) {
		n, more := 0, true
		add := func(make func() record.Record) bool {
			at := id + "_" + strconv.Itoa(n)
			n++
			more = more && yield(func() record.Record {
				r := make()
				r.ID = at
				return r
			})
			return more
		}
		if s.version >= stateful {
			first := stream.Event{Retry: retry, HasRetry: true}
			add(func() record.Record { return record.Record{Event: first, IsEvent: true} })
		}
		progress(add)
		add(func() record.Record { return last })
	})}
	m.answers.put(id, c, 1000+len(last.Data)+size)
	return c
}

// listen answers a GET: with the rest of a stream, or with the session's own.
func (m *mcp) listen(r *fake.Request) *fake.Reply {
	s, problem := m.session(r)
	if problem != nil {
		return problem
	}
	if !accepts(r, "text/event-stream") {
		return refuseCall(nil, &failure{Code: invalidRequest, Message: "Not Acceptable: Client must accept text/event-stream", status: http.StatusNotAcceptable})
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		return m.resume(s, last)
	}
	return &fake.Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
		// Its header comes out of proxies that hold it back until there is a body.
		if err := send(comment("")); err != nil {
			return err
		}
		return s.feed.follow(ctx, 0, m.beat(), nil, send)
	}}
}

func (m *mcp) resume(s *session, last string) *fake.Reply {
	id := last[:max(strings.LastIndexByte(last, '_'), 0)]
	if c, ok := m.answers.get(id); ok && c.session == s {
		if place, ok := c.after(last[len(id)+1:]); ok {
			return &fake.Reply{Stream: c.stream(place)}
		}
	}
	return refuseCall(nil, &failure{Code: invalidRequest, Message: "Bad Request: no stream has the event " + strconv.Quote(last), status: http.StatusBadRequest})
}
