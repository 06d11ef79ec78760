package listencmd_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A service is a fake of one whose answers go on by another request: what is sent
// to it, and how it answers.
type service struct {
	as, path, header string // path of the POST, a header of its answer
	args             []string
	event            func(n, last int, text string) string // of the number n; 0 and last have no text
	rest             string                                // method and path of the request for the rest
	after            func(r *http.Request) int             // the event after which the rest begins
	overlaps         bool                                  // the rest may begin too early
	endless          bool                                  // no event is an end mark
}

// number returns the n of "e<n>" or "<n>", -1 for no number.
func number(text string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(text, "e"))
	if err != nil {
		return -1
	}
	return n
}

func query(name string) func(r *http.Request) int {
	return func(r *http.Request) int { return number(r.URL.Query().Get(name)) }
}

var services = []service{
	{
		as: "openai-responses", path: "/v1/responses?api-version=1",
		args: []string{"--json", `{"background":true,"stream":true}`},
		event: func(n, last int, text string) string {
			switch n {
			case 0:
				return event("response.created", `{"type":"response.created","response":{"id":"resp_1","background":true},"sequence_number":0}`)
			case last:
				return event("response.completed", fmt.Sprintf(`{"type":"response.completed","response":{"id":"resp_1"},"sequence_number":%d}`, n))
			}
			return event("response.output_text.delta", fmt.Sprintf(`{"type":"response.output_text.delta","delta":%q,"sequence_number":%d}`, text, n))
		},
		rest: "GET /v1/responses/resp_1", after: query("starting_after"), overlaps: true,
	},
	{
		as: "gemini-interactions", path: "/v1beta/interactions",
		args: []string{"--json", `{"stream":true}`},
		event: func(n, last int, text string) string {
			switch n {
			case 0:
				return event("interaction.created", `{"event_type":"interaction.created","interaction":{"id":"v1_a"},"event_id":"e0"}`)
			case last:
				return event("interaction.completed", fmt.Sprintf(`{"event_type":"interaction.completed","interaction":{"id":"v1_a"},"event_id":"e%d"}`, n))
			}
			return event("step.delta", fmt.Sprintf(`{"event_type":"step.delta","delta":{"type":"text","text":%q},"event_id":"e%d"}`, text, n))
		},
		rest: "GET /v1beta/interactions/v1_a", after: query("last_event_id"), overlaps: true,
	},
	{
		as: "langgraph", path: "/api/threads/t/runs/stream", header: "Content-Location: /threads/t/runs/r",
		args: []string{"--json", `{"stream_resumable":true}`},
		event: func(n, last int, text string) string {
			if n == 0 || n == last {
				return fmt.Sprintf("id: e%d\n", n) + event("metadata", `{"run_id":"r"}`)
			}
			return fmt.Sprintf("id: e%d\n", n) + event("messages", fmt.Sprintf(`[{"content":%q},{}]`, text))
		},
		rest: "GET /api/threads/t/runs/r/stream", overlaps: true, endless: true,
		after: func(r *http.Request) int { return number(r.Header.Get("Last-Event-ID")) },
	},
	{
		as: "agno", path: "/agents/a/runs",
		args: []string{"-d", "message=hi&stream=true&background=true"},
		event: func(n, last int, text string) string {
			name := "RunContent"
			switch n {
			case 0:
				name = "RunStarted"
			case last:
				name = "RunCompleted"
			}
			return event(name, fmt.Sprintf(`{"event":%q,"run_id":"r/1","session_id":"s&1","content":%q,"event_index":%d}`, name, text, n))
		},
		rest: "POST /agents/a/runs/r%2F1/resume", overlaps: true,
		after: func(r *http.Request) int {
			if r.PostFormValue("session_id") != "s&1" {
				return -2
			}
			return number(r.PostFormValue("last_event_index"))
		},
	},
	{
		as: "vercel-workflow", path: "/api/chat", header: "X-Workflow-Run-Id: wrun_1",
		args: []string{"--json", `{"id":"chat"}`}, event: uiEvent,
		rest: "GET /api/chat/wrun_1/stream", after: func(r *http.Request) int { return query("startIndex")(r) - 1 },
	},
	{
		as: "vercel-ai", path: "/api/chat",
		args: []string{"--json", `{"id":"chat"}`}, event: uiEvent,
		rest: "GET /api/chat/chat/stream", after: func(*http.Request) int { return -1 },
	},
}

