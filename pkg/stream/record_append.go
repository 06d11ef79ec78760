package stream

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// AppendJSON appends the block as one JSON line with its line feed, as far as it
// says something: an event, a comment, an ID or a reconnection time. at is
// when its last byte was read. The line is not exact as a recording is; see
// [Block.Record].
func (b *Block) AppendJSON(dst []byte, at time.Time) []byte {
	switch {
	case !b.IsEvent():
		dst = append(dst, '{')
	case b.flags&hasType == 0:
		dst = append(dst, `{"event":"message",`...)
	default:
		dst = append(dst, `{"event":`...)
		dst = AppendString(dst, b.Type())
		dst = append(dst, ',')
	}
	if b.HasID() {
		dst = append(dst, `"id":`...)
		dst = AppendString(dst, b.ID())
		dst = append(dst, ',')
	}
	if b.IsEvent() {
		dst = append(dst, `"data":"`...)
		dst = b.envelope.appendEscaped(dst, b.Data())
		dst = append(dst, '"', ',')
	}
	if d, ok := b.Retry(); ok {
		dst = append(dst, `"retry":`...)
		dst = strconv.AppendInt(dst, d.Milliseconds(), 10)
		dst = append(dst, ',')
	}
	if text, ok := b.Comment(); ok {
		dst = append(dst, `"comment":`...)
		dst = AppendString(dst, text)
		dst = append(dst, ',')
	}
	if b.stamp == nil || at != b.stampAt {
		b.stamp, b.stampAt = append(b.stamp[:0], `"time":"`...), at
		b.stamp = append(appendTime(b.stamp, at), '"', '}', '\n')
	}
	return append(dst, b.stamp...)
}

// AppendJSON appends the record as one JSON line with its line feed. What
// [RecordReader] makes of the line is the record again, its time to the
// microsecond.
func (r *Record) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	key := func(name string) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
	}
	if r.IsEvent {
		typ := r.Type
		if typ == "" {
			typ = DefaultType
		}
		key("event")
		dst = AppendString(dst, bytesOf(typ))
	}
	if r.ID != "" || r.HasID {
		key("id")
		dst = AppendString(dst, bytesOf(r.ID))
	}
	if r.IsEvent {
		key("data")
		dst = AppendString(dst, bytesOf(r.Data))
	}
	if r.Retry != 0 || r.HasRetry {
		key("retry")
		dst = strconv.AppendInt(dst, max(r.Retry.Milliseconds(), 0), 10)
	}
	if r.HasComment {
		key("comment")
		dst = AppendString(dst, bytesOf(r.Comment))
	}
	if !r.Time.IsZero() {
		key("time")
		dst = append(dst, '"')
		dst = appendTime(dst, r.Time)
		dst = append(dst, '"')
	}
	if r.Delay > 0 {
		key("delay")
		dst = append(dst, '"')
		dst = append(dst, r.Delay.String()...)
		dst = append(dst, '"')
	}
	if r.Raw != nil {
		if utf8.Valid(r.Raw) {
			key("raw")
			dst = AppendString(dst, r.Raw)
		} else {
			key("raw_b64")
			dst = append(dst, '"')
			dst = base64.StdEncoding.AppendEncode(dst, r.Raw)
			dst = append(dst, '"')
		}
	}
	if r.Incomplete {
		key("incomplete")
		dst = append(dst, "true"...)
	}
	if r.Meta != nil {
		key("meta")
		dst = append(dst, r.Meta...)
	}
	return append(dst, '}', '\n')
}

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// AppendString appends text as a JSON string in quotes. Malformed UTF-8 becomes
// U+FFFD, one for each maximal subpart, and all control characters, C1 and
// DEL too, are escaped, so the string may be shown on a terminal. What dst has
// beyond its length, within its capacity, may be overwritten.
func AppendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, text, 0)
	return append(dst, '"')
}

// appendEscaped is AppendString for text[from:] and without the quotes. A
// character begins at from.
func appendEscaped(dst, text []byte, from int) []byte {
	// Eight bytes are copied at a time. JSON in a JSON string is full of
	// quotes, at places that no branch predictor guesses, so those are escaped
	// with next to no branch.
	rest := text[from:]
	for len(rest) >= 8 {
		// Room for what one round writes at most for each word.
		dst = grow(dst, len(rest)+24)
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
	// What is left is the end of the last eight bytes, with blanks behind it
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

// grow makes room for more bytes behind dst.
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
// ASCII. (A byte less than what is taken from it borrows, into its top bit; so
// does one that was made zero when one is taken from it.)
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
		return append(dst, replacement...), text[subpart(text):]
	case r < 0xa0: // C1
		return append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&0xf]), text[size:]
	}
	return append(dst, text[:size]...), text[size:]
}

// appendTime appends t in UTC as RFC 3339 with six digits of a second. It is
// time.AppendFormat for one layout, at a fraction of the price.
func appendTime(dst []byte, t time.Time) []byte {
	const minYear0, maxYear9999 = -62167219200, 253402300799 // in Unix seconds
	seconds := t.Unix()
	if seconds < minYear0 || seconds > maxYear9999 {
		return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	}
	since0 := uint64(seconds - minYear0)
	year, month, day := civil(uint32(since0 / 86400))
	clock := uint32(since0 % 86400)
	micro := uint32(t.Nanosecond()) / 1000

	text := [27]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: '.', 26: 'Z'}
	put2(text[0:], year/100)
	put2(text[2:], year%100)
	put2(text[5:], month)
	put2(text[8:], day)
	put2(text[11:], clock/3600)
	put2(text[14:], clock/60%60)
	put2(text[17:], clock%60)
	put2(text[20:], micro/10000)
	put2(text[22:], micro/100%100)
	put2(text[24:], micro%100)
	return append(dst, text[:]...)
}

// put2 writes n, less than 100, as two digits.
func put2(text []byte, n uint32) { text[0], text[1] = byte('0'+n/10), byte('0'+n%10) }

// civil returns the Gregorian date of a day counted from 0000-01-01. Years are
// counted from March in between, so that the leap day is the last of a year.
func civil(days uint32) (year, month, day uint32) {
	days += 146097 - 60 // from March, one cycle of 400 years earlier
	era := days / 146097
	dayOfEra := days % 146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153 // months since March
	day = dayOfYear - (153*shifted+2)/5 + 1
	month = shifted + 3
	year = yearOfEra + (era-1)*400
	if month > 12 {
		return year + 1, month - 12, day
	}
	return year, month, day
}
