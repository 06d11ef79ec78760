package clienttest

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRecipes runs the JavaScript of docs/recipes.md that is for a fake, by the command of
// the fake in the same section. A comment after console.log has its output.
func TestRecipes(t *testing.T) {
	wantNode(t)
	text, err := os.ReadFile("../../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, fakes, _ := strings.Cut(string(text), "\n## Fakes\n")
	command := regexp.MustCompile(`(?m)^ssectl serve (--as \S+)(?: --text "(.*?)")?((?: --\S+ \S+)*)(?: -q)? &$`)
	script := regexp.MustCompile("(?ms)^```js\n(.*?)^```$")
	output := regexp.MustCompile(`(?m)^ *console\.log\(.*\); // (.*)$`)
	ran := 0
	for _, section := range strings.Split(fakes, "\n### ") {
		name, _, _ := strings.Cut(section, "\n")
		js, args := script.FindStringSubmatch(section), command.FindStringSubmatch(section)
		if js == nil || args == nil {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := append([]string{"serve", "-q", "-p", "0"}, strings.Fields(args[1]+args[3])...)
			if args[2] != "" {
				line = append(line, "--text", args[2])
			}
			run := ssectl(t, append(line, "--", "node", "--input-type=module", "-e", js[1])...)
			run.Env = append(run.Env, "OPENAI_API_KEY=any", "ANTHROPIC_API_KEY=any", "GEMINI_API_KEY=any")
			var out, log bytes.Buffer
			run.Stdout, run.Stderr = &out, &log
			if err := run.Run(); err != nil {
				t.Fatalf("%v\n%s", err, log.String())
			}
			want := ""
			for _, match := range output.FindAllStringSubmatch(js[1], -1) {
				want += match[1] + "\n"
			}
			if out.String() != want || want == "" {
				t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
			}
		})
	}
	if ran < 4 {
		t.Errorf("%d recipes", ran)
	}
}
