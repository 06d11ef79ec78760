package fake

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write returns a directory with files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// options are those with a service that is called shop.
var options = LoadOptions{Names: []string{"shop"}, Services: func(name string) (Service, error) {
	if name != "shop" {
		return nil, nil
	}
	return shop{}, nil
}}

// load returns the base URL of a server of the answers in files.
func load(t *testing.T, files map[string]string) string {
	t.Helper()
	answers, err := Load(write(t, files), options)
	if err != nil {
		t.Fatal(err)
	}
	_, base := play(t, Options{Answers: answers})
	return base
}

func TestLoad(t *testing.T) {
	base := load(t, map[string]string{
		"10-last.yaml": "answer: {status: 404, json: {error: nothing}}\n",
		"2-chat.yaml": `
- name: first
  match: {method: POST, path: /chat, jq: '.json.stream == true and (.json.messages[-1].content | test("weather"))'}
  times: 1
  answer:
    events:
      - {data: {text: "Sun\u00e9"}, id: 1, event: delta}
      - comment: quiet
      - "[DONE]"
- match: POST /chat
  answer:
    status: 201
    headers: {X-Id: {jq: .json.id}, X-List: [a, b]}
    json:
      z: {jq: .json.id}
      a: [1.50, 9007199254740993, {jq: empty}, "x", {jq: '.headers["X-A"]'}]
      gone: {jq: empty}
      m: {jq: .params.m}
      007: 007
`,
		"3-more.json": `{"match": {"path": "/v1/models/{m}:say"}, "answer": {"body": {"jq": "\"\\(.params.m) \\(.n) \ud83d\ude00\""}}}`,
		"4.yml":       "as: shop\nanswers:\n- {match: PUT /shop, answer: {text: hello}}\n- {match: /limit, answer: {status: 429}}\n- {match: /plain, as: shop, answer: {status: 418, error: tea}}\n",
		"5.yaml":      "match: /stream\nanswer: {stream: s.sse}\n---\nmatch: /file\nanswer: {body: {jq: .body}}\n",
		"s.sse":       "id: 1\ndata: a\n\nid: 2\ndata:b\n\n",
		"notes.txt":   "no answer",
	})
	for _, test := range []struct{ request, body, header, want string }{
		{"POST /chat", `{"stream":true,"messages":[{"content":"weather"}]}`, "", "200 event: delta\nid: 1\ndata: {\"text\":\"Suné\"}\n\n: quiet\n\ndata: [DONE]\n\n"},
		{"POST /chat", `{"stream":true,"messages":[{"content":"weather"}],"id":12345678901234567890}`, "X-A: b",
			`201 {"z":12345678901234567890,"a":[1.50,9007199254740993,"x","b"],"m":null,"007":"007"}`},
		{"GET /v1/models/gem:say", "", "", "200 gem 3 😀"},
		{"PUT /shop", "", "", "200 told hello"},
		{"GET /limit", "", "", `429 {"shop":429}`},
		{"GET /plain", "", "", `418 {"shop":418}`},
		{"GET /stream", "", "", "200 id: 1\ndata: a\n\nid: 2\ndata:b\n\n"},
		{"GET /stream", "", "Last-Event-ID: 1", "200 id: 2\ndata:b\n\n"},
		{"GET /stream", "", "Last-Event-ID: 2", "204 "},
		{"GET /file", "echo", "", "200 echo"},
		{"GET /other", "", "", `404 {"error":"nothing"}`},
	} {
		if got := ask(t, base, test.request, test.body, test.header); got != test.want {
			t.Errorf("%s: %q, want %q", test.request, got, test.want)
		}
	}
}

