package protocol

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/internal/weight"
)

// An a2a is an agent of A2A over JSON-RPC, of version 1.0 and of 0.3, which has other
// names for the same (https://a2a-protocol.org/latest/specification/). A message makes a
// task, whose text is an artifact.
type a2a struct {
	*base
	tasks shelf[*task]
}

func newA2A(b *base) fake.Service { return &a2a{base: b} }

// Codes of errors that A2A has.
const (
	taskNotFound        = -32001
	taskNotCancelable   = -32002
	unsupportedOp       = -32004
	versionNotSupported = -32009
)

// methodsOf03 are the methods of version 0.3, with their names in 1.0.
var methodsOf03 = map[string]string{
	"message/send":      "SendMessage",
	"message/stream":    "SendStreamingMessage",
	"tasks/get":         "GetTask",
	"tasks/cancel":      "CancelTask",
	"tasks/resubscribe": "SubscribeToTask",
}

// A task is the work on one message.
type task struct {
	id, context string
	message     any // of the client, as it was sent
	parts       []part
	final       string // state that it ends with, as 0.3 names it

	mu       sync.Mutex // guards the fields below
	done     int        // events that a client was sent, or that came to pass without one
	canceled bool
}

// A part is a part of the artifact of a task, which is an event.
type part struct {
	text  string
	data  any // in place of the text, if not nil
	delay time.Duration
}

// events returns how many events a task has: its beginning, its parts, and its end.
func (t *task) events() int { return len(t.parts) + 2 }

func (a *a2a) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	switch {
	case r.Method == http.MethodGet && (r.Path == "/.well-known/agent-card.json" || r.Path == "/.well-known/agent.json"):
		return fake.JSON(http.StatusOK, a2aCard(r))
	case r.Method != http.MethodPost:
		return nil
	case r.JSON == nil:
		return refuseCall(nil, &failure{Code: parseError, Message: "Invalid JSON payload"})
	}
	msg, ok := parseMessage(r.JSON)
	if !ok || !msg.isRequest() {
		return refuseCall(msg.id, &failure{Code: invalidRequest, Message: "Request payload validation error"})
	}
	if version := r.Header.Get("A2a-Version"); !slices.Contains([]string{"", "0.3", "1.0"}, version) {
		return refuseCall(msg.id, &failure{Code: versionNotSupported, Message: "The A2A version " + version + " is not supported"})
	}
	form := a2aForm{id: msg.id}
	if name, ok := methodsOf03[msg.method]; ok {
		msg.method, form.old = name, true
	}
	return a.reply(r, msg, form, content)
}

func (a *a2a) reply(r *fake.Request, msg message, form a2aForm, content *fake.Content) *fake.Reply {
	switch msg.method {
	case "SendMessage", "SendStreamingMessage":
		if len(list(object(msg.params["message"])["parts"])) == 0 {
			return refuseCall(msg.id, &failure{Code: invalidParams, Message: "Invalid params: the message has no parts"})
		}
		t := a.begin(r, object(msg.params["message"]), content)
		if msg.method == "SendMessage" {
			t.finish()
			return fake.JSON(http.StatusOK, success(msg.id, form.wrap("task", form.task(t))))
		}
		return &fake.Reply{Stream: t.stream(form, 0)}
	case "ListTasks":
		tasks := []any{}
		for _, t := range a.tasks.all(r) {
			tasks = append(tasks, form.task(t))
		}
		return fake.JSON(http.StatusOK, success(msg.id, map[string]any{"tasks": tasks, "totalSize": len(tasks), "pageSize": len(tasks), "nextPageToken": ""}))
	case "GetTask", "CancelTask", "SubscribeToTask":
	default:
		return refuseCall(msg.id, &failure{Code: methodNotFound, Message: "Method not found: " + msg.method})
	}
	t, ok := a.tasks.get(keyOf(r, text(msg.params["id"])))
	if !ok {
		return refuseCall(msg.id, &failure{Code: taskNotFound, Message: "Task not found"})
	}
	switch {
	case msg.method == "SubscribeToTask":
		return t.subscribe(form)
	case msg.method == "CancelTask" && !t.cancel():
		return refuseCall(msg.id, &failure{Code: taskNotCancelable, Message: "Task cannot be canceled"})
	case msg.method == "GetTask":
		t.finish() // the work goes on while nobody listens
	}
	return fake.JSON(http.StatusOK, success(msg.id, form.task(t)))
}

// begin makes the task of a message.
func (a *a2a) begin(r *fake.Request, message map[string]any, content *fake.Content) *task {
	t := &task{id: a.newID("task"), context: text(message["contextId"]), message: message, final: "completed"}
	if t.context == "" {
		t.context = a.newID("context")
	}
	content = a.or(content, textOfParts(message["parts"]))
	words := 0
	for p := range pieces(content.Text, maxPieces) {
		t.parts = append(t.parts, part{text: content.Text[p.start:p.end], delay: a.spell(p)})
		words += p.words
	}
	if content.JSON != nil {
		t.parts = append(t.parts, part{data: content.JSON, delay: a.delay(words)})
	}
	if content.Finish != "" {
		t.final = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(content.Finish, "TASK_STATE_")), "_", "-")
	}
	a.tasks.put(keyOf(r, t.id), t, weight.Of(message)+len(content.Text)+weight.Of(content.JSON)+200*len(t.parts))
	return t
}

func (a *a2a) Error(r *fake.Request, status int, message string) *fake.Reply {
	return rpcError(r, status, message)
}

// finish lets all that is left of a task come to pass.
func (t *task) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.canceled {
		t.done = t.events()
	}
}

// cancel ends a task, if it has not ended.
func (t *task) cancel() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.canceled || t.done == t.events() {
		return false
	}
	t.canceled = true
	return true
}

