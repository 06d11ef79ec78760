//go:build attack

package attack

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// FuzzListenFile decodes any file on a terminal, with everything on: it ends
// with an exit code of the list, and nothing of the file is raw on the terminal.
func FuzzListenFile(f *testing.F) {
	for _, text := range []string{"data: a\n\n", "data: {\"a\":1}\n\nid: \x1b\n: c\n\nretry: 5\n\n", "{\"data\":\"x\"}\n", "<html>", "\x1f\x8b", "HTTP/1.1 200 OK\r\n\r\n", "\ufeff\u202e", "\x1b[2J\x1b]0;owned\a\u009b31m\u009d0;x\u009c\b\x7f\u202egnp\u2066\u200f"} {
		f.Add(text, "text", ".json.a")
		f.Add(text, "json", "")
		f.Add(text, "raw", ".data | tostring")
	}
	f.Fuzz(func(t *testing.T, text, format, filter string) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var out, errs screen
		streams := &term.Streams{In: strings.NewReader(text), Out: &out, Err: &errs, OutTerminal: true, ErrTerminal: true, Width: 80, NoColor: true}
		args := []string{"listen", "-", "--comments", "--pretty", "--format=" + format, "-m", "1"}
		if filter != "" {
			args = append(args, "--filter="+filter)
		}
		code := cmd.Run(ctx, streams, args)
		if code != 0 && code != 2 && code != 3 || ctx.Err() != nil {
			t.Errorf("%q: exit code %d: %s", args, code, errs.text)
		}
		if out.raw != "" || errs.raw != "" {
			t.Errorf("raw on the terminal: %q", out.raw+errs.raw)
		}
	})
}
