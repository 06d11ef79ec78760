package protocol_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
)

const both = "Accept: application/json, text/event-stream"

// initialize opens a session, and returns its header.
func initialize(t *testing.T, s fake.Service, version string) string {
	t.Helper()
	reply := s.Reply(request("POST", "/mcp", `{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"`+version+`","capabilities":{},"clientInfo":{}}}`, both), nil)
	wantStatus(t, "initialize", reply, 200)
	want(t, "id", value(string(reply.Body), "id"), `"a"`)
	return "Mcp-Session-Id: " + reply.Header.Get("Mcp-Session-Id")
}

func TestMCPHandshake(t *testing.T) {
	s := service(t, "mcp", protocol.Options{})
	for asked, negotiated := range map[string]string{"2025-11-25": "2025-11-25", "2025-06-18": "2025-06-18", "2019-01-01": "2025-11-25"} {
		reply := s.Reply(request("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+asked+`"}}`, both), nil)
		want(t, asked, value(string(reply.Body), "result", "protocolVersion"), `"`+negotiated+`"`)
	}
	session := initialize(t, s, "2025-11-25")
	ask := func(body string) *fake.Reply { return s.Reply(request("POST", "/mcp", body, both, session), nil) }
	wantStatus(t, "a notification", ask(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), 202)
	wantStatus(t, "a response", ask(`{"jsonrpc":"2.0","id":1,"result":{}}`), 202)
	want(t, "ping", string(ask(`{"jsonrpc":"2.0","id":1,"method":"ping"}`).Body), `{"jsonrpc":"2.0","id":1,"result":{}}`)
	want(t, "tools/list", value(string(ask(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`).Body), "result", "tools", "0", "name"), `"echo"`)
	want(t, "resources/list", value(string(ask(`{"jsonrpc":"2.0","id":1,"method":"resources/list"}`).Body), "result"), `{"resources":[]}`)
	want(t, "an unknown method", value(string(ask(`{"jsonrpc":"2.0","id":1,"method":"x"}`).Body), "error", "code"), `-32601`)
	want(t, "an unknown tool", value(string(ask(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`).Body), "error", "code"), `-32602`)
	want(t, "a call", value(string(ask(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}`).Body), "result"),
		`{"content":[{"text":"hi","type":"text"}],"isError":false}`)
	wantStatus(t, "DELETE", s.Reply(request("DELETE", "/mcp", "", session), nil), 200)
	wantStatus(t, "a session that has ended", ask(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), 404)
}

func TestMCPRefusals(t *testing.T) {
	s := service(t, "mcp", protocol.Options{})
	session := initialize(t, s, "2025-11-25")
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	tests := []struct {
		about  string
		r      *fake.Request
		status int
	}{
		{"no session", request("POST", "/mcp", ping, both), 400},
		{"an unknown session", request("POST", "/mcp", ping, both, "Mcp-Session-Id: x"), 404},
		{"JSON alone", request("POST", "/mcp", ping, "Accept: application/json", session), 406},
		{"a stream alone", request("POST", "/mcp", ping, "Accept: text/event-stream", session), 406},
		{"anything", request("POST", "/mcp", ping, "Accept: */*", session), 200},
		{"a GET of JSON", request("GET", "/mcp", "", "Accept: application/json", session), 406},
		{"a GET without a session", request("GET", "/mcp", "", both), 400},
		{"an unknown version", request("POST", "/mcp", ping, both, session, "Mcp-Protocol-Version: 1999-01-01"), 400},
		{"another type", request("POST", "/mcp", ping, both, session, "Content-Type: text/plain"), 415},
		{"no JSON", request("POST", "/mcp", "{", both, session), 400},
		{"a batch", request("POST", "/mcp", "["+ping+"]", both, session), 400},
		{"an unknown event", request("GET", "/mcp", "", both, session, "Last-Event-ID: x_1"), 400},
		{"another method", request("PUT", "/mcp", "", session), 405},
		{"a path of no one", request("POST", "/other", ping, both), 404},
	}
	for _, test := range tests {
		wantStatus(t, test.about, s.Reply(test.r, nil), test.status)
	}
}

