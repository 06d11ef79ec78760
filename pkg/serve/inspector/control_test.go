package inspector_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
)

// control makes a request with header fields, each "Name: value".
func control(t *testing.T, method, url, body string, fields ...string) (status int, text string, header http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(all), response.Header
}

const isJSON = "Content-Type: application/json"

func TestFaultControl(t *testing.T) {
	first, err := fault.Parse("drop@3:#1")
	if err != nil {
		t.Fatal(err)
	}
	base := startExchanges(t, inspector.Options{Faults: fault.NewControl([]fault.Fault{first})}) + "/.ssectl/fault"
	for i, test := range []struct {
		method, query, body string
		fields              []string
		status              int
		want                string
	}{
		{"GET", "", "", nil, 200, `{"test":"","fault":["drop@3:#1"]}`},
		{"POST", "", `{"fault":"status=429:first","test":"a"}`, []string{isJSON}, 200, `{"test":"a","fault":["status=429:first"]}`},
		{"POST", "?test=b", `{"fault":["stall@2=1m","big@2=1k:POST /v1/* 10%"]}`, []string{isJSON + "; charset=utf-8"}, 200, `{"test":"b","fault":["stall@2=1m0s","big@2=1024:POST /v1/* 10%"]}`},
		{"GET", "?test=a", "", nil, 200, `{"test":"a","fault":["status=429:first"]}`},
		{"GET", "", "", []string{"X-Ssectl-Test: b"}, 200, `"test":"b","fault":["stall@2=1m0s"`},
		{"POST", "?test=" + strings.Repeat("n", 300), `{"fault":"drop@1"}`, []string{isJSON}, 200, `"fault":["drop@1"]`},
		{"GET", "", "", []string{"X-Ssectl-Test: " + strings.Repeat("n", 400)}, 200, `"fault":["drop@1"]`},
		{"POST", "", `{"fault":"` + strings.Repeat("x", 100_000) + `"}`, []string{isJSON}, 400, "too large"},
		{"DELETE", "?test=b", "", nil, 200, `{"test":"b","fault":[]}`},
		{"GET", "", "", nil, 200, `{"test":"","fault":["drop@3:#1"]}`},

		{"POST", "", `{"fault":"dorp@3"}`, []string{isJSON}, 400, "no such kind"},
		{"POST", "", `{"faults":"drop@3"}`, []string{isJSON}, 400, "unknown field"},
		{"POST", "", `{"fault":"drop@3"} trailing`, []string{isJSON}, 400, "nothing after it"},
		{"POST", "", `{"fault":"drop@3"}{}`, []string{isJSON}, 400, "nothing after it"},
		{"POST", "", `{}`, []string{isJSON}, 400, "DELETE clears them"},
		{"POST", "", `{"fault":"drop@3"}`, []string{"Content-Type: text/plain"}, 415, "want JSON"},
		{"POST", "", `{"fault":"drop@3"}`, []string{isJSON, "Origin: http://page.test"}, 403, "other origins"},
		{"POST", "", `{"fault":"drop@3"}`, []string{isJSON, "Sec-Fetch-Site: same-site"}, 403, "other sites"},
		{"DELETE", "", "", []string{"Host: rebound.test"}, 403, "rebound.test"},
		{"GET", "", "", []string{"Origin: null"}, 403, "other origins"},
		{"PUT", "", "", nil, 405, "want GET, POST or DELETE"},
		{"OPTIONS", "", "", []string{"Access-Control-Request-Method: DELETE"}, 405, "want GET, POST or DELETE"},
		{"GET", "", "", nil, 200, `{"test":"","fault":["drop@3:#1"]}`},
	} {
		status, text, header := control(t, test.method, base+test.query, test.body, test.fields...)
		if status != test.status || !strings.Contains(text, test.want) || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%d: %s%s %s: %d %s, want %d %s", i, test.method, test.query, test.body, status, text, test.status, test.want)
		}
	}
}

