package llm

import (
	"iter"
	"math"
	"unicode"
	"unicode/utf8"
)

// longest is the number of characters in a token, as long words have several.
const longest = 12

// maxPieces is about the number of pieces in which a text is sent. Each is an event, which
// takes many times the bytes of a word.
const maxPieces = 10_000

// A words is a text that is sent in pieces: a token each, or as many as keep the number of
// pieces in bounds. The pieces are made as they are sent: those of a long text take many
// times its memory.
type words struct {
	text  string
	first func(text string) int // length of the first token
	count int                   // of the tokens
	group int                   // tokens in a piece
}

// newWords returns at most limit tokens of a text, and whether that is all. It is sent
// this number of times.
func newWords(text string, first func(string) int, limit, times int) (w words, whole bool) {
	end := 0
	for ; end < len(text) && w.count < limit; w.count++ {
		end += first(text[end:])
	}
	w.text, w.first = text[:end], first
	w.group = (w.count*max(times, 1) + maxPieces - 1) / maxPieces
	return w, end == len(text)
}

// pieces returns the pieces, each with the number of its tokens.
func (w words) pieces() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for rest := w.text; rest != ""; {
			n, end := 0, 0
			for ; n < w.group && end < len(rest); n++ {
				end += w.first(rest[end:])
			}
			if !yield(rest[:end], n) {
				return
			}
			rest = rest[end:]
		}
	}
}

// countTokens returns the number of tokens of a text.
func countTokens(text string) int {
	w, _ := newWords(text, token, math.MaxInt, 1)
	return w.count
}

// token returns the length of the first token of a text. Tokens are pieces that a model
// may write: words, each with the white space before it. Scripts without spaces have a token
// for each character. A mark that belongs to a character, such as an accent of its own,
// stays with it.
func token(s string) int {
	length := 0
	var before rune
	for i, r := range s {
		if i > 0 && !joined(before, r) {
			blank := unicode.IsSpace(r)
			if blank != unicode.IsSpace(before) && blank || length >= longest || !blank && (single(r) || single(before)) && !unicode.IsSpace(before) {
				return i
			}
		}
		length++
		before = r
	}
	return len(s)
}

const joiner = '\u200d'

// joined reports whether a character shows as one with the one before it.
func joined(before, r rune) bool {
	if r < 0x300 { // before all marks, which take long to look for
		return before == joiner || before == '\r' && r == '\n'
	}
	return before == joiner || r == joiner || unicode.In(r, unicode.M) ||
		r >= 0x1f3fb && r <= 0x1f3ff || // the colors of skin
		regional(before) && regional(r)
}

// regional reports whether a character is half of a flag.
func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// single reports whether a character is of a script without spaces.
func single(r rune) bool {
	return r >= 0x2e80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// argument returns the length of the first token of the arguments of a tool: a few
// characters.
func argument(s string) (n int) {
	const most = 8
	for range most {
		_, size := utf8.DecodeRuneInString(s[n:])
		n += size
	}
	return n
}