const countTo3 = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"count","arguments":{"to":3},"_meta":{"progressToken":"p"}}}`

func TestMCPProgress(t *testing.T) {
	s := service(t, "mcp", protocol.Options{})
	for version, first := range map[string]int{"2025-11-25": 1, "2025-06-18": 0} {
		c := get(t, s.Reply(request("POST", "/mcp", countTo3, both, initialize(t, s, version)), nil))
		if len(c.events) != first+4 {
			t.Fatalf("%s: %d events", version, len(c.events))
		}
		if first > 0 && (c.events[0].Data != "" || c.events[0].ID == "" || c.events[0].Retry == 0) {
			t.Errorf("the first event is %+v", c.events[0])
		}
		want(t, "progress", value(c.events[first+1].Data, "params"), `{"progress":2,"progressToken":"p","total":3}`)
		want(t, "the response", value(c.events[first+3].Data, "result", "content", "0", "text"), `"3"`)
		want(t, "its id", value(c.events[first+3].Data, "id"), `7`)
	}
}

// TestMCPResume cuts calls anywhere, and wants the rest by GET.
func TestMCPResume(t *testing.T) {
	random := seeded(t)
	s := service(t, "mcp", protocol.Options{})
	session, other := initialize(t, s, "2025-11-25"), initialize(t, s, "2025-11-25")
	for range 100 {
		total := 1 + random.IntN(20)
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"count","arguments":{"to":%d},"_meta":{"progressToken":1}}}`, total)
		c := new(client)
		reply := s.Reply(request("POST", "/mcp", body, both, session), nil)
		for c.read(t.Context(), reply, 1+random.IntN(total+2)) != nil {
			if random.IntN(3) == 0 {
				wantStatus(t, "another session's stream", s.Reply(request("GET", "/mcp", "", both, other, "Last-Event-ID: "+c.lastID), nil), 400)
			}
			reply = s.Reply(request("GET", "/mcp", "", both, session, "Last-Event-ID: "+c.lastID), nil)
			wantStatus(t, "resume", reply, 200)
		}
		var got []string
		for _, data := range c.seen()[1:] {
			got = append(got, value(data, "params", "progress"))
		}
		for n := range total {
			if n >= len(got) || got[n] != fmt.Sprint(n+1) {
				t.Fatalf("progress %q of %d", got, total)
			}
		}
		if len(got) != total+1 {
			t.Fatalf("%d events after %d", len(got), total)
		}
	}
}

// TestMCPStandalone wants the stream of a session to be kept alive, and to end with it.
func TestMCPStandalone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, "mcp", protocol.Options{})
		session := initialize(t, s, "2025-11-25")
		c, stop := follow(t, s.Reply(request("GET", "/mcp", "", both, session), nil))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		want(t, "comments", fmt.Sprintf("%q", c.beats), `["" "heartbeat" "heartbeat"]`)
		s.Reply(request("DELETE", "/mcp", "", session), nil)
		synctest.Wait()
		stop()
	})
}

// TestMCPBounds wants the oldest session to make place.
func TestMCPBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, "mcp", protocol.Options{})
		first := initialize(t, s, "2025-11-25")
		_, stop := follow(t, s.Reply(request("GET", "/mcp", "", both, first), nil))
		defer stop()
		for range 1000 {
			initialize(t, s, "2025-11-25")
		}
		wantStatus(t, "the first of 1001 sessions", s.Reply(request("GET", "/mcp", "", both, first), nil), 404)
	})
}

