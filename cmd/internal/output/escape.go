// Package output formats events and reports for their readers: one file for
// each form, event_ for the forms of an event, report_ for those of a report.
package output

import (
	"bytes"
	"fmt"
	"slices"
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
	if len(text) > largeText {
		dst = slices.Grow(dst, safeSize(text))
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if escaped(r) > 0 {
			dst = appendEscape(dst, r)
		} else {
			dst = append(dst, text[:size]...)
		}
		text = text[size:]
	}
	return dst
}

// largeText is the size from which on it pays to find out first how much room a
// text takes: each step of growing holds it twice.
const largeText = 64 << 10

// safeSize returns how many bytes AppendSafe appends.
func safeSize(text []byte) int {
	total := len(text)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if n := escaped(r); n > 0 {
			total += n - size
		}
		text = text[size:]
	}
	return total
}

// escaped returns the length of the escape of a character, 0 if it has none.
func escaped(r rune) int {
	switch {
	case r == '\t':
		return 0
	case r == '\n', r == '\r':
		return len(`\n`)
	case r < 0x80 && unicode.IsControl(r):
		return len(`\x1b`)
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
		return len(`\u202e`)
	}
	return 0
}

func appendEscape(dst []byte, r rune) []byte {
	switch {
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r < 0x80:
		return fmt.Appendf(dst, `\x%02x`, r)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

// Safe is [AppendSafe] for a string that stands in a message or a report. A log
// of GitHub Actions takes ##[ for the start of a command, wherever in a line it is
// (https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs).
func Safe(text string) string {
	return strings.ReplaceAll(string(AppendSafe(nil, []byte(text))), command, commandEscaped)
}

const (
	command        = "##["
	commandEscaped = `#\x23[`
)

// appendSafeLine is [Safe] for a line of an event, which may be large.
func appendSafeLine(dst, text []byte) []byte {
	if bytes.Contains(text, []byte(command)) {
		return append(dst, Safe(string(text))...)
	}
	return AppendSafe(dst, text)
}

func isPlain(text []byte) bool {
	for _, c := range text {
		if c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}
