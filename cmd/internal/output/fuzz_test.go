package output

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// obeyed returns where a text has what a terminal obeys, -1 if nowhere.
func obeyed(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r != '\n' && r != '\t' && (r == utf8.RuneError && size == 1 || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return i
		}
		i += size
	}
	return -1
}

// FuzzEventFormats shows any stream on a terminal, in every form: nothing in it
// may control the terminal, and JSON lines stay JSON lines.
func FuzzEventFormats(f *testing.F) {
	for _, text := range []string{
		"event: \x1b[2J\nid: \u202e\ndata: \u009b2J\xff\n\n", ": \x07\n\ndata: {\"a\":\"\\u001b\",\"\u2066\":1}\n\n", "retry: 5\n\nid\n\n", "data: \u2028\r\rdata\n\n",
	} {
		f.Add([]byte(text), 40, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, width int, pretty bool) {
		at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		options := EventOptions{Terminal: true, Colors: term.NewColors(false), Width: width % 200, Pretty: pretty}
		for name, form := range EventFormats {
			show, decoder := form(options), stream.NewDecoder(bytes.NewReader(text))
			for block, err := range decoder.Blocks() {
				if err != nil {
					break
				}
				shown := show(nil, block, at)
				if i := obeyed(shown); i >= 0 {
					t.Fatalf("%s of %q: raw at %d in %q", name, block.Raw(), i, shown)
				}
				if name == "json" && len(shown) > 0 && (!json.Valid(shown) || strings.Count(string(shown), "\n") != 1) {
					t.Fatalf("%q is shown as %q", block.Raw(), shown)
				}
			}
		}
	})
}
