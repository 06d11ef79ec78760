package clienttest

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCommand starts an app as the command of ssectl, which alone tells it where the
// upstream is, and wants the status of the app back. A second time the answers are
// those of the tape.
func TestCommand(t *testing.T) {
	wantNode(t)
	all := client{routes: map[string]string{}}
	for _, c := range clients {
		for route, file := range c.routes {
			all.routes[route] = file
		}
	}
	fake := startFake(t)
	upstream := all.upstream(t, fake.URL)
	tape := filepath.Join(t.TempDir(), "tape")
	run := func(status string, args ...string) {
		t.Helper()
		command := ssectl(t, append([]string{"serve", "-q", "-p", "0", "--upstream", upstream.url, "--replay", tape},
			append(args, "--", "node", "app.mjs", status)...)...)
		command.Env = append(command.Env, "OPENAI_API_KEY=sk-test", "ANTHROPIC_API_KEY=sk-ant-test", "GEMINI_API_KEY=AIza-test",
			"OPENAI_BASE_URL=http://127.0.0.1:1") // which ssectl replaces
		var out, log bytes.Buffer
		command.Stdout, command.Stderr = &out, &log
		err := command.Run()
		var exit *exec.ExitError
		switch {
		case status == "0" && err == nil:
		case status == "7" && errors.As(err, &exit) && exit.ExitCode() == 7:
		default:
			t.Fatalf("node app.mjs %s: %v\n%s%s", status, err, out.String(), log.String())
		}
		const want = `{"openai":"Harbour tide — 满潮 at 06:40 🌊` + "\u2028" + `next line, \"quoted\"\n","anthropic":"tool_use",` +
			`"google":"Spring tides follow the new and full moon. 春潮","vercel":"At 06:40 🌊","eventsource":"low water"}` + "\n"
		if out.String() != want {
			t.Errorf("the app got\n%swant\n%s%s", out.String(), want, log.String())
		}
	}
	run("7", "--mode", "once")
	upstream.stop()
	fake.Close()
	run("0", "--mode", "once")
}
