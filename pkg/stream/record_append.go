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
	dst = append(dst, '{')
	if b.IsEvent() {
		dst = append(dst, `"event":`...)
		dst = appendString(dst, b.Type())
		dst = append(dst, ',')
	}
	if b.HasID() {
		dst = append(dst, `"id":`...)
		dst = appendString(dst, b.ID())
		dst = append(dst, ',')
	}
	if b.IsEvent() {
		dst = append(dst, `"data":`...)
		dst = appendString(dst, b.Data())
		dst = append(dst, ',')
	}
	if d, ok := b.Retry(); ok {
		dst = append(dst, `"retry":`...)
		dst = strconv.AppendInt(dst, d.Milliseconds(), 10)
		dst = append(dst, ',')
	}
	if text, ok := b.Comment(); ok {
		dst = append(dst, `"comment":`...)
		dst = appendString(dst, text)
		dst = append(dst, ',')
	}
	dst = append(dst, `"time":"`...)
	dst = appendTime(dst, at)
	return append(dst, '"', '}', '\n')
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
		dst = appendString(dst, bytesOf(typ))
	}
	if r.ID != "" || r.HasID {
		key("id")
		dst = appendString(dst, bytesOf(r.ID))
	}
	if r.IsEvent {
		key("data")
		dst = appendString(dst, bytesOf(r.Data))
	}
	if r.Retry != 0 || r.HasRetry {
		key("retry")
		dst = strconv.AppendInt(dst, r.Retry.Milliseconds(), 10)
	}
	if r.HasComment {
		key("comment")
		dst = appendString(dst, bytesOf(r.Comment))
	}
	if !r.Time.IsZero() {
		key("time")
		dst = append(dst, '"')
		dst = appendTime(dst, r.Time)
		dst = append(dst, '"')
	}
	if r.Delay != 0 {
		key("delay")
		dst = append(dst, '"')
		dst = append(dst, r.Delay.String()...)
		dst = append(dst, '"')
	}
	if r.Raw != nil {
		if utf8.Valid(r.Raw) {
			key("raw")
			dst = appendString(dst, r.Raw)
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
// DEL too, are escaped, so the string may be shown on a terminal.
func AppendString(dst, text []byte) []byte { return appendString(dst, text) }

// appendString copies eight bytes at a time, as far as they need no escape.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	for len(text) > 0 {
		// Room for a copy of all of text with nothing escaped, and for the
		// word that may be stored beyond it.
		if need := len(dst) + len(text) + 8; need > cap(dst) {
			dst = append(make([]byte, 0, need+need/4), dst...)
		}
		out := dst[len(dst):cap(dst)]
		n, in := 0, text
		for len(in) >= 8 && len(out)-n >= 8 {
			word := binary.LittleEndian.Uint64(in)
			binary.LittleEndian.PutUint64(out[n:], word)
			if special := specialBytes(word); special != 0 {
				plain := bits.TrailingZeros64(special) / 8
				n += plain
				in = in[plain:]
				c := in[0]
				if (c == '"' || c == '\\') && len(out)-n >= 2 {
					out[n], out[n+1] = '\\', c
					n += 2
					in = in[1:]
					continue
				}
				break
			}
			n += 8
			in = in[8:]
		}
		dst = dst[:len(dst)+n]
		text = in
		if len(text) > 0 {
			dst, text = appendChar(dst, text)
		}
	}
	return append(dst, '"')
}

// specialBytes returns a word whose lowest set bit is in the first byte of word
// that is no plain ASCII character: a control character, DEL, a quote, a
// backslash, or part of something longer.
func specialBytes(word uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	below := word - ones*0x20              // borrows into the top bit for 0x00-0x1f
	quote := (word ^ ones*'"') - ones      // the same for a byte that was '"'
	backslash := (word ^ ones*'\\') - ones // and '\\'
	del := (word ^ ones*0x7f) - ones       // and DEL
	return (below | quote | backslash | del | word) & highs
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
// time.AppendFormat for one layout, at a fifth of the price.
func appendTime(dst []byte, t time.Time) []byte {
	seconds := t.Unix()
	days := seconds / 86400
	clock := int(seconds % 86400)
	if clock < 0 {
		clock += 86400
		days--
	}
	year, month, day := civil(days)
	if year < 0 || year > 9999 {
		return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	}
	dst = appendDigits2(dst, year/100)
	dst = appendDigits2(dst, year%100)
	dst = append(dst, '-')
	dst = appendDigits2(dst, month)
	dst = append(dst, '-')
	dst = appendDigits2(dst, day)
	dst = append(dst, 'T')
	dst = appendDigits2(dst, clock/3600)
	dst = append(dst, ':')
	dst = appendDigits2(dst, clock/60%60)
	dst = append(dst, ':')
	dst = appendDigits2(dst, clock%60)
	dst = append(dst, '.')
	micro := t.Nanosecond() / 1000
	dst = appendDigits2(dst, micro/10000)
	dst = appendDigits2(dst, micro/100%100)
	dst = appendDigits2(dst, micro%100)
	return append(dst, 'Z')
}

func appendDigits2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// civil returns the date of a day counted from 1970-01-01 in the Gregorian
// calendar. Years are counted from March, so that the leap day is the last.
func civil(days int64) (year, month, day int) {
	days += 719468 // from 0000-03-01
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	dayOfEra := int(days - era*146097)
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*shifted+2)/5 + 1
	month = shifted + 3
	year = yearOfEra + int(era)*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}
