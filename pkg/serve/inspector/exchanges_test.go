package inspector_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
	"github.com/ssectl/ssectl/pkg/stream"
)

var began = time.Date(2026, 11, 20, 22, 45, 0, 0, time.UTC)

// pass lets an exchange begin, with an answer that is a stream.
func pass(l *window.Log, path string) exchange.Watcher {
	w := l.Watch(&exchange.Request{Time: began, Method: "GET", URL: &url.URL{Scheme: "https", Host: "api.test", Path: path},
		Header: http.Header{"Authorization": {"Bearer sk-0123456789"}}})
	w.Response(&exchange.Response{Time: began.Add(time.Second), Proto: "HTTP/2.0", Status: 200, Stream: true, Header: http.Header{}})
	return w
}

func event(data string) *record.Record {
	return &record.Record{IsEvent: true, Event: stream.Event{Type: "message", Data: data}, Time: began.Add(2 * time.Second)}
}

func startExchanges(t *testing.T, options inspector.Options) (url string) {
	t.Helper()
	server := httptest.NewServer(inspector.NewHandler(options))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

func TestExchanges(t *testing.T) {
	l := window.New(window.Limits{})
	w := pass(l, "/v1/chat")
	w.Event(event("one"))
	w.Event(event("two sk-0123456789"))
	w.End(exchange.End{How: exchange.Whole, Time: began.Add(3 * time.Second), Events: 2})
	base := startExchanges(t, inspector.Options{Log: l, Version: "1", Transcript: func(records []record.Record) window.Transcript {
		return window.Transcript{Service: "test", Parts: []window.Part{{Kind: "text", Text: records[0].Data + "sk-0123456789"}}}
	}})
	for path, want := range map[string]string{
		"/":                                     `<ol id="list"`, // redirected
		"/.ssectl/":                             `<ol id="list"`,
		"/.ssectl/exchanges":                    `"number":1`,
		"/.ssectl/exchanges/1":                  `["Authorization","Bearer REDACTED"]`,
		"/.ssectl/exchanges/1/events":           `{"first":0,"events":[{"ms":2000,"type":"message","data":"one"},{"ms":2000,"type":"message","data":"two *************"}],"ended":true}`,
		"/.ssectl/exchanges/1/events?from=2":    `{"first":2,"events":[],"ended":true}`,
		"/.ssectl/exchanges/1/text":             `{"service":"test","parts":[{"kind":"text","text":"oneREDACTED"}]}`,
		"/.ssectl/exchanges/search?text=two":    `[{"number":1,"where":"event","event":1,"excerpt":"two *************"}]`,
		"/.ssectl/exchanges/search?text=absent": `[]`,
		"/.ssectl/exchanges/1/as/sse":           "data: one\n\ndata: two *************\n\n",
		"/.ssectl/exchanges/1/as/jsonl":         `{"event":"message","data":"one"`,
		"/.ssectl/exchanges/1/as/har":           `"_eventSourceMessages":[`,
		"/.ssectl/exchanges/all.har":            `"_eventSourceMessages":[`,
	} {
		response, body := get(t, base+path)
		if response.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, %s\nwant %s", path, response.StatusCode, body, want)
		}
		header := response.Header
		if header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(header.Get("Content-Security-Policy"), "default-src 'none'") || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: header %v", path, header)
		}
		if isFile := strings.Contains(path, "/as/") || strings.HasSuffix(path, ".har"); isFile != strings.HasPrefix(header.Get("Content-Disposition"), "attachment; filename=\"exchange") {
			t.Errorf("%s: disposition %q", path, header.Get("Content-Disposition"))
		}
		if strings.Contains(body, "sk-0123456789") {
			t.Errorf("%s shows a secret: %s", path, body)
		}
	}
	for path, want := range map[string]int{
		"/.ssectl/exchanges/2": 404, "/.ssectl/exchanges/x/events": 404, "/.ssectl/exchanges/2/text": 404, "/.ssectl/exchanges/2/as/sse": 404,
		"/.ssectl/exchanges/1/as/exe": 404, "/.ssectl/exchanges/search": 400, "/other": 404,
	} {
		if response, _ := get(t, base+path); response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, response.StatusCode, want)
		}
	}
}