func TestMCPContent(t *testing.T) {
	s := service(t, "mcp", protocol.Options{})
	session := initialize(t, s, "2025-11-25")
	tests := []struct {
		content      fake.Content
		method, want string
	}{
		{fake.Content{Text: "06:40"}, "tools/call", `{"content":[{"text":"06:40","type":"text"}],"isError":false}`},
		{fake.Content{Text: "no", Finish: "error"}, "tools/call", `{"content":[{"text":"no","type":"text"}],"isError":true}`},
		{fake.Content{JSON: map[string]any{"at": "06:40"}}, "tools/call", `{"content":[{"text":"{\"at\":\"06:40\"}","type":"text"}],"isError":false,"structuredContent":{"at":"06:40"}}`},
		{fake.Content{JSON: json.RawMessage(`{"content":[]}`)}, "tools/call", `{"content":[],"isError":false}`},
		{fake.Content{JSON: []any{1}}, "tools/call", `{"content":[{"text":"[1]","type":"text"}],"isError":false}`},
		{fake.Content{JSON: map[string]any{"content": []any{map[string]any{"type": "image", "data": "AA==", "mimeType": "image/png"}}}}, "tools/call",
			`{"content":[{"data":"AA==","mimeType":"image/png","type":"image"}],"isError":false}`},
		{fake.Content{JSON: map[string]any{"resultType": "input_required"}}, "tools/call", `{"resultType":"input_required"}`},
		{fake.Content{JSON: map[string]any{"contents": []any{}}}, "resources/read", `{"contents":[]}`},
		{fake.Content{Text: "06:40"}, "prompts/list", `{"prompts":[]}`},
	}
	for _, test := range tests {
		reply := s.Reply(request("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"`+test.method+`","params":{"name":"tide"}}`, both, session), &test.content)
		want(t, test.method, value(string(reply.Body), "result"), test.want)
	}
}

func TestMCPLegacy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, "mcp", protocol.Options{Heartbeat: -1})
		wantStatus(t, "a POST by which a client looks for the later transport", s.Reply(request("POST", "/sse", "{}", both), nil), 405)
		c, stop := follow(t, s.Reply(request("GET", "/sse", "", "Accept: text/event-stream"), nil))
		if len(c.events) != 1 || c.events[0].Type != "endpoint" {
			t.Fatalf("%+v begins the stream", c.events)
		}
		endpoint := c.events[0].Data
		wantStatus(t, "initialize", s.Reply(request("POST", endpoint, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05"}}`), nil), 202)
		wantStatus(t, "initialized", s.Reply(request("POST", endpoint, `{"jsonrpc":"2.0","method":"notifications/initialized"}`), nil), 202)
		wantStatus(t, "a call", s.Reply(request("POST", endpoint, countTo3), nil), 202)
		synctest.Wait()
		if len(c.events) != 6 {
			t.Fatalf("%d events: %q", len(c.events), c.seen())
		}
		want(t, "the version", value(c.events[1].Data, "result", "protocolVersion"), `"2024-11-05"`)
		want(t, "the response", value(c.events[5].Data, "result", "content", "0", "text"), `"3"`)
		stop()
		wantStatus(t, "a session whose client left", s.Reply(request("POST", endpoint, countTo3), nil), 404)
	})
}

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

func TestMCPStateless(t *testing.T) {
	version, call := "Mcp-Protocol-Version: 2026-07-28", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"},`+meta+`}}`
	discover := `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + meta + `}}`
	unknown := strings.Replace(call, "tools/call", "initialize", 1)
	tests := []struct {
		about  string
		r      *fake.Request
		status int
		code   string
	}{
		{"server/discover", request("POST", "/mcp", discover, both, version, "Mcp-Method: server/discover"), 200, "no code"},
		{"a call", request("POST", "/mcp", call, both, version, "Mcp-Method: tools/call", "Mcp-Name: echo"), 200, "no code"},
		{"a name in base64", request("POST", "/mcp", call, both, version, "Mcp-Method: tools/call", "Mcp-Name: =?base64?ZWNobw==?="), 200, "no code"},
		{"no version", request("POST", "/mcp", call, both, "Mcp-Method: tools/call", "Mcp-Name: echo"), 400, "-32020"},
		{"another version in the body", request("POST", "/mcp", call, both, "Mcp-Protocol-Version: 2026-07-29", "Mcp-Method: tools/call", "Mcp-Name: echo"), 400, "-32020"},
		{"an unknown version", request("POST", "/mcp", strings.ReplaceAll(call, "2026-07-28", "2030-01-01"), both, "Mcp-Protocol-Version: 2030-01-01", "Mcp-Method: tools/call"), 400, "-32022"},
		{"no method", request("POST", "/mcp", call, both, version, "Mcp-Name: echo"), 400, "-32020"},
		{"another method", request("POST", "/mcp", call, both, version, "Mcp-Method: ping", "Mcp-Name: echo"), 400, "-32020"},
		{"no name", request("POST", "/mcp", call, both, version, "Mcp-Method: tools/call"), 400, "-32020"},
		{"another name", request("POST", "/mcp", call, both, version, "Mcp-Method: tools/call", "Mcp-Name: count"), 400, "-32020"},
		{"no capabilities", request("POST", "/mcp", strings.Replace(call, "clientCapabilities", "x", 1), both, version, "Mcp-Method: tools/call", "Mcp-Name: echo"), 400, "-32602"},
		{"a method of sessions", request("POST", "/mcp", unknown, both, version, "Mcp-Method: initialize"), 404, "-32601"},
		{"GET", request("GET", "/mcp", "", both, version), 405, ""},
		{"DELETE", request("DELETE", "/mcp", "", version), 405, ""},
	}
	for _, test := range tests {
		for _, name := range []string{"mcp", "mcp-2026-07-28"} {
			reply := service(t, name, protocol.Options{}).Reply(test.r, nil)
			wantStatus(t, test.about, reply, test.status)
			if test.code != "" {
				want(t, test.about, value(string(reply.Body), "error", "code"), test.code)
			}
			if id := reply.Header.Get("Mcp-Session-Id"); id != "" {
				t.Errorf("%s opens a session %s", test.about, id)
			}
		}
	}
	s := service(t, "mcp", protocol.Options{})
	body := string(s.Reply(tests[0].r, nil).Body)
	want(t, "the versions", value(body, "result", "supportedVersions"), `["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"]`)
	want(t, "the type", value(body, "result", "resultType"), `"complete"`)

	progress := strings.Replace(countTo3, `"_meta":{`, meta[:len(meta)-1]+",", 1)
	c := get(t, s.Reply(request("POST", "/mcp", progress, both, version, "Mcp-Method: tools/call", "Mcp-Name: count"), nil))
	if len(c.events) != 4 || slices.ContainsFunc(c.seen(), func(data string) bool { return data == "" }) || c.lastID != "" {
		t.Errorf("a call with progress: %+v", c.events)
	}

	later := service(t, "mcp-2026-07-28", protocol.Options{})
	wantStatus(t, "initialize of a server without sessions", later.Reply(request("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`, both), nil), 400)
	earlier := service(t, "mcp-2025-11-25", protocol.Options{})
	wantStatus(t, "server/discover of a server with sessions", earlier.Reply(tests[0].r, nil), 400)
}

