package output

import (
	"strings"
	"unicode/utf8"
)

// Wrap breaks text between words so that no line is wider than width. The first
// line begins at the column indent, the others are indented to it. A word that
// fits on no line stays whole, and "::" begins no line: to GitHub Actions, that is
// a command.
func Wrap(text string, indent, width int) string {
	var wrapped strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width && indent+n < width && !strings.HasPrefix(word, "::"):
			wrapped.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			wrapped.WriteByte(' ')
			column++
		}
		wrapped.WriteString(word)
		column += n
	}
	return wrapped.String()
}
