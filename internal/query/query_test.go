package query

import (
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

var at = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)

func block(t *testing.T, text string) *stream.Block {
	b, err := stream.NewDecoder(strings.NewReader(text)).Next()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func line(dst, text []byte) ([]byte, error) { return append(append(dst, text...), '\n'), nil }

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
		var in Input
		q, err := in.Compile(test.expression)
		if err != nil {
			t.Fatal(err)
		}
		in.Set(block(t, test.text), at)
		got, err := q.Append(t.Context(), nil, line)
		if err != nil || string(got) != test.want {
			t.Errorf("%s of %q: %q, %v, want %q", test.expression, test.text, got, err, test.want)
		}
	}
}

func TestMatch(t *testing.T) {
	var in Input
	in.Set(block(t, "data: x\n\n"), at)
	for expression, want := range map[string]bool{
		"true": true, "false": false, "null": false, "empty": false, "0": true, `""`: true,
		`.data == "x"`: true, ".json.n > 3": false, "false, true": false, `select(.data == "x")`: true,
	} {
		q, err := in.Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := q.Match(t.Context()); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", expression, got, err, want)
		}
	}
	q, err := in.Compile(".data | .a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Match(t.Context()); err == nil || !strings.Contains(err.Error(), ".data | .a") {
		t.Errorf("error %v does not name the expression", err)
	}
	if _, err := Compile(".["); err == nil {
		t.Error("no error for a broken expression")
	}
	if _, err := Compile("nofunction"); err == nil {
		t.Error("no error for an unknown function")
	}
}
