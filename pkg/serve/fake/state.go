package fake

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// TestHeader is the header by which a request names its test. Each test has counters,
// turns, faults and channels of its own, so that tests may run side by side. Requests
// without it are those of the test "".
const TestHeader = "X-Ssectl-Test"

const (
	maxTests    = 1000 // of which the state is kept
	maxTestName = 200  // bytes
)

// A state is what has changed since a test began. The mutex of the handler guards it.
type state struct {
	used      int64 // which request was its last one, counted over all tests
	requests  int64
	unmatched int64
	given     []int64      // by answer, how often
	faults    *fault.Set   // of all answers
	own       []*fault.Set // by answer, nil if it has none
	channels  channels
}

func (h *Handler) newState() *state {
	s := &state{
		given: make([]int64, len(h.answers)), own: make([]*fault.Set, len(h.answers)), channels: channels{},
		faults: fault.NewSet(h.options.Faults, false, h.options.FaultSeed),
	}
	for i := range h.answers {
		if list := h.answers[i].Faults; len(list) > 0 {
			s.own[i] = fault.NewSet(list, false, h.options.FaultSeed+uint64(i))
		}
	}
	return s
}

// state returns the state of a test. Beyond the limit, the test that was silent longest
// is forgotten. The mutex must be held.
func (h *Handler) state(test string) *state {
	h.requests++
	s := h.tests[test]
	if s == nil {
		if len(h.tests) >= maxTests {
			oldest, at := "", int64(-1)
			for name, other := range h.tests {
				if name != "" && (at < 0 || other.used < at) {
					oldest, at = name, other.used
				}
			}
			delete(h.tests, oldest)
		}
		s = h.newState()
		h.tests[test] = s
	}
	s.used = h.requests
	return s
}

// isOpen returns why an answer cannot be given now, "" if it can. The mutex must be
// held.
func (h *Handler) isOpen(s *state, a *answerer) string {
	if a.Times > 0 && s.given[a.index] >= int64(a.Times) {
		if a.Times == 1 {
			return "it was given already"
		}
		return fmt.Sprintf("it was given %d times already", a.Times)
	}
	for i, at := range a.after {
		if s.given[at] == 0 {
			return fmt.Sprintf("it comes after %q, which was not given yet", a.After[i])
		}
	}
	return ""
}

// plan returns the faults of a request. The mutex must be held.
func (h *Handler) plan(s *state, a *answerer, r *http.Request) *fault.Plan {
	faults := s.faults.Choose(r)
	if a != nil && s.own[a.index] != nil {
		faults = append(faults, s.own[a.index].Choose(r)...)
	}
	if len(faults) == 0 {
		return h.noFaults
	}
	return fault.NewPlan(faults, false)
}

// A Left is an answer that a test has not used up.
type Left struct {
	Name  string
	Place string
	Given int64
	Times int // that it is to be given; 0 is once or more
}

// Left returns the answers that were never given in a test, or not as often as they say.
func (h *Handler) Left(test string) (left []Left) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.tests[test]
	for i := range h.answers {
		a := &h.answers[i]
		given := int64(0)
		if s != nil {
			given = s.given[i]
		}
		if given < int64(max(a.Times, 1)) {
			left = append(left, Left{Name: a.Name, Place: a.Place, Given: given, Times: a.Times})
		}
	}
	return left
}

// Unmatched returns how many requests of a test nothing answered.
func (h *Handler) Unmatched(test string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.tests[test]; s != nil {
		return s.unmatched
	}
	return 0
}

// Tests returns the names of the tests that have sent requests and are not forgotten.
func (h *Handler) Tests() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.tests {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Reset begins a test anew.
func (h *Handler) Reset(test string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.tests[test]; s != nil {
		fresh := h.newState()
		fresh.channels = s.channels // of streams that are open
		h.tests[test] = fresh
	}
}

// SetFaults sets the faults of the requests of a test from now on, in place of
// [Options.Faults].
func (h *Handler) SetFaults(test string, faults []fault.Fault) error {
	for i := range faults {
		if err := faults[i].Validate(); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state(test).faults = fault.NewSet(slices.Clone(faults), false, h.options.FaultSeed)
	return nil
}
