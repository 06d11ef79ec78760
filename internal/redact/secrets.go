package redact

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// shortest is the length of a value below which it is not looked for in
	// texts: "test" is a key for somebody, and a word for everybody else.
	shortest = 8
	// piece is the length of a beginning of a secret that is hidden where a text
	// ends within it.
	piece = 6
	// maxKnown bounds the values that are remembered though nothing needs them
	// any more.
	maxKnown = 2048
	// maxOwn bounds the values of one request: that of the headers that a server
	// takes, and of a body with hundreds of secrets.
	maxOwn = 4096
)

// Secrets are values that were seen where a secret stands: in a request's
// credentials, in a field called password. They are looked for wherever they
// appear again, together with keys whose form is well known. The zero value
// knows forms alone. It is safe for concurrent use.
type Secrets struct {
	mu     sync.RWMutex // guards the fields below
	values []string     // oldest first
	starts starts

	changes atomic.Uint64

	kept   map[string]int // how many times something needs a value
	always []string       // those that are never forgotten

	own    bool     // of one request: nothing is forgotten
	taught *Secrets // learns what these learn, if not nil
}

// starts are values by their first bytes. Those of a request have few, and must take
// little memory.
type starts struct {
	index [256]uint16 // by the first byte, from 1; 0 for none
	lists []start
}

// A start is the values that begin with the same byte, the longest first: one may begin
// with another one.
type start struct {
	values  []string
	seconds [4]uint64 // the bytes after it, as a set; those of values forgotten stay
}

// with returns the values that begin with a byte.
func (s *starts) with(c byte) []string {
	if i := s.index[c]; i > 0 {
		return s.lists[i-1].values
	}
	return nil
}

// has reports whether a value may begin with two bytes, given that one does with the first.
func (s *starts) has(a, b byte) bool {
	return s.lists[s.index[a]-1].seconds[b/64]&(1<<(b%64)) != 0
}

func (s *starts) add(value string) {
	i := &s.index[value[0]]
	if *i == 0 {
		s.lists = append(s.lists, start{})
		*i = uint16(len(s.lists))
	}
	l := &s.lists[*i-1]
	l.seconds[value[1]/64] |= 1 << (value[1] % 64)
	at, _ := slices.BinarySearchFunc(l.values, value, func(a, b string) int { return len(b) - len(a) })
	l.values = slices.Insert(l.values, at, value)
}

func (s *starts) remove(value string) {
	l := &s.lists[s.index[value[0]]-1]
	l.values = slices.DeleteFunc(l.values, func(v string) bool { return v == value })
}

// pairs are a set of two bytes, one after the other. Most texts are looked through
// by them alone.
type pairs [256][4]uint64

func (p *pairs) add(text string)    { p[text[0]][text[1]/64] |= 1 << (text[1] % 64) }
func (p *pairs) has(a, b byte) bool { return p[a][b/64]&(1<<(b%64)) != 0 }

// Changes returns how many values were added. A text without secrets has none as
// long as it does not change.
func (s *Secrets) Changes() uint64 { return s.changes.Load() }

// Add adds a value. One shorter than 8 bytes is not remembered.
func (s *Secrets) Add(value string) {
	if value = strings.TrimSpace(value); len(value) < shortest || value == Placeholder {
		return
	}
	for _, form := range spellings(value) {
		if s.insert(form, false) && s.taught != nil {
			s.taught.insert(form, true)
		}
	}
}

// insert adds a value as it is, and reports whether it was not there. If it is to be
// kept, it is not forgotten until it is released as often.
func (s *Secrets) insert(form string, keep bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if keep {
		if s.kept == nil {
			s.kept = map[string]int{}
		}
		s.kept[form]++
	}
	if slices.Contains(s.starts.with(form[0]), form) {
		return false
	}
	if s.own {
		if len(s.values) >= maxOwn {
			return false
		}
	} else {
		s.forget()
	}
	s.values = append(s.values, form)
	s.changes.Add(1)
	s.starts.add(form)
	return true
}

// forget makes room for a value. The caller holds the lock.
func (s *Secrets) forget() {
	for len(s.values)-len(s.kept) >= maxKnown {
		i := slices.IndexFunc(s.values, func(v string) bool { return s.kept[v] == 0 })
		if i < 0 {
			return
		}
		oldest := s.values[i]
		s.starts.remove(oldest)
		s.values = slices.Delete(s.values, i, i+1)
	}
}

// Keep adds the values of other for ever.
func (s *Secrets) Keep(other *Secrets) {
	other.mu.RLock()
	values := slices.Clone(other.values)
	other.mu.RUnlock()
	for _, form := range values {
		s.insert(form, true)
		s.mu.Lock()
		if !slices.Contains(s.always, form) {
			s.always = append(s.always, form)
		}
		s.mu.Unlock()
	}
}

