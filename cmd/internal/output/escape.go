// Package output formats events and reports for their readers: one file for
// each form, event_ for the forms of an event, report_ for those of a report.
package output

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/stream"
)

// AppendSafe appends text that a server sent so that a terminal shows it and
// does nothing else: control characters, C1 and DEL among them, and the
// characters that change the direction of text become escapes such as \x1b and
// \u202e, malformed UTF-8 becomes U+FFFD. A tab stays a tab. Line ends are
// escaped too; split text into lines first to keep them.
func AppendSafe(dst, text []byte) []byte {
	if isPlain(text) {
		return append(dst, text...)
	}
	if !utf8.Valid(text) {
		text = stream.AppendValid(nil, text)
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\t':
			dst = append(dst, '\t')
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r < 0x80 && unicode.IsControl(r):
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = append(dst, text[:size]...)
		}
		text = text[size:]
	}
	return dst
}

// Safe is [AppendSafe] for a string that stands in a message or a report. A log
// of GitHub Actions takes ##[ for the start of a command, wherever in a line it is
// (https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs).
func Safe(text string) string {
	return strings.ReplaceAll(string(AppendSafe(nil, []byte(text))), "##[", `#\x23[`)
}

func isPlain(text []byte) bool {
	for _, c := range text {
		if c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}
