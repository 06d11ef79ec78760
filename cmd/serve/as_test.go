package servecmd_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/cmd/internal/transcript"
	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/llm"
)

// A spoken is a stream of a service of --as, and the preset of listen that reads it.
type spoken struct {
	as, preset string
	path, body string // of the request
}

var spokenStreams = []spoken{
	{"openai", "openai", "/v1/chat/completions", `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":%s}]}`},
	{"openai", "openai-responses", "/v1/responses", `{"model":"m","stream":true,"background":true,"input":%s}`},
	{"anthropic", "anthropic", "/v1/messages", `{"model":"m","stream":true,"max_tokens":1000000,"messages":[{"role":"user","content":%s}]}`},
	{"gemini", "gemini", "/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":%s}]}]}`},
	{"gemini", "gemini-interactions", "/v1beta/interactions", `{"model":"m","stream":true,"input":%s}`},
	{"vercel-ai", "vercel-ai", "/api/chat", `{"id":"c1","messages":[{"role":"user","parts":[{"type":"text","text":%s}]}]}`},
}

// said returns the body of a request with a message of the user.
func (s *spoken) said(text string) string {
	quoted, _ := json.Marshal(text)
	return fmt.Sprintf(s.body, quoted)
}

const tide = "Harbour tide — 满潮 at 06:40 🌊\nand \"again\" at 19:05"

// TestAs wants the text of each service to be read as whole by the preset of listen, and
// after a cut the rest of it where the service has that.
func TestAs(t *testing.T) {
	for _, s := range spokenStreams {
		t.Run(s.preset, func(t *testing.T) {
			t.Parallel()
			url := strings.TrimSuffix(cmdtest.Serve(t, "--as", s.as), "/")
			run := cmdtest.Run(t, "", "listen", url+s.path, "--json", s.said(tide), "--as", s.preset, "--text")
			run.Check(t, 0)
			if run.Out != tide {
				t.Errorf("got %q, want %q", run.Out, tide)
			}
			p, err := preset.Find(s.preset)
			if err != nil || p.Rest == nil {
				return
			}
			cut := strings.TrimSuffix(cmdtest.Serve(t, "--as", s.as, "--fault", "drop@7:#1"), "/")
			run = cmdtest.Run(t, "", "listen", cut+s.path, "--json", s.said(tide), "--as", s.preset, "--text", "--retry-delay", "0")
			run.Check(t, 0)
			if run.Out != tide || !strings.Contains(run.Err, "rest") {
				t.Errorf("after a cut: %q, want %q\n%s", run.Out, tide, run.Err)
			}
		})
	}
}

// TestAsContents draws contents, and wants the transcript and the end of each stream to
// be right.
func TestAsContents(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("SSECTL_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("SSECTL_TEST_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 100 {
		s := spokenStreams[rng.IntN(len(spokenStreams))]
		content := &fake.Content{Text: drawWords(rng)}
		if rng.IntN(2) == 0 {
			content.Thinking = drawWords(rng)
		}
		for n := range rng.IntN(3) {
			arguments, _ := json.Marshal(map[string]string{"port": drawWords(rng)})
			content.Tools = append(content.Tools, fake.ToolCall{Name: fmt.Sprintf("tool%d", n), Arguments: arguments})
		}
		records := streamOf(t, s, content)
		want := []string{}
		add := func(kind, name, text string) {
			if text != "" {
				want = append(want, fmt.Sprintf("%s %s %q", kind, name, text))
			}
		}
		add("thinking", "", content.Thinking)
		add("text", "", content.Text)
		for _, call := range content.Tools {
			add("tool", call.Name, canonical(call.Arguments))
		}
		got := []string{}
		whole := transcript.Read(records)
		for _, p := range whole.Parts {
			if p.Kind == "tool" { // Gemini has the value, not its text
				p.Text = canonical([]byte(p.Text))
			}
			got = append(got, fmt.Sprintf("%s %s %q", p.Kind, p.Name, p.Text))
		}
		if whole.Service != s.preset || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%s as %s:\n%s\nwant\n%s", s.preset, whole.Service, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		checkEnd(t, s.preset, records)
	}
}

// canonical returns the one form of a JSON value.
func canonical(text []byte) string {
	encoded, _ := query.Marshal(query.Parse(text))
	return string(encoded)
}

// streamOf returns the records of an answer of a service.
func streamOf(t *testing.T, s spoken, content *fake.Content) (records []record.Record) {
	t.Helper()
	service, err := llm.New(s.as, llm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path, _, sse := strings.Cut(s.path, "?")
	r := &fake.Request{Method: http.MethodPost, Path: path, JSON: query.Parse([]byte(s.said("hi")))}
	if sse {
		r.Query = map[string][]string{"alt": {"sse"}}
	}
	err = service.Reply(r, content).Stream(t.Context(), func(r record.Record) error {
		records = append(records, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// checkEnd wants the preset to see the end of a stream at its end, and no error.
func checkEnd(t *testing.T, name string, records []record.Record) {
	t.Helper()
	p, err := preset.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	ends := 0
	for i, r := range records {
		for _, expression := range []string{p.Until, p.FailIf} {
			q, err := query.Compile(expression)
			if err != nil {
				t.Fatal(err)
			}
			is, err := q.First(t.Context(), query.EventInput(r.Event, r.Time))
			switch {
			case err != nil:
				t.Errorf("%s: %v: %s", name, err, r.Data)
			case is != nil && is != false && expression == p.FailIf:
				t.Errorf("%s: an error at event %d: %s", name, i, r.Data)
			case is != nil && is != false:
				if ends++; i < len(records)-2 {
					t.Errorf("%s: the end at event %d of %d: %s", name, i+1, len(records), r.Data)
				}
			}
		}
	}
	if ends == 0 {
		t.Errorf("%s: no end", name)
	}
}

// drawWords draws a text, which may be empty.
func drawWords(rng *rand.Rand) string {
	words := []string{"tide", " ", "\n", "潮", "é", "🌊", "👩‍👩‍👧", "\u2028", `"`, `\`, "<b>", "\r\n", "\t", "data: x\n\n", "[DONE]"}
	var b strings.Builder
	for range []int{0, 1, 7, 60}[rng.IntN(4)] {
		b.WriteString(words[rng.IntN(len(words))])
	}
	return b.String()
}