// An MCP client of the time before 2025 gets its answers on the stream that it opened.
func TestLoadChannel(t *testing.T) {
	answers, err := Load(write(t, map[string]string{"mcp.yaml": `
- match: GET /sse
  answer:
    channel: {jq: '"s\(.n)"'}
    events:
      - {event: endpoint, data: {jq: '"/messages?session=s\(.n)"'}}
- match: {method: POST, path: /messages, json: {method: initialize}}
  answer:
    status: 202
    tell:
      channel: {jq: .query.session}
      events: [{data: {jsonrpc: "2.0", id: {jq: .json.id}, result: {}}}]
      end: true
`}), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, base := play(t, Options{Answers: answers})
	response, err := http.Get(base + "/sse")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body := bufio.NewReader(response.Body)
	if line, err := body.ReadString('\n'); line != "event: endpoint\n" {
		t.Fatal(line, err)
	}
	if got := ask(t, base, "POST /messages?session=s1", `{"method":"initialize","id":7}`); got != "202 " {
		t.Error(got)
	}
	rest, err := io.ReadAll(body)
	if want := "data: /messages?session=s1\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n"; string(rest) != want || err != nil {
		t.Errorf("%q, %v, want %q", rest, err, want)
	}
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"match:\n  mehtod: GET\nanswer: {}", `line 2, column 3: match has no member "mehtod"; did you mean "method"?`},
		{"match: GET /a\nanswer:\n  foo: 1", `line 3, column 3: answer has no member "foo"; want one of body, channel, error,`},
		{"match: GET a\nanswer: {}", `line 1, column 8: path "a": want one that begins with a slash`},
		{"match: {jq: '.a ='}\nanswer: {}", `line 1, column 13: jq expression ".a ="`},
		{"answer:\n  json: {a: {jq: '.a ='}}", `line 2, column 18: jq expression`},
		{"answer: {stream: none.sse}", "line 1, column 18: stream none.sse: no such file or directory"},
		{"answer: {text: x}", `line 1, column 9: a text is told by a service: name one with "as"`},
		{"as: shops\nanswer: {text: x}", `line 1, column 5: no service is called "shops"; did you mean "shop"?`},
		{"answer: {json: 1, body: x}", "want only one of json, body"},
		{"answer: {status: 999}", "want a number from 200 to 599"},
		{"answer: {status: x}", "want a number from 200 to 599"},
		{"times: 0\nanswer: {}", "line 1, column 8: times: want a whole number from 1 on"},
		{"fault: drop\nanswer: {}", `line 1, column 8: fault "drop": it needs an event number`},
		{"pace: fast\nanswer: {}", `line 1, column 7: pace "fast"`},
		{"delay: fast\nanswer: {}", "want a duration"},
		{"after: loggin\nanswer: {}\n---\nname: login\nanswer: {}", `line 1, column 8: no answer is called "loggin"; did you mean "login"?`},
		{"name: a\nanswer: {}\n---\nname: a\nanswer: {}", `line 4, column 1: another answer is called "a"`},
		{"match: GET /a", `line 1, column 1: an answer needs a member "answer"`},
		{"answer: {events: [{id: \"a\\nb\", data: x}]}", "line 1, column 19: "},
		{"answer: {events: [{comment: a, data: x}]}", "a comment is an item of its own"},
		{"answer: {headers: {'a b': x}}", "no name of a header"},
		{"answer: {headers: {a: \"b\\nc\"}}", `this value of the header "a" has characters that a header cannot have`},
		{"answer: {channel: a, json: 1}", "only a stream of events stays open"},
		{"answer: {tell: {events: [x]}}", "tell needs a channel"},
		{"answer: x", "answer is text, want an object"},
		{"- x\n- answer: {}", "line 1, column 3: an answer is text, want an object"},
		{"a: b: c", "line 1"},
		{"match: {path: /a/{b}}\nanswer: {}", "line 1: did not find expected ',' or '}' (within braces, a text with {"},
		{"answer: {json: {a: 1, a: 2}}", `line 1, column 23: "a" comes twice`},
		{"answer: &a\n  json: *a", "nested more than"},
		{"x: &a [1,1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nz: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nu: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\nv: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nw: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]", "aliases stand for more than 100000 values"},
	} {
		_, err := Load(write(t, map[string]string{"a.yaml": test.text}), options)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"{\n \"answer\": {\n  \"jso\": 1}}", `line 3, column 3: answer has no member "jso"; did you mean "json"?`},
		{"{\"answer\": {", "line 1, column 13: the JSON has no end"},
		{"{\"answer\": {}} x", "line 1"},
		{"{\n\"answer\": {\"json\": {\"a\":1,\"a\":2}}}", `line 2, column 27: "a" comes twice`},
	} {
		_, err := Load(write(t, map[string]string{"a.json": test.text}), options)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
}

