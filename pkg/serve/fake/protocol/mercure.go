package protocol

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A mercure is a hub: an update that is posted comes to all who subscribed to its topic
// (https://mercure.rocks/spec). Tokens are not verified: any is good for private
// updates, and for a publisher none is needed.
type mercure struct {
	*base
	hubs shelf[*hub] // by test

	making sync.Mutex // of hubs
}

// A hub has the updates of one test.
type hub struct {
	log feed

	mu      sync.Mutex // guards the fields below
	updates map[string]update
	order   []string // of the keys of updates, the oldest first
	bytes   int      // of the topics of updates
}

// An update has the topics of a record of the log.
type update struct {
	topics  []string
	private bool
}

const mercurePath = "/.well-known/mercure"

// earliest asks for all updates there are, and as an answer means that its first event is the
// first that the hub has.
const earliest = "earliest"

const maxMatchers = 100

func newMercure(b *base) fake.Service {
	m := &mercure{base: b}
	m.hubs.gone = func(h *hub) { h.log.end() }
	return m
}

// hub returns the hub of the test of a request.
func (m *mercure) hub(r *fake.Request) *hub {
	m.making.Lock()
	defer m.making.Unlock()
	h, ok := m.hubs.get(keyOf(r, ""))
	if !ok {
		h = &hub{updates: map[string]update{}}
		m.hubs.put(keyOf(r, ""), h, 0)
	}
	return h
}

// Reply sends the updates of publishers on; a content means nothing to a hub.
func (m *mercure) Reply(r *fake.Request, _ *fake.Content) *fake.Reply {
	if r.Path != mercurePath {
		return nil
	}
	switch r.Method {
	case http.MethodGet:
		return m.subscribe(r)
	case http.MethodPost:
		return m.publish(r)
	}
	return notAllowed(http.MethodGet, http.MethodPost)
}

func (m *mercure) publish(r *fake.Request) *fake.Reply {
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return m.Error(r, http.StatusBadRequest, "the body is no form")
	}
	topics, id, typ, retry := form["topic"], form.Get("id"), form.Get("type"), form.Get("retry")
	switch {
	case len(topics) == 0 || slices.Contains(topics, ""):
		return m.Error(r, http.StatusBadRequest, "no topic")
	case strings.HasPrefix(id, "#") || strings.ContainsAny(id, "\n\r\x00"):
		return m.Error(r, http.StatusBadRequest, "invalid id")
	case strings.ContainsAny(typ, "\n\r"):
		return m.Error(r, http.StatusBadRequest, "invalid type")
	}
	for _, field := range [][]string{topics, form["data"], {id}, {typ}} {
		if !utf8.ValidString(strings.Join(field, "")) {
			return m.Error(r, http.StatusBadRequest, "the form is no UTF-8")
		}
	}
	e := stream.Event{ID: id, Type: typ, Data: form.Get("data")}
	if retry != "" {
		ms, err := strconv.ParseUint(retry, 10, 31)
		if err != nil {
			return m.Error(r, http.StatusBadRequest, "invalid retry")
		}
		e.Retry, e.HasRetry = time.Duration(ms)*time.Millisecond, true
	}
	if e.ID == "" {
		e.ID = newURN()
	}
	h := m.hub(r)
	grown := h.keep(e.ID, update{topics, form.Has("private")})
	m.hubs.grow(keyOf(r, ""), grown+h.log.append(record.Record{Event: e, IsEvent: true}))
	return &fake.Reply{Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(e.ID)}
}

// keep remembers the topics of an update for as long as the log may have its record, and
// returns by how many bytes the hub grew.
func (h *hub) keep(id string, u update) (grown int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.bytes
	if _, known := h.updates[id]; !known {
		h.order = append(h.order, id)
	}
	h.bytes += u.size(id) - h.updates[id].size(id)
	h.updates[id] = u
	for len(h.order) > maxLog || h.bytes > maxLogBytes && len(h.order) > 1 {
		h.bytes -= h.updates[h.order[0]].size(h.order[0])
		delete(h.updates, h.order[0])
		h.order = h.order[1:]
	}
	return h.bytes - before
}

// size returns about the bytes that an update takes, 0 for none.
func (u update) size(id string) (n int) {
	for _, topic := range u.topics {
		n += recordBytes + len(id) + len(topic)
	}
	return n
}

