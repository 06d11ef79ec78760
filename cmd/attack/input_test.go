//go:build attack

package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// goodLines have every key of the format.
var goodLines = []string{
	`{"event":"message","id":"1","data":"a","time":"2026-11-20T22:45:01.123456Z"}`,
	`{"event":"x","data":{"n":[1,2.5e3,null,true]},"delay":"5ms"}`,
	`{"comment":"keepalive","time":"2026-11-20T22:45:02Z"}`,
	`{"id":"","data":"two\nlines","retry":3000}`,
	`{"event":"message","data":"ü \ud83c\udf0a","raw":"data:ü 🌊\r\n\r\n"}`,
	`{"event":"message","data":"�","raw_b64":"ZGF0YTr/Cgo="}`,
	`{"meta":{"request":{"method":"GET","url":"http://localhost/"}},"time":"2026-11-20T22:45:03Z"}`,
	`{"retry":0}`,
	`{"id":"only"}`,
	`{"data":"","delay":20,"unknown":[{}]}`,
}

// TestAbuseInputFiles breaks every line of a good file in many ways: serve must
// say which line it is and why, and must not have served anything before.
func TestAbuseInputFiles(t *testing.T) {
	with := func(member string) func(string) string {
		return func(line string) string { return strings.TrimSuffix(line, "}") + "," + member + "}" }
	}
	instead := func(text string) func(string) string { return func(string) string { return text } }
	breaks := []struct {
		name   string
		broken func(string) string
		cause  string
	}{
		{"last byte missing", func(line string) string { return line[:len(line)-1] }, "not JSON: unexpected end"},
		{"cut in the middle", func(line string) string { return line[:len(line)/2] }, "not JSON: "},
		{"something behind it", func(line string) string { return line + " x" }, "not JSON: invalid character 'x' after"},
		{"two on a line", func(line string) string { return line + line }, "not JSON: invalid character '{' after"},
		{"a list", func(line string) string { return "[" + line + "]" }, "a JSON object"},
		{"a text", instead("hello"), "not JSON: invalid character 'h'"},
		{"a control character", func(line string) string { return strings.Replace(line, `":`, "\x1b\":", 1) }, "not JSON: invalid character '\\x1b'"},
		{"no key", instead(`{"message":"a log"}`), "no key that makes an event"},
		{"type that is no text", with(`"event":5`), "event: "},
		{"type of two lines", with(`"event":"a\ndata: b"`), "contains a "},
		{"id that is no text", with(`"id":7`), "id: "},
		{"id of two lines", with(`"id":"a\rb"`), "contains a "},
		{"id with NUL", with(`"id":"a\u0000b"`), "contains a NUL"},
		{"retry below zero", with(`"retry":-1`), "retry: "},
		{"retry that is no number", with(`"retry":"3s"`), "retry: "},
		{"time that is none", with(`"time":"yesterday"`), "time: "},
		{"delay that is none", with(`"delay":"soon"`), "delay: "},
		{"raw that is none", with(`"raw_b64":"***"`), "raw_b64: "},
		{"meta that is none", with(`"meta":"x"`), "meta: "},
	}
	file := filepath.Join(t.TempDir(), "events.jsonl")
	write := func(lines []string) {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(goodLines)
	cmdtest.Serve(t, file) // fails the test unless it is good
	for n := range goodLines {
		for _, b := range breaks {
			lines := append([]string{}, goodLines...)
			lines[n] = b.broken(lines[n])
			write(lines)
			// Without --from, a first line that is no object makes it text.
			r := cmdtest.Run(t, "", "serve", file, "--from", "jsonl", "-p", "0", "--print-url")
			place := fmt.Sprintf("ssectl: %s: line %d: ", file, n+1)
			if r.Code != 2 || !strings.HasPrefix(r.Err, place) || !strings.Contains(r.Err, b.cause) {
				t.Errorf("%s: %s\nexit code %d, stderr %q; want 2, %q and %q", b.name, lines[n], r.Code, r.Err, place, b.cause)
			}
			if r.Out != "" || strings.Contains(r.Err, "serving") || rawOnTerminal([]byte(r.Err)) >= 0 {
				t.Errorf("%s: served, or raw: stdout %q, stderr %q", b.name, r.Out, r.Err)
			}
		}
	}
	t.Logf("%d lines broken in %d ways each", len(goodLines), len(breaks))
}
