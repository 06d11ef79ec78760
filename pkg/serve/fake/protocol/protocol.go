// Package protocol has the fakes of services that speak a protocol of their own: MCP,
// A2A, AG-UI, LangGraph, GraphQL over SSE and Mercure.
//
// [New] returns one by name. Without a content a service repeats the words of the client,
// in the form that its protocol has for an answer, so that a client can be run against
// it at once. What a client may come back for is kept: sessions, tasks, runs and
// updates, each within bounds, the oldest of which go first.
package protocol

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/stream"
)

// Options configure a service. The zero value is right for most.
type Options struct {
	// Text, if not empty, is the text of an answer without a content.
	Text string

	// HasText means that Text is meant, also where it is empty.
	HasText bool

	// Pace is the speed at which a text is sent, and a tool reports its progress.
	Pace fake.Pace

	// Heartbeat is the silence before a comment is sent on a stream that waits for
	// news. Zero means [DefaultHeartbeat], a negative one never.
	Heartbeat time.Duration

	// Tools are the tools of an MCP server; nil means two, echo and count.
	Tools []Tool
}

// DefaultHeartbeat is the interval of heartbeats when [Options.Heartbeat] is zero.
const DefaultHeartbeat = 15 * time.Second

var services = []struct {
	name string
	make func(*base) fake.Service
}{
	{"a2a", newA2A},
	{"ag-ui", newAGUI},
	{"graphql", newGraphQL},
	{"langgraph", newLangGraph},
	{"mcp", newMCP("")},
	{"mcp-2025-11-25", newMCP(stateful)},
	{"mcp-2026-07-28", newMCP(stateless)},
	{"mercure", newMercure},
}

// Names returns the names of all services, sorted.
func Names() []string {
	var names []string
	for _, s := range services {
		names = append(names, s.name)
	}
	return names
}

// New returns the service of a name.
func New(name string, options Options) (fake.Service, error) {
	for _, s := range services {
		if s.name == name {
			return plain{s.make(newBase(options))}, nil
		}
	}
	return nil, fmt.Errorf("no service %q; want one of %s", name, strings.Join(Names(), ", "))
}

// A plain is a service whose contents have values that are plain: maps, lists, texts,
// numbers, truths. Those of a file are texts of JSON.
type plain struct{ fake.Service }

func (p plain) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	if content != nil && content.JSON != nil {
		same := *content
		d := json.NewDecoder(strings.NewReader(encode(content.JSON)))
		d.UseNumber()
		if err := d.Decode(&same.JSON); err != nil {
			return p.Error(r, http.StatusInternalServerError, "the answer is no JSON")
		}
		content = &same
	}
	return p.Service.Reply(r, content)
}

// A base is the part that all services have.
type base struct {
	Options
	epoch string // of the IDs that the service makes
	count atomic.Int64
}

func newBase(options Options) *base {
	epoch := make([]byte, 4)
	rand.Read(epoch) // never fails
	return &base{Options: options, epoch: hex.EncodeToString(epoch)}
}

// newID returns an ID that no other service has, and no earlier run of this one.
func (b *base) newID(kind string) string {
	return fmt.Sprintf("%s-%s-%d", kind, b.epoch, b.count.Add(1))
}

// beat returns the interval of heartbeats, 0 for none.
func (b *base) beat() time.Duration {
	switch {
	case b.Heartbeat == 0:
		return DefaultHeartbeat
	case b.Heartbeat < 0:
		return 0
	}
	return b.Heartbeat
}

// spell returns the wait before a piece of a text: that of its words.
func (b *base) spell(p piece) (wait time.Duration) {
	for i := range p.words {
		wait += b.delay(p.first + i)
	}
	return wait
}

// delay returns the wait before a word of an answer, counted from 0.
func (b *base) delay(piece int) time.Duration {
	if piece == 0 {
		return b.Pace.First
	}
	if b.Pace.Rate <= 0 {
		return 0
	}
	jitter := 1 + b.Pace.Jitter*(2*mathrand.Float64()-1)
	return time.Duration(float64(time.Second) / b.Pace.Rate * jitter)
}

// maxPieces is the number of pieces in which a text is sent. Each is an event, which takes
// many times the bytes of a word.
const maxPieces = 10_000

// A piece is a part of a text that is sent at once.
type piece struct {
	start, end   int // in the text
	first, words int // the number of the first word, from 0, and how many there are
}

// pieces returns the parts in which a text is sent, at most so many: words, with the space
// after them.
func pieces(text string, most int) iter.Seq[piece] {
	words := strings.Count(text, " ")
	if text != "" && !strings.HasSuffix(text, " ") {
		words++
	}
	group := max((words+most-1)/most, 1)
	return func(yield func(piece) bool) {
		for p := (piece{}); p.end < len(text); {
			p = piece{start: p.end, end: p.end, first: p.first + p.words}
			for ; p.words < group && p.end < len(text); p.words++ {
				n := strings.IndexByte(text[p.end:], ' ') + 1
				if n == 0 {
					n = len(text) - p.end
				}
				p.end += n
			}
			if !yield(p) {
				return
			}
		}
	}
}

// or returns a content, or where there is none, one that repeats the words of a client.
func (b *base) or(content *fake.Content, said string) *fake.Content {
	switch {
	case content != nil:
		return content
	case b.tells():
		return &fake.Content{Text: b.Text}
	}
	return &fake.Content{Text: said}
}

// tells reports whether there is a text for the answers without a content.
func (b *base) tells() bool { return b.HasText || b.Text != "" }

// event returns a record of an event with a value as JSON.
func event(id, typ string, value any) record.Record {
	return record.Record{Event: stream.Event{ID: id, Type: typ, Data: encode(value)}, IsEvent: true}
}

// comment returns a record of a comment.
func comment(text string) record.Record { return record.Record{Comment: text, HasComment: true} }

// encode returns a value as JSON. Those of this package and of a request can be encoded.
func encode(value any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "null"
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// object returns a value if it is an object, else an empty one.
func object(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

func list(value any) []any {
	l, _ := value.([]any)
	return l
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// refuse returns a reply of a failure with a body of JSON, and with the time at which a
// client may come again.
func refuse(status int, body any) *fake.Reply {
	reply := fake.JSON(status, body)
	reply.Header = failureHeader(status, reply.Header)
	return reply
}

func failureHeader(status int, header http.Header) http.Header {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", "1")
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	}
	return header
}

// notAllowed returns the reply to a method that an endpoint has not.
func notAllowed(methods ...string) *fake.Reply {
	return &fake.Reply{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {strings.Join(methods, ", ")}}}
}

// words returns the words for a status, unless there is a message.
func words(status int, message string) string {
	if message != "" {
		return message
	}
	if message = http.StatusText(status); message != "" {
		return message
	}
	return fmt.Sprintf("status %d", status)
}

// accepts reports whether a request accepts a media type.
func accepts(r *fake.Request, want string) bool {
	group, _, _ := strings.Cut(want, "/")
	for _, line := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case want, group + "/*", "*/*":
				return true
			}
		}
	}
	return false
}

// names reports whether a request names a media type among those that it accepts.
func names(r *fake.Request, want string) bool {
	return strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Accept"), ",")), want)
}

// rawObject returns the value of an object as it was written, an empty one for none.
func rawObject(raw json.RawMessage) any {
	if len(raw) == 0 {
		return map[string]any{}
	}
	return raw
}
