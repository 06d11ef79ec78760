package preset

import (
	"slices"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/internal/query"
)

func TestPresetsCompile(t *testing.T) {
	if !slices.IsSorted(Names()) {
		t.Errorf("not by name: %q", Names())
	}
	for _, p := range Presets {
		for _, expression := range []string{p.Until, p.FailIf, p.Text, p.Fits, p.Thinking, p.Tools} {
			if expression == "" {
				continue
			}
			q, err := query.Compile(expression)
			if err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
			// Whatever a stream holds, an expression must not fail on it.
			for _, json := range []any{nil, "text", 1, true, []any{}, []any{1}, map[string]any{}, map[string]any{"type": 1, "choices": 1, "delta": 1, "item": 1, "candidates": 1}} {
				input := map[string]any{"event": "message", "data": "", "json": json}
				if _, err := q.First(t.Context(), input); err != nil {
					t.Errorf("%s on %v: %v", p.Name, json, err)
				}
			}
		}
		if p.Rest != nil {
			checkRest(t, p.Name, p.Rest)
		}
		for _, header := range p.Headers {
			if !strings.Contains(header, ": ") {
				t.Errorf("%s: header %q", p.Name, header)
			}
		}
	}
}

// checkRest wants no expression to fail, whatever the request and the events were.
func checkRest(t *testing.T, name string, rest *Rest) {
	for _, json := range []any{nil, "text", 1, true, []any{}, []any{1}, map[string]any{}, map[string]any{"params": 1, "result": 1, "response": 1, "interaction": 1, "content": 1}} {
		event := map[string]any{"event": "message", "data": "", "json": json}
		seen := map[string]any{
			"request":  map[string]any{"method": "POST", "url": "http://h/p?q=1", "base": "http://h/p", "query": map[string]any{"q": "1"}, "headers": map[string]any{}, "json": json, "form": map[string]any{}},
			"response": map[string]any{"status": 200, "headers": map[string]any{}},
			"first":    event, "last": event, "id": nil, "position": nil, "count": 1,
		}
		for _, expression := range []string{rest.ID, rest.Position, rest.Request, rest.Lost} {
			if expression == "" {
				continue
			}
			q, err := query.Compile(expression)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			input := seen
			if expression == rest.Position {
				input = event
			}
			if _, err := q.First(t.Context(), input); err != nil {
				t.Errorf("%s on %v: %v", name, json, err)
			}
		}
	}
}

func TestFindNamesTheChoices(t *testing.T) {
	if _, err := Find("nobody"); err == nil || !strings.Contains(err.Error(), "openai-responses") {
		t.Errorf("error %v", err)
	}
}