func (m *mercure) subscribe(r *fake.Request) *fake.Reply {
	matches, err := matchers(r.Query)
	if err != nil {
		return m.Error(r, http.StatusBadRequest, err.Error())
	}
	authorized := hasToken(r)
	header := http.Header{}
	h := m.hub(r)
	place := h.log.place()
	if last := lastEventID(r); last != "" {
		at, known := h.log.after(last)
		if !known {
			last = earliest
		}
		place = at
		header.Set("Last-Event-ID", last)
	}
	pick := func(record record.Record) bool {
		h.mu.Lock()
		u := h.updates[record.ID]
		h.mu.Unlock()
		return (authorized || !u.private) && slices.ContainsFunc(u.topics, matches)
	}
	return &fake.Reply{Header: header, Stream: func(ctx context.Context, send func(record.Record) error) error {
		// Its header comes out of proxies that hold it back until there is a body.
		hello := comment("")
		if authorized {
			hello = comment("the token was not verified")
		}
		if err := send(hello); err != nil {
			return err
		}
		return h.log.follow(ctx, place, m.beat(), pick, send)
	}}
}

// Error returns the text that the hub answers with.
func (m *mercure) Error(_ *fake.Request, status int, message string) *fake.Reply {
	header := failureHeader(status, http.Header{"Content-Type": {"text/plain; charset=utf-8"}})
	return &fake.Reply{Status: status, Header: header, Body: []byte(words(status, message) + "\n")}
}

// matchers returns a function that reports whether a topic is one of those that a
// subscriber named. Until version 1.0 of the protocol, topic has exact topics and URI
// templates; then match and its kin took its place.
func matchers(query url.Values) (func(topic string) bool, error) {
	exact := map[string]bool{}
	var patterns []*regexp.Regexp
	n := 0
	for name, values := range query {
		var parse func(string) string // to a regular expression; nil if exact is all there is
		switch {
		case name == "topic":
			parse = uriTemplate
		case name == "match", name == "matchExact":
		case name == "matchURLPattern":
			parse = urlPattern
		case strings.HasPrefix(strings.ToLower(name), "match"):
			return nil, fmt.Errorf("unknown matcher type %q", name)
		default:
			continue
		}
		for _, value := range values {
			n++
			if parse == nil || name == "topic" || value == "*" {
				exact[value] = true
			}
			if parse == nil || value == "*" {
				continue
			}
			pattern, err := regexp.Compile("^(?s:" + parse(value) + ")$")
			if err != nil {
				return nil, fmt.Errorf("invalid topic %q", value)
			}
			patterns = append(patterns, pattern)
		}
	}
	switch {
	case n == 0:
		return nil, errors.New("no topic")
	case n > maxMatchers:
		return nil, errors.New("too many topics")
	}
	return func(topic string) bool {
		return exact["*"] || exact[topic] || slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(topic) })
	}, nil
}

var variable = regexp.MustCompile(`\{[^{}]*\}`)

// uriTemplate returns the regular expression of a URI template: a variable is a part of
// a path, unless its operator lets it have more
// (https://www.rfc-editor.org/rfc/rfc6570#section-3.2).
func uriTemplate(template string) string {
	return replaceAll(variable, template, func(name string) string {
		if strings.ContainsAny(name[1:2], "+#/?&.;") {
			return ".*"
		}
		return "[^/?#]*"
	})
}

var group = regexp.MustCompile(`:[A-Za-z_]\w*|\*`)

// urlPattern returns the regular expression of a URL pattern with named groups and
// wildcards (https://urlpattern.spec.whatwg.org/).
func urlPattern(pattern string) string {
	return replaceAll(group, pattern, func(name string) string {
		if name == "*" {
			return ".*"
		}
		return "[^/]+"
	})
}

// replaceAll replaces the matches of an expression in a text, and quotes the rest.
func replaceAll(find *regexp.Regexp, text string, replace func(string) string) string {
	var b strings.Builder
	end := 0
	for _, at := range find.FindAllStringIndex(text, -1) {
		b.WriteString(regexp.QuoteMeta(text[end:at[0]]))
		b.WriteString(replace(text[at[0]:at[1]]))
		end = at[1]
	}
	b.WriteString(regexp.QuoteMeta(text[end:]))
	return b.String()
}

// lastEventID returns the ID that a subscriber resumes after. Mercure renamed its
// parameter with version 1.0.
func lastEventID(r *fake.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	for _, name := range []string{"lastEventID", "lastEventId", "last_event_id", "Last-Event-ID"} {
		if id := r.Query.Get(name); id != "" {
			return id
		}
	}
	return ""
}

// hasToken reports whether a request has a token, in any of the places for it.
func hasToken(r *fake.Request) bool {
	if r.Header.Get("Authorization") != "" || r.Query.Get("access_token") != "" || r.Query.Get("authorization") != "" {
		return true
	}
	cookies, _ := http.ParseCookie(r.Header.Get("Cookie"))
	return slices.ContainsFunc(cookies, func(c *http.Cookie) bool {
		return c.Name == "mercureAccessToken" || c.Name == "mercureAuthorization"
	})
}

// newURN returns a random UUID, as a hub names an update.
func newURN() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
