package fake

import (
	"errors"
	"fmt"

	"github.com/ssectl/ssectl/internal/query"
)

// maxCompared bounds the comparisons of all answers with earlier ones, weighed by the
// sizes of their matches. Most answers of large directories have paths of their own, and
// need few.
const maxCompared = 1 << 20

// warn adds a warning for each answer that is never given, as far as that can be proved.
func (l *loader) warn() {
	shadowed := l.warnShadowed()
	l.warnTurns(shadowed)
}

// warnShadowed warns of answers that an earlier one is given in place of.
func (l *loader) warnShadowed() []bool {
	shadowed := make([]bool, len(l.places))
	plain := map[string][]int{} // earlier answers with one path
	var wide []int              // those with any path, or a pattern
	left := maxCompared
	for i := range l.places {
		p := &l.places[i]
		if p.matcher == nil {
			continue
		}
		path := ""
		if p.matcher.path != nil {
			path = p.matcher.path.Plain()
		}
		for _, list := range [2][]int{wide, plain[path]} {
			for _, j := range list {
				if left -= l.places[j].matcher.weight(); left < 0 || shadowed[i] {
					break
				}
				if shadowed[i] = l.places[j].matcher.covers(p.matcher); shadowed[i] {
					l.at(p, p.node, true, fmt.Errorf("it is never given: %s answers all that it answers", l.answers[j].Name))
				}
			}
		}
		switch {
		case shadowed[i], l.answers[i].Times > 0, len(l.answers[i].After) > 0, p.matcher.JQ != "":
			// Another one comes after it, or in its place.
		case path == "":
			wide = append(wide, i)
		default:
			plain[path] = append(plain[path], i)
		}
	}
	return shadowed
}

// weight returns about how much work a comparison with the match is.
func (c *matcher) weight() int {
	return 1 + len(c.query) + len(c.header) + c.size/32
}

// warnTurns warns of answers that come after one that is never given, which may be
// themselves.
func (l *loader) warnTurns(shadowed []bool) {
	at := make(map[string]int, len(l.answers))
	for i := range l.answers {
		at[l.answers[i].Name] = i
	}
	waiting := make([]int, len(l.answers)) // for how many others
	next := map[int][]int{}                // the answers that come after one
	var open []int
	for i := range l.answers {
		for _, name := range l.answers[i].After {
			if j, ok := at[name]; ok {
				waiting[i]++
				next[j] = append(next[j], i)
			}
		}
		if waiting[i] == 0 && !shadowed[i] {
			open = append(open, i)
		}
	}
	for len(open) > 0 {
		i := open[len(open)-1]
		open = open[:len(open)-1]
		for _, j := range next[i] {
			if waiting[j]--; waiting[j] == 0 && !shadowed[j] {
				open = append(open, j)
			}
		}
	}
	for i := range l.answers {
		if waiting[i] == 0 || shadowed[i] {
			continue
		}
		p := &l.places[i]
		for _, n := range p.after {
			switch j, ok := at[n.text]; {
			case !ok:
				continue
			case j == i:
				l.at(p, n, true, errors.New("it is never given: it comes after itself"))
			case waiting[j] > 0 || shadowed[j]:
				l.at(p, n, true, fmt.Errorf("it is never given: it comes after %q, which is never given before", n.text))
			default:
				continue
			}
			break
		}
	}
}

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
