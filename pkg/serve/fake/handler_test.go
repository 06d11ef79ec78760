package fake

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// play returns the handler of options and the base URL of its server. Problems are
// logged.
func play(t *testing.T, o Options) (*Handler, string) {
	t.Helper()
	if o.Note == nil {
		o.Note = func(text string) { t.Log(text) }
	}
	h, err := NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server.URL
}

// ask sends a request, "METHOD /path" with a body, and headers as "Name: value", and
// returns the status, the body and the error of that.
func ask(t *testing.T, base, request, body string, header ...string) string {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	got := fmt.Sprintf("%d %s", response.StatusCode, text)
	if err != nil {
		got += " " + err.Error()
	}
	return got
}

func text(body string) *Reply { return &Reply{Body: []byte(body)} }

func event(id, data string) record.Record {
	return record.Record{IsEvent: true, Event: stream.Event{ID: id, HasID: id != "", Data: data}}
}

func faults(t *testing.T, texts ...string) (list []fault.Fault) {
	t.Helper()
	for _, text := range texts {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

func TestMatch(t *testing.T) {
	answers := []Answer{
		{Match: Match{Method: "POST", Path: "/chat", JSON: map[string]any{"stream": true}}, Reply: Events(event("", "a"), event("", "b"))},
		{Match: Match{Method: "POST", Path: "/chat", JQ: `.json.messages[-1].content | test("weather")`}, Reply: text("sunny")},
		{Match: Match{Method: "POST", Path: "/chat", JSON: map[string]any{"n": 1, "list": []int{1, 2}, "gone": nil}}, Reply: text("numbers")},
		{Match: Match{Path: "/models/{m}"}, Make: func(r *Request) (*Reply, error) { return text(r.Method + " " + r.Params["m"]), nil }},
		{Match: Match{Path: "/q", Query: map[string]string{"a": "x*z", "b": Absent}}, Reply: text("query")},
		{Match: Match{Path: "/h", Header: map[string]string{"authorization": "Bearer *"}}, Reply: text("header")},
		{Match: Match{Path: "/h"}, Reply: &Reply{Status: 401, Body: []byte("who?")}},
		{Match: Match{Path: "/b", Body: "*weather*"}, Reply: text("body")},
		{Match: Match{Method: "GET", Path: "/get"}, Reply: text("got")},
	}
	_, base := play(t, Options{Answers: answers})
	for _, test := range []struct{ request, body, header, want string }{
		{"POST /chat", `{"stream":true}`, "", "200 data: a\n\ndata: b\n\n"},
		{"POST /chat", `{"stream":false,"messages":[{"content":"the weather?"}]}`, "", "200 sunny"},
		{"POST /chat", `{"n":1.0,"list":[1,2e0],"more":1}`, "", "200 numbers"},
		{"POST /chat", `{"n":1,"list":[1,2,3]}`, "", "501"},
		{"POST /chat", `{"n":1,"list":[1,2],"gone":1}`, "", "501"},
		{"POST /chat", `no JSON`, "", "501"},
		{"PUT /models/x%20y", ``, "", "200 PUT x y"},
		{"GET /q?a=xyz", ``, "", "200 query"},
		{"GET /q?a=xyz&b=", ``, "", "501"},
		{"GET /h", ``, "Authorization: Bearer k", "200 header"},
		{"GET /h", ``, "Authorization: Basic k", "401 who?"},
		{"GET /b", `the weather today`, "", "200 body"},
		{"HEAD /get", ``, "", "200 "},
		{"POST /get", ``, "", "501"},
	} {
		if got := ask(t, base, test.request, test.body, test.header); got != test.want && (test.want != "501" || !strings.HasPrefix(got, "501 ")) {
			t.Errorf("%s %s: %q, want %q", test.request, test.body, got, test.want)
		}
	}
}

func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "x", true}, {"a*", "a", true}, {"a*", "ba", false},
		{"*a*b*", "xaybz", true}, {"*a*b*", "ba", false}, {"ab*bc", "abc", false}, {"ab*bc", "abbc", true}, {"", "", true},
	} {
		p := newPattern("", test.pattern)
		if got := p.fits(test.text); got != test.want {
			t.Errorf("%q fits %q: %v", test.text, test.pattern, got)
		}
	}
}

