package protocol_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
)

const eventStream = "Accept: text/event-stream"

func TestGraphQLDistinct(t *testing.T) {
	s := service(t, "graphql", protocol.Options{})
	ask := request("POST", "/graphql", `{"query":"subscription T($port: String) { tide(port: $port) { at } }","variables":{"port":"Wick"}}`, eventStream)
	two := &fake.Content{JSON: []any{map[string]any{"tide": 1}, map[string]any{"errors": []any{map[string]any{"message": "no"}}}}}
	tests := []struct {
		about   string
		content *fake.Content
		want    string
	}{
		{"the variables", nil, `next {"data":{"port":"Wick"}}, complete `},
		{"a text", &fake.Content{Text: "06:40"}, `next {"data":{"tide":"06:40"}}, complete `},
		{"a value", &fake.Content{JSON: map[string]any{"tide": 1}}, `next {"data":{"tide":1}}, complete `},
		{"several", two, `next {"data":{"tide":1}}, next {"errors":[{"message":"no"}]}, complete `},
	}
	for _, test := range tests {
		var list []string
		for _, e := range get(t, s.Reply(ask, test.content)).events {
			list = append(list, e.Type+" "+e.Data)
		}
		want(t, test.about, strings.Join(list, ", "), test.want)
	}
	get(t, s.Reply(request("GET", "/graphql/stream?query=%7Ba%7D&variables=%7B%7D", "", eventStream), nil))
	reply := s.Reply(request("POST", "/graphql", `{"query":"{ a }"}`, "Accept: application/graphql-response+json"), nil)
	want(t, "JSON", string(reply.Body)+reply.Header.Get("Content-Type"), `{"data":{}}application/graphql-response+json; charset=utf-8`)
	wantStatus(t, "no query", s.Reply(request("POST", "/graphql", `{}`, eventStream), nil), 400)
}

func TestGraphQLSingle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, "graphql", protocol.Options{Heartbeat: -1})
		reserved := s.Reply(request("PUT", "/graphql/stream", ""), nil)
		wantStatus(t, "PUT", reserved, 201)
		token := "X-GraphQL-Event-Stream-Token: " + string(reserved.Body)
		operation := func(id string) *fake.Request {
			return request("POST", "/graphql/stream", `{"query":"{ a }","variables":{"n":1},"extensions":{"operationId":"`+id+`"}}`, token)
		}
		wantStatus(t, "an operation before the stream is open", s.Reply(operation("a"), nil), 202)
		wantStatus(t, "the same twice", s.Reply(operation("a"), nil), 409)
		wantStatus(t, "another", s.Reply(operation("b"), nil), 202)
		wantStatus(t, "no ID", s.Reply(operation(""), nil), 400)
		wantStatus(t, "its stop", s.Reply(request("DELETE", "/graphql/stream?operationId=b", "", token), nil), 200)
		stream := s.Reply(request("GET", "/graphql/stream?token="+string(reserved.Body), "", eventStream), nil)
		wantStatus(t, "a second stream", s.Reply(request("GET", "/graphql/stream", "", token), nil), 409)
		c, stop := follow(t, stream)
		wantStatus(t, "an operation with a stream", s.Reply(operation("c"), &fake.Content{Text: "x"}), 202)
		synctest.Wait()
		var list []string
		for _, e := range c.events {
			list = append(list, e.Type+" "+e.Data)
		}
		want(t, "the events", strings.Join(list, ", "), `next {"id":"a","payload":{"data":{"n":1}}}, complete {"id":"a"}, next {"id":"c","payload":{"data":{"a":"x"}}}, complete {"id":"c"}`)
		stop()
		wantStatus(t, "an operation of a client that left", s.Reply(operation("d"), nil), 404)
	})
}

const hub = "/.well-known/mercure"

// publish posts an update, and returns its ID.
func publish(t *testing.T, s fake.Service, fields ...string) string {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	reply := s.Reply(request("POST", hub, form.Encode(), "Content-Type: application/x-www-form-urlencoded"), nil)
	wantStatus(t, "publish", reply, 200)
	return string(reply.Body)
}

