package window

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
)

const (
	shortestSecret = 6  // bytes of a value whose name is a word for a secret
	shortestOpaque = 16 // bytes of a value that is hidden because nobody knows its name
	mostSecrets    = 32 // values, so that a request cannot make each event expensive
)

// secrets are the credentials of one request.
type secrets struct {
	mu     sync.Mutex // guards the rest: a body may be shown while events come
	values []string

	// The places in the events so far, and how much of each value the text there
	// ends with.
	places map[place][]int

	// The places where it is known that no value had begun in what was missed; nil
	// if nothing was.
	met map[place]bool
}

// A place is where in an event a text is: a hash of the keys that lead to it. The
// pieces of a text that comes in deltas all have the same one.
type place uint64

// mostPlaces bounds the places of a stream that makes up new keys all the time.
const mostPlaces = 256

func secretsOf(r *exchange.Request) *secrets {
	s := &secrets{}
	for name, values := range r.Header {
		for _, value := range values {
			s.addHeader(name, value)
		}
	}
	if r.URL == nil {
		return s
	}
	if password, ok := r.URL.User.Password(); ok {
		s.add(password, shortestSecret)
	}
	for name, values := range r.URL.Query() {
		for _, value := range values {
			s.addNamed(name, value, !strings.Contains(redact.URL(&url.URL{RawQuery: url.Values{name: {value}}.Encode()}), redact.Placeholder))
		}
	}
	return s
}

func (s *secrets) addHeader(name, value string) {
	switch http.CanonicalHeaderKey(name) {
	case "Cookie":
		for part := range strings.SplitSeq(value, ";") {
			_, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			s.add(strings.Trim(value, `"`), shortestSecret+2) // shorter ones are settings
		}
	case "Authorization", "Proxy-Authorization":
		scheme, token, ok := strings.Cut(value, " ")
		if !ok {
			s.add(value, shortestSecret)
			return
		}
		s.add(strings.TrimSpace(token), shortestSecret)
		if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token)); err == nil && strings.EqualFold(scheme, "basic") {
			_, password, _ := strings.Cut(string(plain), ":")
			s.add(password, shortestSecret)
		}
	default:
		s.addNamed(name, value, redact.RequestHeader(name, value) == value)
	}
}

// addNamed adds a value that is secret by its name, or looks like a token under a
// name that nobody knows.
func (s *secrets) addNamed(name, value string, plain bool) {
	switch {
	case plain:
	case redact.Name(name):
		s.add(value, shortestSecret)
	case !strings.ContainsAny(value, " ,;/"):
		s.add(value, shortestOpaque)
	}
}

func (s *secrets) add(value string, shortest int) {
	if len(value) >= shortest && len(s.values) < mostSecrets && !slices.Contains(s.values, value) {
		s.values = append(s.values, value)
	}
}

// text returns a whole text without the values, and without the strings of JSON
// whose names are words for secrets if it is that of a request.
func (s *secrets) text(text string, isRequest bool) string {
	if text == "" {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if isRequest {
		text = s.fields(text)
	}
	for _, value := range s.values {
		text = strings.ReplaceAll(text, value, redact.Placeholder)
	}
	// A value may be written with escapes, in JSON and in forms.
	text = s.hide(text, nil, whole, 0)
	for _, value := range s.values {
		if escaped := url.QueryEscape(value); escaped != value {
			text = strings.ReplaceAll(text, escaped, redact.Placeholder)
		}
	}
	return text
}

// fields hides the values of a JSON text, and those of a form, whose names are
// words for secrets, and adds them to the values.
func (s *secrets) fields(text string) string {
	if form, err := url.ParseQuery(text); err == nil && !strings.ContainsAny(text, "{}[]\"\n ") && strings.Contains(text, "=") {
		for name, values := range form {
			for _, value := range values {
				if redact.Name(name) {
					s.add(value, shortestSecret)
				}
			}
		}
		parts := strings.Split(text, "&")
		for i, part := range parts {
			name, value, _ := strings.Cut(part, "=")
			if plain, err := url.QueryUnescape(name); value != "" && (err != nil || redact.Name(plain)) {
				parts[i] = name + "=" + redact.Placeholder
			}
		}
		return strings.Join(parts, "&")
	}
	var spans []span
	eachString(text, func(key string, _ place, start, end int) {
		if key != "" && start < end && redact.Name(key) {
			if raw := text[start:end]; !strings.ContainsAny(raw, "\\ ") {
				s.add(raw, shortestSecret+2)
			}
			spans = append(spans, span{start, end})
		}
	})
	return cut(text, spans, func(span) string { return redact.Placeholder })
}

// How much of a text hide sees.
type scope bool

const (
	whole scope = true
	piece scope = false // more may follow
)

// piece returns a text of an event without the values and without the pieces of
// values that it has, in as many bytes. A piece is hidden as soon as it is long
// enough to be no accident, as nobody knows what comes next: so of a value that
// comes in pieces, no more than its first few bytes are to be seen.
func (s *secrets) piece(text string, salt place) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.values) == 0 || text == "" {
		return text
	}
	if s.places == nil || len(s.places) > mostPlaces {
		s.places = map[place][]int{}
	}
	return s.hide(text, s.places, piece, salt)
}

