package fake

import (
	"github.com/ssectl/ssectl/internal/query"
)

// covers reports whether a match has all requests that another one has, as far as that
// can be proved.
func (c *matcher) covers(other *matcher) bool {
	switch {
	case c.JQ != "":
		return false
	case c.Method != "" && (other.Method == "" || !c.hasMethod(other.Method)):
		return false
	case !c.coversPath(other), !coverPatterns(c.query, other.query), !coverPatterns(c.header, other.header):
		return false
	case c.json != nil && !coversJSON(c.json, other.json):
		return false
	}
	return c.Body == "" || c.Body == "*" || c.Body == other.Body
}

func (c *matcher) coversPath(other *matcher) bool {
	switch {
	case c.path == nil || c.Path == other.Path:
		return true
	case other.path == nil || other.path.Plain() == "":
		return false
	}
	return c.path.Match(other.path.Plain())
}

// coverPatterns reports whether each pattern has all that the others let pass.
func coverPatterns(patterns, others []pattern) bool {
	for _, p := range patterns {
		covered := false
		for _, o := range others {
			plain := o.text != Absent && len(o.pieces) == 1
			if o.name == p.name && (o.text == p.text || p.text == "*" && o.text != Absent || p.text != Absent && plain && p.fits(o.text)) {
				covered = true
			}
		}
		if !covered {
			return false
		}
	}
	return true
}

// coversJSON reports whether what is wanted is wanted by another one too.
func coversJSON(want, other any) bool {
	switch want := want.(type) {
	case map[string]any:
		object, ok := other.(map[string]any)
		if !ok {
			return false
		}
		for name, value := range want {
			of, has := object[name]
			if !has || !coversJSON(value, of) {
				return false
			}
		}
		return true
	case []any:
		list, ok := other.([]any)
		if !ok || len(list) != len(want) {
			return false
		}
		for i := range want {
			if !coversJSON(want[i], list[i]) {
				return false
			}
		}
		return true
	}
	return query.Equal(want, other)
}
