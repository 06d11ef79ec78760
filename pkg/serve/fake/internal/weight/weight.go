// Package weight estimates the memory that values of JSON take. A client chooses them, and
// small ones take many times the bytes of their text.
package weight

import "encoding/json"

const (
	valueBytes  = 32 // of a value in a list
	memberBytes = 80 // of a member of an object
)

// Of returns about the bytes that a value takes: one of encoding/json, whose numbers may
// be texts.
func Of(value any) int {
	n := valueBytes
	switch v := value.(type) {
	case string:
		n += len(v)
	case json.Number:
		n += len(v)
	case json.RawMessage:
		n += len(v)
	case []any:
		for _, item := range v {
			n += Of(item)
		}
	case map[string]any:
		for name, item := range v {
			n += memberBytes + len(name) + Of(item)
		}
	}
	return n
}