// The refusal names the nearest answer and why it does not match.
func TestNearest(t *testing.T) {
	answers := []Answer{
		{Name: "models", Match: Match{Path: "/v1/models"}, Reply: text("")},
		{Name: "chat", Match: Match{Method: "POST", Path: "/v1/chat", JSON: map[string]any{"a": map[string]any{"b c": true}}}, Reply: text("")},
		{Name: "key", Match: Match{Path: "/key", Header: map[string]string{"Authorization": "Bearer right"}}, Reply: text("")},
		{Name: "once", Match: Match{Path: "/once"}, Times: 1, Reply: text("")},
		{Name: "later", Match: Match{Path: "/later"}, After: []string{"models"}, Reply: text("")},
		{Name: "jq", Match: Match{Path: "/jq", JQ: ".json.x == 1"}, Reply: text("")},
	}
	var last exchange.Match
	_, base := play(t, Options{Answers: answers, Watch: func(r *exchange.Request) exchange.Watcher {
		last = r.Match
		return nil
	}})
	ask(t, base, "GET /once", "")
	for _, test := range []struct{ request, body, want string }{
		{"POST /v1/chat", `{"a":{"b c":false}}`, `chat: json .a."b c" is false, wanted true`},
		{"POST /v1/chat", `{"a":{}}`, `chat: json .a."b c" is absent, wanted true`},
		{"POST /v1/chat", `x`, `chat: body is no JSON, wanted JSON`},
		{"PUT /v1/chats", `{"a":{"b c":true}}`, `chat: path is /v1/chats, wanted /v1/chat; method is PUT, wanted POST`},
		{"GET /key", ``, `key: header Authorization is another one, wanted "Bearer right"`},
		{"GET /once", ``, `once: it was given already`},
		{"GET /later", ``, `later: it comes after "models", which was not given yet`},
		{"GET /jq", `{"x":2}`, `jq: jq .json.x == 1 is false, wanted true`},
	} {
		got := ask(t, base, test.request, test.body, "Authorization: Bearer wrong")
		var refused refusal
		if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "501 ")), &refused); err != nil {
			t.Errorf("%s: %s", test.request, got)
			continue
		}
		if _, got, _ := strings.Cut(refused.Error.Message, "; the nearest is "); got != test.want || last.Why != refused.Error.Message || last.Nearest != refused.Error.Nearest {
			t.Errorf("%s: %q, want %q (%+v)", test.request, got, test.want, refused)
		}
	}
}

// Answers to one route are given in turn, and each test has its own turns.
func TestTurns(t *testing.T) {
	answers := []Answer{
		{Name: "first", Match: Match{Path: "/a"}, Times: 1, Reply: text("1")},
		{Name: "second", Match: Match{Path: "/a"}, Times: 2, Reply: text("2")},
		{Name: "rest", Match: Match{Path: "/a"}, Reply: text("3")},
		{Name: "open", Match: Match{Path: "/b"}, After: []string{"login"}, Reply: text("in")},
		{Name: "closed", Match: Match{Path: "/b"}, Reply: text("out")},
		{Name: "login", Match: Match{Path: "/login"}, Reply: text("")},
	}
	h, base := play(t, Options{Answers: answers})
	for _, test := range []string{"", "x"} {
		header := pertest.Header + ": " + test
		for i, want := range []string{"1", "2", "2", "3", "3"} {
			if got := ask(t, base, "GET /a", "", header); got != "200 "+want {
				t.Errorf("test %q, request %d: %s, want %s", test, i+1, got, want)
			}
		}
	}
	if got := ask(t, base, "GET /b", ""); got != "200 out" {
		t.Error(got)
	}
	ask(t, base, "GET /login", "", pertest.Header+": x")
	if got := ask(t, base, "GET /b", ""); got != "200 out" {
		t.Error("the login of another test counts: ", got)
	}
	if got := ask(t, base, "GET /b", "", pertest.Header+": x"); got != "200 in" {
		t.Error(got)
	}
	if got := fmt.Sprint(h.Left()); got != "[]" {
		t.Error(got)
	}
}

