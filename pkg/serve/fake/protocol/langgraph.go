package protocol

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/internal/weight"
)

// A langgraph is a server of LangGraph with one graph, which answers the last message of
// its input (https://docs.langchain.com/langsmith/server-api-ref). Runs are kept, and
// their streams can be joined.
type langgraph struct {
	*base
	threads shelf[*thread]
	runs    shelf[*run]
}

func newLangGraph(b *base) fake.Service { return &langgraph{base: b} }

const graphID = "agent"

// A thread keeps the messages of its runs.
type thread struct {
	id       string
	metadata any
	created  time.Time

	mu       sync.Mutex // guards the fields below
	messages []any
	bytes    int // of them
}

const maxMessages = 1000 // of a thread

// A run is an answer of the graph.
type run struct {
	answer
	id        string
	thread    *thread // nil for a run without one
	assistant any
	resumable bool
	created   time.Time
	values    map[string]any // at its end
}

func (l *langgraph) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	path := strings.Split(strings.Trim(r.Path, "/"), "/")
	var of *thread
	if path[0] == "threads" && len(path) > 1 && path[1] != "search" {
		t, ok := l.threads.get(keyOf(r, path[1]))
		if !ok && !l.mayMake(r) {
			return l.Error(r, http.StatusNotFound, "Thread "+path[1]+" not found")
		}
		if !ok {
			t = l.newThread(r, path[1], nil)
		}
		of, path = t, append([]string{"thread"}, path[2:]...)
	}
	switch r.Method + " " + strings.Join(path, "/") {
	case "GET ok":
		return fake.JSON(http.StatusOK, map[string]any{"ok": true})
	case "GET info":
		return fake.JSON(http.StatusOK, serverInfo())
	case "POST assistants/search":
		return fake.JSON(http.StatusOK, []any{assistant(graphID)})
	case "POST threads":
		return l.makeThread(r)
	case "POST threads/search":
		threads := []any{}
		for _, t := range l.threads.all(r) {
			threads = append(threads, t.value())
		}
		return fake.JSON(http.StatusOK, threads)
	case "GET thread":
		return fake.JSON(http.StatusOK, of.value())
	case "DELETE thread":
		l.threads.take(keyOf(r, of.id))
		return &fake.Reply{Status: http.StatusNoContent}
	case "GET thread/state":
		return fake.JSON(http.StatusOK, of.state())
	case "POST thread/history", "GET thread/history":
		return fake.JSON(http.StatusOK, []any{of.state()})
	case "POST runs/stream", "POST thread/runs/stream":
		return l.newRun(r, of, content).reply()
	case "POST runs/wait", "POST thread/runs/wait":
		run := l.newRun(r, of, content)
		run.finish()
		return run.located(fake.JSON(http.StatusOK, run.values))
	case "POST runs", "POST thread/runs":
		run := l.newRun(r, of, content)
		return run.located(fake.JSON(http.StatusOK, run.value()))
	case "GET thread/runs":
		runs := []any{}
		for _, run := range l.runs.all(r) {
			if run.thread == of {
				runs = append(runs, run.value())
			}
		}
		return fake.JSON(http.StatusOK, runs)
	}
	if len(path) == 2 && path[0] == "assistants" && r.Method == http.MethodGet {
		return fake.JSON(http.StatusOK, assistant(path[1]))
	}
	if path[0] == "thread" {
		path = path[1:]
	}
	if len(path) < 2 || path[0] != "runs" {
		return nil
	}
	run, ok := l.runs.get(keyOf(r, path[1]))
	if !ok || run.thread != of {
		return l.Error(r, http.StatusNotFound, "Run "+path[1]+" not found")
	}
	return run.act(r, strings.Join(path[2:], "/"))
}

// mayMake reports whether a request makes a thread that there is not.
func (l *langgraph) mayMake(r *fake.Request) bool {
	return r.Method == http.MethodPost && object(r.JSON)["if_not_exists"] == "create"
}

func (l *langgraph) newThread(r *fake.Request, id string, metadata any) *thread {
	if metadata == nil {
		metadata = map[string]any{}
	}
	t := &thread{id: id, metadata: metadata, created: time.Now()}
	l.threads.put(keyOf(r, id), t, weight.Of(metadata))
	return t
}

func (l *langgraph) makeThread(r *fake.Request) *fake.Reply {
	body := object(r.JSON)
	id := cmp.Or(text(body["thread_id"]), l.newID("thread"))
	t, ok := l.threads.get(keyOf(r, id))
	switch {
	case !ok:
		t = l.newThread(r, id, body["metadata"])
	case body["if_exists"] != "do_nothing":
		return l.Error(r, http.StatusConflict, "Thread "+id+" already exists")
	}
	return fake.JSON(http.StatusOK, t.value())
}

func (l *langgraph) Error(_ *fake.Request, status int, message string) *fake.Reply {
	return refuse(status, map[string]any{"detail": words(status, message)})
}

