package protocol_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
)

// types returns the types of events of AG-UI, with how often each comes.
func types(data []string) string {
	var list []string
	for _, d := range data {
		typ := strings.Trim(value(d, "type"), `"`)
		if n := len(list); n > 0 && strings.TrimRight(list[n-1], "+") == typ {
			list[n-1] += "+"
			continue
		}
		list = append(list, typ)
	}
	return strings.Join(list, " ")
}

func TestAGUI(t *testing.T) {
	s := service(t, "ag-ui", protocol.Options{})
	ask := request("POST", "/agent", `{"threadId":"t","runId":"r","messages":[{"role":"user","content":[{"type":"text","text":"high water today"}]}]}`)
	c := get(t, s.Reply(ask, nil))
	want(t, "a text", types(c.seen()), "RUN_STARTED TEXT_MESSAGE_START TEXT_MESSAGE_CONTENT++ TEXT_MESSAGE_END RUN_FINISHED")
	want(t, "its first word", value(c.events[2].Data, "delta"), `"high "`)
	want(t, "the run", value(c.events[0].Data, "threadId")+value(c.events[6].Data, "runId"), `"t""r"`)

	c = get(t, s.Reply(ask, &fake.Content{
		Thinking: "so", Text: "I ask", JSON: map[string]any{"level": 2},
		Tools: []fake.ToolCall{{Name: "tide", Arguments: json.RawMessage(`{"port": "Wick"}`)}, {ID: "c2", Name: "now"}},
	}))
	want(t, "all there is", types(c.seen()), "RUN_STARTED REASONING_START REASONING_MESSAGE_START REASONING_MESSAGE_CONTENT REASONING_MESSAGE_END REASONING_END "+
		"TEXT_MESSAGE_START TEXT_MESSAGE_CONTENT+ TEXT_MESSAGE_END STATE_SNAPSHOT TOOL_CALL_START TOOL_CALL_ARGS+ TOOL_CALL_END TOOL_CALL_START TOOL_CALL_ARGS TOOL_CALL_END RUN_FINISHED")
	c = get(t, s.Reply(ask, &fake.Content{Text: "I", Finish: "error"}))
	want(t, "a failure", types(c.seen()), "RUN_STARTED TEXT_MESSAGE_START TEXT_MESSAGE_CONTENT TEXT_MESSAGE_END RUN_ERROR")
	wantStatus(t, "no run", s.Reply(request("POST", "/agent", "[]"), nil), 422)
}

func a2aCall(method, params string) *fake.Request {
	return request("POST", "/", `{"jsonrpc":"2.0","id":9,"method":"`+method+`","params":`+params+`}`)
}

func messageOf(text string) string {
	return `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"` + text + `"}]}}`
}

func TestA2A(t *testing.T) {
	s := service(t, "a2a", protocol.Options{})
	card := string(s.Reply(request("GET", "/.well-known/agent-card.json", ""), nil).Body)
	want(t, "the card", value(card, "supportedInterfaces", "0"), `{"protocolBinding":"JSONRPC","protocolVersion":"1.0","url":"http://localhost:8080/"}`)

	sent := string(s.Reply(a2aCall("SendMessage", messageOf("high water")), nil).Body)
	want(t, "the state", value(sent, "result", "task", "status", "state"), `"TASK_STATE_COMPLETED"`)
	want(t, "the artifact", value(sent, "result", "task", "artifacts", "0", "parts", "0", "text"), `"high water"`)
	id := value(sent, "result", "task", "id")
	want(t, "GetTask", value(string(s.Reply(a2aCall("GetTask", `{"id":`+id+`}`), nil).Body), "result", "id"), id)
	old := string(s.Reply(a2aCall("tasks/get", `{"id":`+id+`}`), nil).Body)
	want(t, "tasks/get", value(old, "result", "kind")+value(old, "result", "status", "state"), `"task""completed"`)
	for method, code := range map[string]string{"CancelTask": "-32002", "SubscribeToTask": "-32004", "Other": "-32601"} {
		want(t, method+" of a task that has ended", value(string(s.Reply(a2aCall(method, `{"id":`+id+`}`), nil).Body), "error", "code"), code)
	}
	want(t, "an unknown task", value(string(s.Reply(a2aCall("GetTask", `{"id":"x"}`), nil).Body), "error", "code"), "-32001")
	want(t, "no message", value(string(s.Reply(a2aCall("SendMessage", `{}`), nil).Body), "error", "code"), "-32602")
	want(t, "ListTasks", value(string(s.Reply(a2aCall("ListTasks", `{}`), nil).Body), "result", "totalSize"), "1")
	later := a2aCall("GetTask", `{"id":`+id+`}`)
	later.Header.Set("A2A-Version", "2.0")
	want(t, "an unknown version", value(string(s.Reply(later, nil).Body), "error", "code"), "-32009")

	c := get(t, s.Reply(a2aCall("message/stream", messageOf("one two")), &fake.Content{Text: "one two", JSON: map[string]any{"a": 1}, Finish: "input-required"}))
	var kinds []string
	for _, data := range c.seen() {
		kinds = append(kinds, value(data, "result", "kind")+value(data, "result", "status", "state"))
	}
	want(t, "a stream of 0.3", strings.Join(kinds, " "), `"task""working" "artifact-update"no state "artifact-update"no state "artifact-update"no state "status-update""input-required"`)
	want(t, "its end", value(c.events[4].Data, "result", "final"), "true")
	want(t, "data", value(c.events[3].Data, "result", "artifact", "parts", "0"), `{"data":{"a":1},"kind":"data"}`)
}

