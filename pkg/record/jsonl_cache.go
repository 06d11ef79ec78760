package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// An escapeCache keeps the beginning and the end that the texts of a stream share.
// Events of one service differ in a few bytes in the middle: a token of a model, a
// price. The text around them needs to be escaped only once.
type escapeCache struct {
	prefix, suffix parts

	// While the cache is empty, the first text is kept and compared with the
	// second. If they have too little in common, some texts pass before the
	// next try, more each time: wait are left of a pause. While it is not,
	// misses counts the texts in a row that do not fit.
	first               []byte
	misses, wait, pause int
}

// parts are a piece of text, which begins and ends between characters, and the
// same escaped.
type parts struct{ text, escaped []byte }

const (
	minCached = 32      // bytes; less is not worth the comparison
	maxCached = 4 << 10 // bytes of a text that is kept
	maxMisses = 4       // in a row, until the cache is emptied
	maxPause  = 1 << 10 // texts between two tries
)

// appendEscaped is the function appendEscaped for the whole of text.
func (e *escapeCache) appendEscaped(dst, text []byte) []byte {
	around := len(e.prefix.text) + len(e.suffix.text)
	if around == 0 || len(text) < around || !bytes.HasPrefix(text, e.prefix.text) || !bytes.HasSuffix(text, e.suffix.text) {
		e.miss(text)
		return appendEscaped(dst, text, 0)
	}
	e.misses = 0
	dst = append(dst, e.prefix.escaped...)
	dst = appendEscaped(dst, text[:len(text)-len(e.suffix.text)], len(e.prefix.text))
	return append(dst, e.suffix.escaped...)
}

// miss learns from a text that does not fit.
func (e *escapeCache) miss(text []byte) {
	if e.wait > 0 {
		e.wait--
		return
	}
	if len(text) < minCached || len(text) > maxCached {
		return
	}
	if len(e.prefix.text)+len(e.suffix.text) > 0 {
		if e.take(e.prefix.text, e.suffix.text, text) {
			return
		}
		if e.misses++; e.misses < maxMisses {
			return // one of another kind in between
		}
		e.prefix.set(nil)
		e.suffix.set(nil)
	}
	e.misses = 0
	if len(e.first) == 0 {
		e.first = append(e.first[:0], text...)
		return
	}
	if e.take(e.first, e.first, text) {
		e.pause = 0
	} else {
		e.pause = min(2*e.pause+1, maxPause)
		e.wait = e.pause
	}
	e.first = e.first[:0]
}

// take keeps the parts that text has in common with the front of one text and the
// back of another, if they are half of it and minCached at least. Both end in
// ASCII towards the middle, so that malformed UTF-8 there is judged alone.
func (e *escapeCache) take(front, back, text []byte) bool {
	prefix := text[:commonPrefix(front, text)]
	for len(prefix) > 0 && prefix[len(prefix)-1] >= utf8.RuneSelf {
		prefix = prefix[:len(prefix)-1]
	}
	rest := text[len(prefix):]
	suffix := rest[len(rest)-commonSuffix(back, rest):]
	for len(suffix) > 0 && suffix[0] >= utf8.RuneSelf {
		suffix = suffix[1:]
	}
	if len(prefix)+len(suffix) < max(len(text)/2, minCached) {
		return false
	}
	e.prefix.set(prefix)
	e.suffix.set(suffix)
	return true
}

func (p *parts) set(text []byte) {
	p.text = append(p.text[:0], text...)
	p.escaped = appendEscaped(p.escaped[:0], p.text, 0)
}

// commonPrefix returns how many bytes at the front of a and b are the same.
func commonPrefix(a, b []byte) (n int) {
	most := min(len(a), len(b))
	for ; n+8 <= most; n += 8 {
		if differ := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); differ != 0 {
			return n + bits.TrailingZeros64(differ)/8
		}
	}
	for n < most && a[n] == b[n] {
		n++
	}
	return n
}

// commonSuffix returns how many bytes at the back of a and b are the same.
func commonSuffix(a, b []byte) (n int) {
	most := min(len(a), len(b))
	for n < most && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
