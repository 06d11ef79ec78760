package record

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/ssectl/ssectl/pkg/stream"
)

// Format is the form of a recording.
type Format string

// The formats that [Read] reads.
const (
	FormatAuto  Format = ""      // detect it
	FormatJSONL Format = "jsonl" // JSON lines, as ssectl listen writes them
	FormatSSE   Format = "sse"   // an event stream as it was on the wire
	FormatText  Format = "text"  // each line is the data of an event
	FormatHAR   Format = "har"   // the network panel of a browser saves it
)

// Formats returns the formats that [Read] reads, without [FormatAuto].
func Formats() []Format { return []Format{FormatJSONL, FormatSSE, FormatText, FormatHAR} }

// Read ranges over the records of r in the given format, once. [FormatAuto]
// detects the format by the first bytes, and waits for them; Read returns the
// format too. An event larger than maxEventSize bytes is an error; zero means
// [stream.DefaultMaxEventSize].
//
// The loop may go on after a [*LineError]. Any other error is the last value, and
// io.EOF is none.
func Read(r io.Reader, format Format, maxEventSize int) (iter.Seq2[Record, error], Format, error) {
	if maxEventSize <= 0 {
		maxEventSize = stream.DefaultMaxEventSize
	}
	buffered := bufio.NewReaderSize(r, 64<<10)
	if format == FormatAuto {
		format = detect(buffered)
	}
	switch format {
	case FormatJSONL:
		return readJSONL(buffered, maxEventSize), format, nil
	case FormatSSE:
		return readSSE(buffered, maxEventSize), format, nil
	case FormatText:
		return readText(buffered, maxEventSize), format, nil
	case FormatHAR:
		records, err := readHAR(buffered)
		return records, format, err
	}
	return nil, format, fmt.Errorf("unknown format %q: want one of %s", format, strings.Trim(fmt.Sprint(Formats()), "[]"))
}

// detect returns the format by the first bytes. It reads no more of them than it
// needs: an input may be live, and its next byte hours away.
func detect(r *bufio.Reader) Format {
	for n := 1; n <= r.Size(); n = max(n, r.Buffered()) + 1 {
		start, err := r.Peek(n)
		if r.Buffered() > n {
			start, _ = r.Peek(r.Buffered())
		}
		if format, sure := guess(start); sure || err != nil {
			return format
		}
	}
	return FormatText
}

// guess returns the format of an input that begins with start, and whether more
// of it could still change that.
func guess(start []byte) (format Format, sure bool) {
	text := bytes.TrimLeft(bytes.TrimPrefix(start, bom), "\r\n \t")
	if len(text) == 0 || bytes.HasPrefix(bom, start) {
		return FormatText, false
	}
	switch text[0] {
	case '{':
		key := bytes.TrimLeft(text[1:], "\r\n \t")
		if bytes.HasPrefix(key, harKey) {
			return FormatHAR, true
		}
		return FormatJSONL, !bytes.HasPrefix(harKey, key)
	case ':':
		return FormatSSE, true
	}
	for _, name := range fieldNames {
		if rest, ok := bytes.CutPrefix(text, name); ok {
			if len(rest) == 0 {
				return FormatSSE, false
			}
			if bytes.IndexByte([]byte(":\r\n"), rest[0]) >= 0 {
				return FormatSSE, true
			}
		} else if bytes.HasPrefix(name, text) {
			return FormatText, false
		}
	}
	return FormatText, true
}

var (
	harKey     = []byte(`"log"`)
	fieldNames = [][]byte{[]byte("data"), []byte("event"), []byte("id"), []byte("retry")}
)
