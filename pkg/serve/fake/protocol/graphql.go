package protocol

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A graphql is a server of GraphQL over SSE, in both of its modes, and over plain HTTP
// (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md). The JSON of a
// content is the data of the result, a list of it the data of several results, and an
// object with data or errors the result itself. A text is the value of the first field
// that is asked for. Without a content the variables are the data.
type graphql struct {
	*base
	streams shelf[*operations]
}

// An operations is the stream of the single connection mode.
type operations struct {
	token string
	feed  feed

	mu     sync.Mutex // guards the fields below
	opened bool
	active map[string]bool // by operation ID
}

// maxID is the number of bytes of the ID of an operation, which is kept until its end.
const maxID = 1000

const graphqlToken = "X-Graphql-Event-Stream-Token"

func newGraphQL(b *base) fake.Service {
	g := &graphql{base: b}
	g.streams.gone = func(o *operations) { o.feed.end() }
	return g
}

func (g *graphql) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	if path := strings.TrimSuffix(r.Path, "/"); !strings.HasSuffix(path, "/graphql") && !strings.HasSuffix(path, "/graphql/stream") {
		return nil
	}
	token := r.Header.Get(graphqlToken)
	if token == "" {
		token = r.Query.Get("token")
	}
	switch {
	case r.Method == http.MethodPut:
		return g.reserve(r)
	case token != "":
		o, ok := g.streams.get(keyOf(r, token))
		if !ok {
			return g.Error(r, http.StatusNotFound, "Stream not found")
		}
		return g.onStream(r, o, content)
	case r.Method == http.MethodDelete:
		return g.Error(r, http.StatusNotFound, "Stream not found")
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return notAllowed(http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete)
	}
	query, problem := g.read(r)
	if problem != nil {
		return problem
	}
	results := g.results(query, content)
	if names(r, "text/event-stream") {
		return fake.Events(g.events("", results)...)
	}
	reply := fake.JSON(http.StatusOK, results[0])
	if names(r, "application/graphql-response+json") {
		reply.Header.Set("Content-Type", "application/graphql-response+json; charset=utf-8")
	}
	return reply
}

func (g *graphql) Error(_ *fake.Request, status int, message string) *fake.Reply {
	return refuse(status, map[string]any{"errors": []any{map[string]any{"message": words(status, message)}}})
}

// reserve gives the token of a stream that will be opened.
func (g *graphql) reserve(r *fake.Request) *fake.Reply {
	o := &operations{token: g.newID("token"), active: map[string]bool{}}
	g.streams.put(keyOf(r, o.token), o, 0)
	return &fake.Reply{Status: http.StatusCreated, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(o.token)}
}

// onStream replies to a request for the stream of a token.
func (g *graphql) onStream(r *fake.Request, o *operations, content *fake.Content) *fake.Reply {
	switch r.Method {
	case http.MethodGet:
		if !o.open() {
			return g.Error(r, http.StatusConflict, "Stream already open")
		}
		key := keyOf(r, o.token)
		return &fake.Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
			defer func() { // the reservation is for one stream
				g.streams.take(key)
				o.feed.end()
			}()
			// Its header comes out of proxies that hold it back until there is a body.
			if err := send(comment("")); err != nil {
				return err
			}
			return o.feed.follow(ctx, 0, g.beat(), o.wants, send)
		}}
	case http.MethodDelete:
		id := r.Query.Get("operationId")
		if id == "" {
			return g.Error(r, http.StatusBadRequest, "Operation ID is missing")
		}
		o.stop(id)
		return &fake.Reply{}
	case http.MethodPost:
		query, problem := g.read(r)
		if problem != nil {
			return problem
		}
		id := text(query.extensions["operationId"])
		switch {
		case id == "":
			return g.Error(r, http.StatusBadRequest, "Operation ID is missing")
		case len(id) > maxID:
			return g.Error(r, http.StatusBadRequest, "Operation ID is too long")
		case !o.begin(id):
			return g.Error(r, http.StatusConflict, "Operation with ID already exists")
		}
		g.streams.grow(keyOf(r, o.token), o.feed.append(g.events(id, g.results(query, content))...))
		return &fake.Reply{Status: http.StatusAccepted}
	}
	return notAllowed(http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete)
}

// events returns the events of an operation, whose ID is empty in the mode of distinct
// connections.
func (g *graphql) events(id string, results []any) []record.Record {
	var records []record.Record
	for i, result := range results {
		if id != "" {
			result = map[string]any{"id": id, "payload": result}
		}
		r := event("", "next", result)
		r.Delay = g.delay(i)
		records = append(records, r)
	}
	end := record.Record{Event: stream.Event{Type: "complete"}, IsEvent: true}
	if id != "" {
		end.Data = encode(map[string]any{"id": id})
	}
	return append(records, end)
}

func (o *operations) open() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := !o.opened
	o.opened = true
	return first
}

func (o *operations) begin(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.active[id] || len(o.active) == maxKept {
		return false
	}
	o.active[id] = true
	return true
}

func (o *operations) stop(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.active, id)
}

// wants reports whether an event is of an operation that was not stopped.
func (o *operations) wants(r record.Record) bool {
	var event struct{ ID string }
	json.Unmarshal([]byte(r.Data), &event)
	o.mu.Lock()
	defer o.mu.Unlock()
	wanted := o.active[event.ID]
	if r.Type == "complete" {
		delete(o.active, event.ID)
	}
	return wanted
}

// A query is an operation that a client asks for.
type query struct {
	text                  string
	variables, extensions map[string]any
}

// read returns the operation of a request, or the reply to one without.
func (g *graphql) read(r *fake.Request) (query, *fake.Reply) {
	body := object(r.JSON)
	if r.Method == http.MethodGet {
		body = map[string]any{"query": r.Query.Get("query")}
		for _, name := range []string{"variables", "extensions"} {
			var value map[string]any
			if given := r.Query.Get(name); given != "" && json.Unmarshal([]byte(given), &value) != nil {
				return query{}, g.Error(r, http.StatusBadRequest, "Invalid "+name)
			}
			body[name] = value
		}
	}
	q := query{text: text(body["query"]), variables: object(body["variables"]), extensions: object(body["extensions"])}
	if q.text == "" {
		return q, g.Error(r, http.StatusBadRequest, "Missing query")
	}
	return q, nil
}

// results returns the results of an operation.
func (g *graphql) results(q query, content *fake.Content) []any {
	if content == nil && g.tells() {
		content = &fake.Content{Text: g.Text}
	}
	switch {
	case content == nil:
		data := q.variables
		if data == nil {
			data = map[string]any{}
		}
		return []any{map[string]any{"data": data}}
	case content.JSON == nil:
		return []any{map[string]any{"data": map[string]any{q.field(): content.Text}}}
	}
	values, several := content.JSON.([]any)
	if !several || len(values) == 0 {
		values = []any{content.JSON}
	}
	results := slices.Clone(values)
	for i, value := range results {
		o := object(value)
		if o["data"] == nil && o["errors"] == nil {
			results[i] = map[string]any{"data": value}
		}
	}
	return results
}

// firstField finds the name of the first field of an operation, or its alias.
var firstField = regexp.MustCompile(`^[^{]*\{\s*(\w+)`)

func (q *query) field() string {
	if match := firstField.FindStringSubmatch(q.text); match != nil {
		return match[1]
	}
	return "text"
}
