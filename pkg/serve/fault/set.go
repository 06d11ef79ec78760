package fault

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"

	"github.com/ssectl/ssectl/internal/pertest"
)

// A Control holds the faults of a server, which may change while it runs. Each test
// that names itself in its requests (X-Ssectl-Test) has the faults that the server
// began with, until it is given its own; requests that name none are a test too. Those
// of a request under way stay as they were.
type Control struct {
	begun *list
	tests pertest.States[listed]
}

// A list is the faults that were set at once. Another one has counts of its own.
type list struct {
	faults []Fault
	scoped bool // one of them is for some requests alone
}

type listed struct {
	mu   sync.Mutex // guards list
	list *list
}

func newList(faults []Fault) *list {
	return &list{faults: faults, scoped: slices.ContainsFunc(faults, func(f Fault) bool { return f.isScoped() })}
}

// NewControl returns a control of the faults that a server begins with.
func NewControl(faults []Fault) *Control { return &Control{begun: newList(slices.Clone(faults))} }

// Replace sets the faults of a test, in place of those that it had. They count from
// the beginning.
func (c *Control) Replace(test string, faults []Fault) {
	of := c.of(test)
	of.mu.Lock()
	defer of.mu.Unlock()
	of.list = newList(slices.Clone(faults))
}

// Faults returns the faults of a test.
func (c *Control) Faults(test string) []Fault { return slices.Clone(c.now(test).faults) }

func (c *Control) of(test string) *listed {
	return c.tests.Of(test, func() *listed { return &listed{list: c.begun} })
}

func (c *Control) now(test string) *list {
	of := c.of(test)
	of.mu.Lock()
	defer of.mu.Unlock()
	return of.list
}

// A Set chooses the faults of each request to a handler. It counts the requests of each
// test apart.
type Set struct {
	control *Control
	stamp   bool
	seed    uint64
	tests   pertest.States[counts]
}

// counts are the requests of a test that each of its faults was for, as far as the
// scope goes without counting.
type counts struct {
	mu   sync.Mutex // guards the rest
	list *list
	all  *Plan // if no fault has a scope
	of   []int64
}

// NewSet returns a set of faults that do not change. Which requests belong to a share
// depends on the seed and on their order alone. Stamp is that of [NewPlan].
func NewSet(faults []Fault, stamp bool, seed uint64) *Set {
	return NewControl(faults).NewSet(stamp, seed)
}

// NewSet returns a set of the faults of c, for one handler.
func (c *Control) NewSet(stamp bool, seed uint64) *Set {
	return &Set{control: c, stamp: stamp, seed: seed}
}

// isScoped reports whether the fault is for some requests alone.
func (f *Fault) isScoped() bool {
	return f.For != Scope{} || f.Kind == "status" && f.First != 0
}

// Of returns the plan for the next request, and counts it.
func (s *Set) Of(r *http.Request) *Plan {
	all, chosen := s.choose(r)
	if all != nil {
		return all
	}
	return NewPlan(chosen, s.stamp)
}

// Choose returns the faults of the next request, and counts it.
func (s *Set) Choose(r *http.Request) []Fault {
	_, chosen := s.choose(r)
	return chosen
}

// choose returns the faults of the next request, and their plan if that is the same
// for all requests.
func (s *Set) choose(r *http.Request) (all *Plan, chosen []Fault) {
	test := pertest.Name(r.Header)
	now := s.control.now(test)
	c := s.tests.Of(test, func() *counts { return new(counts) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list != now {
		c.list, c.all, c.of = now, nil, make([]int64, len(now.faults))
		if !now.scoped {
			c.all = NewPlan(now.faults, s.stamp)
		}
	}
	if c.all != nil {
		return c.all, now.faults
	}
	for i := range now.faults {
		f := &now.faults[i]
		if !f.For.matches(r) {
			continue
		}
		c.of[i]++
		n := c.of[i]
		switch {
		case !f.For.covers(n), f.Kind == "status" && !f.Covers(n):
		case f.For.Share != 0 && rand.New(rand.NewPCG(s.seed+uint64(i), uint64(n))).Float64() >= f.For.Share:
		default:
			chosen = append(chosen, *f)
		}
	}
	return nil, chosen
}

// Uncounted returns a plan for a request that does not count, with the faults that
// are for all requests.
func (s *Set) Uncounted(r *http.Request) *Plan {
	p := NewPlan(nil, s.stamp)
	for _, f := range s.control.now(pertest.Name(r.Header)).faults {
		if !f.isScoped() {
			p.add(f)
		}
	}
	return p
}
