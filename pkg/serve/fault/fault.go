// Package fault names the faults that a server of an event stream can have on
// purpose: it breaks connections, holds bytes back, sends the wrong status. Package
// serve makes them happen.
package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/units"
)

// A Fault is a failure on purpose. [Parse] reads one, and [Kinds] lists all. Several
// at once work together.
type Fault struct {
	Kind string
	// First and Last are the events of each connection, counted from 1, that
	// the fault is for; for the kind "status" they are connections. Zero
	// means all.
	First, Last int64

	Duration time.Duration // of stall and delay
	Size     int64         // of buffer, chunk and big, in bytes; status is here too
	Text     string        // of type and eol
}

// A Kind describes one kind of fault and how it is written.
type Kind struct {
	Name  string
	Usage string // an example
	Does  string

	place place
	value func(*Fault, string) error // nil if the kind has no value
}

type place int

const (
	placeNone     place = iota // has no @N
	placeOptional              // all without @N
	placeRequired
)

// Kinds returns all kinds of faults.
func Kinds() []Kind { return slices.Clone(kinds) }

var kinds = []Kind{
	{"drop", "drop@5", "close the connection after event 5, without an end of the response", placeRequired, nil},
	{"reset", "reset@5", "the same by a TCP reset; over HTTP/2, a reset of the stream", placeRequired, nil},
	{"truncate", "truncate@5", "close the connection in the middle of event 5", placeRequired, nil},
	{"stall", "stall@5=30s", "send nothing at all, heartbeats included, for 30s after event 5", placeRequired, parseDuration},
	{"delay", "delay=200ms", "send everything, the header included, 200ms late", placeNone, parseDuration},
	{"status", "status=503@1-2", "answer connections 1 and 2 of each route with status 503", placeOptional, parseStatus},
	{"type", "type=text/plain", "claim another content type", placeNone, parseType},
	{"buffer", "buffer=16k", "hold back all bytes, the header included, until 16k are there or the end", placeNone, parseSize},
	{"chunk", "chunk=1", "write one byte at a time, each in a chunk of its own", placeNone, parseSize},
	{"split-utf8", "split-utf8", "end a write in the middle of every character that has several bytes", placeNone, nil},
	{"eol", "eol=cr", "end lines by a lone CR; eol=crlf by CRLF, eol=lf by LF", placeNone, parseEOL},
	{"bom", "bom", "begin the stream with a byte order mark", placeNone, nil},
	{"gzip", "gzip", "compress, whether the client accepts it or not", placeNone, nil},
	{"no-resume", "no-resume", "take no notice of the last event ID", placeNone, nil},
	{"duplicate", "duplicate@3", "send event 3 twice", placeOptional, nil},
	{"garble", "garble@4", "overwrite the middle of the data of event 4 with bytes that are not UTF-8", placeOptional, nil},
	{"big", "big@2=8m", "send an event with 8m of data before event 2; without @, before the first", placeOptional, parseBig},
}

// Parse reads a fault: a kind, then perhaps @N or @N-M, the events that it
// is for, and =VALUE, in any order.
func Parse(text string) (Fault, error) {
	name := text
	if i := strings.IndexAny(text, "@="); i >= 0 {
		name = text[:i]
	}
	var kind *Kind
	for i := range kinds {
		if kinds[i].Name == name {
			kind = &kinds[i]
		}
	}
	if kind == nil {
		return Fault{}, fmt.Errorf("fault %q: no such kind; want one of %s", text, names())
	}
	fault := Fault{Kind: name}
	place, value, err := split(text[len(name):])
	if err == nil {
		err = fault.setPlace(place, kind.place)
	}
	switch {
	case err != nil:
	case kind.value == nil && value != "":
		err = fmt.Errorf("it has no value")
	case kind.value != nil:
		err = kind.value(&fault, value)
	}
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w; an example is %s", text, err, kind.Usage)
	}
	return fault, nil
}

func names() string {
	var names []string
	for _, kind := range kinds {
		names = append(names, kind.Name)
	}
	return strings.Join(names, " ")
}

// split takes "@place=value" apart, or "=value@place".
func split(text string) (place, value string, err error) {
	for text != "" {
		mark, rest := text[0], text[1:]
		text = ""
		if i := strings.IndexAny(rest, "@="); i >= 0 {
			rest, text = rest[:i], rest[i:]
		}
		into := &place
		if mark == '=' {
			into = &value
		}
		if *into != "" || rest == "" {
			return "", "", fmt.Errorf("want at most one @ and one =, each with text after it")
		}
		*into = rest
	}
	return place, value, nil
}

func (f *Fault) setPlace(text string, want place) (err error) {
	switch {
	case text == "" && want == placeRequired:
		return fmt.Errorf("it needs @ and the number of an event")
	case text == "":
		return nil
	case want == placeNone:
		return fmt.Errorf("it has no @")
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	f.First, err = strconv.ParseInt(first, 10, 64)
	if err == nil {
		f.Last, err = strconv.ParseInt(last, 10, 64)
	}
	if err != nil || f.First < 1 || f.Last < f.First {
		return fmt.Errorf("want a number from 1 on, or a range as 1-2, after @")
	}
	return nil
}

// Check returns an error if the fault can never happen where a connection gets
// at most so many events.
func (f *Fault) Check(events int64) error {
	if f.Kind != "status" && f.First > events {
		return fmt.Errorf("fault %s@%d never happens: there are %d events", f.Kind, f.First, events)
	}
	return nil
}

// Covers reports whether the fault is for the given event or connection.
func (f *Fault) Covers(n int64) bool {
	return f.First == 0 || f.First <= n && n <= f.Last
}

func parseDuration(f *Fault, value string) (err error) {
	if f.Duration, err = time.ParseDuration(value); err != nil || f.Duration <= 0 {
		return fmt.Errorf("want a duration")
	}
	return nil
}

func parseStatus(f *Fault, value string) (err error) {
	if f.Size, err = strconv.ParseInt(value, 10, 64); err != nil || f.Size < 200 || f.Size > 599 {
		return fmt.Errorf("want a status from 200 to 599")
	}
	return nil
}

func parseType(f *Fault, value string) error {
	if f.Text = value; value == "" || !httpx.IsFieldValue(value) {
		return fmt.Errorf("want a content type")
	}
	return nil
}

func parseEOL(f *Fault, value string) error {
	eol, ok := map[string]string{"cr": "\r", "lf": "\n", "crlf": "\r\n"}[value]
	if !ok {
		return fmt.Errorf("want cr, lf or crlf")
	}
	f.Text = eol
	return nil
}

// maxSize bounds the memory that a fault takes for each client.
const maxSize = 1 << 30

func parseSize(f *Fault, value string) error {
	size, err := units.ParseSize(value)
	if err != nil || size < 1 || size > maxSize {
		return fmt.Errorf("want a size from 1 to 1g")
	}
	f.Size = size
	return nil
}

func parseBig(f *Fault, value string) error {
	if f.First == 0 {
		f.First, f.Last = 1, 1
	}
	return parseSize(f, value)
}
