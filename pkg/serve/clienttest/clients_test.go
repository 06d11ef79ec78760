package clienttest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the outcomes in testdata")

const samples = "../../../testdata/streams/"

// A client is a library of JavaScript and what the test does with it.
type client struct {
	name      string            // of its script, without .mjs
	routes    map[string]string // of "ssectl serve", with the file of each
	scenarios []scenario        // of the script
}

// A scenario is one use of a client.
type scenario struct {
	name  string
	plain bool // the answer is of the fake service
}

var clients = []client{
	{
		name: "openai",
		routes: map[string]string{
			"POST /v1/chat/completions": samples + "openai-chat.sse",
			"POST /v1/responses":        samples + "openai-responses.sse",
		},
		scenarios: []scenario{
			{name: "models", plain: true}, {name: "chat", plain: true},
			{name: "chat stream"}, {name: "chat chunks"}, {name: "responses stream"}, {name: "responses final"},
		},
	},
	{
		name:      "anthropic",
		routes:    map[string]string{"POST /v1/messages": samples + "anthropic-messages.sse"},
		scenarios: []scenario{{name: "message", plain: true}, {name: "message stream"}, {name: "message events"}},
	},
	{
		name:      "google",
		routes:    map[string]string{"POST /v1beta/models/*": samples + "gemini.sse"},
		scenarios: []scenario{{name: "content", plain: true}, {name: "content stream"}},
	},
	{
		name: "vercel",
		routes: map[string]string{
			"POST /v1/chat/completions": samples + "openai-chat.sse",
			"POST /api/chat":            "testdata/streams/ui-message.sse",
		},
		scenarios: []scenario{{name: "text stream"}, {name: "message stream"}},
	},
	{
		name:      "mcp",
		scenarios: []scenario{{name: "session", plain: true}},
	},
	{
		name:      "eventsource",
		routes:    map[string]string{"GET /feed": "testdata/streams/feed.sse"},
		scenarios: []scenario{{name: "feed"}},
	},
}

// upstream starts "ssectl serve" with the routes of a client. Requests that no route
// is for go to the fake service. Clients that wait before they ask again do not wait.
func (c *client) upstream(t *testing.T, fake string, flags ...string) *server {
	args := append([]string{"--upstream", fake, "-H", "Retry-After-Ms: 1"}, flags...)
	for _, route := range slices.Sorted(maps.Keys(c.routes)) {
		args = append(args, "--route", route+"="+c.routes[route])
	}
	return serve(t, args...)
}

// An outcome is what a scenario came to.
type outcome struct {
	Seen   []json.RawMessage `json:"seen,omitempty"` // by the app, before the end
	Result json.RawMessage   `json:"result,omitempty"`
	Error  json.RawMessage   `json:"error,omitempty"`
}

func (o outcome) String() string {
	text, _ := json.Marshal(o)
	return string(text)
}

// run runs a scenario against a server.
func (a *app) run(s scenario, url string) (o outcome) {
	a.t.Helper()
	if s.plain {
		url += "/plain"
	}
	request, _ := json.Marshal(map[string]string{"scenario": s.name, "url": url})
	fmt.Fprintf(a.in, "%s\n", request)
	line, err := a.out.ReadBytes('\n')
	if err == nil {
		text := strings.ReplaceAll(string(line), url, "URL")
		err = json.Unmarshal([]byte(text), &o)
	}
	if err != nil {
		a.t.Fatalf("%s: %v: %q", s.name, err, line)
	}
	return o
}

// A golden is a file of outcomes.
type golden struct {
	t    *testing.T
	file string
	want map[string]outcome
	got  map[string]outcome
}

// openGolden opens a file, and writes it when the test ends if that is asked for.
func openGolden(t *testing.T, name string) *golden {
	g := &golden{t: t, file: filepath.Join("testdata", name+".json"), got: map[string]outcome{}}
	text, err := os.ReadFile(g.file)
	if err == nil {
		err = json.Unmarshal(text, &g.want)
	}
	if err != nil && !*update {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !*update || t.Failed() {
			return
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "\t")
		encoder.Encode(g.got)
		if err := os.WriteFile(g.file, b.Bytes(), 0o666); err != nil {
			t.Error(err)
		}
	})
	return g
}

// check compares an outcome with the file.
func (g *golden) check(name string, got outcome) {
	g.t.Helper()
	g.checkAt("a server", name, got)
}

// checkAt compares an outcome, which is the same at all places, with the file.
func (g *golden) checkAt(place, name string, got outcome) {
	g.t.Helper()
	if got.Error != nil {
		got.Seen = nil // the error of a stream overtakes what waits in it: it is a matter of time
	}
	want := g.want[name]
	if *update {
		if _, ok := g.got[name]; !ok {
			g.got[name] = got
		}
		want = g.got[name]
	}
	// A file has other white space.
	if compact(got) != compact(want) {
		g.t.Errorf("%s at %s:\ngot  %s\nwant %s", name, place, compact(got), compact(want))
	}
}

func compact(o outcome) string {
	var b bytes.Buffer
	json.Compact(&b, []byte(o.String()))
	return b.String()
}

// TestClients wants every client to get the same answers directly, through "ssectl
// serve --upstream" and from the recording of that, when the service is gone.
func TestClients(t *testing.T) {
	wantNode(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			golden := openGolden(t, c.name)
			app := startApp(t, c.name+".mjs")
			fake := startFake(t)
			upstream := c.upstream(t, fake.URL)
			direct := map[scenario]outcome{}
			for _, s := range c.scenarios {
				url := upstream.url
				if s.plain {
					url = fake.URL
				}
				direct[s] = app.run(s, url)
				golden.check(s.name, direct[s])
				if direct[s].Error != nil {
					t.Errorf("%s: %s", s.name, direct[s])
				}
			}
			compare := func(where, url string) {
				t.Helper()
				for _, s := range c.scenarios {
					if got := app.run(s, url); got.String() != direct[s].String() {
						t.Errorf("%s, %s:\ngot  %s\nwant %s", s.name, where, got, direct[s])
					}
				}
			}
			tape := filepath.Join(t.TempDir(), "tape")
			recorder := serve(t, "--upstream", upstream.url, "--record", tape)
			compare("recorded", recorder.url)
			recorder.stop()
			upstream.stop()
			fake.Close()
			checkSecrets(t, tape)
			player := serve(t, tape)
			compare("replayed", player.url)
			compare("replayed again", player.url)
		})
	}
}

// checkSecrets wants no file of a tape to have the key of a client or a session.
func checkSecrets(t *testing.T, tape string) {
	t.Helper()
	files, err := os.ReadDir(tape)
	if err != nil || len(files) == 0 {
		t.Errorf("%d files in %s: %v", len(files), tape, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(tape, file.Name()))
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(text), "0123456789abcdef") {
			t.Errorf("%s has a secret:\n%s", file.Name(), text)
		}
	}
}