// none reports whether there is no value to hide.
func (s *secrets) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values) == 0
}

// missed notes that pieces passed that were not looked at: any value may have begun.
func (s *secrets) missed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places, s.met = nil, map[place]bool{}
}

// hide is the common part of text and piece.
func (s *secrets) hide(text string, places map[place][]int, scope scope, salt place) string {
	if len(s.values) == 0 {
		return text
	}
	var spans []span
	for _, value := range s.values {
		for at := 0; ; {
			i := strings.Index(text[at:], value)
			if i < 0 {
				break
			}
			at += i + len(value)
			spans = append(spans, span{at - len(value), at})
		}
	}
	match := func(at place, start, end int) {
		if start == end {
			return
		}
		if s.met != nil && scope == piece && !s.met[at^salt] {
			rest := s.rest(text[start:end])
			spans = append(spans, span{start, start + rest})
			if start += rest; start == end {
				return // it may go on
			}
			if len(s.met) < mostPlaces {
				s.met[at^salt] = true
			}
		}
		var states []int // nil: no value has begun
		if len(places) > 0 {
			states = places[at^salt]
		}
		plain := strings.IndexByte(text[start:end], '\\') < 0
		for i, value := range s.values {
			state, before := 0, 0
			if i < len(states) {
				before = states[i]
			}
			if before == 0 && plain {
				// Nearly always: no part of it is here but perhaps at the end.
				if scope == whole {
					continue
				}
				if state = begun(text[start:end], value); state >= leastPiece(value) {
					spans = append(spans, span{end - state, end})
				}
			} else {
				state = matchPiece(text, start, end, value, before, scope, func(from, to int) { spans = append(spans, span{from, to}) })
			}
			if state != before && scope == piece {
				states = append(slices.Grow(states, len(s.values)), make([]int, len(s.values)-len(states))...)
				states[i] = state
			}
		}
		if states == nil || scope == whole {
			return
		}
		if slices.ContainsFunc(states, func(n int) bool { return n != 0 }) {
			places[at^salt] = states
		} else {
			delete(places, at^salt)
		}
	}
	if !looksLikeJSON(text) {
		match(plainPlace, 0, len(text))
	}
	eachString(text, func(_ string, at place, start, end int) { match(at, start, end) })
	return cut(text, spans, func(sp span) string { return strings.Repeat("*", sp.end-sp.start) })
}

// rest returns how much of the beginning of text may be the rest of a value, or a
// piece of it.
func (s *secrets) rest(text string) (n int) {
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

// leastPiece is how much of a value is no accident.
func leastPiece(value string) int { return min(6, len(value)/2) }

// matchPiece looks for value in text[start:end], of which a JSON string may be the
// source, after a text that ended with the first state bytes of it. It calls hide
// with the parts that belong to it, and returns the new state.
func matchPiece(text string, start, end int, value string, state int, scope scope, hide func(from, to int)) int {
	// Where the bytes of the match so far are from, as far as they are in this
	// piece. A mismatch falls back to the longest beginning that still fits.
	var from []span
	matched := value[:state]
	for i := start; i < end; {
		decoded, size := unescape(text[i:end])
		for j := range len(decoded) {
			for len(matched) > 0 && value[len(matched)] != decoded[j] {
				matched = value[:fallback(value, len(matched))]
			}
			if value[len(matched)] == decoded[j] {
				matched = value[:len(matched)+1]
				from = append(from, span{i, i + size})
				from = from[max(0, len(from)-len(matched)):]
			} else {
				from = from[:0]
			}
			if len(matched) == len(value) {
				hide(from[0].start, from[len(from)-1].end)
				matched, from = value[:0], from[:0]
			}
		}
		i += size
	}
	if len(matched) >= leastPiece(value) && scope == piece && len(from) > 0 {
		hide(from[0].start, from[len(from)-1].end)
	}
	return len(matched)
}

// begun returns how much of the beginning of value text ends with, but not all of it.
func begun(text, value string) int {
	tail := text[max(0, len(text)-len(value)+1):]
	for {
		i := strings.IndexByte(tail, value[0])
		if i < 0 {
			return 0
		}
		if tail = tail[i:]; strings.HasPrefix(value, tail) {
			return len(tail)
		}
		tail = tail[1:]
	}
}

// fallback returns the length of the longest beginning of value that its first n
// bytes end with, and that is shorter.
func fallback(value string, n int) int {
	for k := n - 1; k > 0; k-- {
		if value[:k] == value[n-k:n] {
			return k
		}
	}
	return 0
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
type span struct{ start, end int }

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
