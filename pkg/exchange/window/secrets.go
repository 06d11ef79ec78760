package window

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
)

// secrets are those of one exchange: the credentials of its request, and keys of
// well-known forms.
type secrets struct {
	known *redact.Secrets

	mu sync.Mutex // guards the rest

	// The places in the events so far where something may have begun.
	places map[place]*redact.Run

	// The places where it is known that nothing had begun in what was missed; nil
	// if nothing was.
	met map[place]bool
}

// A place is where in an event a text is: a hash of the keys that lead to it. The
// pieces of a text that comes in deltas all have the same one.
type place uint64

// mostPlaces bounds the places of a stream that makes up new keys all the time.
const mostPlaces = 4096

func (l *Log) secretsOf(r *exchange.Request) *secrets {
	s := &secrets{known: l.hidden.Own(false)}
	s.known.Header(r.Header)
	s.known.URL(r.URL)
	return s
}

// text returns a whole text without secrets, and without the values of fields
// whose names mean one.
func (s *secrets) text(text string, isRequest bool) string {
	if text == "" {
		return ""
	}
	if isRequest && isForm(text) {
		text = s.known.Query(text)
	} else {
		text = cut(text, s.fields(text, isRequest), func(sp span) string {
			if sp.number {
				return `"` + redact.Placeholder + `"`
			}
			return redact.Placeholder
		})
	}
	text = s.known.Clean(text)
	// A secret may be written with escapes in JSON.
	var spans []span
	eachString(text, func(_ string, _ place, start, end int) {
		if strings.IndexByte(text[start:end], '\\') >= 0 {
			spans = append(spans, s.scan(new(redact.Run), text, start, end, whole)...)
		}
	})
	return cut(text, spans, func(span) string { return redact.Placeholder })
}

func isForm(text string) bool {
	return strings.Contains(text, "=") && !strings.ContainsAny(text, "{}[]\"\r\n ")
}

// fields returns the values of the fields of a form or a JSON text, and of JSON that is
// a string in it, whose names mean a secret. It remembers them.
func (s *secrets) fields(text string, isRequest bool) (spans []span) {
	if isRequest {
		for _, f := range redact.Parts(text) {
			s.known.Add(text[f.From:f.To])
			spans = append(spans, span{start: f.From, end: f.To})
		}
	}
	if !isRequest && !looksLikeJSON(text) {
		return nil
	}
	for _, f := range redact.Members(text, isRequest) {
		plain, _ := unescapeAll(text[f.From:f.To])
		s.known.Add(plain)
		number := text[f.From-1] != '"' && looksLikeJSON(text)
		spans = append(spans, span{start: f.From, end: f.To, number: number})
	}
	eachString(text, func(_ string, _ place, start, end int) {
		if strings.IndexByte("{[", (text[start:end] + "-")[0]) < 0 || !redact.IsJSON(text[start:end]) {
			return
		}
		plain, at := unescapeAll(text[start:end])
		if at == nil {
			return
		}
		for _, f := range redact.Members(plain, isRequest) {
			value, _ := unescapeAll(plain[f.From:f.To])
			s.known.Add(value)
			spans = append(spans, span{start: start + at[f.From], end: start + at[f.To]})
		}
	})
	return spans
}

// How much of a text there is.
type scope bool

const (
	whole scope = true
	piece scope = false // more may follow
)

// piece returns a text of an event without secrets and without the pieces of them
// that it has, in as many bytes. A piece is hidden as soon as it is long enough to be
// no accident, as nobody knows what comes next: so of a secret that comes in
// pieces, no more than its first few bytes are to be seen.
func (s *secrets) piece(text string, salt place) string {
	if text == "" {
		return text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil {
		s.places = map[place]*redact.Run{}
	}
	redact.Shed(s.places, mostPlaces, func(r *redact.Run) *redact.Run { return r }, func(place, *redact.Run) {})
	// Anything that is here as a whole, also outside of strings.
	spans := append(s.fields(text, false), s.scan(new(redact.Run), text, 0, len(text), whole)...)
	match := func(at place, start, end int) {
		if at ^= salt; start == end {
			return
		}
		if s.met != nil && !s.met[at] {
			rest := s.known.Rest(text[start:end])
			spans = append(spans, span{start: start, end: start + rest})
			if start += rest; start == end {
				return // it may go on
			}
			if len(s.met) < mostPlaces {
				s.met[at] = true
			}
		}
		run := s.places[at]
		if run == nil {
			run = new(redact.Run)
		}
		spans = append(spans, s.scan(run, text, start, end, piece)...)
		if run.Clear() {
			delete(s.places, at)
		} else {
			s.places[at] = run
		}
	}
	if !looksLikeJSON(text) {
		match(plainPlace, 0, len(text))
	}
	eachString(text, func(_ string, at place, start, end int) { match(at, start, end) })
	return cut(text, spans, func(sp span) string { return strings.Repeat("*", sp.end-sp.start) })
}

// missed notes that pieces passed that were not looked at: anything may have begun.
func (s *secrets) missed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places, s.met = nil, map[place]bool{}
}

