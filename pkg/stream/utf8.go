package stream

import "unicode/utf8"

const replacement = "\uFFFD"

// AppendValid appends text with malformed UTF-8 replaced by U+FFFD, one for
// each maximal subpart, as the standard's decoder does. strings.ToValidUTF8 (one
// for each run) and a range loop (one for each byte) differ: https://encoding.spec.whatwg.org/#utf-8-decoder.
func AppendValid(dst, text []byte) []byte {
	if utf8.Valid(text) { // many bytes at a time, where validPrefix has to find the place
		return append(dst, text...)
	}
	for len(text) > 0 {
		n := validPrefix(text)
		dst = append(dst, text[:n]...)
		if text = text[n:]; len(text) == 0 {
			break
		}
		dst = append(dst, replacement...)
		text = text[subpart(text):]
	}
	return dst
}

func validString(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	return string(AppendValid(make([]byte, 0, len(text)+2*len(replacement)), text))
}

// validPrefix returns how many bytes from the start are well formed.
func validPrefix(text []byte) int {
	n := 0
	for n < len(text) {
		if text[n] < utf8.RuneSelf {
			n++
			continue
		}
		r, size := utf8.DecodeRune(text[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// subpart returns the size of the maximal subpart that text, which starts with
// malformed UTF-8, starts with: a lead byte with those continuation bytes that
// a well-formed sequence could have at their place, or one byte.
func subpart(text []byte) int {
	low, high, more := byte(0x80), byte(0xBF), 0
	switch lead := text[0]; {
	case 0xC2 <= lead && lead <= 0xDF:
		more = 1
	case 0xE0 <= lead && lead <= 0xEF:
		more = 2
		if lead == 0xE0 {
			low = 0xA0
		} else if lead == 0xED {
			high = 0x9F
		}
	case 0xF0 <= lead && lead <= 0xF4:
		more = 3
		if lead == 0xF0 {
			low = 0x90
		} else if lead == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for ; n <= more && n < len(text) && low <= text[n] && text[n] <= high; n++ {
		low, high = 0x80, 0xBF
	}
	return n
}
