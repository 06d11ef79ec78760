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

// obeyed returns the place of a control character of terminals, -1 if none.
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

// FuzzFold folds any text, as words and as JSON: no line may be wider than the
// terminal unless a single character is, and nothing may be lost.
func FuzzFold(f *testing.F) {
	f.Add("words, and more words; a/path?and=query", 10, 2)
	f.Add(`{"key":"日本語 text","n":[1,2.5,null],"quote":"\"\\"}`, 12, 4)
	f.Add("tab\ttab\ttab é\u0301 \u200d", 9, 0)
	f.Fuzz(func(t *testing.T, text string, width, indent int) {
		width, indent = 1+(width&0xff), indent&0x1f
		text = strings.ReplaceAll(Safe(text), "\n", "")
		for name, put := range map[string]func(*folder){
			"words": func(l *folder) { l.put(nil, text) },
			"JSON":  func(l *folder) { l.putJSON([]byte(text)) },
		} {
			l := folder{width: width, indent: indent, column: indent, colors: term.NewColors(false)}
			put(&l)
			lines := strings.Split(strings.Repeat(" ", indent)+string(l.dst), "\n")
			for i, line := range lines {
				if !strings.HasPrefix(line, strings.Repeat(" ", indent)) {
					t.Fatalf("%s: line %q is not indented", name, line)
				}
				lines[i] = line[indent:]
				if cells(line) > width && utf8.RuneCountInString(strings.TrimRightFunc(lines[i], unicode.IsMark)) > 1 {
					t.Errorf("%s: line %q takes %d of %d columns", name, line, cells(line), width)
				}
			}
			if got := strings.Join(lines, ""); got != text {
				t.Errorf("%s: %q became %q", name, text, got)
			}
		}
	})
}