// Own returns the secrets of one request: those of s that are kept for ever, and
// those that are added. If s is to be taught, it knows them until they are released at
// least.
func (s *Secrets) Own(teach bool) *Secrets {
	own := &Secrets{own: true}
	s.mu.RLock()
	always := slices.Clone(s.always)
	s.mu.RUnlock()
	for _, form := range always {
		own.insert(form, false)
	}
	if teach {
		own.taught = s
	}
	return own
}

// Taught ends the teaching of s, and returns the values to be released.
func (s *Secrets) Taught() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taught = nil
	return s.values
}

// Release lets values be forgotten that were taught.
func (s *Secrets) Release(values []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, form := range values {
		if slices.Contains(s.always, form) {
			continue // it was there
		}
		if s.kept[form]--; s.kept[form] <= 0 {
			delete(s.kept, form)
		}
	}
}

// Path returns a path with [Placeholder] for each secret in it. A short word is
// none there: without the words of its path, one request would be taken for another.
func (s *Secrets) Path(path string) string {
	var run Run
	spans := s.Scan(&run, path)
	spans = append(spans, s.Finish(&run, len(path))...)
	return Replace(path, slices.DeleteFunc(spans, func(span Span) bool { return isPlainWord(path[span.From:span.To]) }))
}

// isPlainWord reports whether a value may be a word of a language.
func isPlainWord(text string) bool {
	const longest = 11
	for i := range len(text) {
		if c := text[i] | 0x20; (c < 'a' || c > 'z') && text[i] != '-' && text[i] != '_' {
			return false
		}
	}
	return len(text) <= longest
}

// Clean returns a whole text with [Placeholder] for each secret in it.
func (s *Secrets) Clean(text string) string {
	var run Run
	spans := s.Scan(&run, text)
	spans = append(spans, s.Finish(&run, len(text))...)
	return Replace(text, spans)
}

// Replace returns text with the spans replaced, which are in order.
func Replace(text string, spans []Span) string {
	if len(spans) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, span := range spans {
		from := max(span.From, at)
		b.WriteString(text[at:from])
		if span.Begins {
			b.WriteString(Placeholder)
		}
		at = max(span.To, at)
	}
	b.WriteString(text[at:])
	return b.String()
}

// A Span is a part of a text that is secret, in bytes from the beginning of the
// piece that was scanned last; one before that is negative.
type Span struct {
	From, To int
	Begins   bool // the secret begins here, and does not go on from the piece before
}

// A Run is the state of a text that comes in pieces. The zero value is that of
// its beginning.
type Run struct {
	pending  string // the end of the text so far, which may be the beginning of a secret
	boundary bool   // a key may begin there
	before   byte   // the byte before pending
	inside   *form  // of a secret that has begun and goes on
	recent   string // the end of that secret
}

// Pending returns how many bytes at the end of the text so far are undecided:
// more of the text may make a secret of them.
func (r *Run) Pending() int { return len(r.pending) }

// Clear reports whether nothing of the text so far matters for the rest.
func (r *Run) Clear() bool { return r.pending == "" && r.inside == nil }

// Shed removes half of the runs, if they are more than most: those with the shortest
// beginnings of a secret, which most probably are none. It calls removed with each.
func Shed[K comparable, V any](runs map[K]V, most int, run func(V) *Run, removed func(K, V)) {
	if len(runs) <= most {
		return
	}
	weight := func(key K) int {
		if r := run(runs[key]); r.inside == nil {
			return len(r.pending)
		}
		return math.MaxInt
	}
	keys := slices.Collect(maps.Keys(runs))
	slices.SortFunc(keys, func(a, b K) int { return cmp.Compare(weight(a), weight(b)) })
	for _, key := range keys[:len(keys)-most/2] {
		removed(key, runs[key])
		delete(runs, key)
	}
}

// Scan adds a piece to a text, and returns the secrets that are decided by it.
func (s *Secrets) Scan(run *Run, text string) []Span {
	start := len(run.pending)
	if start > 0 {
		text = run.pending + text
	}
	return s.scan(run, text, start, false)
}

// Finish ends a text, and returns the other secrets in it, with the beginning
// of a secret, where the text was cut. The last piece was size bytes long.
func (s *Secrets) Finish(run *Run, size int) []Span {
	text := run.pending
	spans := s.scan(run, text, len(text), true)
	for i := range spans {
		spans[i].From += size
		spans[i].To += size
	}
	*run = Run{}
	return spans
}

// Force reports whether the pending bytes are so much of a secret that they are
// to be hidden though nothing is decided. The run goes on, so that the rest of
// the secret is found too.
func (s *Secrets) Force(run *Run) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return run.pending != "" && s.begins(run.pending, run.boundary)
}

