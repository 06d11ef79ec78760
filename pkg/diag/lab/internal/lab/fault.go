package lab

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
)

// A Fault is an error of the publisher itself.
type Fault string

// The faults.
const (
	NoFault   Fault = ""
	NoFlush   Fault = "gzip without flush" // compresses, and waits for more
	ByTimer   Fault = "flush by timer"     // once a second, for each connection
	OneBehind Fault = "one behind"         // each event waits for the next
	LateBlank Fault = "blank line late"    // the blank line comes before the next event
)

// event returns the part of an event to write now, and the part to keep for
// later.
func (f Fault) event(e, held []byte) (now, later []byte) {
	switch f {
	case OneBehind:
		return held, e
	case LateBlank:
		return append(held, e[:len(e)-1]...), []byte("\n")
	}
	return e, nil
}

// writer returns the writer for a stream, and its flush function.
func (f Fault) writer(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, func()) {
	control := http.NewResponseController(w)
	flush := func() { control.Flush() }
	if f == NoFlush && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		return gzipWriter{w, gzip.NewWriter(w)}, flush
	}
	return w, flush
}

type gzipWriter struct {
	http.ResponseWriter
	zip *gzip.Writer
}

func (w gzipWriter) Write(p []byte) (int, error) { return w.zip.Write(p) }

// renumber gives an event the ID that it has on one connection.
func renumber(event []byte, id int) []byte {
	_, rest, ok := bytes.Cut(event, []byte("\n"))
	if !ok || !bytes.HasPrefix(event, []byte("id: ")) {
		return event
	}
	return append(fmt.Appendf(nil, "id: %d\n", id), rest...)
}
