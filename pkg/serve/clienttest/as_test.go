package clienttest

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// A standIn is a service of "serve --as", with scenarios of as.mjs.
type standIn struct {
	as        string
	scenarios []string
	broken    string // the scenarios that are run with faults
	statuses  string // of the failures of the service
}

var standIns = []standIn{
	{
		as: "openai",
		scenarios: []string{
			"openai models", "openai chat", "openai chat stream", "openai chat chunks", "openai responses", "openai responses stream", "openai responses rest",
			"openai embeddings", "openai json", "openai chat forced", "openai responses forced", "vercel text", "vercel stream",
		},
		broken: "openai chat,openai chat stream,openai responses stream,vercel stream", statuses: "400 401 404 503",
	},
	{
		as: "anthropic", scenarios: []string{"anthropic message", "anthropic stream", "anthropic limit", "anthropic others", "anthropic forced"},
		broken: "anthropic message,anthropic stream", statuses: "400 401 404 529",
	},
	{
		as: "gemini", scenarios: []string{"google content", "google stream", "google others", "google interaction", "google forced"},
		broken: "google content,google stream", statuses: "400 401 404 429 503",
	},
	{as: "vercel-ai", scenarios: []string{"ui chat"}, broken: "ui chat", statuses: "400 429 500"},
}

// ids are those that "serve --as" makes up.
var ids = regexp.MustCompile(`[0-9a-f]{8}[0-9]{6}([0-9]{2})?`)

// withoutIDs returns an outcome that is the same in each run.
func (o outcome) withoutIDs() outcome {
	for i := range o.Seen {
		o.Seen[i] = ids.ReplaceAll(o.Seen[i], []byte("ID"))
	}
	o.Result, o.Error = ids.ReplaceAll(o.Result, []byte("ID")), ids.ReplaceAll(o.Error, []byte("ID"))
	if len(o.Result) == 0 {
		o.Result = nil
	}
	if len(o.Error) == 0 {
		o.Error = nil
	}
	return o
}

// TestAs wants the official clients to take "serve --as" for their service: whole and as
// a stream, asked again after a limit, and with the errors that are documented.
func TestAs(t *testing.T) {
	wantNode(t)
	for _, s := range standIns {
		t.Run(s.as, func(t *testing.T) {
			t.Parallel()
			golden := openGolden(t, "as-"+s.as)
			app := startApp(t, "as.mjs")
			at := serve(t, "--as", s.as)
			for _, scenario := range s.scenarios {
				got := app.run(scenarioOf(scenario), at.url).withoutIDs()
				if got.Error != nil {
					t.Errorf("%s: %s", scenario, got)
				}
				golden.check(scenario, got)
			}
			// Faults change while the server runs. Those that count begin anew.
			at = serve(t, "--as", s.as, "-H", "Retry-After-Ms: 1")
			for _, scenario := range strings.Split(s.broken, ",") {
				for _, fault := range []string{"drop@2", "reset@2", "truncate@2"} {
					if !strings.Contains(scenario, "stream") && scenario != "ui chat" {
						continue
					}
					at.fault(t, fault)
					got := app.run(scenarioOf(scenario), at.url).withoutIDs()
					if got.Error == nil {
						t.Errorf("%s, %s: a cut answer is taken for a whole one: %s", scenario, fault, got)
					}
					golden.check(scenario+", "+fault, got)
				}
				for status := range strings.FieldsSeq(s.statuses) {
					at.fault(t, "status="+status)
					golden.check(scenario+", status="+status, app.run(scenarioOf(scenario), at.url).withoutIDs())
				}
			}
		})
	}
}

// fault sets the faults of a server.
func (s *server) fault(t *testing.T, fault string) {
	t.Helper()
	response, err := http.Post(s.url+"/.ssectl/fault", "application/json", strings.NewReader(`{"fault": ["`+fault+`"]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		t.Fatalf("setting the fault %s: %s %s", fault, response.Status, body)
	}
}

func scenarioOf(name string) scenario { return scenario{name: name} }

// TestAsRetry wants clients to ask again after the limit of the service, when its
// Retry-After is over.
func TestAsRetry(t *testing.T) {
	wantNode(t)
	t.Parallel()
	app := startApp(t, "as.mjs")
	for scenario, as := range map[string]string{
		"openai chat": "openai", "openai responses stream": "openai", "vercel text": "openai", "anthropic stream": "anthropic",
	} {
		at := serve(t, "--as", as, "--fault", "status=429:#1")
		if got := app.run(scenarioOf(scenario), at.url); got.Error != nil {
			t.Errorf("%s: %s", scenario, got)
		}
	}
}

// TestAsResume wants the AI SDK to have the rest of a chat after a cut, and nothing after
// that.
func TestAsResume(t *testing.T) {
	wantNode(t)
	t.Parallel()
	app := startApp(t, "as.mjs")
	at := serve(t, "--as", "vercel-ai", "--fault", "drop@4:#1")
	const want = `{"result":{"cut":true,"text":["step-start","Harbour tide — 满潮 at 06:40 🌊"],"left":null}}`
	if got := app.run(scenarioOf("ui resume"), at.url); got.String() != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestAsAnswers has the answers of a directory told by each service: a call of a tool
// after some thinking, and what the tool brought in the next turn.
func TestAsAnswers(t *testing.T) {
	wantNode(t)
	t.Parallel()
	golden := openGolden(t, "as-answers")
	app := startApp(t, "as.mjs")
	for _, s := range []standIn{
		{as: "openai", scenarios: []string{"openai chat tools", "openai responses tools", "openai chat"}},
		{as: "anthropic", scenarios: []string{"anthropic tools"}},
		{as: "gemini", scenarios: []string{"google tools"}},
		{as: "vercel-ai", scenarios: []string{"ui tools"}},
	} {
		at := serve(t, "testdata/answers", "--as", s.as)
		for _, scenario := range s.scenarios {
			got := app.run(scenarioOf(scenario), at.url).withoutIDs()
			if got.Error != nil {
				t.Errorf("%s: %s", scenario, got)
			}
			golden.check(scenario, got)
		}
	}
}
