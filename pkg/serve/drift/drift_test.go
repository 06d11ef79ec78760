package drift

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A service makes answers of one kind with a source of chance. A change takes part in
// making one, at places that have names.
type service struct {
	name string
	kind string
	make func(g *generator) string
}

// A generator makes up values, and writes JSON in any order with any white space.
type generator struct {
	*rand.Rand
	change func(place string, value any) any
}

func (g *generator) text() string {
	words := []string{"tide", "café", "it \"is\"", "{", "[x]", "low\nhigh", "7", "null", "[DONE] is no mark here"}
	var text []string
	for range 1 + g.IntN(4) {
		text = append(text, words[g.IntN(len(words))])
	}
	return strings.Join(text, " ")
}

func (g *generator) number() any {
	return []any{g.IntN(1e6), g.Float64(), -g.IntN(9), 1e300}[g.IntN(4)]
}

// id makes up an ID, as services do.
func (g *generator) id() string {
	switch g.IntN(5) {
	case 0:
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", g.Uint32(), g.IntN(1<<16), g.IntN(1<<12), g.IntN(1<<12), g.IntN(1<<48))
	case 1:
		return fmt.Sprintf("run_%d", 1000+g.IntN(1e6))
	case 2:
		return fmt.Sprintf("docs/%s.md", g.word())
	case 3:
		return fmt.Sprint(g.IntN(1e6))
	}
	return fmt.Sprintf("file-%d%c%d%c%s", g.IntN(1000), 'a'+g.IntN(26), g.IntN(10), 'A'+g.IntN(26), g.word())
}

// word makes up a name.
func (g *generator) word() string {
	return fmt.Sprintf("%c%c%c_%c%c%c", 'a'+g.IntN(26), 'a'+g.IntN(26), 'a'+g.IntN(26), 'a'+g.IntN(26), 'a'+g.IntN(26), 'a'+g.IntN(26))
}

// at is a value that a change may take.
func (g *generator) at(place string, value any) any {
	if g.change != nil {
		return g.change(place, value)
	}
	return value
}

type gone struct{}

func (g *generator) json(value any) string {
	space := func() string { return []string{"", "", " ", "\t"}[g.IntN(4)] }
	switch value := value.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(value))
		g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		var members []string
		for _, name := range names {
			if value[name] != (gone{}) {
				members = append(members, space()+fmt.Sprintf("%q", name)+space()+":"+space()+g.json(value[name]))
			}
		}
		return "{" + strings.Join(members, ",") + space() + "}"
	case []any:
		var list []string
		for _, one := range value {
			list = append(list, space()+g.json(one))
		}
		return "[" + strings.Join(list, ",") + space() + "]"
	}
	text, _ := json.Marshal(value)
	return string(text)
}

// event writes an event of a stream, a comment before it at times.
func (g *generator) event(name string, id bool, data any) string {
	block := ""
	if g.IntN(5) == 0 {
		block = ": keep-alive\n\n"
	}
	if name != "" {
		block += "event: " + name + "\n"
	}
	if id {
		block += fmt.Sprintf("id: %d\n", g.IntN(1e9))
	}
	if text, ok := data.(string); ok {
		return block + "data: " + text + "\n\n"
	}
	return block + "data: " + g.json(data) + "\n\n"
}

func (g *generator) usage() any {
	return g.at("usage", map[string]any{"prompt_tokens": g.number(), "completion_tokens": g.at("tokens", g.number())})
}