// Rest returns how much of the beginning of a text may be the rest of a known
// secret, or a piece of one, for a text whose beginning nobody has scanned.
func (s *Secrets) Rest(text string) (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, value := range s.values {
		if strings.Contains(value, text) {
			return len(text)
		}
		for i := range value {
			if strings.HasPrefix(text, value[i:]) {
				n = max(n, len(value)-i)
				break
			}
		}
	}
	return n
}

// scan finds the secrets in text, in which the latest piece begins at start. The
// undecided end becomes pending, or if the text is whole, is decided.
func (s *Secrets) scan(run *Run, text string, start int, whole bool) (spans []Span) {
	at := 0
	if run.inside != nil {
		n, ended := run.goOn(text)
		if n > 0 {
			spans = append(spans, Span{From: -start, To: n - start})
		}
		if n == len(text) && !ended {
			return spans
		}
		run.inside, run.recent = nil, ""
		if at = n; at > 0 {
			run.before = text[at-1]
		}
	}
	held := run.pending != ""
	run.pending = ""
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := at; i < len(text); i++ {
		c := text[i]
		known, forms := s.starts.with(c), formsBy[c]
		if known == nil && forms == nil {
			continue
		}
		if i+1 < len(text) {
			if known != nil && !s.starts.has(c, text[i+1]) {
				known = nil
			}
			if !formPairs.has(c, text[i+1]) {
				forms = nil
			}
		}
		if forms != nil && inWords[c] && i > 0 && i != start && isWord(text[i-1]) {
			forms = nil
		}
		if known == nil && forms == nil {
			continue
		}
		rest := text[i:]
		found, undecided := 0, false
		for _, value := range known {
			if strings.HasPrefix(rest, value) {
				found = max(found, len(value))
			} else if len(rest) < len(value) && value[:len(rest)] == rest {
				undecided = true
			}
		}
		var open *form
		from, boundary, before := i, true, run.before
		if i > 0 {
			before = text[i-1]
		}
		switch {
		case i == 0 && held:
			boundary = run.boundary
		case i == start:
		default:
			boundary = !isWord(before)
		}
		for _, f := range forms {
			if f.boundary && !boundary {
				continue
			}
			if f.joined && (before == '-' || before == '.') && i != start {
				continue
			}
			switch skip, n, verdict := f.match(f, rest); {
			case verdict == partial:
				undecided = true
			case verdict == match && n > found:
				from, found, open = i+skip, n, nil
				if n == len(rest) && f.class != nil && !f.ended(rest) {
					open = f
				}
			}
		}
		switch {
		case undecided && !whole:
			run.pending, run.boundary = strings.Clone(rest), boundary
			if i > 0 {
				run.before = text[i-1]
			}
			return spans
		case undecided && s.begins(rest, boundary):
			from, found = i, len(rest)
		}
		if found == 0 {
			continue
		}
		spans = append(spans, Span{From: from - start, To: i + found - start, Begins: true})
		i += found - 1
		if open != nil {
			run.inside, run.recent = open, tail(rest)
		}
	}
	if len(text) > 0 {
		run.before = text[len(text)-1]
	}
	return spans
}

// begins reports whether text is so much of the beginning of a secret that it is
// hidden. The caller holds the lock.
func (s *Secrets) begins(text string, boundary bool) bool {
	if len(text) < piece {
		return false
	}
	for _, value := range s.starts.with(text[0]) {
		if len(text) < len(value) && value[:len(text)] == text {
			return true
		}
	}
	for _, f := range formsBy[text[0]] {
		if f.cut > 0 && len(text) >= len(f.prefix)+f.cut && (boundary || !f.boundary) && (!f.mixed || isMixed(text[len(f.prefix):])) {
			if _, _, verdict := f.match(f, text); verdict != none {
				return true
			}
		}
	}
	return false
}

// goOn returns how much of text belongs to the secret that the run is inside, and
// whether it ends there for certain.
func (r *Run) goOn(text string) (n int, ended bool) {
	for i := range len(text) {
		if !r.inside.class(text[i]) {
			return i, true
		}
		if text[i] == '-' && r.inside.ended(tail(r.recent+text[max(0, i-pemEnd):i+1])) {
			return i + 1, true
		}
	}
	r.recent = tail(r.recent + text)
	return len(text), false
}

// ended reports whether a text ends with the end of a secret that has one.
func (f *form) ended(text string) bool {
	return f.ends != "" && strings.HasSuffix(text, "-----") && strings.Contains(tail(text), f.ends)
}

func tail(text string) string { return text[max(0, len(text)-pemEnd):] }

func isWord(c byte) bool { return isAlnum(c) || c == '_' }
