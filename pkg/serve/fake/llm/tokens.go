package llm

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is the number of characters in a token, as long words have several.
const longest = 12

// tokens splits a text into pieces that a model may write: words, each with the white
// space before it. Scripts without spaces have a token for each character. A mark that belongs
// to a character, such as an accent of its own, stays with it.
func tokens(s string) []string {
	var all []string
	start, length := 0, 0
	var before rune
	for i, r := range s {
		if i > 0 && !joined(before, r) {
			blank := unicode.IsSpace(r)
			if blank != unicode.IsSpace(before) && blank || length >= longest || !blank && (single(r) || single(before)) && !unicode.IsSpace(before) {
				all = append(all, s[start:i])
				start, length = i, 0
			}
		}
		length++
		before = r
	}
	if start < len(s) {
		all = append(all, s[start:])
	}
	return all
}

const joiner = '\u200d'

// joined reports whether a character shows as one with the one before it.
func joined(before, r rune) bool {
	return before == joiner || r == joiner || unicode.In(r, unicode.M) ||
		r >= 0x1f3fb && r <= 0x1f3ff || // the colors of skin
		regional(before) && regional(r) || before == '\r' && r == '\n'
}

// regional reports whether a character is half of a flag.
func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// single reports whether a character is of a script without spaces.
func single(r rune) bool {
	return r >= 0x2e80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// pieces splits arguments of a tool, at most a few characters each.
func pieces(s string) []string {
	const most = 8
	var all []string
	for s != "" {
		n := 0
		for range most {
			_, size := utf8.DecodeRuneInString(s[n:])
			n += size
		}
		all = append(all, s[:n])
		s = s[n:]
	}
	return all
}

func join(list []string) string { return strings.Join(list, "") }
