package fault

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/ssectl/ssectl/internal/httpx"
)

// A Scope is the requests that a fault is for: those of a route, of them some in
// the order in which they come, of those a share. The zero value is all requests.
type Scope struct {
	Method string // any if empty
	Path   string // any if empty; a segment {name} or * stands for any one, {name...} or * at the end for more

	// First and Last are the requests, counted from 1, that the fault is for.
	// A First of zero means all, a Last of zero means First alone.
	First, Last int64

	// Share is the part of the requests that the fault is for, up to 1, which
	// are chosen at random. Zero means all.
	Share float64
}

// parseScope reads a scope: a method, a path, #N or #N-M, and N%, each at most once.
func parseScope(text string) (s Scope, err error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return s, fmt.Errorf("want a scope after the colon, such as POST /path, #1-2 or 10%%")
	}
	for _, word := range words {
		var taken bool
		number, isNumber := strings.CutPrefix(word, "#")
		percent, isShare := strings.CutSuffix(word, "%")
		switch {
		case strings.HasPrefix(word, "/"):
			taken, s.Path = s.Path != "", word
		case isNumber:
			taken = s.First != 0
			if s.First, s.Last, err = parseRange(number); err != nil {
				return s, fmt.Errorf("%w after #", err)
			}
		case isShare:
			taken = s.Share != 0
			share, err := strconv.ParseFloat(percent, 64)
			if s.Share = share / 100; err != nil || !(s.Share > 0 && s.Share <= 1) {
				return s, fmt.Errorf("want a share above 0%% up to 100%%, not %q", word)
			}
		case isMethod(word):
			taken, s.Method = s.Method != "", word
		default:
			return s, fmt.Errorf("%q is no method, path, #N or N%%", word)
		}
		if taken {
			return s, fmt.Errorf("%q is the second of its kind after the colon", word)
		}
	}
	return s, nil
}

// isMethod reports whether a word can be a method. Those in use are capital
// letters; others would let every mistake pass.
func isMethod(word string) bool {
	return word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

// parseRange reads N or N-M, from 1 on.
func parseRange(text string) (first, last int64, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, err = strconv.ParseInt(from, 10, 64)
	if err == nil {
		last, err = strconv.ParseInt(to, 10, 64)
	}
	if err != nil || first < 1 || last < first {
		return 0, 0, fmt.Errorf("want a number from 1 on, or a range as 1-2,")
	}
	return first, last, nil
}

// validate returns the error of a scope that no text stands for.
func (s *Scope) validate() error {
	switch {
	case s.First < 0 || s.Last != 0 && s.Last < s.First || s.First == 0 && s.Last != 0:
		return fmt.Errorf("requests from First = %d to Last = %d: want numbers from 1 on, or 0", s.First, s.Last)
	case !(s.Share >= 0 && s.Share <= 1):
		return fmt.Errorf("a share of %v: want 0 to 1", s.Share)
	case s.Path != "" && !strings.HasPrefix(s.Path, "/"):
		return fmt.Errorf("the path %q: want one that begins with a slash", s.Path)
	}
	return nil
}

// matches reports whether the scope has a route.
func (s *Scope) matches(method, path string) bool {
	return (s.Method == "" || s.Method == method) && (s.Path == "" || httpx.MatchPath(s.Path, path))
}

// covers reports whether the scope has request n of its route.
func (s *Scope) covers(n int64) bool {
	return s.First == 0 || s.First <= n && n <= max(s.First, s.Last)
}

// A Set is the faults of a server. It chooses those of each request.
type Set struct {
	faults []Fault
	stamp  bool
	seed   uint64
	all    *Plan          // if no fault has a scope
	counts []atomic.Int64 // of the requests that each fault is for, as far as the route goes
}

// NewSet returns a set. Which requests belong to a share depends on the seed and on
// their order alone. Stamp is that of [NewPlan].
func NewSet(faults []Fault, stamp bool, seed uint64) *Set {
	s := &Set{faults: faults, stamp: stamp, seed: seed, counts: make([]atomic.Int64, len(faults))}
	for i := range faults {
		if faults[i].isScoped() {
			return s
		}
	}
	s.all = NewPlan(faults, stamp)
	return s
}

// isScoped reports whether the fault is for some requests alone.
func (f *Fault) isScoped() bool {
	return f.For != Scope{} || f.Kind == "status" && f.First != 0
}

// Of returns the plan for the next request, and counts it.
func (s *Set) Of(method, path string) *Plan {
	if s.all != nil {
		return s.all
	}
	return NewPlan(s.Choose(method, path), s.stamp)
}

// Choose returns the faults of the next request, and counts it.
func (s *Set) Choose(method, path string) (chosen []Fault) {
	for i := range s.faults {
		f := &s.faults[i]
		if !f.For.matches(method, path) {
			continue
		}
		n := s.counts[i].Add(1)
		switch {
		case !f.For.covers(n), f.Kind == "status" && !f.Covers(n):
		case f.For.Share != 0 && rand.New(rand.NewPCG(s.seed+uint64(i), uint64(n))).Float64() >= f.For.Share:
		default:
			chosen = append(chosen, *f)
		}
	}
	return chosen
}

// Uncounted returns a plan for a request that does not count, with the faults that
// are for all requests.
func (s *Set) Uncounted() *Plan {
	if s.all != nil {
		return s.all
	}
	p := NewPlan(nil, s.stamp)
	for _, f := range s.faults {
		if !f.isScoped() {
			p.add(f)
		}
	}
	return p
}