func event(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }

func uiEvent(n, last int, text string) string {
	switch n {
	case 0:
		return `data: {"type":"start"}` + "\n\n"
	case last:
		return `data: {"type":"finish"}` + "\n\n"
	}
	return fmt.Sprintf(`data: {"type":"text-delta","id":"0","delta":%q}`+"\n\n", text)
}

// A fault is what happens to one answer.
type fault struct {
	kind string // "cut", "end" in order, "reset", "502", "kill", or "" for none
	at   int    // bytes of the answer
}

// A fake is a service with its faults, one for each request.
type fake struct {
	service
	t      *testing.T
	name   string
	events []string
	texts  []string
	faults []fault
	posts  int
	early  int // events that a rest repeats

	mu      sync.Mutex
	changed *sync.Cond
	printed bytes.Buffer // by the run
	sent    int          // events that are sure to arrive whole in a run
	stuck   bool         // that fault waits
}

// newFake draws a service, an answer and the faults on it.
func newFake(t *testing.T, rng *rand.Rand, name string) *fake {
	f := &fake{t: t, name: name, service: services[rng.IntN(len(services))]}
	f.changed = sync.NewCond(&f.mu)
	last := 3 + rng.IntN(12)
	for n := range last + 1 {
		text := ""
		if n != 0 && n != last {
			text = []string{"Har", "bour", " tide", " 潮", "é", " ", "a long piece of text, of many words"}[rng.IntN(7)]
		}
		f.texts = append(f.texts, text)
		f.events = append(f.events, f.event(n, last, text))
	}
	if f.overlaps {
		f.early = rng.IntN(2)
	}
	kinds := []string{"cut", "reset", "502", "kill", "end"}
	for n := range rng.IntN(5) {
		kind := kinds[rng.IntN(len(kinds))]
		if kind == "502" && n == 0 || kind == "end" && f.endless || kind == "kill" && rng.IntN(2) == 0 {
			kind = "cut"
		}
		f.faults = append(f.faults, fault{kind, rng.IntN(len(strings.Join(f.events, "")))})
	}
	return f
}

// Write is standard output of the run.
func (f *fake) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
	return f.printed.Write(p)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, begins := 0, r.Method == http.MethodPost && r.URL.RequestURI() == f.path
	method, path, _ := strings.Cut(f.service.rest, " ")
	switch {
	case begins:
		f.mu.Lock()
		f.posts++
		f.mu.Unlock()
		if name, value, ok := strings.Cut(f.header, ": "); ok {
			w.Header().Set(name, value)
		}
	case r.Method == method && r.URL.EscapedPath() == path && r.Header.Get("Authorization") == "Bearer secret":
		if from = f.after(r) + 1; from < 0 {
			f.t.Errorf("%s: asked for the rest by %s %s", f.name, r.Method, r.URL)
		}
		from = max(from-f.early, 0)
	default:
		f.t.Errorf("%s: asked %s %s", f.name, r.Method, r.URL)
		http.NotFound(w, r)
		return
	}
	var now fault
	f.mu.Lock()
	if len(f.faults) > 0 {
		now, f.faults = f.faults[0], f.faults[1:]
	}
	f.mu.Unlock()
	if now.kind == "502" {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", stream.ContentType)
	answer := strings.Join(f.events[from:], "")
	if now.kind == "" {
		io.WriteString(w, "retry: 1\n\n"+answer)
		return
	}
	// The first request is not repeated: what the rest is asked by has to arrive.
	at := min(now.at, len(answer)-1)
	if need := len(f.events[0]) + len(f.events[1]); begins {
		at = max(at, need)
	}
	io.WriteString(w, "retry: 1\n\n"+answer[:at])
	w.(http.Flusher).Flush()
	if now.kind != "reset" {
		f.mu.Lock()
		n := from
		for rest := at; n < len(f.events) && rest >= len(f.events[n]); n++ {
			rest -= len(f.events[n])
		}
		f.sent = max(f.sent, n)
		f.stuck = now.kind == "kill"
		f.changed.Broadcast()
		f.mu.Unlock()
	}
	switch now.kind {
	case "cut":
		panic(http.ErrAbortHandler)
	case "reset":
		if begins {
			f.await(r.Context(), func() bool { return f.printed.Len() > 0 })
		}
		reset(w)
	case "kill":
		<-r.Context().Done()
	}
}