func assistant(id string) map[string]any {
	return map[string]any{"assistant_id": id, "graph_id": graphID, "name": graphID, "config": map[string]any{}, "metadata": map[string]any{}, "version": 1}
}

func (t *thread) value() map[string]any {
	return map[string]any{
		"thread_id": t.id, "created_at": t.created, "updated_at": t.created, "metadata": t.metadata,
		"status": "idle", "values": t.now(), "interrupts": map[string]any{},
	}
}

func (t *thread) state() map[string]any {
	return map[string]any{
		"values": t.now(), "next": []any{}, "tasks": []any{}, "metadata": t.metadata, "created_at": t.created, "parent_checkpoint": nil,
		"checkpoint": map[string]any{"thread_id": t.id, "checkpoint_ns": "", "checkpoint_id": t.id},
	}
}

// now returns the values of a thread.
func (t *thread) now() map[string]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	return map[string]any{"messages": append([]any{}, t.messages...)}
}

// add adds messages to a thread, of which the oldest go, and returns all of them, and by
// how many bytes it grew.
func (t *thread) add(messages ...any) (all []any, grown int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.bytes
	for _, m := range messages {
		t.messages = append(t.messages, m)
		t.bytes += weight.Of(m)
	}
	for len(t.messages) > maxMessages || t.bytes > maxLogBytes && len(t.messages) > 1 {
		t.bytes -= weight.Of(t.messages[0])
		t.messages[0] = nil
		t.messages = t.messages[1:]
	}
	return slices.Clone(t.messages), t.bytes - before
}

// newRun makes a run of a request: of a thread, or of none.
func (l *langgraph) newRun(r *fake.Request, of *thread, content *fake.Content) *run {
	body := object(r.JSON)
	run := &run{id: l.newID("run"), thread: of, assistant: body["assistant_id"], resumable: body["stream_resumable"] == true, created: time.Now()}
	input := messagesOf(body["input"], l.newID("message"))
	content = l.or(content, lastSaid(input))
	reply := l.message(content)
	before := input
	if of != nil {
		var grown, more int
		before, grown = of.add(input...)
		_, more = of.add(reply)
		l.threads.grow(keyOf(r, of.id), grown+more)
	}
	run.values = map[string]any{"messages": append(slices.Clone(before), reply)}
	if content.JSON != nil {
		run.values = with(object(content.JSON), run.values)
	}
	run.answer = newAnswer(l.events(run, modes(body["stream_mode"]), map[string]any{"messages": before}, reply, content))
	l.runs.put(keyOf(r, run.id), run, 1000+weight.Of(before)+weight.Of(reply)+weight.Of(content.JSON))
	return run
}

// messagesOf returns the messages of the input of a run, as a graph keeps them.
func messagesOf(input any, id string) []any {
	messages := list(object(input)["messages"])
	if one := object(input)["messages"]; messages == nil && one != nil {
		messages = []any{one}
	}
	var kept []any
	for i, m := range messages {
		fields, ok := m.(map[string]any)
		if !ok {
			fields = map[string]any{"content": m}
		}
		kind := text(fields["role"])
		if kind == "" || kind == "user" {
			kind = "human"
		}
		kept = append(kept, with(fields, map[string]any{"type": kind, "id": id + "-" + strconv.Itoa(i)}))
	}
	return kept
}

// message returns the message with which a run answers.
func (l *langgraph) message(content *fake.Content) map[string]any {
	calls := []any{}
	for _, tool := range content.Tools {
		calls = append(calls, map[string]any{"type": "tool_call", "id": cmp.Or(tool.ID, l.newID("call")), "name": tool.Name, "args": rawObject(tool.Arguments)})
	}
	return map[string]any{"type": "ai", "id": l.newID("message"), "content": content.Text, "tool_calls": calls}
}

// modes returns the forms in which a client wants the events of a run.
func modes(asked any) (modes []string) {
	if s, ok := asked.(string); ok {
		return []string{s}
	}
	for _, mode := range list(asked) {
		modes = append(modes, text(mode))
	}
	if len(modes) == 0 {
		modes = []string{"values"}
	}
	return modes
}

// maxPartials bounds the bytes of the events that repeat the text so far, about.
const maxPartials = 16 << 20

// events returns the events of a run (https://docs.langchain.com/langsmith/streaming).
func (l *langgraph) events(run *run, modes []string, before, reply map[string]any, content *fake.Content) iter.Seq[func() record.Record] {
	return func(yield func(func() record.Record) bool) { l.write(run, modes, before, reply, content, yield) }
}