var services = []service{
	{"chat", "application/json", func(g *generator) string {
		var choices []any
		for i := range 1 + g.IntN(3) {
			content := any(g.text())
			choices = append(choices, map[string]any{"index": i, "finish_reason": "stop", "message": g.at("message", map[string]any{"role": "assistant", "content": g.at("content", content), "refusal": nil})})
		}
		return g.json(g.at("all", map[string]any{"id": g.text(), "object": "chat.completion", "choices": g.at("choices", choices), "usage": g.usage(), "flag": g.IntN(2) == 0}))
	}},
	{"chat stream", "text/event-stream", func(g *generator) string {
		chunk := func(place string, delta map[string]any, finish any) string {
			return g.event("", false, g.at(place, map[string]any{"id": g.text(), "object": "chat.completion.chunk", "choices": []any{map[string]any{"index": 0, "delta": g.at("delta", delta), "finish_reason": finish}}}))
		}
		text := chunk("first", map[string]any{"role": "assistant", "content": ""}, nil)
		for range 1 + g.IntN(20) {
			text += chunk("chunk", map[string]any{"content": g.text()}, nil)
		}
		text += chunk("last", map[string]any{}, g.at("finish", "stop"))
		text += g.event("", false, map[string]any{"id": g.text(), "choices": []any{}, "usage": g.usage(), "object": "chat.completion.chunk"})
		return text + g.at("end", g.event("", false, "[DONE]")).(string)
	}},
	{"messages stream", "text/event-stream; charset=utf-8", func(g *generator) string {
		event := func(name string, data map[string]any) string {
			data["type"] = name
			name = g.at("name", name).(string)
			return g.at(name, g.event(name, true, g.at(name+" data", data))).(string)
		}
		parts := []string{event("message_start", map[string]any{"message": map[string]any{"id": g.text(), "usage": g.usage()}})}
		for i := range 1 + g.IntN(3) {
			parts = append(parts, event("content_block_start", map[string]any{"index": i, "content_block": map[string]any{"type": "text", "text": ""}}))
			for range 1 + g.IntN(9) {
				parts = append(parts, event("content_block_delta", map[string]any{"index": i, "delta": map[string]any{"type": "text_delta", "text": g.text()}}))
			}
			parts = append(parts, event("content_block_stop", map[string]any{"index": i}))
		}
		if g.IntN(2) == 0 {
			parts = slices.Insert(parts, 1+g.IntN(len(parts)-1), event("ping", map[string]any{}))
		}
		parts = append(parts, event("message_delta", map[string]any{"delta": map[string]any{"stop_reason": "end_turn"}, "usage": g.usage()}), event("message_stop", map[string]any{}))
		return strings.Join(g.at("parts", parts).([]string), "")
	}},
	{"typed stream", "text/event-stream", func(g *generator) string {
		// The types are in the data alone, and two of them come in turns, in any order.
		event := func(name string, data map[string]any) string {
			data["type"] = name
			return g.event("", false, g.at(name, data))
		}
		text := event("RUN_STARTED", map[string]any{"runId": g.text()})
		turns := []string{"TEXT", "TOOL", "TEXT", "TOOL"}[g.IntN(2):]
		for range g.IntN(6) {
			turns = append(turns, []string{"TEXT", "TOOL"}[g.IntN(2)])
		}
		for _, name := range turns {
			text += event(name, map[string]any{"delta": g.text(), "n": g.number()})
		}
		return text + g.at("end", event("RUN_FINISHED", map[string]any{"runId": g.text()})).(string)
	}},
	{"lines", "application/x-ndjson", func(g *generator) string {
		text := ""
		for range 1 + g.IntN(5) {
			text += g.json(map[string]any{"response": g.at("response", g.text()), "done": false}) + "\n"
		}
		return text
	}},
	{"models", "application/json", func(g *generator) string {
		list := []any{}
		for n := g.IntN(9); n >= 0; n-- { // the last has nothing that is optional
			model := map[string]any{"id": g.text(), "created": g.number(), "owner": g.at("owner", map[string]any{"name": g.text()})}
			if n > 0 && g.IntN(2) == 0 {
				model["aliases"] = []any{g.text()}
			}
			if n > 0 && g.IntN(3) == 0 {
				model["price"] = map[string]any{"input": g.number()}
			}
			list = append(list, model)
		}
		return g.json(map[string]any{"object": "list", "data": list})
	}},
	{"maps", "application/json", func(g *generator) string {
		files, days, metadata, tools := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
		for n := 1 + g.IntN(4); n > 0; n-- { // the last has nothing that is optional
			file := map[string]any{"size": g.at("size", g.number()), "name": g.text()}
			if n > 1 && g.IntN(2) == 0 {
				file["note"] = g.text()
			}
			files[g.id()] = file
		}
		for range g.IntN(4) {
			metadata[g.word()] = g.text()
		}
		for len(tools) < 3+g.IntN(4) {
			tools[g.word()] = map[string]any{"type": g.at("type", "string"), "description": g.text(), "required": g.IntN(2) == 0}
		}
		for range 1 + g.IntN(4) {
			days[fmt.Sprintf("20%02d-%02d-%02d", 20+g.IntN(9), 1+g.IntN(12), 1+g.IntN(28))] = g.at("tokens", g.number())
		}
		return g.json(g.at("all", map[string]any{"files": files, "usage": days, "metadata": metadata, "tools": tools, "total": g.usage()}))
	}},
}

