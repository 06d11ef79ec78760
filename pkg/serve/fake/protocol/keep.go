package protocol

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

const (
	maxKept      = 1000     // sessions, tasks, runs and answers that a service keeps, of each kind
	maxKeptBytes = 64 << 20 // of them, of each kind
)

// A shelf keeps the latest things by name.
type shelf[T any] struct {
	// gone, if not nil, is called with each item that had to go, without the lock.
	gone func(T)

	mu    sync.Mutex // guards the fields below
	items map[string]kept[T]
	order []string // of the items, the oldest first
	bytes int
}

type kept[T any] struct {
	item T
	size int
}

// keyOf returns the name of an item on a shelf. Each test has items of its own.
func keyOf(r *fake.Request, name string) string { return pertest.Name(r.Header) + "\x00" + name }

// put keeps an item, which takes about size bytes.
func (s *shelf[T]) put(name string, item T, size int) {
	s.mu.Lock()
	if s.items == nil {
		s.items = map[string]kept[T]{}
	}
	if old, ok := s.items[name]; ok {
		s.drop(name, old)
	}
	s.items[name] = kept[T]{item, size}
	s.order = append(s.order, name)
	s.bytes += size
	out := s.trim()
	s.mu.Unlock()
	s.tell(out)
}

// grow counts bytes that an item takes since it was kept. The oldest items go for them.
func (s *shelf[T]) grow(name string, bytes int) {
	s.mu.Lock()
	k, ok := s.items[name]
	if !ok {
		s.mu.Unlock()
		return
	}
	k.size += bytes
	s.items[name] = k
	s.bytes += bytes
	out := s.trim()
	s.mu.Unlock()
	s.tell(out)
}

// trim drops the items for which there is no room; mu is held.
func (s *shelf[T]) trim() (out []T) {
	for len(s.order) > maxKept || s.bytes > maxKeptBytes && len(s.order) > 1 {
		old := s.items[s.order[0]]
		s.drop(s.order[0], old)
		out = append(out, old.item)
	}
	return out
}

func (s *shelf[T]) tell(out []T) {
	if s.gone != nil {
		for _, item := range out {
			s.gone(item)
		}
	}
}

// drop removes an item; mu is held.
func (s *shelf[T]) drop(name string, old kept[T]) {
	delete(s.items, name)
	i := slices.Index(s.order, name)
	s.order = slices.Delete(s.order, i, i+1)
	s.bytes -= old.size
}

func (s *shelf[T]) get(name string) (item T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.items[name]
	return k.item, ok
}

// take removes an item and returns it.
func (s *shelf[T]) take(name string) (item T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.items[name]
	if ok {
		s.drop(name, k)
	}
	return k.item, ok
}

// all returns the items of the test of a request, the oldest first.
func (s *shelf[T]) all(r *fake.Request) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []T
	for _, name := range s.order {
		if strings.HasPrefix(name, keyOf(r, "")) {
			items = append(items, s.items[name].item)
		}
	}
	return items
}

// An answer is a stream that a client may leave and come back to.
type answer struct {
	// events are functions that make the records, the same each time: those of a long
	// text take many times its memory, and so are made as they are sent.
	events iter.Seq[func() record.Record]
	count  int // of events

	mu   sync.Mutex // guards sent
	sent int        // records that the client which is furthest was sent, or may have been
}

// newAnswer returns the answer of events.
func newAnswer(events iter.Seq[func() record.Record]) answer {
	count := 0
	for range events {
		count++
	}
	return answer{events: events, count: count}
}

// after returns the place after the event of a number, counted from 0.
func (a *answer) after(number string) (place int, ok bool) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= a.count || strconv.Itoa(n) != number {
		return 0, false
	}
	return n + 1, true
}

