package httpx

import (
	"strings"
)

// A PathPattern is a pattern of paths: a segment {name} or * stands for any one segment,
// {name...} or * at the end for one or more, and {name} within a segment for a part of
// it, as in {model}:generate.
type PathPattern struct {
	segments []segment
	plain    string // the path, where no segment stands for another one
}

// A segment is a part of a pattern between slashes.
type segment struct {
	text       string // of a segment that stands for itself
	any, rest  bool   // stands for any text, and for all segments after it
	name       string
	head, tail string // around the text that it stands for
}

// ParsePath reads a pattern. Any text is one.
func ParsePath(pattern string) *PathPattern {
	p := &PathPattern{plain: pattern}
	list := strings.Split(pattern, "/")
	for i, text := range list {
		s := segment{text: text}
		open, end := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
		switch {
		case text == "*":
			s.any, s.rest = true, i == len(list)-1
		case open >= 0 && end > open:
			s.any, s.head, s.tail = true, text[:open], text[end+1:]
			var more bool
			s.name, more = strings.CutSuffix(text[open+1:end], "...")
			s.rest = more && i == len(list)-1 && s.head+s.tail == ""
		}
		if s.any {
			p.plain = ""
		}
		p.segments = append(p.segments, s)
	}
	return p
}

// Plain returns the only path of the pattern, "" if there are more.
func (p *PathPattern) Plain() string { return p.plain }

// Match reports whether a path is of the pattern.
func (p *PathPattern) Match(path string) bool {
	if p.plain != "" {
		return p.plain == path
	}
	for i := range p.segments {
		s := &p.segments[i]
		if s.rest {
			return path != "" && path[0] != '/'
		}
		got, rest, more := strings.Cut(path, "/")
		if more == (i == len(p.segments)-1) || !s.matches(got) {
			return false
		}
		path = rest
	}
	return true
}

func (s *segment) matches(got string) bool {
	if !s.any {
		return s.text == got
	}
	return len(got) > len(s.head)+len(s.tail) && strings.HasPrefix(got, s.head) && strings.HasSuffix(got, s.tail)
}

// Params returns the parts of a path of the pattern that have names.
func (p *PathPattern) Params(path string) map[string]string {
	params := map[string]string{}
	for i := range p.segments {
		s := &p.segments[i]
		got, rest, _ := strings.Cut(path, "/")
		switch {
		case s.name == "":
		case s.rest:
			params[s.name] = path
		default:
			params[s.name] = got[len(s.head) : len(got)-len(s.tail)]
		}
		path = rest
	}
	return params
}

// MatchPath reports whether a path is of a [PathPattern].
func MatchPath(pattern, path string) bool { return ParsePath(pattern).Match(path) }
