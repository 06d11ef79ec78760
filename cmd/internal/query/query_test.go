package query

import (
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

func input(t *testing.T, text string) map[string]any {
	b, err := stream.NewDecoder(strings.NewReader(text)).Next()
	if err != nil {
		t.Fatal(err)
	}
	return Input(b, time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC))
}

func TestAppend(t *testing.T) {
	const text = "event: tick\nid: 7\nretry: 5\ndata: {\"n\": 12345678901234567890, \"s\": \"a\\nb\"}\n\n"
	for _, test := range []struct{ text, expression, want string }{
		{text, ".data", "{\"n\": 12345678901234567890, \"s\": \"a\\nb\"}\n"},
		{text, ".json.n", "12345678901234567890\n"},
		{text, ".json.s", "a\nb\n"},
		{text, "[.event, .id, .retry]", "[\"tick\",\"7\",5]\n"},
		{text, ".time", "2026-11-21T12:00:00.123456Z\n"},
		{text, "1, 2, empty", "1\n2\n"},
		{text, "empty", ""},
		{text, "select(.event == \"other\")", ""},
		{text, "$ENV | length", "0\n"},
		{"data: not json\n\n", ".json", "null\n"},
		{"data: 1 2\n\n", ".json", "null\n"},
		{"data: {\"a\":1}}\n\n", ".json", "null\n"},
		{"data: 1]\n\n", ".json", "null\n"},
		{"data: [1],\n\n", ".json", "null\n"},
		{"data:  \"x\" \n\n", ".json", "x\n"},
		{"data: x\n\n", "has(\"id\")", "false\n"},
		{"id\ndata: x\n\n", ".id", "\n"},
	} {
		q, err := Compile(test.expression)
		if err != nil {
			t.Fatal(err)
		}
		got, err := q.Append(t.Context(), nil, input(t, test.text), func(dst, text []byte) ([]byte, error) {
			return append(append(dst, text...), '\n'), nil
		})
		if err != nil || string(got) != test.want {
			t.Errorf("%s of %q: %q, %v, want %q", test.expression, test.text, got, err, test.want)
		}
	}
}

func TestMatch(t *testing.T) {
	for expression, want := range map[string]bool{
		"true": true, "false": false, "null": false, "empty": false, "0": true, `""`: true,
		`.data == "x"`: true, ".json.n > 3": false, "false, true": false,
	} {
		q, err := Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := q.Match(t.Context(), input(t, "data: x\n\n")); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", expression, got, err, want)
		}
	}
	q, err := Compile(".data | .a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Match(t.Context(), input(t, "data: x\n\n")); err == nil || !strings.Contains(err.Error(), ".data | .a") {
		t.Errorf("error %v does not name the expression", err)
	}
	if _, err := Compile(".["); err == nil {
		t.Error("no error for a broken expression")
	}
	if _, err := Compile("nofunction"); err == nil {
		t.Error("no error for an unknown function")
	}
}