// answerOf reads an answer as it is read from the wire.
func answerOf(t *testing.T, status int, kind, body string) *Answer {
	t.Helper()
	r := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}
	a, err := Read(r, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func seed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return seed
}

// Answers that differ in values, lengths, the number of events, the order of members
// and white space have not drifted.
func TestNoFalseDrift(t *testing.T) {
	seed := seed(t)
	for i := range uint64(200) {
		s := services[i%uint64(len(services))]
		one := s.make(&generator{Rand: rand.New(rand.NewPCG(seed, i))})
		other := s.make(&generator{Rand: rand.New(rand.NewPCG(seed+1, i))})
		for _, f := range Compare(answerOf(t, 200, s.kind, one), answerOf(t, 200, s.kind, other)) {
			if f.Drift {
				t.Errorf("%d: %s: %s\nrecorded:\n%s\nnow:\n%s", i, s.name, f, one, other)
			}
		}
	}
}

// Objects are maps where their names are values, and have fixed names elsewhere.
func TestMaps(t *testing.T) {
	for _, test := range []struct{ recorded, now, want string }{
		{`{"files":{"file_abc":{"n":1},"file_def":{"n":2}}}`, `{"files":{"file_xyz":{"n":3}}}`, ""},
		{`{"files":{"file_abc":{"n":1},"file_def":{"n":2}}}`, `{"files":{"file_xyz":{"m":3}}}`, ".files[].n is absent, recorded number"},
		{`{"usage":{"2026-11-24":3}}`, `{"usage":{"2026-11-25":4}}`, ""},
		{`{"usage":{"2026-11-24":3}}`, `{"usage":{}}`, ""},
		{`{"usage":{"2026-11-24":3}}`, `{"usage":{"2026-11-25":"4"}}`, ".usage[] is string, recorded number"},
		{`{"metadata":{"k":"v"}}`, `{"metadata":{}}`, ""},
		{`{"metadata":{"k":1}}`, `{"metadata":{}}`, ".metadata.k is absent, recorded number"},
		{`{"at":{"start":{"line":1},"end":{"line":2}}}`, `{"at":{"start":{"line":1}}}`, ".at.end is absent, recorded object"},
		{`{"at":{"a":{"n":1},"b":{"n":2},"c":{"n":2}}}`, `{"at":{"a":{"n":1}}}`, ""},
		{`{"at":{"a":{"n":1},"b":{"n":2},"c":{"n":2}}}`, `{"at":{"a":{"n":1},"b":{"n":2},"c":{}}}`, ".at.c.n is absent, recorded number"},
		{`{"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`, `{"usage":{"prompt_tokens":1,"total_tokens":3}}`, ".usage.input_tokens is absent, recorded number"},
		{`{"ephemeral_5m_tokens":1,"ephemeral_1h_tokens":2}`, `{"ephemeral_5m_tokens":1}`, ".ephemeral_1h_tokens is absent, recorded number"},
		{`{"sk-proj-abcdefghijklmnop1234567890ABCDEF":1}`, `{}`, ""},
	} {
		found := Compare(answerOf(t, 200, "application/json", test.recorded), answerOf(t, 200, "application/json", test.now))
		found = slices.DeleteFunc(found, func(f Finding) bool { return !f.Drift })
		if text := fmt.Sprint(found); !strings.HasPrefix(text, "["+test.want) || test.want == "" && text != "[]" {
			t.Errorf("%s, now %s: found %s, want %s", test.recorded, test.now, text, test.want)
		}
	}
}