func TestMercure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, "mercure", protocol.Options{Heartbeat: -1})
		topics := []string{
			"topic=https%3A%2F%2Fexample.test%2Fberths%2F4", "topic=https%3A%2F%2Fexample.test%2Fberths%2F%7Bid%7D", "topic=https%3A%2F%2Fexample.test%2F%7B%2Bpath%7D", "topic=*",
			"match=https%3A%2F%2Fexample.test%2Fberths%2F4", "matchURLPattern=https%3A%2F%2Fexample.test%2Fberths%2F%3Aid", "match=*", "topic=other", "match=https%3A%2F%2Fexample.test%2Fberths%2F%7Bid%7D",
		}
		var clients []*client
		for i, query := range topics {
			header := eventStream
			if i == 0 {
				query += "&access_token=x"
			}
			c, stop := follow(t, s.Reply(request("GET", hub+"?"+query, "", header), nil))
			defer stop()
			clients = append(clients, c)
		}
		publish(t, s, "topic", "https://example.test/berths/4", "data", "free", "id", "urn:1", "type", "berth", "retry", "5000")
		publish(t, s, "topic", "https://example.test/berths/4/boats", "data", "deep")
		publish(t, s, "topic", "https://example.test/berths/4", "data", "secret", "private", "on")
		synctest.Wait()
		for i, wanted := range []string{"[free secret]", "[free]", "[free deep]", "[free deep]", "[free]", "[free]", "[free deep]", "[]", "[]"} {
			want(t, topics[i], fmt.Sprint(clients[i].seen()), wanted)
		}
		e := clients[0].events[0]
		want(t, "the event", fmt.Sprint(e.ID, e.Type, e.Retry), "urn:1berth5s")
		if id := clients[0].events[1].ID; !strings.HasPrefix(id, "urn:uuid:") {
			t.Errorf("an ID is %q", id)
		}
		for _, query := range []string{"", "?matchRegexp=x"} {
			wantStatus(t, "subscribe"+query, s.Reply(request("GET", hub+query, "", eventStream), nil), 400)
		}
		for _, form := range []string{"data=x", "topic=a&id=%23a", "topic=a&retry=x", "topic=a&type=a%0Ab", "topic=%ff"} {
			wantStatus(t, "publish "+form, s.Reply(request("POST", hub, form), nil), 400)
		}
	})
}

// TestMercureResume cuts a subscriber anywhere while updates go on, and wants it to get
// each update of its topic once, in order.
func TestMercureResume(t *testing.T) {
	random := seeded(t)
	s := service(t, "mercure", protocol.Options{})
	for round := range 50 {
		topic := fmt.Sprintf("round/%d", round)
		first := publish(t, s, "topic", topic, "data", "0")
		c := &client{lastID: first}
		total := 1
		for range 1 + random.IntN(5) {
			for range random.IntN(5) {
				publish(t, s, "topic", topic, "data", fmt.Sprint(total))
				publish(t, s, "topic", "another", "data", "x")
				total++
			}
			reply := s.Reply(request("GET", hub+"?topic="+topic, "", eventStream, "Last-Event-ID: "+c.lastID), nil)
			want(t, "Last-Event-ID of the answer", reply.Header.Get("Last-Event-ID"), c.lastID)
			if left := total - 1 - len(c.events); left > 0 {
				if err := c.read(t.Context(), reply, random.IntN(left)); err != errCut {
					t.Fatal(err)
				}
			}
		}
		publish(t, s, "topic", topic, "data", fmt.Sprint(total))
		publish(t, s, "topic", topic, "data", "end")
		reply := s.Reply(request("GET", hub+"?topic="+topic+"&lastEventID="+url.QueryEscape(c.lastID), "", eventStream), nil)
		if err := c.read(t.Context(), reply, total-len(c.events)); err != errCut {
			t.Fatal(err)
		}
		for i, data := range c.seen() {
			want(t, "update", data, fmt.Sprint(i+1))
		}
		want(t, "updates", fmt.Sprint(len(c.events)), fmt.Sprint(total))
	}
	reply := s.Reply(request("GET", hub+"?topic=*", "", eventStream, "Last-Event-ID: no-such"), nil)
	want(t, "Last-Event-ID for an unknown one", reply.Header.Get("Last-Event-ID"), "earliest")
}