func TestLeft(t *testing.T) {
	h, base := play(t, Options{Answers: []Answer{
		{Name: "a", Match: Match{Path: "/a"}, Times: 2, Reply: text("")}, {Name: "b", Match: Match{Path: "/b"}, Reply: text("")}, {Name: "c", Match: Match{Path: "/c"}, Reply: text("")},
	}})
	for _, request := range []string{"GET /a", "GET /c"} {
		for _, test := range []string{"1", "2"} {
			ask(t, base, request, "", pertest.Header+": "+test)
		}
	}
	if got := fmt.Sprintf("%q", h.Left()); got != `["a: given 1 of 2 times" "b"]` {
		t.Error(got)
	}
}

// A fault may be for one attempt, of all requests or of one answer; an answer that a
// status was in place of is still to be given.
func TestFaults(t *testing.T) {
	answers := []Answer{
		{Name: "a", Match: Match{Path: "/a"}, Times: 1, Reply: text("A")},
		{Name: "s", Match: Match{Path: "/s"}, Reply: Events(event("1", "x"), event("2", "y")), Faults: faults(t, "drop@1:#1")},
	}
	control := fault.NewControl(faults(t, "status=429@1:/a"))
	_, base := play(t, Options{Answers: answers, FaultControl: control})
	for _, test := range []string{"", "other"} {
		header := pertest.Header + ": " + test
		if got := ask(t, base, "GET /a", "{}", header); got != `429 {"error":{"code":429,"message":"Too Many Requests"}}`+"\n" {
			t.Error(got)
		}
		if got := ask(t, base, "GET /a", "", header); got != "200 A" {
			t.Error(got)
		}
		if got := ask(t, base, "GET /s", "", header); got != "200 id: 1\ndata: x\n\n unexpected EOF" {
			t.Error(got)
		}
		if got := ask(t, base, "GET /s", "", header); got != "200 id: 1\ndata: x\n\nid: 2\ndata: y\n\n" {
			t.Error(got)
		}
	}
	control.Replace("other", faults(t, "status=503"))
	if got := ask(t, base, "GET /s", "", pertest.Header+": other"); !strings.HasPrefix(got, "503") {
		t.Error(got)
	}
	if got := ask(t, base, "GET /s", ""); !strings.HasPrefix(got, "200") {
		t.Error(got)
	}
}

// A shop is a service that sells.
type shop struct{}

func (shop) Reply(r *Request, content *Content) *Reply {
	switch {
	case r.Path != "/shop":
		return nil
	case content != nil:
		return text("told " + content.Text)
	}
	return text("sold")
}

func (shop) Error(r *Request, status int, message string) *Reply {
	reply := JSON(status, map[string]any{"shop": status})
	reply.Header.Set("Retry-After", "7")
	return reply
}

