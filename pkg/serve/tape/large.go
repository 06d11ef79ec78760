package tape

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
	"unsafe"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
)

// The memory that a request takes is bounded, as package answer has it. The values of
// JSON take many times the bytes of its text: a body with too many bytes or values is
// compared by the hash of its text, without blanks.
const (
	maxCompared = answer.MaxBody // bytes of a body; of a larger one, the first are compared

	maxParsed = 2 << 20 // bytes of JSON that is compared by its values
	maxValues = 50_000  // of it, about
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
