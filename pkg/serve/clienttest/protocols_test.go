package clienttest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	gomcp "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestProtocols runs the official clients of protocols against the services that ssectl
// stands in for. Where a protocol has a way to go on after a cut, nothing is lost by one.
func TestProtocols(t *testing.T) {
	wantNode(t)
	tests := []struct {
		scenario, service string
		answers           string // a directory
		cut               string // a fault
		notices           bool   // the cut, as the protocol has no way to go on
	}{
		{scenario: "mcp session", service: "mcp"},
		{scenario: "mcp session", service: "mcp", answers: "testdata/tide"},
		{scenario: "mcp session", service: "mcp-2025-11-25"},
		{scenario: "mcp session", service: "mcp", cut: "drop@3:POST /mcp"},
		{scenario: "mcp session", service: "mcp", cut: "reset@2:POST /mcp"},
		{scenario: "mcp legacy", service: "mcp"},
		{scenario: "mcp stateless", service: "mcp"},
		{scenario: "mcp auto", service: "mcp-2025-11-25"},
		{scenario: "mcp auto", service: "mcp-2026-07-28"},
		{scenario: "a2a task", service: "a2a"},
		{scenario: "a2a task", service: "a2a", cut: "drop@3:POST / #1"},
		{scenario: "a2a message", service: "a2a"},
		{scenario: "a2a message", service: "a2a", answers: "testdata/tide"},
		{scenario: "ag-ui run", service: "ag-ui"},
		{scenario: "ag-ui run", service: "ag-ui", answers: "testdata/tide"},
		{scenario: "ag-ui run", service: "ag-ui", cut: "drop@3", notices: true},
		{scenario: "graphql distinct", service: "graphql"},
		{scenario: "graphql distinct", service: "graphql", answers: "testdata/tide"},
		{scenario: "graphql distinct", service: "graphql", cut: "drop@1", notices: true},
		{scenario: "graphql single", service: "graphql"},
		{scenario: "graphql single", service: "graphql", answers: "testdata/tide"},
		{scenario: "graphql single", service: "graphql", cut: "drop@1", notices: true},
		{scenario: "langgraph run", service: "langgraph"},
		{scenario: "langgraph run", service: "langgraph", answers: "testdata/tide"},
		{scenario: "langgraph run", service: "langgraph", cut: "drop@4:POST"},
		{scenario: "mercure updates", service: "mercure"},
		{scenario: "mercure updates", service: "mercure", cut: "drop@2"},
	}
	golden := openGolden(t, "protocols")
	app := startApp(t, "protocols.mjs")
	for _, test := range tests {
		args := []string{"-q", "--as", test.service}
		name := test.scenario
		if test.answers != "" {
			args = append(args, test.answers)
			name += ", " + test.answers
		}
		if test.cut != "" {
			args = append(args, "--fault", test.cut)
		}
		if test.notices {
			name += ", " + test.cut
		}
		s := serve(t, args...)
		got := app.run(scenario{name: test.scenario}, s.url)
		s.stop()
		if (got.Error != nil) != test.notices {
			t.Errorf("%s of %s with %q: %s", test.scenario, test.service, test.cut, got)
		}
		if test.scenario == "a2a task" && test.cut != "" {
			got.Seen, name = nil, name+", cut" // the task is seen again, after as many events as the cut let through
		}
		golden.checkAt(test.service+" "+test.cut, name, got)
	}
}

// TestMCPInGo runs the official client of Go against the service, without a session and
// with one. Only then can it resume a call that is cut.
func TestMCPInGo(t *testing.T) {
	t.Run("stateless", func(t *testing.T) { callInGo(t, serve(t, "-q", "--as", "mcp")) })
	t.Run("cut", func(t *testing.T) {
		callInGo(t, serve(t, "-q", "--as", "mcp-2025-11-25", "--fault", "drop@3:POST /mcp"))
	})
}

func callInGo(t *testing.T, s *server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var (
		mu       sync.Mutex // guards progress
		progress []string
	)
	client := gomcp.NewClient(&gomcp.Implementation{Name: "clienttest", Version: "1.0.0"}, &gomcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *gomcp.ProgressNotificationClientRequest) {
			mu.Lock()
			defer mu.Unlock()
			progress = append(progress, fmt.Sprint(r.Params.Progress))
		},
	})
	session, err := client.Connect(ctx, &gomcp.StreamableClientTransport{Endpoint: s.url + "/mcp"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tools, err := session.ListTools(ctx, nil)
	if err != nil || len(tools.Tools) != 2 {
		t.Fatal(tools, err)
	}
	call := &gomcp.CallToolParams{Name: "count", Arguments: map[string]any{"to": 5}}
	call.SetProgressToken("p")
	result, err := session.CallTool(ctx, call)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := result.Content[0].(*gomcp.TextContent); !ok || text.Text != "5" {
		t.Errorf("the result is %+v", result.Content[0])
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(progress, " "); got != "1 2 3 4 5" {
		t.Errorf("progress %s", got)
	}
}

// misses are the scenarios of the conformance tests that the service does not pass, as it
// never asks its client for anything, and sends no log.
var misses = []string{
	"tools-call-with-logging", "tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums",
}

// TestConformance lets the official tests judge the MCP service. They want certain tools,
// resources and prompts, which answers that were written for them have.
func TestConformance(t *testing.T) {
	wantNode(t)
	failed := conformance(t, serve(t, "-q", "--as", "mcp", "testdata/mcp").url+"/mcp")
	if !slices.Equal(failed, misses) {
		t.Errorf("not passed: %q\nwant %q", failed, misses)
	}
}

// conformance runs the conformance tests, and returns the scenarios that were not passed.
func conformance(t *testing.T, url string) (failed []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, "node", "node_modules/@modelcontextprotocol/conformance/dist/index.js", "server", "--suite", "all", "--url", url, "--output-dir", t.TempDir())
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		mark, rest, _ := strings.Cut(lines.Text(), " ")
		name, _, _ := strings.Cut(rest, ":")
		switch mark {
		case "✓":
			passed++
		case "✗":
			failed = append(failed, name)
		}
	}
	if passed == 0 {
		t.Fatalf("no scenario was passed:\n%s", out)
	}
	return failed
}
