package fake

import (
	"fmt"
	"net/http"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// A state is what has changed since a test began. The mutex of the handler guards it.
type state struct {
	requests int64
	given    []int64 // by answer, how often
	channels channels
}

func (h *Handler) newState() *state {
	return &state{given: make([]int64, len(h.answers)), channels: channels{}}
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

// use notes that an answer is given. The mutex must be held.
func (s *state) use(a *answerer) {
	s.given[a.index]++
	a.most = max(a.most, s.given[a.index])
}

// plan returns the faults of a request, and counts it.
func (h *Handler) plan(a *answerer, r *http.Request) *fault.Plan {
	faults := h.faults.Choose(r)
	if a != nil && a.own != nil {
		own := a.own.Choose(r)
		faults = append(faults[:len(faults):len(faults)], own...)
	}
	if len(faults) == 0 {
		return h.noFaults
	}
	return fault.NewPlan(faults, false)
}

// Left returns the answers that were not given as often as they can be, or once where
// that is any number of times, each as a line for people. Of tests that are told apart
// by their header, the one that got an answer most often counts.
func (h *Handler) Left() (left []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.answers {
		switch a := &h.answers[i]; {
		case a.most == 0:
			left = append(left, a.Name)
		case a.most < int64(a.Times):
			left = append(left, fmt.Sprintf("%s: given %d of %d times", a.Name, a.most, a.Times))
		}
	}
	return left
}
