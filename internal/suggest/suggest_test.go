package suggest

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"format", "filter", "no-reconnect", "retry", "retry-on", "jq", "drop", "delay"}
	for typed, want := range map[string]string{
		"fromat":       "format",
		"no-reconect":  "no-reconnect",
		"noreconnect":  "no-reconnect",
		"rerty":        "retry",
		"drp":          "drop",
		"delya":        "delay",
		"xy":           "",
		"q":            "",
		"":             "",
		"wholly-other": "",
	} {
		if got := Nearest(typed, names); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}
