package llm

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

const (
	maxKept      = 1000     // answers that a service keeps
	maxKeptBytes = 64 << 20 // about, that they take
)

// A store keeps the latest answers by their IDs. The zero value is empty.
type store[T comparable] struct {
	mu    sync.Mutex // guards the fields below
	byID  map[string]kept[T]
	order []string // oldest first
	bytes int
}

type kept[T any] struct {
	value T
	size  int
}

// keyOf returns the name of an answer in a store. Each test has answers of its own.
func keyOf(r *fake.Request, id string) string { return pertest.Name(r.Header) + "\x00" + id }

// put keeps a value, which takes about size bytes. The oldest ones go for it.
func (s *store[T]) put(id string, value T, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]kept[T]{}
	}
	s.drop(id)
	s.byID[id] = kept[T]{value, size}
	s.order = append(s.order, id)
	s.bytes += size
	for len(s.order) > maxKept || s.bytes > maxKeptBytes && len(s.order) > 1 {
		s.drop(s.order[0])
	}
}

// drop forgets a value; mu is held.
func (s *store[T]) drop(id string) {
	if old, ok := s.byID[id]; ok {
		delete(s.byID, id)
		i := slices.Index(s.order, id)
		s.order = slices.Delete(s.order, i, i+1)
		s.bytes -= old.size
	}
}

func (s *store[T]) get(id string) (value T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.byID[id]
	return k.value, ok
}

// remove forgets a value, if its ID still has that.
func (s *store[T]) remove(id string, value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id].value == value {
		s.drop(id)
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
