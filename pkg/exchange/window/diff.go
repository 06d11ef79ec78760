package window

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Difference is a place where two bodies differ. Old or New is empty where the
// body has nothing there, and otherwise JSON, or text if the bodies are not both
// JSON.
type Difference struct {
	Path string `json:"path"` // as in jq: .messages[2].role
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// mostDifferences bounds the list of differences, and longestValue a value in it.
const (
	mostDifferences = 200
	longestValue    = 2000
)

// Diff returns how the new text differs from the old one, nil if not at all.
func Diff(old, new string) []Difference {
	if old == new {
		return nil
	}
	var list differences
	before, ok := parse(old)
	after, also := parse(new)
	if ok && also {
		list.values("", before, after)
	} else {
		list.add(Difference{Path: ".", Old: old, New: new})
	}
	return list
}

func parse(text string) (value any, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return value, err == io.EOF
}

type differences []Difference

func (d *differences) add(difference Difference) {
	if len(*d) == mostDifferences {
		return
	}
	if difference.Path == "" {
		difference.Path = "."
	}
	difference.Old, difference.New = clip(difference.Old), clip(difference.New)
	*d = append(*d, difference)
}

func clip(text string) string {
	if len(text) <= longestValue {
		return text
	}
	return prefix(text, longestValue) + fmt.Sprintf(" … %d more bytes", len(text)-longestValue)
}

func (d *differences) values(path string, old, new any) {
	switch before := old.(type) {
	case map[string]any:
		if after, ok := new.(map[string]any); ok {
			d.objects(path, before, after)
			return
		}
	case []any:
		if after, ok := new.([]any); ok {
			d.lists(path, before, after)
			return
		}
	}
	if !equal(old, new) {
		d.add(Difference{Path: path, Old: jsonOf(old), New: jsonOf(new)})
	}
}

func (d *differences) objects(path string, old, new map[string]any) {
	all := maps.Clone(old)
	maps.Copy(all, new)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, had := old[name]
		after, has := new[name]
		at := path + member(name)
		switch {
		case !had:
			d.add(Difference{Path: at, New: jsonOf(after)})
		case !has:
			d.add(Difference{Path: at, Old: jsonOf(before)})
		default:
			d.values(at, before, after)
		}
	}
}

// lists compares lists without what both begin and end with: a conversation grows
// at its end, and one that is too long loses its beginning.
func (d *differences) lists(path string, old, new []any) {
	start := 0
	for start < len(old) && start < len(new) && equal(old[start], new[start]) {
		start++
	}
	end := 0
	for end < len(old)-start && end < len(new)-start && equal(old[len(old)-1-end], new[len(new)-1-end]) {
		end++
	}
	old, new = old[start:len(old)-end], new[start:len(new)-end]
	for i := range max(len(old), len(new)) {
		at := path + "[" + strconv.Itoa(start+i) + "]"
		if path == "" {
			at = "." + at
		}
		switch {
		case i >= len(old):
			d.add(Difference{Path: at, New: jsonOf(new[i])})
		case i >= len(new):
			d.add(Difference{Path: at, Old: jsonOf(old[i])})
		default:
			d.values(at, old[i], new[i])
		}
	}
}

func member(name string) string {
	plain := name != ""
	for i, c := range name {
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			plain = false
		}
	}
	if plain {
		return "." + name
	}
	return "." + strconv.Quote(name)
}

// equal reports whether two values are the same JSON, but for the order of keys.
func equal(a, b any) bool { return jsonOf(a) == jsonOf(b) }

func jsonOf(value any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil { // it was parsed
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