func TestExchangesAreGuarded(t *testing.T) {
	l := window.New(window.Limits{})
	pass(l, "/")
	base := startExchanges(t, inspector.Options{Log: l, Hosts: []string{"devbox"}})
	navigate := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	for _, test := range []struct {
		path, host string
		header     []string
		want       int
	}{
		{"exchanges", "", nil, 200},
		{"exchanges", "localhost:8080", nil, 200},
		{"exchanges", "app.localhost", nil, 200},
		{"exchanges", "[::1]:80", nil, 200},
		{"exchanges", "192.168.1.7:8080", nil, 200},
		{"exchanges", "DEVBOX:8080", nil, 200},
		{"exchanges", "evil.example", nil, 403},
		{"", "evil.example:8080", nil, 403},
		{"exchanges", "127.0.0.1.evil.example", nil, 403},
		{"exchanges", "localhost.evil.example", nil, 403},
		{"exchanges/changes", "evil.example", nil, 403},
		{"exchanges/1/as/har", "evil.example", nil, 403},
		{"exchanges", "", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"exchanges", "", []string{"Sec-Fetch-Site", "none"}, 200},
		{"exchanges", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"exchanges", "", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"exchanges/1/as/sse", "", append(navigate, "Sec-Fetch-Site", "cross-site"), 403},
		{"", "", append(navigate, "Sec-Fetch-Site", "cross-site"), 200},
		{"", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"exchanges", "", []string{"Origin", "http://evil.example"}, 403},
		{"exchanges", "", []string{"Origin", "null"}, 403},
		{"exchanges", "localhost:1", []string{"Origin", "http://localhost:2"}, 403},
		{"exchanges", "localhost:1", []string{"Origin", "http://localhost:1"}, 200},
	} {
		request, _ := http.NewRequest("GET", base+"/.ssectl/"+test.path, nil)
		request.Host = test.host
		for i := 0; i < len(test.header); i += 2 {
			request.Header.Set(test.header[i], test.header[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != test.want || test.want == 403 && strings.Contains(string(body), "api.test") {
			t.Errorf("%+v: status %d", test, response.StatusCode)
		}
	}
	if response, err := http.Post(base+"/.ssectl/exchanges", "text/plain", nil); err != nil || response.StatusCode != 405 {
		t.Errorf("POST: %v, %v", response, err)
	}
}

// Whatever is not the page's own is answered by the rest, also what looks like it.
func TestPageLeavesTheRestAlone(t *testing.T) {
	rest := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "rest "+r.URL.Path) })
	base := startExchanges(t, inspector.Options{Log: window.New(window.Limits{}), Next: rest})
	for _, path := range []string{"/", "/.ssectl", "/.ssectl/stats", "/.ssectl/drop", "/.ssectl/other", "/.ssectl/index.html", "/exchanges"} {
		if _, body := get(t, base+path, "Accept", "text/html"); body != "rest "+path {
			t.Errorf("%s: %.100q", path, body)
		}
	}
	mux := &serve.Mux{Routes: []serve.Route{{Handler: &serve.Handler{History: numbered(1)}}}}
	base = startExchanges(t, inspector.Options{Mux: mux})
	if _, body := get(t, base+"/.ssectl/", "Accept", "text/html"); body != wireOf(1) {
		t.Errorf("without a log, /.ssectl/ is %.100q, want the stream", body)
	}
}

// A hearer reads the page's event stream.
type hearer struct {
	t      *testing.T
	lines  *bufio.Scanner
	lastID string
}

type heard struct {
	Change    int64
	Reset     bool
	Session   string
	Kept      []int64
	Exchanges []window.Summary
}

func hear(t *testing.T, base, lastID string) *hearer {
	request, _ := http.NewRequestWithContext(t.Context(), "GET", base+"/.ssectl/exchanges/changes", nil)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return &hearer{t: t, lines: lines}
}

// next returns the next change.
func (h *hearer) next() (c heard) {
	h.t.Helper()
	for h.lines.Scan() {
		if id, ok := strings.CutPrefix(h.lines.Text(), "id: "); ok {
			h.lastID = id
		}
		if data, ok := strings.CutPrefix(h.lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(data), &c); err != nil {
				h.t.Fatal(err)
			}
			return c
		}
	}
	h.t.Fatal("the stream of changes ended: ", h.lines.Err())
	return c
}

func TestChangesGoOnAfterTheLastOne(t *testing.T) {
	l := window.New(window.Limits{Exchanges: 2})
	base := startExchanges(t, inspector.Options{Log: l})
	h := hear(t, base, "")
	if c := h.next(); !c.Reset || len(c.Exchanges) != 0 {
		t.Errorf("first %+v", c)
	}
	w := pass(l, "/a")
	for c := h.next(); c.Exchanges[0].Status == 0; c = h.next() {
	}
	before := h.lastID
	w.Event(event("x"))
	w.End(exchange.End{How: exchange.Whole, Time: began.Add(time.Minute)})
	pass(l, "/b")
	pass(l, "/c")
	again := hear(t, base, before)
	c := again.next()
	if c.Reset || len(c.Exchanges) != 2 || c.Exchanges[0].URL != "https://api.test/b" || fmt.Sprint(c.Kept) != "[2 3]" {
		t.Errorf("after %s: %+v", before, c)
	}
	if c := hear(t, base, "other-1").next(); !c.Reset || len(c.Exchanges) != 2 {
		t.Errorf("after the ID of another run: %+v", c)
	}
}