// now returns the number of events that came to pass so far, and the state of the task, as
// 0.3 names it.
func (t *task) now() (done int, state string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.canceled:
		return t.done, "canceled"
	case t.done == t.events():
		return t.done, t.final
	case t.done == 0:
		return 0, "submitted"
	}
	return t.done, "working"
}

// stream returns the function that sends the events of a task from one on.
func (t *task) stream(form a2aForm, from int) func(context.Context, func(record.Record) error) error {
	return func(_ context.Context, send func(record.Record) error) error {
		for i := from; i < t.events(); i++ {
			if _, state := t.now(); state == "canceled" {
				return send(form.event(t.status(form, state)))
			}
			// An event that breaks off came to pass all the same, and the task that a new
			// subscription begins with has it.
			t.mu.Lock()
			t.done = max(t.done, i+1)
			t.mu.Unlock()
			if err := send(t.event(form, i)); err != nil {
				return err
			}
		}
		return nil
	}
}

// subscribe replies with the task as it is now, and the events from there on. A task
// that streams waits for its client.
func (t *task) subscribe(form a2aForm) *fake.Reply {
	done, state := t.now()
	if state != "working" && state != "submitted" && !form.old {
		return refuseCall(form.id, &failure{Code: unsupportedOp, Message: "The task has ended: " + form.state(state)})
	}
	first := form.event(form.wrap("task", form.task(t)))
	rest := t.stream(form, done)
	return &fake.Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
		if err := send(first); err != nil || state == "canceled" {
			return err
		}
		return rest(ctx, send)
	}}
}

// event returns an event of a task.
func (t *task) event(form a2aForm, i int) record.Record {
	switch i {
	case 0:
		fields := map[string]any{"id": t.id, "contextId": t.context, "status": map[string]any{"state": form.state("working")}, "history": []any{t.message}}
		return form.event(form.wrap("task", fields))
	case t.events() - 1:
		return form.event(t.status(form, t.final))
	}
	r := form.event(form.wrap("artifactUpdate", map[string]any{
		"taskId": t.id, "contextId": t.context, "append": i > 1, "lastChunk": i == len(t.parts),
		"artifact": map[string]any{"artifactId": "answer", "parts": []any{form.part(t.parts[i-1])}},
	}))
	r.Delay = t.parts[i-1].delay
	return r
}

func (t *task) status(form a2aForm, state string) map[string]any {
	fields := map[string]any{"taskId": t.id, "contextId": t.context, "status": map[string]any{"state": form.state(state)}}
	if form.old {
		fields["final"] = true
	}
	return form.wrap("statusUpdate", fields)
}

// An a2aForm is the form of the answers to a request.
type a2aForm struct {
	id  any  // of the request
	old bool // version 0.3
}

// kinds03 are the kinds of objects in version 0.3, by the fields that have them in 1.0.
var kinds03 = map[string]string{"task": "task", "artifactUpdate": "artifact-update", "statusUpdate": "status-update"}

// wrap returns an object with its kind.
func (f a2aForm) wrap(kind string, fields map[string]any) map[string]any {
	if f.old {
		return with(fields, map[string]any{"kind": kinds03[kind]})
	}
	return map[string]any{kind: fields}
}

func (f a2aForm) event(result any) record.Record { return event("", "", success(f.id, result)) }

func (f a2aForm) state(state string) string {
	if f.old {
		return state
	}
	return "TASK_STATE_" + strings.ToUpper(strings.ReplaceAll(state, "-", "_"))
}

func (f a2aForm) part(p part) map[string]any {
	fields := map[string]any{"text": p.text}
	kind := "text"
	if p.data != nil {
		fields, kind = map[string]any{"data": p.data}, "data"
	}
	if f.old {
		fields["kind"] = kind
	}
	return fields
}

// task returns a task as it is now.
func (f a2aForm) task(t *task) map[string]any {
	done, state := t.now()
	artifacts := []any{}
	if n := min(max(done-1, 0), len(t.parts)); n > 0 {
		var (
			all  []any
			said strings.Builder
		)
		for _, p := range t.parts[:n] {
			if p.data != nil {
				all = append(all, f.part(p))
			}
			said.WriteString(p.text)
		}
		if said.Len() > 0 {
			all = append([]any{f.part(part{text: said.String()})}, all...)
		}
		artifacts = append(artifacts, map[string]any{"artifactId": "answer", "parts": all})
	}
	fields := map[string]any{
		"id": t.id, "contextId": t.context, "status": map[string]any{"state": f.state(state)}, "artifacts": artifacts, "history": []any{t.message},
	}
	if f.old {
		fields["kind"] = "task"
	}
	return fields
}

// a2aCard returns the card of the agent, for clients of both versions.
func a2aCard(r *fake.Request) map[string]any {
	url := "http://" + r.Host + "/"
	if r.Header.Get("X-Forwarded-Proto") == "https" {
		url = "https://" + r.Host + "/"
	}
	at := func(version string) any {
		return map[string]any{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}
	}
	return map[string]any{
		"name": "ssectl", "description": "A fake agent that repeats what it is told", "version": "1.0.0",
		"supportedInterfaces": []any{at("1.0"), at("0.3")},
		"url":                 url, "preferredTransport": "JSONRPC", "protocolVersion": "0.3.0",
		"capabilities":      map[string]any{"streaming": true, "pushNotifications": false},
		"defaultInputModes": []any{"text/plain"}, "defaultOutputModes": []any{"text/plain", "application/json"},
		"skills": []any{map[string]any{"id": "repeat", "name": "Repeat", "description": "Repeats a text", "tags": []any{"test"}}},
	}
}