// Types that come in turns may change places, the start of a part may not.
func TestOrder(t *testing.T) {
	for _, test := range []struct{ recorded, now, want string }{
		{"start a b a b stop", "start b a b b stop", ""},
		{"start a b a stop", "start b a stop", ""},
		{"a b a b", "b a", ""},
		{"a a b b", "b b a a", "order is b before a, recorded a before b"},
		{"start a b a b stop", "b start a stop", "order is b before start, recorded start before b"},
		{"x_start x_delta x_stop x_start x_delta x_stop", "x_start x_stop x_start x_delta x_stop", ""},
		{"x_start x_delta x_stop x_start x_delta x_stop", "x_stop x_start x_delta", "order is x_stop before x_start, recorded x_start before x_stop"},
		{"x.added x.done x.added x.done", "x.added x.done x.added", "last event is x.added, recorded x.done"},
		{"a b a b done", "b a done b", "last event is b, recorded done"},
	} {
		stream := func(types string) *Answer {
			body := ""
			for name := range strings.FieldsSeq(types) {
				body += "event: " + name + "\ndata: {}\n\n"
			}
			return answerOf(t, 200, "text/event-stream", body)
		}
		found := fmt.Sprint(Compare(stream(test.recorded), stream(test.now)))
		if !strings.HasPrefix(found, "["+test.want) || test.want == "" && found != "[]" {
			t.Errorf("%s, now %s: found %s, want %s", test.recorded, test.now, found, test.want)
		}
	}
}

func TestPlantedDrift(t *testing.T) {
	seed := seed(t)
	// with returns a change of a value at a place.
	with := func(at string, change func(any) any) func(string, any) any {
		return func(place string, value any) any {
			if place == at {
				return change(value)
			}
			return value
		}
	}
	always := func(value any) func(any) any { return func(any) any { return value } }
	set := func(name string, to any) func(any) any {
		return func(value any) any { value.(map[string]any)[name] = to; return value }
	}
	for _, test := range []struct {
		service string
		change  func(string, any) any
		status  int
		kind    string
		want    string
	}{
		{"chat", nil, 404, "", "status is 404, recorded 200"},
		{"chat", nil, 200, "text/html", "header Content-Type is text/html, recorded application/json"},
		{"chat", with("usage", always(gone{})), 200, "", ".usage is absent, recorded object"},
		{"chat", with("content", always(nil)), 200, "", ".choices[].message.content is null, recorded string"},
		{"chat", with("content", always([]any{"x"})), 200, "", ".choices[].message.content is array, recorded string"},
		{"chat", with("tokens", always("12")), 200, "", ".usage.completion_tokens is string, recorded number"},
		{"chat", with("choices", func(v any) any { return map[string]any{"0": v} }), 200, "", ".choices is object, recorded array"},
		{"chat", with("message", set("role", gone{})), 200, "", ".choices[].message.role is absent, recorded string"},
		{"chat", with("all", always([]any{})), 200, "", ". is array, recorded object"},
		{"chat stream", with("end", always("")), 200, "", "event [DONE] is absent, recorded there"},
		{"chat stream", with("delta", func(v any) any { return map[string]any{"text": "x"} }), 200, "", "event message .choices[].delta.content is absent, recorded string"},
		{"chat stream", with("finish", always(7)), 200, "", "event message .choices[].finish_reason is null or number, recorded null or string"},
		{"chat stream", with("chunk", always("plain")), 200, "", "event message . is object or text, recorded object"},
		{"messages stream", with("message_delta", always("")), 200, "", "event message_delta is absent, recorded there"},
		{"messages stream", with("content_block_stop", func(v any) any { return v.(string) + "event: surprise\ndata: {}\n\n" }), 200, "", "event surprise is there, recorded absent"},
		{"messages stream", with("name", func(v any) any { return strings.ReplaceAll(v.(string), "_", ".") }), 200, "", "event message_start is absent, recorded there"},
		{"messages stream", with("content_block_delta data", set("delta", "text")), 200, "", "event content_block_delta .delta is string, recorded object"},
		{"messages stream", with("parts", func(v any) any { p := v.([]string); return slices.Concat(p[len(p)-2:], p[:len(p)-2]) }), 200, "", "order is "},
		{"messages stream", with("parts", func(v any) any { p := v.([]string); return append(slices.Clone(p), p[len(p)-2]) }), 200, "", "last event is message_delta, recorded message_stop"},
		{"messages stream", with("parts", func(v any) any {
			return strings.SplitAfter(dropIDs(strings.Join(v.([]string), "")), "\n\n")
		}), 200, "", "event message_start id is absent, recorded there"},
		{"messages stream", with("message_stop", func(v any) any { return strings.TrimSuffix(v.(string), "\n") }), 200, "", "end is within an event, recorded in order"},
		{"typed stream", with("RUN_STARTED", set("runId", 7)), 200, "", "event RUN_STARTED .runId is number, recorded string"},
		{"typed stream", with("TOOL", set("type", "TOOL_CALL")), 200, "", "event TOOL is absent, recorded there"},
		{"lines", with("response", always(gone{})), 200, "", "event message .response is absent, recorded string"},
		{"models", with("owner", always("me")), 200, "", ".data[].owner is string, recorded object"},
		{"maps", with("size", always("7")), 200, "", ".files[].size is string, recorded number"},
		{"maps", with("size", always(gone{})), 200, "", ".files[].size is absent, recorded number"},
		{"maps", with("tokens", always("7")), 200, "", ".usage[] is string, recorded number"},
		{"maps", with("type", always([]any{"string"})), 200, "", ".tools[].type is array, recorded string"},
		{"maps", with("usage", set("completion_tokens", gone{})), 200, "", ".total.completion_tokens is absent, recorded number"},
		{"maps", with("all", set("files", []any{})), 200, "", ".files is array, recorded object"},
		{"models", nil, 200, "text/event-stream", "header Content-Type is text/event-stream"},
	} {
		s := services[slices.IndexFunc(services, func(s service) bool { return s.name == test.service })]
		kind := test.kind
		if kind == "" {
			kind = s.kind
		}
		one := s.make(&generator{Rand: rand.New(rand.NewPCG(seed, 1))})
		other := s.make(&generator{Rand: rand.New(rand.NewPCG(seed, 2)), change: test.change})
		found := Compare(answerOf(t, 200, s.kind, one), answerOf(t, test.status, kind, other))
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.Drift && strings.HasPrefix(f.String(), test.want) }) {
			t.Errorf("%s: found %v, want %s\nrecorded:\n%s\nnow:\n%s", s.name, found, test.want, one, other)
		}
	}
}