// await waits for a condition, or for the end of the request.
func (f *fake) await(ctx context.Context, done func() bool) {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed.Broadcast()
	})
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for !done() && ctx.Err() == nil {
		f.changed.Wait()
	}
}

// text returns that of the events up to one.
func (f *fake) text(from, to int) string { return strings.Join(f.texts[from:to], "") }

// TestRestOfAnAnswer breaks answers of services off in all ways, and kills the
// program: the text is that of the whole answer, asked for once.
func TestRestOfAnAnswer(t *testing.T) {
	seed, cases := rand.Uint64(), 25
	if text := os.Getenv("SSECTL_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	if n, err := strconv.Atoi(os.Getenv("SSECTL_TEST_CASES")); err == nil {
		cases = n
	}
	t.Logf("SSECTL_TEST_SEED=%d", seed)
	count := map[string]int{}
	for i := range cases {
		if one := os.Getenv("SSECTL_TEST_CASE"); one != "" && one != strconv.Itoa(i) {
			continue
		}
		f := newFake(t, rand.New(rand.NewPCG(seed, uint64(i))), fmt.Sprintf("SSECTL_TEST_SEED=%d, case %d", seed, i))
		f.name += ", " + f.as + fmt.Sprint(f.faults)
		for _, fault := range f.faults {
			count[fault.kind]++
		}
		if f.run(t, filepath.Join(t.TempDir(), "cursor.json")); t.Failed() {
			return
		}
	}
	t.Logf("%d answers, %v", cases, count)
}

// run prints the answer, in as many runs as it takes.
func (f *fake) run(t *testing.T, cursor string) {
	server := httptest.NewServer(f)
	defer server.Close()
	defer server.CloseClientConnections()
	args := append([]string{"listen", server.URL + f.path, "--as", f.as, "--text", "-H", "Authorization: Bearer secret", "--cursor", cursor}, f.args...)
	var whole strings.Builder
	kept := 0
	for range len(f.faults) + 1 { // runs
		f.mu.Lock()
		f.printed.Reset()
		f.stuck, f.sent = false, kept // what came after it comes again
		f.mu.Unlock()
		var code int
		var errs string
		if f.willKill() {
			code, errs = f.kill(t, args, kept)
		} else {
			var r bytes.Buffer
			code = cmd.Run(t.Context(), &term.Streams{In: strings.NewReader(""), Out: f, Err: &r}, args)
			errs = r.String()
		}
		out := f.printed.String()
		whole.WriteString(out)
		if code == 0 {
			break
		}
		if code != -1 {
			t.Fatalf("%s: exit code %d, printed %q of %q\n%s", f.name, code, whole.String(), f.text(0, len(f.texts)), errs)
		}
		// The file may lag one event after the output, and is never ahead.
		text, _ := os.ReadFile(cursor)
		if strings.Contains(string(text), "secret") {
			t.Fatalf("%s: a secret in %s", f.name, text)
		}
		kept = countOf(t, text)
		printed := 1
		for printed < len(f.texts)-1 && len(f.text(0, printed)) < whole.Len() {
			printed++
		}
		if kept > printed || kept < printed-1 {
			t.Fatalf("%s: %d events in the file, %d were printed", f.name, kept, printed)
		}
		if again := f.text(kept, printed); again != "" {
			short := strings.TrimSuffix(whole.String(), again)
			whole.Reset()
			whole.WriteString(short)
		}
	}
	if want := f.text(0, len(f.texts)); whole.String() != want || f.posts != 1 {
		t.Errorf("%s: printed %q, want %q; %d POSTs, want 1", f.name, whole.String(), want, f.posts)
	}
	posts := f.posts
	if r := cmdtest.Run(t, "", args...); r.Code != 0 || r.Out != "" || f.posts != posts {
		t.Errorf("%s: once more, exit code %d, %q, %d POSTs\n%s", f.name, r.Code, r.Out, f.posts, r.Err)
	}
}