// TestA2AResume cuts tasks anywhere, and wants the rest by a subscription.
func TestA2AResume(t *testing.T) {
	random := seeded(t)
	s := service(t, "a2a", protocol.Options{})
	for n := range 100 {
		said := words(1 + random.IntN(10))
		send, again := "SendStreamingMessage", "SubscribeToTask"
		artifact, task := []string{"result", "artifactUpdate"}, []string{"result", "task"}
		if n%2 == 1 {
			send, again = "message/stream", "tasks/resubscribe"
			artifact, task = artifact[:1], task[:1]
		}
		c := new(client)
		reply := s.Reply(a2aCall(send, messageOf(said)), nil)
		id := ""
		var got, state string
		for cut := 1 + random.IntN(5); ; cut = 1 + random.IntN(5) {
			before := len(c.events)
			err := c.read(t.Context(), reply, cut)
			for i, data := range c.seen()[before:] {
				if i == 0 {
					id = value(data, append(task, "id")...)
					if whole := value(data, append(task, "artifacts", "0", "parts", "0", "text")...); before > 0 && len(got) > 0 {
						want(t, "the task so far", whole, fmt.Sprintf("%q", got))
					}
					continue
				}
				var part string
				json.Unmarshal([]byte(value(data, append(artifact, "artifact", "parts", "0", "text")...)), &part)
				got += part
				state = data
			}
			if err == nil || strings.Contains(strings.ToLower(state), "completed") {
				break
			}
			reply = s.Reply(a2aCall(again, `{"id":`+id+`}`), nil)
			if reply.Stream == nil {
				t.Fatalf("after %q: %s", got, describe(reply))
			}
		}
		want(t, "the text", got, said)
		if !strings.Contains(strings.ToLower(state), "completed") {
			t.Errorf("the last event is %s", state)
		}
	}
}

func TestA2ACancel(t *testing.T) {
	s := service(t, "a2a", protocol.Options{})
	c := new(client)
	c.read(t.Context(), s.Reply(a2aCall("SendStreamingMessage", messageOf("one two three")), nil), 2)
	id := value(c.events[0].Data, "result", "task", "id")
	want(t, "CancelTask", value(string(s.Reply(a2aCall("CancelTask", `{"id":`+id+`}`), nil).Body), "result", "status", "state"), `"TASK_STATE_CANCELED"`)
	want(t, "GetTask", value(string(s.Reply(a2aCall("GetTask", `{"id":`+id+`}`), nil).Body), "result", "artifacts", "0", "parts", "0", "text"), `"one "`)
}