// stream returns the function that sends the rest of an answer.
func (a *answer) stream(from int) func(context.Context, func(record.Record) error) error {
	return func(_ context.Context, send func(record.Record) error) error {
		i := 0
		for make := range a.events {
			if i++; i <= from {
				continue
			}
			a.mu.Lock()
			a.sent = max(a.sent, i)
			a.mu.Unlock()
			if err := send(make()); err != nil {
				return err
			}
		}
		return nil
	}
}

// progress returns how many records were sent, and whether that is all.
func (a *answer) progress() (sent int, done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent, a.sent == a.count
}

const (
	maxLog      = 10_000    // records in a log
	maxLogBytes = 16 << 20  // of data in a log
	recordBytes = 250       // of a record, beside its data
	maxBatch    = 256 << 10 // bytes of records that a client takes from a feed at a time
)

// A feed is a stream that grows, for clients that wait for news. It keeps the latest
// records.
type feed struct {
	mu      sync.Mutex // guards the fields below
	records []record.Record
	first   int // number of the first of records
	bytes   int
	ended   bool
	wake    chan struct{} // closed when there is news
}

// append adds records, unless the feed has ended, and returns by how many bytes it grew.
func (f *feed) append(records ...record.Record) (grown int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return 0
	}
	before := f.bytes
	for _, r := range records {
		f.records = append(f.records, r)
		f.bytes += sizeOf(r)
	}
	for len(f.records) > maxLog || f.bytes > maxLogBytes && len(f.records) > 1 {
		f.bytes -= sizeOf(f.records[0])
		f.records[0] = record.Record{}
		f.records = f.records[1:]
		f.first++
	}
	f.news()
	return f.bytes - before
}

// sizeOf returns about the bytes that a record takes.
func sizeOf(r record.Record) int { return recordBytes + len(r.ID) + len(r.Type) + len(r.Data) }

// end ends the streams of all clients, and lets go of the records.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.first += len(f.records)
	f.records, f.bytes = nil, 0
	f.news()
}

// news wakes those who wait; mu is held.
func (f *feed) news() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// place returns the number of the next record that will be appended.
func (f *feed) place() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first + len(f.records)
}

// after returns the number of the record after that of an ID.
func (f *feed) after(id string) (place int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range f.records {
		if r.ID == id {
			return f.first + i + 1, true
		}
	}
	return f.first, false
}

// next returns records from a place on, not too many at a time, as a client may take
// none, and the place after them. Without any, wake
// is closed when there are, nil if there never will be.
func (f *feed) next(place int) (records []record.Record, after int, wake <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if skip := max(place-f.first, 0); skip < len(f.records) {
		n, bytes := skip, 0
		for ; n < len(f.records) && bytes < maxBatch; n++ {
			bytes += sizeOf(f.records[n])
		}
		return slices.Clone(f.records[skip:n]), f.first + n, nil
	}
	if f.ended {
		return nil, place, nil
	}
	if f.wake == nil {
		f.wake = make(chan struct{})
	}
	return nil, place, f.wake
}

// follow sends the records from a place on, and those that come, until the feed ends or
// the client leaves. pick, if not nil, reports whether a record is for the client.
// A comment is sent after each interval of silence, unless it is 0.
func (f *feed) follow(ctx context.Context, place int, beat time.Duration, pick func(record.Record) bool, send func(record.Record) error) error {
	var (
		silence *time.Timer
		due     <-chan time.Time
	)
	if beat > 0 {
		silence = time.NewTimer(beat)
		defer silence.Stop()
		due = silence.C
	}
	for {
		records, after, wake := f.next(place)
		place = after
		for _, r := range records {
			if pick != nil && !pick(r) {
				continue
			}
			if err := send(r); err != nil {
				return err
			}
			if silence != nil {
				silence.Reset(beat)
			}
		}
		if len(records) > 0 {
			continue
		}
		if wake == nil {
			return nil
		}
		select {
		case <-wake:
		case <-due:
			if err := send(comment("heartbeat")); err != nil {
				return err
			}
			silence.Reset(beat)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
