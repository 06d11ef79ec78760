package protocol

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// asked returns a request with a body of JSON, or of a form.
func asked(t *testing.T, method, target, body string) *fake.Request {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &fake.Request{Method: method, Path: u.Path, Query: u.Query(), Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if d.Decode(&r.JSON) != nil {
		r.JSON = nil
	}
	return r
}

// TestShelfGrows wants the oldest items to go for the bytes that others grow by.
func TestShelfGrows(t *testing.T) {
	var gone []int
	s := shelf[int]{gone: func(i int) { gone = append(gone, i) }}
	for i := range 4 {
		s.put(fmt.Sprint(i), i, 0)
	}
	s.grow("3", maxKeptBytes)
	s.grow("unknown", 1)
	if len(gone) != 0 {
		t.Errorf("%v went, and there is room", gone)
	}
	s.grow("2", 1)
	if fmt.Sprint(gone) != "[0 1 2]" || s.bytes != maxKeptBytes {
		t.Errorf("%v went, and there are %d bytes", gone, s.bytes)
	}
	s.grow("3", -maxKeptBytes)
	if s.bytes != 0 {
		t.Errorf("%d bytes", s.bytes)
	}
}

// TestGrowth wants all that a client can make a service keep to count.
func TestGrowth(t *testing.T) {
	const size = 1 << 20
	long := strings.Repeat("x", size)
	t.Run("graphql", func(t *testing.T) {
		g := newGraphQL(newBase(Options{})).(*graphql)
		token := string(g.Reply(asked(t, "PUT", "/graphql", ""), nil).Body)
		for i := range 3 {
			g.Reply(asked(t, "POST", "/graphql?token="+token, fmt.Sprintf(`{"query":"{a}","variables":{"x":%q},"extensions":{"operationId":"%d"}}`, long, i)), nil)
		}
		if g.streams.bytes < 3*size || g.streams.bytes > 4*size {
			t.Errorf("%d bytes", g.streams.bytes)
		}
		if r := g.Reply(asked(t, "POST", "/graphql?token="+token, fmt.Sprintf(`{"query":"{a}","extensions":{"operationId":%q}}`, long)), nil); r.Status != 400 {
			t.Errorf("a long ID: status %d", r.Status)
		}
	})
	t.Run("langgraph", func(t *testing.T) {
		l := newLangGraph(newBase(Options{})).(*langgraph)
		l.Reply(asked(t, "POST", "/threads", `{"thread_id":"t"}`), nil)
		for range 40 {
			l.Reply(asked(t, "POST", "/threads/t/runs", fmt.Sprintf(`{"input":{"messages":[{"role":"user","content":%q}]}}`, long)), nil)
		}
		th, _ := l.threads.get(keyOf(asked(t, "GET", "/", ""), "t"))
		if th.bytes < maxLogBytes-3*size || th.bytes > maxLogBytes || l.threads.bytes < th.bytes {
			t.Errorf("a thread has %d bytes, and all have %d", th.bytes, l.threads.bytes)
		}
		if l.runs.bytes < size || l.runs.bytes > maxKeptBytes {
			t.Errorf("%d bytes of runs", l.runs.bytes)
		}
	})
	t.Run("mcp", func(t *testing.T) {
		m := newMCP("")(newBase(Options{})).(*mcp)
		var id string
		open := m.Reply(asked(t, "GET", "/sse", ""), nil)
		open.Stream(t.Context(), func(r record.Record) error {
			_, id, _ = strings.Cut(r.Data, "=")
			call := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":%q}}}`, long)
			m.Reply(asked(t, "POST", "/messages?sessionId="+id, call), nil)
			if m.sessions.bytes < size {
				t.Errorf("%d bytes", m.sessions.bytes)
			}
			return fmt.Errorf("enough")
		})
	})
	t.Run("mercure", func(t *testing.T) {
		m := newMercure(newBase(Options{})).(*mercure)
		for range 40 {
			r := m.Reply(asked(t, "POST", mercurePath, "data=x&topic="+long), nil)
			if r.Status >= 400 {
				t.Fatalf("%d %s", r.Status, r.Body)
			}
		}
		if m.hubs.bytes < maxLogBytes-2*size || m.hubs.bytes > 2*maxLogBytes {
			t.Errorf("%d bytes of topics", m.hubs.bytes)
		}
	})
}

// TestFeedBatches wants a client that takes nothing to hold a small part of a feed.
func TestFeedBatches(t *testing.T) {
	var f feed
	for i := range 40 {
		f.append(event(fmt.Sprint(i), "", strings.Repeat("x", maxBatch/4)))
	}
	place, n := 0, 0
	for n < 40 {
		records, after, _ := f.next(place)
		if len(records) == 0 || len(records) > 5 || after != place+len(records) {
			t.Fatalf("%d records, then %d, at place %d", len(records), after, place)
		}
		n, place = n+len(records), after
	}
	f.end()
	if _, _, wake := f.next(place); wake != nil || f.records != nil {
		t.Error("the records are held after the end")
	}
}

// TestTestsApart wants the state of a service to be that of one test alone.
func TestTestsApart(t *testing.T) {
	of := func(test, method, target, body string) *fake.Request {
		r := asked(t, method, target, body)
		r.Header.Set("X-Ssectl-Test", test)
		return r
	}
	both := func(s fake.Service, method, target, body string, missing int) {
		t.Helper()
		for _, c := range []struct {
			test   string
			status int
		}{{"A", 200}, {"B", missing}} {
			reply := s.Reply(of(c.test, method, target, body), nil)
			if status := max(reply.Status, 200); status != c.status {
				t.Errorf("%s %s of test %s: %d %s, want %d", method, target, c.test, status, reply.Body, c.status)
			}
		}
	}
	l := newLangGraph(newBase(Options{}))
	l.Reply(of("A", "POST", "/threads", `{"thread_id":"t"}`), nil)
	both(l, "GET", "/threads/t", "", 404)
	if r := l.Reply(of("B", "POST", "/threads/search", "{}"), nil); string(r.Body) != "[]" {
		t.Errorf("threads of another test: %s", r.Body)
	}
	g := newGraphQL(newBase(Options{}))
	token := string(g.Reply(of("A", "PUT", "/graphql", ""), nil).Body)
	both(g, "DELETE", "/graphql?operationId=1&token="+token, "", 404)

	a := newA2A(newBase(Options{}))
	a.Reply(of("A", "POST", "/", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","parts":[{"text":"hi"}]}}}`), nil)
	for test, want := range map[string]string{"A": `"totalSize":1`, "B": `"totalSize":0`} {
		if r := a.Reply(of(test, "POST", "/", `{"jsonrpc":"2.0","id":1,"method":"ListTasks"}`), nil); !strings.Contains(string(r.Body), want) {
			t.Errorf("tasks of test %s: %s", test, r.Body)
		}
	}
	m := newMercure(newBase(Options{}))
	m.Reply(of("A", "POST", mercurePath, "topic=t&data=x&id=1"), nil)
	for test, want := range map[string]int{"A": 2, "B": 1} { // with the first comment
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			n := 0
			m.Reply(of(test, "GET", mercurePath+"?topic=t&lastEventID=earliest", ""), nil).Stream(ctx, func(record.Record) error {
				n++
				return nil
			})
			if n != want {
				t.Errorf("%d blocks of test %s, want %d", n, test, want)
			}
		})
	}
}

// TestLongText wants a bounded number of events for a long text, with all of it in the time
// of its words, and no stream that is quadratic in it.
func TestLongText(t *testing.T) {
	const words = 40_003
	said := strings.Repeat("ab ", words)
	for _, c := range []struct{ service, path, body, mark string }{
		{"ag-ui", "/", `{"messages":[{"role":"user","content":%q}]}`, `"delta":"`},
		{"a2a", "/", `{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"messageId":"m","parts":[{"text":%q}]}}}`, `"append":`},
		{"langgraph", "/runs/stream", `{"stream_mode":"messages-tuple","input":{"messages":[{"role":"user","content":%q}]}}`, `AIMessageChunk`},
		{"langgraph", "/runs/stream", `{"stream_mode":"messages","input":{"messages":[{"role":"user","content":%q}]}}`, ""},
	} {
		s, err := New(c.service, Options{Pace: fake.Pace{Rate: 1}})
		if err != nil {
			t.Fatal(err)
		}
		n, bytes, got, took := 0, 0, 0, time.Duration(0)
		reply := s.Reply(asked(t, "POST", c.path, fmt.Sprintf(c.body, said)), nil)
		err = reply.Stream(t.Context(), func(r record.Record) error {
			n++
			bytes += len(r.Data)
			took += r.Delay
			if c.mark != "" && strings.Contains(r.Data, c.mark) {
				got += strings.Count(r.Data, "ab ")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n > maxPieces+10 || bytes > 2*maxPartials || took != (words-1)*time.Second {
			t.Errorf("%s: %d events of %d bytes in %v", c.body, n, bytes, took)
		}
		if c.mark != "" && got != words {
			t.Errorf("%s: %d words, want %d", c.body, got, words)
		}
	}
}