func (f *fake) willKill() bool {
	for _, fault := range f.faults {
		if fault.kind == "kill" {
			return true
		}
	}
	return false
}

// kill runs the program until all is printed that came before the fault, and kills
// it. The exit code is -1.
func (f *fake) kill(t *testing.T, args []string, kept int) (int, string) {
	run := start(t, args...)
	copied := make(chan struct{})
	go func() {
		io.Copy(f, run.out)
		close(copied)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed.Broadcast()
	}()
	f.await(t.Context(), func() bool {
		return isClosed(copied) || f.stuck && f.printed.Len() >= len(f.text(kept, max(kept, f.sent)))
	})
	run.Process.Kill()
	<-copied
	run.Wait()
	return run.ProcessState.ExitCode(), run.errs.String()
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// countOf returns how many events a cursor file has seen.
func countOf(t *testing.T, text []byte) int {
	var file struct {
		Streams map[string]struct{ Rest struct{ Count int } }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, place := range file.Streams {
		return place.Rest.Count
	}
	return 0
}

// asked notes the requests that a server gets, with the headers that count here.
type asked struct {
	mu   sync.Mutex
	list []string
}

func (a *asked) add(r *http.Request) (method string) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	line := r.Method + " " + r.URL.RequestURI()
	for _, name := range []string{"Authorization", "Last-Event-ID", "Mcp-Session-Id", "X-Key"} {
		if value := r.Header.Get(name); value != "" {
			line += " " + value
		}
	}
	a.list = append(a.list, strings.TrimSpace(line+" "+string(body)))
	return r.Method
}

func (a *asked) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.list, "|")
}

func (a *asked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.list)
}

func (a *asked) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = nil
}

