package tape

import (
	"encoding/json"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/internal/redact"
)

// A place is the part of a record that a text is in.
type place uint8

const (
	inData place = iota
	inRaw
	inType
	inID
	inComment
)

// A text is a string in an event: a value of its JSON, or a whole field.
type text struct {
	place    place
	from, to int    // in that part, quotes included
	kind     kind   // of value
	value    string // decoded
	secret   bool   // by the name of its field

	// channels are hashes of the texts that this may go on: pieces of one text
	// come in the same field of one event after the other.
	channels [channels]uint64
}

// The pieces of several texts may come in turns. So a piece is tried as the next
// one of each text that it may belong to: by the path of its field, by the path
// with the places in arrays, by both with numbers called index beside it, and by
// all that with the IDs beside it.
const channels = 4

type kind uint8

const (
	plainText  kind = iota // outside of JSON
	jsonString             // in quotes
	openString             // without the quote at the end: the event is cut
	jsonNumber
	jsonName // of a member
)

// seed makes hashes of one process comparable.
var seed = maphash.MakeSeed()

func hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, part := range parts {
		h.WriteString(part)
		h.WriteByte(0)
	}
	return h.Sum64()
}

func mix(a, b uint64) uint64 { return (a ^ b<<1 ^ b>>63) * 0x9e3779b97f4a7c15 }

// An object is an object or an array of an event, as far as it matters for the
// channels of texts in it.
type object struct {
	parent      int
	array       bool
	items       int    // so far
	wild, exact uint64 // its path
	index, ids  uint64 // of its members that tell texts apart
}

// A reader of texts finds the strings in the JSON of events. It takes broken JSON
// as far as it goes: an event may be cut.
type textReader struct {
	texts   []text
	free    [][2]int // places of numbers that are no texts, as they are short; of a light reader
	light   bool     // finds no channels
	request bool     // the texts are those of a request
	objects []object
	at      []int           // the object of each text
	fields  map[string]role // by name, for names that came before
}

// A role is the meaning of a member by its name.
type role uint8

const (
	roleNone role = iota
	roleSecret
	roleToken // a secret if it is a text
	roleIndex
	roleID
)

var idNames = map[string]bool{
	"id": true, "type": true, "item_id": true, "itemId": true, "messageId": true, "message_id": true, "toolCallId": true,
	"tool_call_id": true, "call_id": true, "name": true, "role": true, "run_id": true, "path": true,
}

func (r *textReader) role(name string) role {
	if is, ok := r.fields[name]; ok {
		return is
	}
	is := roleNone
	switch lower := strings.ToLower(name); {
	case redact.Field(name):
		is = roleSecret
	case r.request && redact.RequestField(name):
		is = roleToken
	case strings.HasSuffix(lower, "index"), lower == "i", lower == "n", lower == "idx", lower == "choice":
		is = roleIndex
	case idNames[name]:
		is = roleID
	}
	const most = 4096 // names; an object may have its data for names
	if r.fields == nil {
		r.fields = map[string]role{}
	}
	if len(r.fields) < most {
		r.fields[strings.Clone(name)] = is
	}
	return is
}

// isJSON reports whether the texts in data are those of JSON.
func isJSON(data string) bool {
	data = strings.TrimLeft(data, " \t\r\n")
	if data == "" {
		return false
	}
	if strings.IndexByte(`{["`, data[0]) >= 0 {
		return true
	}
	// The data stream of Vercel's SDK, version 4, has lines such as 0:"text".
	_, after, ok := strings.Cut(data[:min(len(data), 8)], ":")
	return ok && after != "" && strings.IndexByte(`{["`, after[0]) >= 0
}

// add adds the texts in s, which begins at the given offset of a part of an
// event.
func (r *textReader) add(s string, where place, offset int, eventType string) {
	first := len(r.texts)
	if r.objects = append(r.objects[:0], root); !isJSON(s) || !r.walk(s, where, offset) {
		r.texts = r.texts[:first]
		whole, typed := hash("plain"), hash("plain", eventType)
		r.texts = append(r.texts, text{place: where, from: offset, to: offset + len(s), value: s, channels: [channels]uint64{whole, whole, typed, typed}})
		return
	}
	if r.light {
		return
	}
	typed := hash(eventType)
	for i := first; i < len(r.texts); i++ {
		t := &r.texts[i]
		index, ids := typed, typed
		for o := r.at[i-first]; o >= 0; o = r.objects[o].parent {
			index = mix(index, r.objects[o].index)
			ids = mix(ids, r.objects[o].ids)
		}
		t.channels[2] = mix(t.channels[1], index)
		t.channels[3] = mix(t.channels[2], ids+1)
	}
}

// comment adds a comment.
func (r *textReader) comment(s string, where place, offset int) {
	channel := hash("comment")
	r.texts = append(r.texts, text{place: where, from: offset, to: offset + len(s), value: s, channels: [channels]uint64{channel, channel, channel, channel}})
}

const maxDepth = 200

var root = object{parent: -1, wild: hash("json"), exact: hash("json")}

// maxTexts bounds the texts of an event. One with more of them is one text.
const maxTexts = 1 << 15