// TestMCPParams wants the arguments that a tool names to be in headers.
func TestMCPParams(t *testing.T) {
	schema := map[string]any{"type": "object", "properties": map[string]any{
		"port": map[string]any{"type": "string", "x-mcp-header": "Port"},
		"day":  map[string]any{"type": "object", "properties": map[string]any{"n": map[string]any{"type": "integer", "x-mcp-header": "Day"}}},
	}}
	s := service(t, "mcp", protocol.Options{Tools: []protocol.Tool{{Name: "tide", InputSchema: schema}}})
	for arguments, cases := range map[string]map[string]int{
		`{"port":"Wick"}`:   {"Port: Wick": 200, "Port: =?base64?V2ljaw==?=": 200, "Port: Oban": 400, "Other: x": 400, "Port: =?base64?V2l?=": 400},
		`{"port":null}`:     {"Other: x": 200, "Port: Wick": 400},
		`{"day":{"n":42}}`:  {"Day: 42": 200, "Day: 42.0": 200, "Day: 43": 400, "Day: x": 400},
		`{"day":{"n":"4"}}`: {"Day: 4": 200},
	} {
		for header, status := range cases {
			body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tide","arguments":` + arguments + `,` + meta + `}}`
			r := request("POST", "/mcp", body, both, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: tide", "Mcp-Param-"+header)
			wantStatus(t, arguments+" "+header, s.Reply(r, nil), status)
		}
	}
}

func TestMCPSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, "mcp", protocol.Options{})
		body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{` + meta + `,"notifications":{"toolsListChanged":true,"other":true}}}`
		c, stop := follow(t, s.Reply(request("POST", "/mcp", body, both, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen"), nil))
		time.Sleep(16 * time.Second)
		synctest.Wait()
		want(t, "the acknowledgment", fmt.Sprintf("%q", c.seen()),
			`["{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1},\"notifications\":{\"toolsListChanged\":true}}}"]`)
		want(t, "comments", fmt.Sprintf("%q", c.beats), `["heartbeat"]`)
		stop()
	})
}
