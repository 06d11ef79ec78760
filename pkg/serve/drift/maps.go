package drift

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ssectl/ssectl/internal/redact"
)

// asMaps returns the shapes of the values of two objects that are maps: their names are
// values themselves, such as the IDs of files or days, and others the next time. It returns nil
// for objects with fixed names.
func asMaps(path string, recorded, now *shape) (was, is *shape) {
	if len(recorded.members)+len(now.members) == 0 {
		return nil, nil
	}
	if isFree(path, recorded, now) || allNames(recorded, looksMade) && allNames(now, looksMade) || haveOneShape(recorded, now) {
		return recorded.values(), now.values()
	}
	return nil, nil
}

func allNames(s *shape, is func(string) bool) bool {
	for name := range s.members {
		if !is(name) {
			return false
		}
	}
	return true
}

// values returns the shape of the values of all members.
func (s *shape) values() *shape {
	all := &shape{}
	for _, one := range s.members {
		all.merge(one)
	}
	return all
}

func (s *shape) merge(other *shape) {
	s.seen += other.seen
	if s.kinds == nil {
		s.kinds = map[kind]int{}
	}
	for k, n := range other.kinds {
		s.kinds[k] += n
	}
	for name, one := range other.members {
		if s.members == nil {
			s.members = map[string]*shape{}
		}
		if s.members[name] == nil {
			s.members[name] = &shape{}
		}
		s.members[name].merge(one)
	}
	if other.elements != nil {
		if s.elements == nil {
			s.elements = &shape{}
		}
		s.elements.merge(other.elements)
	}
}

// isFree reports whether an object has texts under names that its user chose.
func isFree(path string, recorded, now *shape) bool {
	name := path[strings.LastIndex(path, ".")+1:]
	return slices.Contains([]string{"metadata", "labels", "annotations", "tags"}, name) &&
		recorded.values().only(kindString) && now.values().only(kindString)
}

// haveOneShape reports whether several members on tape are objects of one shape, and the
// names are others now. Two names that are partly there still may be a start and an end:
// that takes three. Numbers and texts never have one shape in this sense, since most
// objects with fixed names have several of them.
func haveOneShape(recorded, now *shape) bool {
	common := 0
	for name := range now.members {
		if recorded.members[name] != nil {
			common++
		}
	}
	switch n := len(recorded.members); {
	case n < 2, n == 2 && (common > 0 || len(now.members) == 0), common == n && common == len(now.members):
		return false
	}
	var first *shape
	for _, name := range slices.Sorted(maps.Keys(recorded.members)) {
		one := recorded.members[name]
		if !one.only(kindObject) || len(one.members) == 0 {
			return false
		}
		if first == nil {
			first = one
		}
		same := 0
		for name, member := range one.members {
			if other := first.members[name]; other != nil && member.hasKindOf(other) {
				same++
			}
		}
		if all := len(one.members) + len(first.members) - same; same*2 < all {
			return false
		}
	}
	return true
}

var (
	date = regexp.MustCompile(`^\d{4}[-/]\d\d([-/]\d\d)?([T ].*)?$`)
	hex  = regexp.MustCompile(`^[0-9a-fA-F-]{8,}$`)

	knownForms redact.Secrets
)

// looksMade reports whether a name was made up by a program: a number, a date, an ID, a
// key, an address or the path of a file.
func looksMade(name string) bool {
	const digits = "0123456789"
	switch _, err := strconv.ParseFloat(name, 64); {
	case err == nil && strings.ContainsAny(name, digits), date.MatchString(name):
		return true
	case hex.MatchString(name) && strings.ContainsAny(name, digits):
		return true
	case strings.Contains(name, "/"), strings.LastIndex(name, "@") > 0, knownForms.Clean(name) != name:
		return true
	}
	// An ID has a random part, such as file-9xAbC12345678, or ends in a number.
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, word := range words {
		if number := len(word) - len(strings.TrimRight(word, digits)); i > 0 && i == len(words)-1 && number >= 3 {
			return true
		}
		groups := strings.FieldsFunc(word, func(r rune) bool { return !unicode.IsDigit(r) })
		if len(word) >= 6 && len(groups) >= 2 {
			return true
		}
		if len(word) >= 16 && len(groups) == 1 && strings.ToLower(word) != word && strings.ToUpper(word) != word {
			return true
		}
	}
	return false
}