// walk adds the texts of JSON. It returns false if there are too many.
func (r *textReader) walk(s string, where place, offset int) bool {
	r.at = r.at[:0]
	current := 0
	name, is := "", roleNone // of the member whose value comes next
	depth, hidden := 0, 0    // of the outermost value that is secret as a whole
	gap, odd := 0, false     // where the last text ended; bytes came since that JSON has not
	member := func() role {
		if hidden > 0 && !redact.IsPlainMember(name) {
			return roleSecret
		}
		return is
	}
	// What is no JSON is a text, up to the next one: a line of a log may begin with a bracket.
	closeGap := func(from, to int) {
		if odd {
			r.value(current, "", roleNone, text{place: where, from: offset + gap, to: offset + from, value: s[gap:from]})
		}
		gap, odd = to, false
	}
	for i := 0; i < len(s); {
		if len(r.texts) > maxTexts {
			return false
		}
		switch c := s[i]; {
		case c == '"':
			end, closed := stringEnd(s, i)
			t := text{place: where, from: offset + i, to: offset + end, kind: jsonString}
			if closed {
				t.value = unquote(s[i+1 : end-1])
			} else {
				t.kind, t.value = openString, unquote(s[i+1:end])
			}
			closeGap(i, end)
			i = end
			for i < len(s) && strings.IndexByte(" \t\r\n", s[i]) >= 0 {
				i++
			}
			if i < len(s) && s[i] == ':' {
				t.kind, name = jsonName, t.value
				is = r.role(name)
				r.texts = append(r.texts, t)
				if !r.light {
					r.at = append(r.at, 0)
				}
				i++
			} else {
				r.value(current, name, member(), t)
			}
		case c == ',':
			name, is = "", roleNone
			i++
		case c == '{' || c == '[':
			if depth++; hidden == 0 && is == roleSecret {
				hidden = depth
			}
			if !r.light {
				o := &r.objects[current]
				wild, exact := o.path(name)
				o.items++
				if len(r.objects) < 1<<16 && r.depth(current) < maxDepth {
					r.objects = append(r.objects, object{parent: current, array: c == '[', wild: wild, exact: exact})
					current = len(r.objects) - 1
				}
			}
			name, is = "", roleNone
			i++
		case c == '}' || c == ']':
			if depth == hidden {
				hidden = 0
			}
			depth = max(depth-1, 0)
			if !r.light && r.objects[current].parent >= 0 {
				current = r.objects[current].parent
			}
			name, is = "", roleNone
			i++
		case isDelimiter(c):
			i++
		default:
			end := wordEnd(s, i)
			switch word := s[i:end]; {
			case isNumber(word):
				closeGap(i, end)
				r.value(current, name, member(), text{place: where, from: offset + i, to: offset + end, kind: jsonNumber, value: word})
			case !slices.Contains(literals, word):
				odd = true
			}
			i = end
		}
	}
	closeGap(len(s), len(s))
	return true
}

// literals are the words of JSON, and those that some writers put for a number.
var literals = []string{"null", "true", "false", "NaN", "Infinity", "-Infinity"}

func isDelimiter(c byte) bool { return strings.IndexByte(" \t\r\n,:[]{}\"", c) >= 0 }

// wordEnd returns the end of the word that begins at i: what stands between delimiters.
func wordEnd(s string, i int) int {
	for i < len(s) && !isDelimiter(s[i]) {
		i++
	}
	return i
}

// isNumber reports whether a word has the bytes of a number.
func isNumber(word string) bool {
	if word == "" || word[0] != '-' && (word[0] < '0' || word[0] > '9') {
		return false
	}
	for i := range len(word) {
		if strings.IndexByte("0123456789+-.eE", word[i]) < 0 {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (r *textReader) depth(o int) (n int) {
	if len(r.objects) < maxDepth {
		return 0
	}
	for ; o >= 0 && n <= maxDepth; o = r.objects[o].parent {
		n++
	}
	return n
}

// path returns the path of a value in the object, without and with its place in
// an array.
func (o *object) path(name string) (wild, exact uint64) {
	if o.array {
		return mix(o.wild, 7), mix(o.exact, uint64(o.items)+11)
	}
	n := hash(name)
	return mix(o.wild, n), mix(o.exact, n)
}

func (r *textReader) value(current int, name string, is role, t text) {
	t.secret = is == roleSecret || is == roleToken && t.kind != jsonNumber
	if t.kind == jsonNumber && !t.secret && is == roleNone && isFree(t.value) { // there may be very many
		switch {
		case !r.light:
			r.objects[current].items++
		case len(r.free) <= maxShapeValues:
			r.free = append(r.free, [2]int{t.from, t.to})
		}
		return
	}
	if r.light {
		r.texts = append(r.texts, t)
		return
	}
	o := &r.objects[current]
	t.channels[0], t.channels[1] = o.path(name)
	o.items++
	switch is {
	case roleIndex:
		o.index = mix(o.index, hash(name, t.value))
	case roleID:
		o.ids = mix(o.ids, hash(name, t.value))
	}
	r.texts = append(r.texts, t)
	r.at = append(r.at, current)
}

// isFree reports whether a number is no secret, as it is short or has a fraction.
func isFree(number string) bool { return len(number) < 8 || strings.IndexByte(number, '.') >= 0 }

// stringEnd returns the end of the JSON string that begins at i, and whether it
// has one.
func stringEnd(s string, i int) (end int, closed bool) {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1, true
		case '\\':
			i++
		}
	}
	return len(s), false
}

// unquote returns the meaning of a JSON string, or the string itself where it is broken.
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	for cut := 0; cut < 6 && cut <= len(s); cut++ { // an escape may be cut
		var value string
		if json.Unmarshal([]byte(`"`+s[:len(s)-cut]+`"`), &value) == nil {
			return value
		}
	}
	return s
}
