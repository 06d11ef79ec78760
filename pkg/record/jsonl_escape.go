package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/ssectl/ssectl/pkg/stream"
)

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// AppendString appends text as a JSON string in quotes. Malformed UTF-8 becomes
// U+FFFD, one for each maximal subpart, and all control characters, C1 and
// DEL too, are escaped, so the string may be shown on a terminal. The bytes of
// dst beyond its length, within its capacity, may be overwritten.
func AppendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, text, 0)
	return append(dst, '"')
}

// largeText is the size in bytes above which room is made for all of a text.
const largeText = 1 << 20

// escapedSize returns about how many bytes a text of ASCII takes in quotes, with
// the room that appendEscaped asks for.
func escapedSize(text []byte) int {
	size := len(text) + 64
	for _, c := range text {
		switch {
		case c < ' ' || c == 0x7f:
			size += len(`\u0000`) - 1
		case c == '"' || c == '\\':
			size++
		}
	}
	return size
}

// appendEscaped is AppendString for text[from:] and without the quotes. A
// character begins at from.
func appendEscaped(dst, text []byte, from int) []byte {
	// Eight bytes are copied at a time. JSON in a JSON string is full of
	// quotes, at places that no branch predictor guesses, so those are escaped
	// with next to no branch.
	rest := text[from:]
	if len(rest) > largeText {
		// Room for all at once: each growth of a large buffer would leave the
		// old one as garbage beside it.
		if need := len(dst) + escapedSize(rest); need > cap(dst) {
			dst = append(make([]byte, 0, need), dst...)
		}
	}
	for len(rest) >= 8 {
		// Room for the most that one round writes for each word.
		dst = grow(dst, len(rest)+24)
		if hasBlocks {
			dst, rest = appendBlocks(dst, rest)
		}
		n, out := len(dst), dst[:cap(dst)]
		for len(rest) >= 8 && len(out)-n >= 24 {
			word := binary.LittleEndian.Uint64(rest)
			if notPlain(word) {
				break
			}
			marks := quotes(word)
			putQuoted((*[24]byte)(out[n:]), word, marks)
			n += 8 + bits.OnesCount64(marks)
			rest = rest[8:]
		}
		dst = dst[:n]
		if len(rest) >= 8 && len(out)-n >= 24 {
			dst, rest = appendChars(dst, rest, len(rest)-8)
		}
	}
	// The rest is the end of the last eight bytes, with blanks after it
	// for the check.
	if left := len(rest); left > 0 && len(text) >= 8 {
		word := binary.LittleEndian.Uint64(text[len(text)-8:])>>(64-8*left) | ones*' '<<(8*left)
		if !notPlain(word) {
			dst = grow(dst, 24)
			n, marks := len(dst), quotes(word)
			putQuoted((*[24]byte)(dst[n:n+24]), word, marks)
			return dst[:n+left+bits.OnesCount64(marks)]
		}
	}
	dst, _ = appendChars(dst, rest, 0)
	return dst
}

const blockSize = 16

// appendBlocks appends blocks of text while there is room and nothing is to escape but
// quotes and backslashes.
func appendBlocks(dst, text []byte) (to, rest []byte) {
	for {
		n := len(dst)
		blocks := min(len(text)/blockSize, (cap(dst)-n)/(2*blockSize))
		if blocks == 0 || (text[0]|text[blockSize-1]) >= utf8.RuneSelf {
			return dst, text
		}
		done, written := escapeBlocks(&dst[:n+1][n], &text[0], blocks)
		dst, text = dst[:n+written], text[blockSize*done:]
		if done < blocks {
			return dst, text
		}
	}
}

// grow makes room for more bytes after dst.
func grow(dst []byte, more int) []byte {
	if need := len(dst) + more; need > cap(dst) {
		return append(make([]byte, 0, need+need/4), dst...)
	}
	return dst
}

// appendChars appends characters of text one by one until no more than left
// bytes of it remain.
func appendChars(dst, text []byte, left int) (to, rest []byte) {
	for len(text) > left {
		if c := text[0]; c-0x20 < 0x7f-0x20 && c != '"' && c != '\\' {
			dst, text = append(dst, c), text[1:]
		} else {
			dst, text = appendChar(dst, text)
		}
	}
	return dst, text
}

const ones, highs = 0x0101010101010101, 0x8080808080808080

// notPlain reports whether any byte of word is a control character, DEL, or not
// ASCII. (A byte borrows into its top bit if more is subtracted than it has;
// so does one that was made zero when one is subtracted.)
func notPlain(word uint64) bool {
	below, del := word-ones*0x20, (word^ones*0x7f)-ones
	return (below|del|word)&highs != 0
}

// quotes returns a word with the top bit of each byte set that is a quote or a
// backslash in word, whose bytes are all ASCII.
func quotes(word uint64) uint64 {
	const most = ones * 0x7f // takes any byte but zero to the top bit
	return ^(((word ^ ones*'"') + most) & ((word ^ ones*'\\') + most)) & highs
}

// putQuoted writes the bytes of word with a backslash before those that quotes
// marked.
func putQuoted(out *[24]byte, word, marks uint64) {
	n := 0
	for ; marks != 0; n++ {
		binary.LittleEndian.PutUint64(out[n:n+8], word)
		plain := bits.TrailingZeros64(marks) &^ 7 // in bits
		n += plain / 8
		out[n] = '\\'
		word >>= plain
		marks = marks >> plain &^ 0x80
	}
	binary.LittleEndian.PutUint64(out[n:n+8], word)
}

const hexDigits = "0123456789abcdef"

// appendChar appends the first character of text, escaped if it must be.
func appendChar(dst, text []byte) (to, rest []byte) {
	c := text[0]
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c), text[1:]
	case c == '\n':
		return append(dst, '\\', 'n'), text[1:]
	case c == '\r':
		return append(dst, '\\', 'r'), text[1:]
	case c == '\t':
		return append(dst, '\\', 't'), text[1:]
	case c < 0x20 || c == 0x7f:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf]), text[1:]
	case c < utf8.RuneSelf:
		return append(dst, c), text[1:]
	}
	r, size := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError && size == 1:
		n := malformed(text)
		return stream.AppendValid(dst, text[:n]), text[n:]
	case r < 0xa0: // C1
		return append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&0xf]), text[size:]
	}
	return append(dst, text[:size]...), text[size:]
}

// malformed returns the size of the malformed UTF-8 that text starts with, up to
// the next well-formed character.
func malformed(text []byte) (n int) {
	for n < len(text) {
		if r, size := utf8.DecodeRune(text[n:]); r != utf8.RuneError || size > 1 {
			break
		}
		n++
	}
	return n
}

// unescape replaces the escapes of the inside of a valid JSON string.
func unescape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(out, text...)
		}
		out = append(out, text[:i]...)
		c := text[i+1]
		text = text[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hex4(text)
			text = text[4:]
			if utf16.IsSurrogate(r) {
				// Half a pair is U+FFFD, and the text after it stands for itself.
				pair := utf8.RuneError
				if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(text[2:]))
				}
				if r = pair; pair != utf8.RuneError {
					text = text[6:]
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, c)
	}
}

// hex4 reads the four hexadecimal digits that text starts with.
func hex4(text []byte) (r rune) {
	for _, c := range text[:4] {
		if c <= '9' {
			c -= '0'
		} else {
			c = c&^0x20 - 'A' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