func TestCheckUnreachable(t *testing.T) {
	for _, test := range []struct {
		first, second string
		want          bool
	}{
		{"{}", "GET /a", true},
		{"/a", "GET /a", true},
		{"GET /a", "/a", false},
		{"GET /a", "HEAD /a", true},
		{"/a/{x}", "/a/b", true},
		{"/a/{x}", "/a/{y}", false}, // as far as that is proved
		{"{path: /a, query: {x: '*'}}", "{path: /a, query: {x: 1, y: 2}}", true},
		{"{path: /a, query: {x: null}}", "{path: /a}", false},
		{"{headers: {a: 'b*'}}", "{headers: {A: bc}}", true},
		{"{headers: {a: 'b*'}}", "{headers: {A: '*'}}", false},
		{"{json: {a: 1}}", "{json: {a: 1.0, b: [1]}}", true},
		{"{json: {a: null}}", "{json: {b: 1}}", false},
		{"{json: {a: 1}}", "{}", false},
		{"{jq: 'true'}", "{jq: 'true'}", false},
		{"{body: x}", "{body: x, jq: .json}", true},
	} {
		text := fmt.Sprintf("- match: %s\n  answer: {}\n- match: %s\n  answer: {}\n", test.first, test.second)
		dir := write(t, map[string]string{"a.yaml": text})
		_, problems, err := Check(dir, options)
		if err != nil || (len(problems) == 1) != test.want {
			t.Errorf("%s: %v, %v", text, problems, err)
		}
		if test.want {
			if p := problems[0]; !p.Warning || p.Error() != filepath.Join(dir, "a.yaml")+": line 3, column 3: it is never given: a.yaml#1 answers all that it answers" {
				t.Error(p)
			}
		}
	}
}

// FuzzParse wants answers or an error of every text, and answers that can be made and
// found.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"match: POST /a\nanswer: {json: {a: {jq: .json.b}}}\n", "- answer: {events: [{data: x, id: 1}, x]}\n  fault: drop@1\n", "answers: []\nas: shop\n", "a: &x [*x]",
		"{\"answer\":{\"json\":[1,{\"jq\":\"empty\"},2]}}", "answer: {channel: x, tell: {channel: x, events: [a]}}", "answer:\n  text: |\n    a\n    b\nas: shop",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		if strings.Contains(text, "jq") && strings.ContainsAny(text, "|(") || strings.Contains(text, "stream") {
			return // expressions that take their time, and files
		}
		name := "a.yaml"
		if isJSON {
			name = "a.json"
		}
		answers, err := Parse(name, []byte(text), "none", options)
		if err != nil {
			return
		}
		h, err := NewHandler(Options{Answers: answers})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		request := &Request{Method: "GET", Path: "/"}
		for i := range h.answers {
			h.answers[i].reply(request, nil)
		}
	})
}

// The examples of the documentation are answers.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/fakes.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		answers, err := Parse("a.yaml", []byte(block), "", options)
		if err == nil {
			_, err = NewHandler(Options{Answers: answers})
		}
		if err != nil {
			t.Errorf("%v in\n%s", err, block)
		}
	}
	if len(blocks) < 4 {
		t.Errorf("%d examples", len(blocks))
	}
}

// Other files in the directory are left out, with a warning.
func TestOtherFiles(t *testing.T) {
	dir := write(t, map[string]string{"package.json": `{"name": "x"}`, "empty.yaml": "# nothing\n", "list.yml": "- x\n", ".hidden.yaml": "x: [", "a.yaml": "answer: {}"})
	answers, problems, err := Check(dir, options)
	if err != nil || len(answers) != 1 || len(problems) != 3 {
		t.Fatal(answers, problems, err)
	}
	for _, p := range problems {
		if !p.Warning || !strings.HasSuffix(p.Error(), ": there are no answers in it, and it is left out") {
			t.Error(p)
		}
	}
}