// TestSaysBeforeWhatACutLoses, and gives up at a cut that nothing follows.
func TestSaysBeforeWhatACutLoses(t *testing.T) {
	for _, test := range []struct {
		as, header, body, want string
	}{
		{"openai-responses", "", `{"stream":true}`, "not made with background: a cut will lose it"},
		{"openai-responses", "", `{"background":true}`, ""},
		{"gemini-interactions", "", `{"store":false}`, "not stored: a cut will lose it"},
		{"langgraph", "Content-Location: /threads/t/runs/r", `{}`, "not made with stream_resumable: a cut will lose it"},
		{"agno", "", `{}`, "not made with background=true: a cut will lose it"},
		{"vercel-workflow", "", `{}`, "names no workflow run: a cut will lose it"},
		{"vercel-ai", "", `{}`, "names no chat by an id: a cut will lose its answer"},
		{"a2a", "", `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage"}`, "its events in between are lost"},
		{"mcp", "Mcp-Protocol-Version: 2026-07-28", `{}`, "MCP 2026-07-28 resumes nothing"},
		{"mcp", "Mcp-Protocol-Version: 2025-11-25", `{}`, ""},
		{"mcp", "", `{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, "MCP 2026-07-28 resumes nothing"},
		{"openai", "", `{}`, ""},
	} {
		var seen asked
		url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			seen.add(r)
			if name, value, ok := strings.Cut(test.header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.Header().Set("Content-Type", stream.ContentType)
			io.WriteString(w, "retry: 1\nid: 1\ndata: {}\n\n")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		args := []string{"listen", url + "/threads/t/runs/stream", "--as", test.as, "--json", test.body, "-H", cmp.Or(test.header, "X: y")}
		if test.want == "" || test.as == "a2a" {
			args = append(args, "--no-reconnect") // else it would go on
		}
		r := cmdtest.Run(t, "", args...)
		if r.Code == 0 || seen.count() != 1 {
			t.Errorf("%s %s: exit code %d, asked %s\n%s", test.as, test.body, r.Code, seen.String(), r.Err)
		}
		lines := strings.SplitAfter(r.Err, "\n")
		if test.want != "" && (len(lines) < 2 || !strings.Contains(lines[1], test.want)) || test.want == "" && strings.Contains(r.Err, "cut") {
			t.Errorf("%s %s: want %q after the first line of\n%s", test.as, test.body, test.want, r.Err)
		}
	}
}

// TestRestThatExpired is an error of its own; other refusals are tried again.
func TestRestThatExpired(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		var seen asked
		url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			if seen.add(r) == http.MethodGet {
				w.WriteHeader(status)
				return
			}
			w.Header().Set("Content-Type", stream.ContentType)
			io.WriteString(w, "retry: 1\n\n"+services[0].event(0, 9, ""))
		})
		r := cmdtest.Run(t, "", "listen", url+"/v1/responses", "--as", "openai-responses", "--text", "--json", `{"background":true}`, "--reconnect", "always")
		want := `POST /v1/responses {"background":true}|GET /v1/responses/resp_1?starting_after=0&stream=true`
		if r.Code != 4 || seen.String() != want || !strings.Contains(r.Err, fmt.Sprint("the rest of the answer is gone: server answered ", status)) || !strings.Contains(r.Err, "hint: services keep an answer for a while only") {
			t.Errorf("exit code %d, asked %s\n%s", r.Code, seen.String(), r.Err)
		}
	}
}

// TestRestElsewhere gives no credentials to another origin, though the expression may.
func TestRestElsewhere(t *testing.T) {
	var here, there asked
	elsewhere := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		there.add(r)
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "data: {\"n\":1}\n\ndata: {\"n\":2,\"end\":true}\n\n")
	})
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		here.add(r)
		w.Header().Set("Content-Type", stream.ContentType)
		fmt.Fprintf(w, "retry: 1\ndata: {\"n\":1,\"rest\":%q}\n\n", elsewhere+"/rest")
	})
	for _, test := range []struct{ expression, want string }{
		{`.first.json.rest + "?after=\(.position)"`, "GET /rest?after=1"},
		{`{url: .first.json.rest, query: {after: .position}, headers: {"X-Key": "mine"}}`, "GET /rest?after=1 mine"},
		{`{url: .first.json.rest, method: "post", body: "x"}`, ""},
	} {
		here.clear()
		there.clear()
		r := cmdtest.Run(t, "", "listen", url, "-H", "Authorization: Bearer secret", "-H", "X-Key: secret", "-b", "a=secret", "-d", "ask",
			"--resume-get", test.expression, "--resume-position", ".json.n", "--until", ".json.end", "--jq", ".json.n")
		if there.String() != test.want || here.String() != "POST / Bearer secret secret ask" {
			t.Errorf("%s: asked %q, then %q\n%s", test.expression, here.String(), there.String(), r.Err)
		}
		if test.want != "" && (r.Code != 0 || r.Out != "1\n2\n") {
			t.Errorf("%s: exit code %d, %q\n%s", test.expression, r.Code, r.Out, r.Err)
		}
	}
	here.clear()
	r := cmdtest.Run(t, "", "listen", url+"/?key=secret", "-d", "secret", "--resume-get", ".request.url.x, error(.request.url)", "--until", "false")
	if strings.Contains(r.Err, "secret") || !strings.Contains(r.Err, "the request for the rest: jq expression: expected an object but got: string\n") || here.count() != 1 {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"--resume-position", ".id"}, {"--resume-get", "1", "--resume", "off"}, {"--resume-get", "("}} {
		cmdtest.Run(t, "", append([]string{"listen", url}, args...)...).Check(t, 2)
	}
}

// TestNeverAsksTwice has runs after one whose answer nobody knows.
func TestNeverAsksTwice(t *testing.T) {
	var seen asked
	var status atomic.Int64
	status.Store(http.StatusUnauthorized)
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add(r)
		if status := int(status.Load()); status != 0 {
			w.WriteHeader(status)
			return
		}
		panic(http.ErrAbortHandler)
	})
	args := []string{"listen", url, "--as", "openai-responses", "--json", `{"background":true}`, "--cursor", filepath.Join(t.TempDir(), "cursor.json")}
	cmdtest.Run(t, "", append(args, "--record", t.TempDir())...).Check(t, 2) // nothing was asked
	cmdtest.Run(t, "", args...).Check(t, 4)                                  // no answer was begun
	status.Store(0)
	cmdtest.Run(t, "", args...).Check(t, 3)
	r := cmdtest.Run(t, "", args...)
	if r.Code != 3 || seen.count() != 2 || !strings.Contains(r.Err, "was sent by an earlier run") {
		t.Errorf("exit code %d, asked %s\n%s", r.Code, seen.String(), r.Err)
	}
	status.Store(http.StatusForbidden)
	cmdtest.Run(t, "", append(args, "--reconnect", "always")...).Check(t, 4)
	if seen.count() != 3 {
		t.Errorf("asked %s", seen.String())
	}
}

// TestRestByAnotherPost subscribes to a task of A2A, which asks for nothing anew.
func TestRestByAnotherPost(t *testing.T) {
	for method, subscribe := range map[string]string{"SendStreamingMessage": "SubscribeToTask", "message/stream": "tasks/resubscribe"} {
		var seen asked
		url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			seen.add(r)
			w.Header().Set("Content-Type", stream.ContentType)
			if seen.count() == 1 {
				io.WriteString(w, "retry: 1\ndata: {\"result\":{\"task\":{\"id\":\"t1\",\"status\":{\"state\":\"TASK_STATE_WORKING\"}}}}\n\n")
				return
			}
			io.WriteString(w, "data: {\"result\":{\"artifactUpdate\":{\"artifact\":{\"parts\":[{\"text\":\"done\"}]}}}}\n\n"+
				"data: {\"result\":{\"statusUpdate\":{\"taskId\":\"t1\",\"status\":{\"state\":\"TASK_STATE_COMPLETED\"}}}}\n\n")
		})
		ask := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q}`, method)
		r := cmdtest.Run(t, "", "listen", url, "--as", "a2a", "--text", "--json", ask)
		want := fmt.Sprintf(`POST / %s|POST / {"id":1,"jsonrpc":"2.0","method":%q,"params":{"id":"t1"}}`, ask, subscribe)
		if r.Code != 0 || r.Out != "done" || seen.String() != want {
			t.Errorf("exit code %d, %q, asked %s, want %s\n%s", r.Code, r.Out, seen.String(), want, r.Err)
		}
	}
}