func TestLangGraph(t *testing.T) {
	s := service(t, "langgraph", protocol.Options{})
	made := string(s.Reply(request("POST", "/threads", `{"thread_id":"t"}`), nil).Body)
	want(t, "a thread", value(made, "thread_id"), `"t"`)
	wantStatus(t, "the same again", s.Reply(request("POST", "/threads", `{"thread_id":"t"}`), nil), 409)
	wantStatus(t, "the same, if it is not there", s.Reply(request("POST", "/threads", `{"thread_id":"t","if_exists":"do_nothing"}`), nil), 200)
	wantStatus(t, "an unknown thread", s.Reply(request("GET", "/threads/x", ""), nil), 404)

	reply := s.Reply(request("POST", "/threads/t/runs/stream", `{"assistant_id":"agent","input":{"messages":[{"role":"user","content":"high water"}]},"stream_mode":["values","messages-tuple","updates"]}`), nil)
	at := reply.Header.Get("Content-Location")
	if !strings.HasPrefix(at, "/threads/t/runs/run-") || reply.Header.Get("Location") != "" {
		t.Errorf("the header of a run is %v", reply.Header)
	}
	want(t, "the status of a run", value(string(s.Reply(request("GET", at, ""), nil).Body), "status"), `"running"`)
	c := get(t, reply)
	var list []string
	for _, e := range c.events {
		list = append(list, e.ID+" "+e.Type)
	}
	want(t, "the events", strings.Join(list, ", "), "1 metadata, 2 values, 3 messages, 4 messages, 5 updates, 6 values")
	want(t, "a word", value(c.events[2].Data, "0", "content"), `"high "`)
	want(t, "the status of a run that has ended", value(string(s.Reply(request("GET", at, ""), nil).Body), "status"), `"success"`)

	second := string(s.Reply(request("POST", "/threads/t/runs/wait", `{"input":{"messages":"and low?"}}`), &fake.Content{Text: "noon", Tools: []fake.ToolCall{{ID: "c", Name: "tide"}}}).Body)
	want(t, "the second turn", value(second, "messages", "2", "content")+value(second, "messages", "3", "content"), `"and low?""noon"`)
	want(t, "its call", value(second, "messages", "3", "tool_calls"), `[{"args":{},"id":"c","name":"tide","type":"tool_call"}]`)
	state := string(s.Reply(request("GET", "/threads/t/state", ""), nil).Body)
	want(t, "the state", value(state, "values", "messages", "3", "content"), `"noon"`)
	want(t, "the runs", fmt.Sprint(strings.Count(string(s.Reply(request("GET", "/threads/t/runs", ""), nil).Body), `"run_id"`)), "2")
	c = get(t, s.Reply(request("POST", "/runs/stream", `{"input":{"messages":["x"]},"stream_mode":"messages"}`), nil))
	want(t, "a run without a thread", c.events[2].Type+value(c.events[2].Data, "0", "content"), `messages/partial"x"`)
}

// TestLangGraphResume cuts runs anywhere, and wants the rest by GET.
func TestLangGraphResume(t *testing.T) {
	random := seeded(t)
	s := service(t, "langgraph", protocol.Options{})
	for range 100 {
		said := words(1 + random.IntN(10))
		c := new(client)
		reply := s.Reply(request("POST", "/runs/stream", `{"input":{"messages":["`+said+`"]},"stream_mode":"messages-tuple","stream_resumable":true}`), nil)
		at := reply.Header.Get("Location")
		for c.read(t.Context(), reply, random.IntN(5)) != nil {
			last := c.lastID
			if last == "" {
				last = "-1"
			}
			reply = s.Reply(request("GET", at, "", "Last-Event-ID: "+last), nil)
		}
		got := ""
		for i, e := range c.events {
			want(t, "IDs", e.ID, fmt.Sprint(i+1))
			var part string
			json.Unmarshal([]byte(value(e.Data, "0", "content")), &part)
			got += part
		}
		want(t, "the text", got, said)
	}
}

// TestEmptyText wants an empty text to be an answer, in place of the words of the client.
func TestEmptyText(t *testing.T) {
	for _, c := range []struct{ service, path, body string }{
		{"ag-ui", "/", `{"messages":[{"role":"user","content":"one two three four"}]}`},
		{"a2a", "/", `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":{"messageId":"m","parts":[{"text":"one two three four"}]}}}`},
		{"langgraph", "/runs/stream", `{"stream_mode":"messages-tuple","input":{"messages":[{"role":"user","content":"one two three four"}]}}`},
	} {
		for _, has := range []bool{false, true} {
			s := service(t, c.service, protocol.Options{HasText: has})
			events := len(get(t, s.Reply(request("POST", c.path, c.body), nil)).seen())
			if spoke := events > 3; spoke == has {
				t.Errorf("%s: %d events where HasText is %v", c.service, events, has)
			}
		}
	}
}