func TestService(t *testing.T) {
	var mu sync.Mutex
	var plays []string
	_, base := play(t, Options{
		Answers: []Answer{
			{Name: "told", Match: Match{Path: "/shop", Method: "PUT"}, Content: &Content{Text: "x"}},
			{Name: "elsewhere", Match: Match{Path: "/none"}, Content: &Content{Text: "x"}},
		},
		Service:     shop{},
		Otherwise:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }),
		Faults:      faults(t, "status=429:POST"),
		ServiceName: "shop",
		Played: func(p Play) {
			mu.Lock()
			defer mu.Unlock()
			plays = append(plays, fmt.Sprint(p.Name, " ", p.Status))
		},
	})
	for _, test := range []struct{ request, want string }{
		{"PUT /shop", "200 told x"},
		{"GET /shop", "200 sold"},
		{"POST /shop", `429 {"shop":429}`},
		{"PUT /none", `500 {"error":{"code":"bad_answer","message":"making the answer elsewhere: the service has no endpoint PUT /none","type":"bad_answer"}}`},
		{"PUT /otherwise", "200 the body"},
	} {
		if got := ask(t, base, test.request, "the body"); got != test.want {
			t.Errorf("%s: %q, want %q", test.request, got, test.want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(plays); got != "[told 200 shop 200 shop 429 elsewhere 500]" {
		t.Error(got)
	}
}

func TestCORS(t *testing.T) {
	_, base := play(t, Options{Answers: []Answer{{Reply: text("x")}}, CORS: "https://a.example"})
	for _, method := range []string{"OPTIONS", "GET"} {
		r, _ := http.NewRequest(method, base, nil)
		r.Header.Set("Origin", "https://a.example")
		want := 200
		if method == "OPTIONS" {
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "authorization")
			want = 204
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		h := response.Header
		if response.StatusCode != want || h.Get("Access-Control-Allow-Origin") != "https://a.example" || h.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: %d %v", method, response.StatusCode, h)
		}
		if method == "OPTIONS" && (h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Allow-Headers") != "authorization") {
			t.Errorf("%v", h)
		}
	}
}

// An answer comes on the stream that another request opened.
func TestChannel(t *testing.T) {
	name := func(r *Request) (string, error) { return r.Query.Get("session"), nil }
	h, base := play(t, Options{Answers: []Answer{
		{Match: Match{Path: "/sse"}, Reply: Events(event("", "hello")), Channel: name},
		{Match: Match{Path: "/say"}, Reply: &Reply{Status: 202}, Tell: func(r *Request) (*Telling, error) {
			return &Telling{Channel: r.Query.Get("session"), Records: []record.Record{event("", string(r.Body))}, End: string(r.Body) == "bye"}, nil
		}},
	}})
	response, err := http.Get(base + "/sse?session=1")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		for lines.Scan() {
			if lines.Text() != "" {
				return lines.Text()
			}
		}
		return fmt.Sprint("end: ", lines.Err())
	}
	if got := next(); got != "data: hello" {
		t.Fatal(got)
	}
	for _, word := range []string{"one", "two", "bye"} {
		if got := ask(t, base, "POST /say?session=1", word); got != "202 " {
			t.Error(got)
		}
		ask(t, base, "POST /say?session=2", "others")
		if got := next(); got != "data: "+word {
			t.Error(got)
		}
	}
	if got := next(); got != "end: <nil>" {
		t.Error(got)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.tests.Of("", h.newState).channels; len(c) > 0 {
		t.Errorf("listeners are left: %v", c)
	}
}

// Delays are waited for, and a stream that was silent goes on at its pace.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := event("", "b")
		later.Delay = time.Second
		reply := &Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
			if err := send(event("", "a")); err != nil {
				return err
			}
			time.Sleep(time.Minute) // waits for something
			if err := send(later); err != nil {
				return err
			}
			return send(later)
		}}
		h, err := NewHandler(Options{Answers: []Answer{{Reply: reply, Delay: time.Hour}}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if took, want := time.Since(start), time.Hour+time.Minute+2*time.Second; took != want {
			t.Errorf("took %v, want %v", took, want)
		}
		if got := w.Body.String(); got != "data: a\n\ndata: b\n\ndata: b\n\n" || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("%q %v", got, w.Header())
		}
	})
}

func TestNewHandlerErrors(t *testing.T) {
	for _, test := range []struct {
		answers []Answer
		want    string
	}{
		{[]Answer{{Match: Match{Path: "a"}}}, `answer 1: path "a": want one that begins with a slash`},
		{[]Answer{{Match: Match{Path: "/a?b"}}}, "the query is a member of its own"},
		{[]Answer{{Match: Match{Method: "G T"}}}, `method "G T"`},
		{[]Answer{{Match: Match{JQ: ".a ="}}}, `answer 1: jq expression ".a ="`},
		{[]Answer{{Match: Match{Header: map[string]string{"a b": ""}}}}, `"a b" is no name`},
		{[]Answer{{Name: "a"}, {Name: "a"}}, `two answers have the name "a"`},
		{[]Answer{{Name: "a", After: []string{"b"}}}, `a: it comes after "b", which no answer is called`},
		{[]Answer{{Faults: []fault.Fault{{Kind: "x"}}}}, "no such kind"},
	} {
		if _, err := NewHandler(Options{Answers: test.answers}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}
