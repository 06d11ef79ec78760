package drift

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A kind is the type of a value, as a client sees it.
type kind string

const (
	kindNull   kind = "null"
	kindBool   kind = "boolean"
	kindNumber kind = "number"
	kindString kind = "string"
	kindObject kind = "object"
	kindArray  kind = "array"
	kindText   kind = "text" // no JSON
)

// A shape is common to the values at one place: their types, and the shapes of their
// members and elements.
type shape struct {
	seen     int
	kinds    map[kind]int
	members  map[string]*shape // of the objects
	elements *shape            // of the arrays; nil if they are all empty
}

// text stands for data that is not JSON.
type text struct{}

func (s *shape) add(value any) {
	if s.kinds == nil {
		s.kinds = map[kind]int{}
	}
	s.seen++
	switch value := value.(type) {
	case nil:
		s.kinds[kindNull]++
	case bool:
		s.kinds[kindBool]++
	case string:
		s.kinds[kindString]++
	case text:
		s.kinds[kindText]++
	case []any:
		s.kinds[kindArray]++
		for _, one := range value {
			if s.elements == nil {
				s.elements = &shape{}
			}
			s.elements.add(one)
		}
	case map[string]any:
		s.kinds[kindObject]++
		if s.members == nil {
			s.members = map[string]*shape{}
		}
		for name, one := range value {
			if s.members[name] == nil {
				s.members[name] = &shape{}
			}
			s.members[name].add(one)
		}
	default:
		s.kinds[kindNumber]++
	}
}

func (s *shape) String() string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(s.kinds)) {
		words = append(words, string(k))
	}
	return strings.Join(words, " or ")
}

// only reports whether all values are of a kind.
func (s *shape) only(k kind) bool { return s.kinds[k] == s.seen }

// compare adds the differences of the shape that is there now from the recorded one.
func (c *comparison) compare(path string, recorded, now *shape) {
	c.compareKinds(path, recorded, now)
	if recorded.elements != nil && now.elements != nil {
		c.compare(path+"[]", recorded.elements, now.elements)
	}
	if recorded.kinds[kindObject] == 0 || now.kinds[kindObject] == 0 {
		return
	}
	if was, is := asMaps(path, recorded, now); was != nil {
		if was.seen > 0 && is.seen > 0 {
			c.compare(path+"[]", was, is)
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(recorded.members)) {
		was, is := recorded.members[name], now.members[name]
		switch at := path + "." + member(name); {
		case is == nil && was.seen < recorded.kinds[kindObject] && !isRenamed(was, recorded, now):
			c.add(Finding{Place: at, Recorded: was.String() + " at times", Now: absent})
		case is == nil:
			c.add(Finding{Place: at, Recorded: was.String(), Now: absent, Drift: true})
		default:
			if was.seen == recorded.kinds[kindObject] && is.seen < now.kinds[kindObject] {
				c.add(Finding{Place: at, Recorded: was.String(), Now: "sometimes absent"})
			}
			c.compare(at, was, is)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.members)) {
		if recorded.members[name] == nil {
			c.add(Finding{Place: path + "." + member(name), Recorded: absent, Now: now.members[name].String()})
		}
	}
}

// isRenamed reports whether a new member has come in the place of one that most objects on
// tape have, and none now. Without it, the member may be absent by chance.
func isRenamed(was, recorded, now *shape) bool {
	if was.seen*2 <= recorded.kinds[kindObject] {
		return false
	}
	for name, is := range now.members {
		if recorded.members[name] == nil && is.seen*2 > now.kinds[kindObject] && is.hasKindOf(was) {
			return true
		}
	}
	return false
}

// hasKindOf reports whether two shapes have a type in common that is not null.
func (s *shape) hasKindOf(other *shape) bool {
	for k := range s.kinds {
		if k != kindNull && other.kinds[k] > 0 {
			return true
		}
	}
	return false
}

// compareKinds compares types. A null is no type of its own: it is where a value may be.
// So it is a drift where there was always a value, and there never is one now, and not
// where there is a value for once.
func (c *comparison) compareKinds(path string, recorded, now *shape) {
	if path == "" {
		path = "."
	}
	if recorded.only(kindNull) {
		if !now.only(kindNull) {
			c.add(Finding{Place: path, Recorded: string(kindNull), Now: now.String()})
		}
		return
	}
	drift := recorded.kinds[kindNull] == 0 && now.only(kindNull)
	for k := range now.kinds {
		drift = drift || k != kindNull && recorded.kinds[k] == 0
	}
	if drift || now.kinds[kindNull] > 0 && recorded.kinds[kindNull] == 0 {
		c.add(Finding{Place: path, Recorded: recorded.String(), Now: now.String(), Drift: drift})
	}
}

// member returns the name of a member as jq writes it after a dot.
func member(name string) string {
	if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
		return name
	}
	return fmt.Sprintf("%q", name)
}