func (l *langgraph) write(run *run, modes []string, before, reply map[string]any, content *fake.Content, yield func(func() record.Record) bool) {
	n, more := 0, true
	add := func(typ string, value func() any, delay func() time.Duration) {
		n++
		id := strconv.Itoa(n)
		more = more && yield(func() record.Record {
			r := event(id, typ, value())
			if delay != nil {
				r.Delay = delay()
			}
			return r
		})
	}
	in := func(mode string) bool { return slices.Contains(modes, mode) }
	plain := func(typ string, value any) { add(typ, func() any { return value }, nil) }
	plain("metadata", map[string]any{"run_id": run.id, "attempt": 1})
	if in("values") {
		plain("values", before)
	}
	about := map[string]any{"run_id": run.id, "graph_id": graphID, "langgraph_node": graphID, "langgraph_step": 1}
	if run.thread != nil {
		about["thread_id"] = run.thread.id
	}
	chunk := func(fields map[string]any) map[string]any {
		return with(fields, map[string]any{"type": "AIMessageChunk", "id": reply["id"], "content": "", "tool_call_chunks": []any{}})
	}
	if in("messages") {
		plain("messages/metadata", map[string]any{text(reply["id"]): map[string]any{"metadata": about}})
	}
	most := maxPieces
	if in("messages") && content.Text != "" {
		most = min(most, max(2*maxPartials/len(content.Text), 1))
	}
	for p := range pieces(content.Text, most) {
		if !more {
			return
		}
		delay := func() time.Duration { return l.spell(p) }
		if in("messages-tuple") {
			add("messages", func() any { return []any{chunk(map[string]any{"content": content.Text[p.start:p.end]}), about} }, delay)
			delay = nil
		}
		if in("messages") {
			add("messages/partial", func() any { return []any{with(map[string]any{"content": content.Text[:p.end]}, reply)} }, delay)
		}
	}
	for i, tool := range content.Tools {
		if in("messages-tuple") {
			call := map[string]any{"type": "tool_call_chunk", "index": i, "id": object(list(reply["tool_calls"])[i])["id"], "name": tool.Name, "args": arguments(tool)}
			plain("messages", []any{chunk(map[string]any{"tool_call_chunks": []any{call}}), about})
		}
	}
	if in("messages") {
		plain("messages/complete", []any{reply})
	}
	if in("custom") && content.JSON != nil {
		plain("custom", content.JSON)
	}
	if in("updates") {
		plain("updates", map[string]any{graphID: map[string]any{"messages": []any{reply}}})
	}
	if in("values") {
		plain("values", run.values)
	}
	if strings.HasSuffix(content.Finish, "error") {
		plain("error", map[string]any{"error": "RunError", "message": "the run failed"})
	}
}

func (r *run) path() string {
	if r.thread == nil {
		return "/runs/" + r.id
	}
	return "/threads/" + r.thread.id + "/runs/" + r.id
}

// located adds the place of a run to a reply.
func (r *run) located(reply *fake.Reply) *fake.Reply {
	if reply.Header == nil {
		reply.Header = http.Header{}
	}
	reply.Header.Set("Content-Location", r.path())
	return reply
}

// reply replies with the stream of a run, and where it can be joined.
func (r *run) reply() *fake.Reply {
	reply := r.located(&fake.Reply{Stream: r.stream(0)})
	if r.resumable {
		reply.Header.Set("Location", r.path()+"/stream")
	}
	return reply
}

func (r *run) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = r.count
}

func (r *run) value() map[string]any {
	status := "running"
	if _, done := r.progress(); done {
		status = "success"
	}
	value := map[string]any{
		"run_id": r.id, "assistant_id": r.assistant, "status": status, "created_at": r.created, "updated_at": r.created,
		"metadata": map[string]any{}, "kwargs": map[string]any{}, "multitask_strategy": "reject", "thread_id": nil,
	}
	if r.thread != nil {
		value["thread_id"] = r.thread.id
	}
	return value
}

// act replies to a request for a run.
func (r *run) act(request *fake.Request, action string) *fake.Reply {
	switch request.Method + " " + action {
	case "GET ":
		return fake.JSON(http.StatusOK, r.value())
	case "GET stream":
		return r.join(request)
	case "GET join":
		r.finish()
		return r.located(fake.JSON(http.StatusOK, r.values))
	case "POST cancel":
		r.finish()
		return &fake.Reply{Status: http.StatusAccepted}
	case "DELETE ":
		return &fake.Reply{Status: http.StatusNoContent}
	}
	return nil
}

// join replies with the stream of a run after the event of an ID, and without one
// from the next event on. A run that keeps its events has all of them for -1.
func (r *run) join(request *fake.Request) *fake.Reply {
	place, _ := r.progress()
	if last := request.Header.Get("Last-Event-ID"); r.resumable && last != "" {
		n, _ := strconv.Atoi(last)
		place, _ = r.after(strconv.Itoa(n - 1)) // an unknown one is before all
	}
	reply := r.located(&fake.Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
		return r.stream(place)(ctx, send)
	}})
	reply.Header.Set("Location", r.path()+"/stream")
	return reply
}
