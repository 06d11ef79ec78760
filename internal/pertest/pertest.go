// Package pertest keeps apart the tests that use one server at the same time: each
// names itself in a header of its requests, and has a state of its own.
package pertest

import (
	"container/list"
	"net/http"
	"sync"
)

// Header is the field of a request that names its test. It is for the server alone:
// neither recorded, nor compared, nor passed on.
const Header = "X-Ssectl-Test"

const (
	most    = 1000 // tests
	maxName = 200  // bytes
)

// Name returns the name of the test that a request is of, "" if it names none.
func Name(header http.Header) string { return Clip(header.Get(Header)) }

// Clip returns a name as far as it counts: a client must not be able to fill the memory
// with names.
func Clip(name string) string { return name[:min(len(name), maxName)] }

// A States has a state for each test, made when it is asked for first. It keeps those
// of the 1,000 tests that were used last, and that of the requests without a name.
// The zero value is ready for use, and may be used by several goroutines at once.
type States[T any] struct {
	mu    sync.Mutex // guards the rest
	named map[string]*list.Element
	used  list.List // of named, the latest first
	plain *T
}

type named[T any] struct {
	name  string
	state *T
}

// Of returns the state of a test, which create makes if there is none.
func (s *States[T]) Of(name string, create func() *T) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" {
		if s.plain == nil {
			s.plain = create()
		}
		return s.plain
	}
	if e, ok := s.named[name]; ok {
		s.used.MoveToFront(e)
		return e.Value.(*named[T]).state
	}
	if s.named == nil {
		s.named = map[string]*list.Element{}
	}
	state := create()
	s.named[name] = s.used.PushFront(&named[T]{name, state})
	for s.used.Len() > most {
		last := s.used.Remove(s.used.Back()).(*named[T])
		delete(s.named, last.name)
	}
	return state
}
