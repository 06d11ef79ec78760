package fault

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
)

// A Scope is the requests that a fault is for: those of a route, of them some in
// the order in which they come, of those a share. The zero value is all requests.
type Scope struct {
	Method string // any if empty
	Path   string // any if empty; a segment {name} or * stands for any one, {name...} or * at the end for more

	// Attempt is the requests of a client that the fault is for, as far as the client
	// says which attempt one is. Empty means all.
	Attempt Attempt

	// First and Last are the requests, counted from 1, that the fault is for.
	// A First of zero means all, a Last of zero means First alone.
	First, Last int64

	// Share is the part of the requests that the fault is for, up to 1, which
	// are chosen at random. Zero means all.
	Share float64
}

// An Attempt is a request of a client that may have asked for the same before. Which
// one it is cannot be counted here for each client: many come from one address at
// once, over connections that they share or not. But those that come back say so: with
// the ID of the last event that they have, or, as the libraries of OpenAI, Anthropic and
// others that Stainless makes, with the number of the attempt.
type Attempt string

// The attempts.
const (
	FirstAttempt Attempt = "first"
	NextAttempt  Attempt = "again"
)

// attemptOf returns the attempt that a request says it is.
func attemptOf(r *http.Request) Attempt {
	if n, err := strconv.Atoi(r.Header.Get("X-Stainless-Retry-Count")); err == nil && n > 0 || httpx.LastEventID(r) != "" {
		return NextAttempt
	}
	return FirstAttempt
}

// parseScope reads a scope: a method, a path, first or again, #N or #N-M, and N%, each
// at most once.
func parseScope(text string) (s Scope, err error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return s, fmt.Errorf("want a scope after the colon, such as POST /path, #1-2 or 10%%")
	}
	for _, word := range words {
		var taken bool
		number, isNumber := strings.CutPrefix(word, "#")
		percent, isShare := strings.CutSuffix(word, "%")
		switch {
		case strings.HasPrefix(word, "/"):
			taken, s.Path = s.Path != "", word
		case isNumber:
			taken = s.First != 0
			if s.First, s.Last, err = parseRange(number); err != nil {
				return s, fmt.Errorf("%w after #", err)
			}
		case isShare:
			taken = s.Share != 0
			share, err := strconv.ParseFloat(percent, 64)
			if s.Share = share / 100; err != nil || !(s.Share > 0 && s.Share <= 1) {
				return s, fmt.Errorf("want a share above 0%% up to 100%%, not %q", word)
			}
		case word == string(FirstAttempt), word == string(NextAttempt):
			taken, s.Attempt = s.Attempt != "", Attempt(word)
		case isMethod(word):
			taken, s.Method = s.Method != "", word
		default:
			return s, fmt.Errorf("%q is no method, path, first, again, #N or N%%", word)
		}
		if taken {
			return s, fmt.Errorf("%q is the second of its kind after the colon", word)
		}
	}
	return s, nil
}

// isMethod reports whether a word can be a method. Those in use are capital
// letters; others would let every mistake pass.
func isMethod(word string) bool {
	return word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

// parseRange reads N or N-M, from 1 on.
func parseRange(text string) (first, last int64, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, err = strconv.ParseInt(from, 10, 64)
	if err == nil {
		last, err = strconv.ParseInt(to, 10, 64)
	}
	if err != nil || first < 1 || last < first {
		return 0, 0, fmt.Errorf("want a number from 1 on, or a range as 1-2,")
	}
	return first, last, nil
}

// validate returns the error of a scope that no text stands for.
func (s *Scope) validate() error {
	switch {
	case s.First < 0 || s.Last != 0 && s.Last < s.First || s.First == 0 && s.Last != 0:
		return fmt.Errorf("requests from First = %d to Last = %d: want numbers from 1 on, or 0", s.First, s.Last)
	case !(s.Share >= 0 && s.Share <= 1):
		return fmt.Errorf("a share of %v: want 0 to 1", s.Share)
	case s.Attempt != "" && s.Attempt != FirstAttempt && s.Attempt != NextAttempt:
		return fmt.Errorf("the attempt %q: want first or again", s.Attempt)
	case s.Path != "" && !strings.HasPrefix(s.Path, "/"):
		return fmt.Errorf("the path %q: want one that begins with a slash", s.Path)
	}
	return nil
}

// matches reports whether the scope has a request, as far as that can be seen from the
// request alone.
func (s *Scope) matches(r *http.Request) bool {
	return (s.Method == "" || s.Method == r.Method) && (s.Path == "" || httpx.MatchPath(s.Path, r.URL.Path)) &&
		(s.Attempt == "" || s.Attempt == attemptOf(r))
}

// covers reports whether the scope has request n of those that match.
func (s *Scope) covers(n int64) bool {
	return s.First == 0 || s.First <= n && n <= max(s.First, s.Last)
}

// String returns the scope as [Parse] reads it.
func (s Scope) String() string {
	var words []string
	for _, word := range []string{s.Method, s.Path, string(s.Attempt)} {
		if word != "" {
			words = append(words, word)
		}
	}
	if s.First != 0 {
		words = append(words, "#"+rangeText(s.First, s.Last))
	}
	if s.Share != 0 {
		words = append(words, strconv.FormatFloat(s.Share*100, 'f', -1, 64)+"%")
	}
	return strings.Join(words, " ")
}

func rangeText(first, last int64) string {
	if last <= first {
		return strconv.FormatInt(first, 10)
	}
	return fmt.Sprintf("%d-%d", first, last)
}
