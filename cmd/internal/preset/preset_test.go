package preset

import (
	"slices"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/query"
)

func TestPresetsCompile(t *testing.T) {
	if !slices.IsSorted(Names()) {
		t.Errorf("not by name: %q", Names())
	}
	for _, p := range Presets {
		for _, expression := range []string{p.Until, p.FailIf, p.Text} {
			if expression == "" {
				continue
			}
			q, err := query.Compile(expression)
			if err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
			// Whatever a stream holds, an expression must not fail on it.
			for _, json := range []any{nil, "text", 1, true, []any{}, []any{1}, map[string]any{}} {
				input := map[string]any{"event": "message", "data": "", "json": json}
				if _, err := q.Match(t.Context(), input); err != nil {
					t.Errorf("%s on %v: %v", p.Name, json, err)
				}
			}
		}
		for _, header := range p.Headers {
			if !strings.Contains(header, ": ") {
				t.Errorf("%s: header %q", p.Name, header)
			}
		}
	}
}

func TestFindNamesTheChoices(t *testing.T) {
	if _, err := Find("nobody"); err == nil || !strings.Contains(err.Error(), "openai-responses") {
		t.Errorf("error %v", err)
	}
}
