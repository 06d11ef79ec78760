package seen

import (
	"bytes"
	"errors"
	"io"

	"github.com/ssectl/ssectl/internal/coding"
)

const (
	// prefixWork bounds the bytes that are decoded over and over to find out
	// how much could be read at each time.
	prefixWork = 64 << 20

	// maxPlain bounds the size that a compressed body of the main stream may
	// grow to, maxOtherPlain that of the others.
	maxPlain      = 4 << 20
	maxOtherPlain = 1 << 20
)

// decodePrefixes decodes a body, and finds how much of it a client could read
// when it had only the first ends[i] bytes. A reader on a live connection would
// not show this: Go's returns data at the end of a flush or block only, while a
// browser shows at once all that it has decoded. At the end of a truncated
// input both return all they have, so each prefix is decoded on its own.
func decodePrefixes(name string, body []byte, ends []int, limit int) (plain []byte, plainEnds []int, err error) {
	plain, err = decodePrefix(name, body, limit)
	plainEnds = make([]int, len(ends))
	work, readable := 0, 0
	for i, end := range ends {
		switch {
		case end == len(body):
			readable = len(plain)
		case work > prefixWork:
			// Too much to try each: spread the rest in proportion, but never
			// below the result of an earlier prefix.
			readable = max(readable, int(int64(len(plain))*int64(end)/int64(len(body))))
		default:
			n, _ := decodeTo(io.Discard, name, body[:end], limit)
			readable = max(readable, min(int(n), len(plain)))
			work += end + int(n)
		}
		plainEnds[i] = readable
	}
	return plain, plainEnds, err
}

// decodePrefix decodes as much as can be decoded, up to limit bytes. Its error is
// that of damage, not that of a missing end.
func decodePrefix(name string, body []byte, limit int) ([]byte, error) {
	// A buffer that grows holds a text twice, and then has up to twice its room.
	size, err := decodeTo(io.Discard, name, body, limit)
	plain := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if size > 0 {
		_, err = decodeTo(plain, name, body, limit)
	}
	return plain.Bytes(), err
}

// decodeTo is decodePrefix for a reader that may want the number of bytes alone.
func decodeTo(w io.Writer, name string, body []byte, limit int) (int64, error) {
	r, err := coding.NewSharedReader(name, bytes.NewReader(body))
	var n int64
	if err == nil {
		defer r.Close()
		n, err = io.Copy(w, io.LimitReader(r, int64(limit)))
	}
	if truncated(err) {
		err = nil
	}
	return n, err
}

func truncated(err error) bool {
	return err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)
}