// scan returns the spans of text[start:end], of which a JSON string may be the
// source, that are secret or may be the beginning of a secret.
func (s *secrets) scan(run *redact.Run, text string, start, end int, scope scope) (spans []span) {
	plain, at := unescapeAll(text[start:end])
	place := func(i int) int {
		i = min(max(i, 0), len(plain))
		if at != nil {
			i = at[i]
		}
		return start + i
	}
	found := s.known.Scan(run, plain)
	if scope == whole {
		found = append(found, s.known.Finish(run, len(plain))...)
	} else if s.known.Force(run) {
		found = append(found, redact.Span{From: len(plain) - run.Pending(), To: len(plain)})
	}
	for _, f := range found {
		if from, to := place(f.From), place(f.To); from < to {
			spans = append(spans, span{start: from, end: to})
		}
	}
	return spans
}

// unescapeAll returns the value of the source of a JSON string, and for each byte
// of it, and its end, where that is in the source; nil where they are the same.
func unescapeAll(source string) (plain string, at []int) {
	if strings.IndexByte(source, '\\') < 0 {
		return source, nil
	}
	var b strings.Builder
	for i := 0; i < len(source); {
		decoded, size := unescape(source[i:])
		b.WriteString(decoded)
		for range len(decoded) {
			at = append(at, i)
		}
		i += size
	}
	return b.String(), append(at, len(source))
}

// unescape returns the first character of the source of a JSON string, and how
// many bytes it takes there.
func unescape(text string) (decoded string, size int) {
	if text[0] != '\\' || len(text) < 2 {
		return text[:1], 1
	}
	if text[1] != 'u' {
		if i := strings.IndexByte(`bfnrt`, text[1]); i >= 0 {
			return "\b\f\n\r\t"[i : i+1], 2
		}
		return text[1:2], 2
	}
	if len(text) < 6 {
		return text, len(text)
	}
	var r rune
	for _, c := range []byte(text[2:6]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return text[:6], 6
		}
	}
	if !utf8.ValidRune(r) {
		return text[:6], 6 // half of a pair: no credential has one
	}
	return string(r), 6
}

// A span is a part of a text.
type span struct {
	start, end int
	number     bool // in JSON, without quotes
}

// cut returns text with its spans replaced. They may overlap.
func cut(text string, spans []span, with func(span) string) string {
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, sp := range spans {
		if sp.start = max(sp.start, at); sp.start >= sp.end {
			continue
		}
		b.WriteString(text[at:sp.start])
		b.WriteString(with(sp))
		at = sp.end
	}
	b.WriteString(text[at:])
	return b.String()
}

const (
	rootPlace  place = 14695981039346656037 // the offset and the prime are those of FNV-1a
	plainPlace place = 1
	prime      place = 1099511628211
)

func looksLikeJSON(text string) bool {
	i := skipSpace(text, 0)
	return i < len(text) && (text[i] == '{' || text[i] == '[')
}

// isColon reports whether a colon is the next character that is no white space.
func isColon(text string, i int) bool {
	i = skipSpace(text, i)
	return i < len(text) && text[i] == ':'
}

func skipSpace(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}

// eachString calls f with the place of each string of a JSON text that is no key,
// between its quotes, and with the key that it is the value of. Of other texts it
// calls f with what is quoted in them.
func eachString(text string, f func(key string, at place, start, end int)) {
	type level struct {
		at     place
		object bool
	}
	stack := make([]level, 0, 16)
	here := level{at: rootPlace}
	key, keyed := "", rootPlace
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if len(stack) < 10_000 {
				stack = append(stack, here)
			}
			here = level{at: keyed*prime ^ 1, object: text[i] == '{'}
			keyed = here.at
			if text[i] == '{' {
				key = ""
			}
		case '}', ']':
			if n := len(stack); n > 0 {
				here, stack = stack[n-1], stack[:n-1]
			}
			key, keyed = "", here.at
		case ',':
			if here.object {
				key, keyed = "", here.at
			}
		case '"':
			start := i + 1
			end := endOfString(text, start)
			i = end
			if here.object && key == "" && isColon(text, end+1) {
				key, keyed = text[start:end], here.at
				for _, c := range []byte(key) {
					keyed = (keyed ^ place(c)) * prime
				}
				continue
			}
			f(key, keyed, start, end)
		}
	}
}

// endOfString returns the place of the quote that ends the string of JSON that
// begins at i, or that of the end of text.
func endOfString(text string, i int) int {
	for i < len(text) {
		quote := strings.IndexByte(text[i:], '"')
		if quote < 0 {
			quote = len(text) - i
		}
		for end := i + quote; i < end; {
			escape := strings.IndexByte(text[i:end], '\\')
			if escape < 0 {
				return end
			}
			i += escape + 2
		}
		if i < len(text) && text[i] == '"' {
			return i
		}
	}
	return len(text)
}
