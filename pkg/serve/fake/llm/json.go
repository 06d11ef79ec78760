package llm

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// A field is a member of an object.
type field struct {
	name  string
	value any
}

// An object is a JSON object whose members keep their order, so that an answer reads as
// that of the service does.
type object []field

// obj returns an object of names and values, by turns.
func obj(pairs ...any) object {
	o := make(object, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		o = append(o, field{pairs[i].(string), pairs[i+1]})
	}
	return o
}

// with returns the object with further members.
func (o object) with(pairs ...any) object {
	return append(o[:len(o):len(o)], obj(pairs...)...)
}

// MarshalJSON encodes the object.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := appendValue(&b, o)
	return b.Bytes(), err
}

// appendValue encodes a value. Texts keep their <, > and &, as in the services' answers.
// Objects are encoded here: encoding/json would read the encoding of each one again.
func appendValue(b *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case object:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendValue(b, f.name); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := appendValue(b, f.value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case []object:
		b.WriteByte('[')
		for i, o := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendValue(b, o); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	}
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the line feed
	return nil
}

// encode returns a value as JSON. All values here can be encoded but those of a caller.
func encode(value any) string {
	var b bytes.Buffer
	if err := appendValue(&b, value); err != nil {
		return "null"
	}
	return b.String()
}

// reply returns a reply with a value as its body.
func reply(status int, value any) *fake.Reply {
	return &fake.Reply{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(encode(value))}
}

// The values of a request. Whatever a client sent, these return zero values where there
// is no such thing.

func member(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func list(value any, path ...string) []any {
	l, _ := member(value, path...).([]any)
	return l
}

func text(value any, path ...string) string {
	s, _ := member(value, path...).(string)
	return s
}

func truth(value any, path ...string) bool {
	b, _ := member(value, path...).(bool)
	return b
}

// number returns a number that is positive and whole, or else 0.
func number(value any, path ...string) int {
	n, _ := member(value, path...).(json.Number)
	i, err := n.Int64()
	if err != nil || i < 0 || i > 1<<31 {
		return 0
	}
	return int(i)
}

// parts returns the texts of a content: a text, or a list of parts of one of these types.
func parts(value any, types ...string) string {
	if s, ok := value.(string); ok {
		return s
	}
	var all []string
	for _, part := range list(value) {
		if s, ok := part.(string); ok {
			all = append(all, s)
			continue
		}
		for _, t := range types {
			if text(part, "type") == t {
				all = append(all, text(part, "text"))
			}
		}
	}
	return strings.Join(all, "\n")
}