// TestRestOverRuns keeps the session of MCP, the reconnection time, and no secrets.
func TestRestOverRuns(t *testing.T) {
	var seen asked
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		if seen.add(r) == http.MethodPost {
			w.Header().Set("Mcp-Session-Id", "s1")
			io.WriteString(w, "id: 1\nretry: 7\ndata: {}\n\n")
			return
		}
		io.WriteString(w, "id: 2\ndata: {\"id\":1,\"result\":{}}\n\n")
	})
	file := filepath.Join(t.TempDir(), "cursor.json")
	args := []string{"listen", url + "/mcp?key=secret", "--as", "mcp", "--json", "{}", "--cursor", file, "--format", "data", "--no-reconnect", "-H", "Authorization: Bearer secret"}
	cmdtest.Run(t, "", args...).Check(t, 1)
	text, _ := os.ReadFile(file)
	if strings.Contains(string(text), "secret") || !strings.Contains(string(text), `"retry_ms": 7`) || !strings.Contains(string(text), `"mcp-session-id": "s1"`) {
		t.Errorf("%s", text)
	}
	if r := cmdtest.Run(t, "", args...); r.Code != 0 || r.Out != "{\"id\":1,\"result\":{}}\n" {
		t.Errorf("%+v", r)
	}
	want := "POST /mcp?key=secret Bearer secret {}|GET /mcp?key=secret Bearer secret 1 s1"
	if cmdtest.Run(t, "", args...).Check(t, 0); seen.String() != want {
		t.Errorf("asked %s, want %s", seen.String(), want)
	}
}

// TestRestWithAGap tells that positions are missing.
func TestRestWithAGap(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		if r.Method == http.MethodPost {
			io.WriteString(w, "retry: 1\n\n"+services[0].event(0, 9, ""))
			return
		}
		io.WriteString(w, services[0].event(9, 9, ""))
	})
	r := cmdtest.Run(t, "", "listen", url, "--as", "openai-responses", "--text", "--json", `{"background":true}`)
	if r.Code != 0 || !strings.Contains(r.Err, "gap: asked for events after 0, but the server continues with 9") {
		t.Errorf("%+v", r)
	}
}
