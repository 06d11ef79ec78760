package tape

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/ssectl/ssectl/internal/redact"
)

// Any page that a person opens can send requests to a server on the same machine, so
// the memory that they take is bounded. The values of JSON take many times the bytes of
// its text: a body with too many bytes or values is compared by the hash of its text,
// without blanks. And a body that is not small is read and compared while no other one
// is.
const (
	maxCompared = DefaultMaxBody   // bytes of a body; of a larger one, the first are compared
	maxRequest  = 64 << 20         // bytes of a body that is read to its end
	readTimeout = 30 * time.Second // of it, and for its turn

	maxParsed  = 2 << 20  // bytes of JSON that is compared by its values
	maxValues  = 50_000   // of it, about
	smallBody  = 32 << 10 // bytes of a body that waits for no other
	smallTurns = 16       // of those at once
)

// isLarge reports whether JSON is too large to compare its values, within times the
// limits for requests.
func isLarge[T string | []byte](text T, times int) bool {
	if len(text) > times*maxParsed {
		return true
	}
	values := 0
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == '{' || c == '[' || c == ':'), c == '&', c == '\n' && !inString:
			values++
		}
	}
	return values > times*maxValues
}

// playedBody returns the body of a request to be answered from a tape.
func playedBody(secrets *redact.Secrets, contentType, text string, cut int64) Body {
	if cut == 0 && !isLarge(text, 1) {
		return bodyOf([]byte(cleanBody(secrets, contentType, text, true)), 0)
	}
	// Members of JSON that are named for secrets are not looked for.
	text = secrets.Clean(cleanParts(secrets, text))
	return Body{Bytes: unsafe.Slice(unsafe.StringData(text), len(text)), Known: true, Size: cut, large: true}
}

// sum returns the hash of a body: of JSON, that of its compact text.
func (b *Body) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	switch {
	case b.JSON != nil:
		h.Write(b.JSON)
	case b.large && utf8.Valid(b.Bytes) && json.Valid(b.Bytes):
		hashCompact(h, b.Bytes)
	default:
		h.Write(b.Bytes)
	}
	h.Sum(sum[:0])
	return sum
}

// hashCompact hashes what compactJSON would return.
func hashCompact(h io.Writer, text []byte) {
	inString := false
	from := 0 // of the bytes that are not hashed yet
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case inString && c == '\\':
			i += 2
			continue
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			h.Write(text[from:i])
			from = i + 1
		case c >= 0x7f:
			r, size := utf8.DecodeRune(text[i:])
			if isControl(r) {
				h.Write(text[from:i])
				fmt.Fprintf(h, `\u%04x`, r)
				from = i + size
			}
			i += size
			continue
		}
		i++
	}
	h.Write(text[from:])
}

// sameText reports whether a body is that of a recording, where one of them is large.
func (k *key) sameText(recorded *key) bool {
	const slack = 64 // the end of a beginning may be a piece of a secret, which was replaced
	switch {
	case recorded.size > 0 || k.size > 0:
		n := min(len(k.text), len(recorded.text)) - slack
		whole := k.size == 0 && len(k.text) < len(recorded.text)-slack || recorded.size == 0 && len(recorded.text) < len(k.text)-slack
		return !whole && (n <= 0 || k.text[:n] == recorded.text[:n])
	case k.hasSum && recorded.hasSum:
		return k.sum == recorded.sum
	}
	return false
}

// describe describes a large body.
func (k *key) describe() string {
	if k.size > 0 {
		return fmt.Sprintf("%d bytes, the first %d compared", k.size, len(k.text))
	}
	return fmt.Sprintf("%d bytes with SHA-256 %x", len(k.text), k.sum)
}

// A turns lets bodies be compared: few small ones, and one other, at a time.
type turns struct {
	small, large chan struct{}
}

func newTurns() turns {
	return turns{small: make(chan struct{}, smallTurns), large: make(chan struct{}, 1)}
}

var errBusy = errors.New("other requests with large bodies take too long")

// read returns the body of a request, at most a byte more than maxCompared of it, in its
// turn, which ends with a call of release.
func (t *turns) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return []byte{}, release, nil
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(readTimeout))
	defer control.SetReadDeadline(time.Time{})
	if body, err = io.ReadAll(io.LimitReader(r.Body, smallBody+1)); err != nil {
		return nil, release, err
	}
	turn := t.small
	if len(body) > smallBody {
		turn = t.large
	}
	timer := time.NewTimer(readTimeout)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
	case <-timer.C:
		return nil, release, errBusy
	case <-r.Context().Done():
		return nil, release, r.Context().Err()
	}
	release = sync.OnceFunc(func() { <-turn })
	if len(body) <= smallBody {
		return body, release, nil
	}
	control.SetReadDeadline(time.Now().Add(readTimeout))
	whole := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 2*smallBody), maxCompared+1)+bytes.MinRead)) // which does not grow then
	whole.Write(body)
	_, err = whole.ReadFrom(io.LimitReader(r.Body, maxCompared+1-int64(len(body))))
	return whole.Bytes(), release, err
}

// drain reads the rest of a body, so that the client gets the answer, and returns its
// size.
func drain(w http.ResponseWriter, r *http.Request) (int64, error) {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(readTimeout))
	defer control.SetReadDeadline(time.Time{})
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxRequest-maxCompared))
	if err == nil && n == maxRequest-maxCompared {
		err = fmt.Errorf("the body is larger than %d bytes", maxRequest)
	}
	return n, err
}

// An again is the body of a request of which the beginning was read.
type again struct {
	begun   []byte
	rest    io.ReadCloser
	release func() // called once the beginning is read again
}

func (a *again) Read(p []byte) (n int, err error) {
	if len(a.begun) == 0 {
		return a.rest.Read(p)
	}
	n = copy(p, a.begun)
	if a.begun = a.begun[n:]; len(a.begun) == 0 {
		a.begun = nil
		a.release()
	}
	return n, nil
}

func (a *again) Close() error { return a.rest.Close() }
