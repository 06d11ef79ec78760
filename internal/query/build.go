package query

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Parse returns the value of a JSON text as expressions see it, nil where it is not
// JSON. Numbers stay as they are written, so that long ones stay exact.
func Parse(text []byte) any {
	text = wellFormed(text)
	if !scan(text, &member{}) {
		return nil
	}
	return build(string(text))
}

// build returns the value of valid JSON, as encoding/json does. Its strings are
// parts of data.
func build(data string) any {
	b := builder{data: data}
	return b.any()
}

type builder struct {
	data string
	at   int
}

func (b *builder) any() any {
	switch b.next() {
	case '"':
		return b.text()
	case '{':
		return b.object()
	case '[':
		return b.array()
	case 't':
		b.at += len("true")
		return true
	case 'f':
		b.at += len("false")
		return false
	case 'n':
		b.at += len("null")
		return nil
	}
	start := b.at
	for b.at < len(b.data) && strings.IndexByte("+-.0123456789Ee", b.data[b.at]) >= 0 {
		b.at++
	}
	return json.Number(b.data[start:b.at])
}

// next returns the byte after blanks, commas and colons, whose places were checked.
func (b *builder) next() byte {
	for {
		switch c := b.data[b.at]; c {
		case ' ', '\t', '\n', '\r', ',', ':':
			b.at++
		default:
			return c
		}
	}
}

func (b *builder) object() map[string]any {
	all := map[string]any{}
	for b.at++; b.next() != '}'; {
		key := b.text()
		all[key] = b.any()
	}
	b.at++
	return all
}

func (b *builder) array() []any {
	all := []any{}
	for b.at++; b.next() != ']'; {
		all = append(all, b.any())
	}
	b.at++
	return all
}

func (b *builder) text() string {
	b.at++
	start, escaped := b.at, false
	for b.data[b.at] != '"' {
		if b.data[b.at] == '\\' {
			escaped = true
			b.at++
		}
		b.at++
	}
	inner := b.data[start:b.at]
	b.at++
	if escaped {
		return string(appendUnescaped(nil, []byte(inner)))
	}
	return inner
}

// appendUnescaped appends the inside of a valid JSON string with its escapes
// replaced. Half of a surrogate pair is U+FFFD.
func appendUnescaped(dst, inner []byte) []byte {
	for i := 0; i < len(inner); {
		c := inner[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = inner[i+1]
		i += 2
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
			r := hex4(inner[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := utf8.RuneError
				if len(inner)-i >= 6 && inner[i] == '\\' && inner[i+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(inner[i+2:]))
				}
				if r = pair; pair != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
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