func dropIDs(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "id:") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// The message of an error is where services have it.
func TestMessage(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"message":"no  key","type":"x"}}`:  "no key",
		`{"type":"error","error":{"message":"busy"}}`: "busy",
		`[{"error":{"code":429,"message":"quota"}}]`:  "quota",
		`{"error":"slow down"}`:                       "slow down",
		`{"title":"Too Many","detail":"in an hour"}`:  "in an hour",
		`{"error":{"code":1}}`:                        `{"error":{"code":1}}`,
		" bad\ngateway ":                              "bad gateway",
		"":                                            "",
		`{"error":null,"message":"m"}`:                "m",
		strings.Repeat("x", 300):                      strings.Repeat("x", 200) + "...",
	} {
		if a := answerOf(t, 429, "application/json", body); a.Message != want {
			t.Errorf("%s: %q, want %q", body, a.Message, want)
		}
	}
}

// What is new, or not there at times, is for people to look at.
func TestNoDriftIsShown(t *testing.T) {
	for _, test := range []struct{ recorded, now, want string }{
		{`{"a":1}`, `{"a":1,"b c":[{}]}`, `."b c" is array, recorded absent`},
		{`{"a":null}`, `{"a":"x"}`, ".a is string, recorded null"},
		{`[{"a":1}]`, `[{"a":1},{}]`, ".[].a is sometimes absent, recorded number"},
		{`[{"a":1},{"a":1,"b":2}]`, `[{"a":1}]`, ".[].b is absent, recorded number at times"},
		{`[{"a":1}]`, `[{"a":1},{"a":null}]`, ".[].a is null or number, recorded number"},
	} {
		found := Compare(answerOf(t, 200, "application/json", test.recorded), answerOf(t, 200, "application/json", test.now))
		if len(found) != 1 || found[0].Drift || strings.TrimPrefix(found[0].String(), ".") != strings.TrimPrefix(test.want, ".") {
			t.Errorf("%s, now %s: %+v, want %s", test.recorded, test.now, found, test.want)
		}
	}
}