// A request is listed with its test, what it matched or why not, and no secret.
func TestRequests(t *testing.T) {
	var told []window.Request
	l := window.New(window.Limits{})
	l.Asked = func(r window.Request) { told = append(told, r) }
	ask := func(test, body string, match exchange.Match) {
		header := http.Header{"Authorization": {"Bearer sk-0123456789"}, "Accept": {"a", "b"}}
		if test != "" {
			header.Set("X-Ssectl-Test", test)
		}
		u := &url.URL{Scheme: "http", Host: "api.test", Path: "/v1/a b", RawQuery: "key=sk-0123456789&n=1&n=2"}
		r := &exchange.Request{Time: began, Method: "POST", URL: u, Header: header, Match: match}
		w := l.Watch(r)
		r.Passed([]byte(body), 1<<20)
		r.Finished()
		w.Response(&exchange.Response{Time: began, Status: 200, Stream: true, Header: http.Header{}})
		w.Event(event("x"))
		w.End(exchange.End{How: exchange.Whole, Time: began.Add(time.Second), Events: 1})
	}
	ask("", `{"a": [1], "password":"hunter2hunter2", "echo": "sk-0123456789"}`, exchange.Match{Name: "0001-POST.jsonl"})
	ask("red", `text with sk-0123456789`, exchange.Match{Why: "nothing matches: body .key is sk-0123456789", Nearest: "chat", Differs: []exchange.Difference{{Part: "body", Path: ".key", Request: `"sk-0123456789"`, Recording: `"x"`}}})
	ask("blue", "", exchange.Match{Name: "upstream"})
	base := startExchanges(t, inspector.Options{Log: l}) + "/.ssectl/requests"
	want := []string{
		`"number":1,"time":"2026-11-20T22:45:00Z","method":"POST","path":"/v1/a b","query":{"key":"REDACTED","n":["1","2"]},"headers":{"Accept":"a, b","Authorization":"Bearer REDACTED"},` +
			`"json":{"a":[1],"password":"REDACTED","echo":"REDACTED"},"match":"0001-POST.jsonl","status":200,"events":1,"ended":"whole"`,
		`"body":"text with REDACTED","unmatched":"nothing matches: body .key is REDACTED","nearest":"chat","differs":[{"part":"body","path":".key","request":"\"REDACTED\"","recording":"\"x\""}]`,
		`"match":"upstream"`,
	}
	for query, of := range map[string][]int{"": {0, 1, 2}, "?after=1": {1, 2}, "?after=9": {}, "?test=red": {1}, "?test=": {0}, "?test=blue&after=2": {2}, "?test=none": {}} {
		status, text, _ := control(t, "GET", base+query, "")
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(text), &list); err != nil || status != 200 || len(list) != len(of) {
			t.Errorf("%s: %d %s, want %d requests", query, status, text, len(of))
			continue
		}
		for i, which := range of {
			if !strings.Contains(string(list[i]), want[which]) {
				t.Errorf("%s: %s\nwant %s", query, list[i], want[which])
			}
		}
		if strings.Contains(text, "sk-0123456789") || strings.Contains(text, "hunter2") {
			t.Errorf("%s: a secret in %s", query, text)
		}
	}
	all, _ := json.Marshal(told)
	if _, text, _ := control(t, "GET", base, ""); text != string(all)+"\n" {
		t.Errorf("told were %s\nlisted %s", all, text)
	}
	for i, test := range []struct {
		query  string
		field  string
		status int
	}{{"?after=x", "Accept: */*", 400}, {"", "Origin: http://page.test", 403}, {"", "Host: rebound.test", 403}, {"", "Sec-Fetch-Site: cross-site", 403}} {
		if status, text, _ := control(t, "GET", base+test.query, "", test.field); status != test.status {
			t.Errorf("%d: %s: %d %s", i, fmt.Sprint(test), status, text)
		}
	}
}