// TestAsText wants the text of the flag, of a file and of standard input in answers.
func TestAsText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "answer.txt")
	if err := os.WriteFile(file, []byte("low water\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	ask := func(s *cmdtest.Server) {
		t.Helper()
		run := cmdtest.Run(t, "", "listen", s.URL+"api/chat", "--json", spokenStreams[5].said("hi"), "--as", "vercel-ai", "--text")
		if run.Check(t, 0); run.Out != "low water" {
			t.Errorf("got %q", run.Out)
		}
	}
	ask(cmdtest.Start(t, strings.NewReader(""), "--as", "vercel-ai", "--text", "low water"))
	ask(cmdtest.Start(t, strings.NewReader(""), "--as", "vercel-ai", "--text", "@"+file))
	ask(cmdtest.Start(t, strings.NewReader("low water\n"), "--as", "vercel-ai", "--text", "-"))
}

// TestAsEmpty wants an empty text to be an empty answer, as models give it, and not the words
// of the client.
func TestAsEmpty(t *testing.T) {
	for _, s := range spokenStreams {
		url := strings.TrimSuffix(cmdtest.Serve(t, "--as", s.as, "--text", ""), "/")
		run := cmdtest.Run(t, "", "listen", url+s.path, "--json", s.said("hi"), "--as", s.preset, "--text")
		if run.Check(t, 0); run.Out != "" {
			t.Errorf("%s: got %q", s.preset, run.Out)
		}
	}
}

// TestAsRefuses wants flags that do not fit to be refused before anything is served.
func TestAsRefuses(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--as nobody", "openai"},
		{"--as openai --upstream http://127.0.0.1:1", "only one of --as and --upstream"},
		{"--text x", "--text needs --as"},
		{"--slots 2", "--slots needs --as"},
		{"--as openai --slots -1", " --slots: want 0 or more"},
		{"--as openai --ttft -1s", " --ttft: want 0 or more"},
		{"--as openai --tps -1", " --tps: want a number of 0 or more"},
		{"--as openai --tps inf", " --tps: want a number of 0 or more"},
		{"--as openai --tps nan", " --tps: want a number of 0 or more"},
		{"--as openai --as anthropic", "want one service: openai is given too"},
		{"--as mercure --tps 5", "no meaning with --as mercure"},
		{"--as mercure --text x", "no meaning with --as mercure"},
		{"--as openai --jitter 300%", "--jitter"},
		{"--as openai --heartbeat 1s", "--heartbeat has no meaning with --as"},
		{"--as openai --pace 1s", "--pace has no meaning with --as"},
		{"--as openai --text @/no/such/file", "--text"},
		{"--as openai --text \xff", "--text: the text is not UTF-8"},
	} {
		run := cmdtest.Run(t, "", append([]string{"serve", "-p", "0"}, strings.Fields(c.args)...)...)
		if run.Check(t, 2); !strings.Contains(run.Err, c.want) {
			t.Errorf("%s: %s", c.args, run.Err)
		}
	}
}

// A file of answers is no input of events: its directory is served.
func TestFileOfAnswers(t *testing.T) {
	for name, text := range map[string]string{
		"a.yaml": "- match: /a\n  answer: {body: x}\n",
		"a.json": `{"match":"/a","answer":{"body":"x"}}`,
		"b.yml":  "as: openai\nanswers: [{answer: {text: hi}}]\n",
	} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run := cmdtest.Run(t, "", "serve", "-p", "0", file)
		if run.Check(t, 2); !strings.Contains(run.Err, "want its directory") {
			t.Errorf("%s: %s", name, run.Err)
		}
	}
}
