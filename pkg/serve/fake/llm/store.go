package llm

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
)

// maxKept is the number of answers that are kept.
const maxKept = 1000

// A store keeps the latest answers by their IDs. The zero value is empty.
type store[T comparable] struct {
	mu    sync.Mutex // guards what follows
	byID  map[string]T
	order []string // oldest first
}

func (s *store[T]) put(id string, value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]T{}
	}
	if _, known := s.byID[id]; !known {
		s.order = append(s.order, id)
	}
	s.byID[id] = value
	if len(s.order) > maxKept {
		delete(s.byID, s.order[0])
		s.order = s.order[1:]
	}
}

func (s *store[T]) get(id string) (value T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok = s.byID[id]
	return value, ok
}

// remove forgets a value, if its ID still has that.
func (s *store[T]) remove(id string, value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] == value {
		delete(s.byID, id)
		s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == id })
	}
}

// rest returns the records after the first n, at the times that are left until they are
// written: an answer goes on whether its client is there or not.
func (a *answer) rest(records iter.Seq[record.Record], n int) iter.Seq[record.Record] {
	return func(yield func(record.Record) bool) {
		due := time.Until(a.created)
		for r := range records {
			due += r.Delay
			if n--; n >= 0 {
				continue
			}
			r.Delay = max(due, 0)
			due = min(due, 0)
			if !yield(r) {
				return
			}
		}
	}
}
