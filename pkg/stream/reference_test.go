package stream_test

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A refEvent is an event that the reference decoder dispatches.
type refEvent struct {
	Type, Data, LastEventID string
}

// A reference is the result of decoding a whole stream.
type reference struct {
	events      []refEvent
	comments    []string // outside of blocks and between fields alike
	lastEventID string
	retry       time.Duration
	hasRetry    bool
	unfinished  bool
}

// decodeReference interprets a whole stream as the standard words it, slowly
// and without any cleverness: decode the text, cut it into lines, process each
// line, dispatch at blank lines.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
func decodeReference(input string) reference {
	var (
		ref              reference
		data, typ, id    string
		hasData, pending bool
	)
	text := strings.TrimPrefix(decodeUTF8(input), "\uFEFF")
	idBuffer := "" // committed at a blank line only
	for text != "" {
		end := strings.IndexAny(text, "\r\n")
		if end < 0 {
			ref.unfinished = true
			break
		}
		line := text[:end]
		if strings.HasPrefix(text[end:], "\r\n") {
			end++
		}
		text = text[end+1:]

		if line == "" {
			ref.lastEventID = idBuffer
			if hasData {
				if typ == "" {
					typ = "message"
				}
				ref.events = append(ref.events, refEvent{typ, strings.TrimSuffix(data, "\n"), idBuffer})
			}
			data, typ, hasData, pending = "", "", false, false
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if field != "" {
			pending = true
		}
		switch field {
		case "":
			ref.comments = append(ref.comments, value)
		case "event":
			typ = value
		case "data":
			data += value + "\n"
			hasData = true
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
				idBuffer = id
			}
		case "retry":
			if value != "" && strings.Trim(value, "0123456789") == "" {
				ref.retry, ref.hasRetry = saturate(value), true
			}
		}
	}
	ref.unfinished = ref.unfinished || pending
	return ref
}

// saturate turns digits to milliseconds, at most the longest time.Duration.
func saturate(digits string) time.Duration {
	const most = (1<<63 - 1) / int64(time.Millisecond)
	n := int64(0)
	for _, c := range digits {
		n = n*10 + int64(c-'0')
		if n > most {
			n = most
			break
		}
	}
	return time.Duration(n) * time.Millisecond
}

// decodeUTF8 is the UTF-8 decoder of the Encoding standard, byte by byte.
// https://encoding.spec.whatwg.org/#utf-8-decoder
func decodeUTF8(input string) string {
	var out strings.Builder
	codePoint, needed, seen := rune(0), 0, 0
	lower, upper := byte(0x80), byte(0xBF)
	for i := 0; i < len(input); i++ {
		c := input[i]
		if needed == 0 {
			switch {
			case c <= 0x7F:
				out.WriteByte(c)
			case 0xC2 <= c && c <= 0xDF:
				needed, codePoint = 1, rune(c&0x1F)
			case 0xE0 <= c && c <= 0xEF:
				if c == 0xE0 {
					lower = 0xA0
				}
				if c == 0xED {
					upper = 0x9F
				}
				needed, codePoint = 2, rune(c&0xF)
			case 0xF0 <= c && c <= 0xF4:
				if c == 0xF0 {
					lower = 0x90
				}
				if c == 0xF4 {
					upper = 0x8F
				}
				needed, codePoint = 3, rune(c&0x7)
			default:
				out.WriteRune(utf8.RuneError)
			}
			continue
		}
		if c < lower || c > upper {
			codePoint, needed, seen, lower, upper = 0, 0, 0, 0x80, 0xBF
			out.WriteRune(utf8.RuneError)
			i-- // this byte starts anew
			continue
		}
		lower, upper = 0x80, 0xBF
		codePoint = codePoint<<6 | rune(c&0x3F)
		if seen++; seen == needed {
			out.WriteRune(codePoint)
			codePoint, needed, seen = 0, 0, 0
		}
	}
	if needed > 0 {
		out.WriteRune(utf8.RuneError)
	}
	return out.String()
}
