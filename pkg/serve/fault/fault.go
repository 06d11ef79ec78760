// Package fault holds the faults that a server of an event stream can have on
// purpose: it breaks connections, holds bytes back, sends the wrong status. [Parse]
// reads them, a [Set] chooses those of a request, and a [Writer] makes them happen to
// its stream. Packages serve and relay do the rest.
package fault

import (
	"cmp"
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
	// the fault is for; for the kind "status" they are connections. A First of
	// zero means all, a Last of zero means First alone.
	First, Last int64

	For Scope // the requests that the fault is for

	Duration time.Duration // of stall, cut and delay
	Size     int64         // of buffer, chunk and big, in bytes; status and close code are here too
	Text     string        // of type and eol
}

// A Kind describes one kind of fault and how it is written.
type Kind struct {
	Name  string
	Usage string // an example
	Does  string

	place place
	value *value // nil if the kind has no value
}

// A value is the value of a kind of fault.
type value struct {
	parse func(*Fault, string) error
	valid func(*Fault) error
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
	{"drop", "drop@5", "close the connection after event 5, without ending the response properly", placeRequired, nil},
	{"reset", "reset@5", "the same by a TCP reset; over HTTP/2, a reset of the stream", placeRequired, nil},
	{"truncate", "truncate@5", "close the connection in the middle of event 5", placeRequired, nil},
	{"stall", "stall@5=30s", "send nothing at all, heartbeats included, for 30s after event 5", placeRequired, &durationValue},
	{"close", "close=1011@3", "close a WebSocket with the code 1011 after event 3; an event stream has no such codes, and goes on", placeRequired, &codeValue},
	{"cut", "cut=15s", "cut the connection 15s after the request, heartbeats or not; answer with status 504 if nothing was sent by then, the header included", placeNone, &durationValue},
	{"delay", "delay=200ms", "send everything, the header included, 200ms late", placeNone, &durationValue},
	{"status", "status=503@1-2", "answer connections 1 and 2 of each route with status 503; 503@1-2 is the same", placeOptional, &statusValue},
	{"type", "type=text/plain", "claim another content type", placeNone, &typeValue},
	{"buffer", "buffer=16k", "hold back all bytes, the header included, until 16k have accumulated or the stream ends", placeNone, &sizeValue},
	{"chunk", "chunk=1", "write one byte at a time, each in a chunk of its own", placeNone, &sizeValue},
	{"split-utf8", "split-utf8", "end a write in the middle of every character that has several bytes", placeNone, nil},
	{"eol", "eol=cr", "end lines by a lone CR; eol=crlf by CRLF, eol=lf by LF", placeNone, &eolValue},
	{"bom", "bom", "begin the stream with a byte order mark", placeNone, nil},
	{"gzip", "gzip", "compress, whether the client accepts it or not", placeNone, nil},
	{"no-resume", "no-resume", "take no notice of the last event ID", placeNone, nil},
	{"duplicate", "duplicate@3", "send event 3 twice", placeOptional, nil},
	{"garble", "garble@4", "overwrite the middle of the data of event 4 with bytes that are not UTF-8", placeOptional, nil},
	{"big", "big@2=8m", "send an event with 8m of data before event 2; without @, before the first", placeOptional, &bigValue},
}

// Parse reads a fault: a kind, then perhaps @N or @N-M, the events that it
// is for, and =VALUE, in any order. After a colon may come the requests that it is
// for: a method, a path, first or again, #N or #N-M, and a share such as 10%, separated
// by blanks.
//
//	drop@5:POST /v1/chat #1-2
//
// A number alone is a status: 429@1 is status=429@1.
func Parse(text string) (Fault, error) {
	what, scope, isScoped := strings.Cut(text, ":")
	if len(what) >= 3 && strings.Trim(what[:3], "0123456789") == "" {
		what = "status=" + what
	}
	name := what
	if i := strings.IndexAny(what, "@="); i >= 0 {
		name = what[:i]
	}
	kind, err := lookup(name)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	fault := Fault{Kind: name}
	place, value, err := split(what[len(name):])
	if err == nil {
		err = fault.setPlace(place, kind.place)
	}
	switch {
	case err != nil:
	case kind.value == nil && value != "":
		err = fmt.Errorf("it has no value")
	case kind.value != nil:
		err = cmp.Or(kind.value.parse(&fault, value), kind.value.valid(&fault))
	}
	if err == nil && isScoped {
		fault.For, err = parseScope(scope)
	}
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w; an example is %s", text, err, kind.Usage)
	}
	return fault, nil
}

// String returns the fault as [Parse] reads it.
func (f Fault) String() string {
	text := f.Kind
	if f.First != 0 {
		text += "@" + rangeText(f.First, f.Last)
	}
	switch kind, err := lookup(f.Kind); {
	case err != nil || kind.value == nil:
	case kind.value == &durationValue:
		text += "=" + f.Duration.String()
	case kind.value == &eolValue:
		text += "=" + strings.NewReplacer("\r", "cr", "\n", "lf").Replace(f.Text)
	case kind.value == &typeValue:
		text += "=" + f.Text
	default:
		text += "=" + strconv.FormatInt(f.Size, 10)
	}
	if f.For != (Scope{}) {
		text += ":" + f.For.String()
	}
	return text
}

// Validate returns an error if the fault is of no kind, or cannot happen as it is:
// a stall needs a duration, a delay has no events that it is for. [Parse] returns
// only valid faults.
func (f *Fault) Validate() error {
	kind, err := lookup(f.Kind)
	switch {
	case err != nil:
	case kind.place == placeNone && (f.First != 0 || f.Last != 0):
		err = fmt.Errorf("it is not for single events: want a First and Last of 0")
	case f.First < 0 || f.Last != 0 && f.Last < f.First || f.First == 0 && f.Last != 0:
		err = fmt.Errorf("events from First = %d to Last = %d: want numbers from 1 on, or 0", f.First, f.Last)
	case kind.value != nil:
		err = kind.value.valid(f)
	}
	if err == nil {
		err = f.For.validate()
	}
	if err != nil {
		return fmt.Errorf("fault %q: %w", f.Kind, err)
	}
	return nil
}

func lookup(name string) (*Kind, error) {
	for i := range kinds {
		if kinds[i].Name == name {
			return &kinds[i], nil
		}
	}
	return nil, fmt.Errorf("no such kind; want one of %s", names())
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
		return fmt.Errorf("it needs an event number")
	case text == "":
		return nil
	case want == placeNone:
		return fmt.Errorf("it takes no @N")
	}
	if f.First, f.Last, err = parseRange(text); err != nil {
		return fmt.Errorf("%w after @", err)
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
	return f.First == 0 || f.First <= n && n <= max(f.First, f.Last)
}

var durationValue = value{
	parse: func(f *Fault, text string) error {
		f.Duration, _ = time.ParseDuration(text) // valid refuses the zero of an error
		return nil
	},
	valid: func(f *Fault) error {
		if f.Duration <= 0 {
			return fmt.Errorf("want a duration")
		}
		return nil
	},
}

var statusValue = value{
	parse: func(f *Fault, text string) error {
		f.Size, _ = strconv.ParseInt(text, 10, 64) // valid refuses what comes with an error
		return nil
	},
	valid: func(f *Fault) error {
		if f.Size < 200 || f.Size > 599 {
			return fmt.Errorf("want a status from 200 to 599")
		}
		return nil
	},
}

// codeValue is a close code that may be sent
// (https://www.rfc-editor.org/rfc/rfc6455#section-7.4).
var codeValue = value{
	parse: statusValue.parse,
	valid: func(f *Fault) error {
		switch code := f.Size; {
		case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
			return nil
		}
		return fmt.Errorf("want a close code: 1000 to 1003, 1007 to 1014, or 3000 to 4999")
	},
}

var typeValue = value{
	parse: func(f *Fault, text string) error {
		f.Text = text
		return nil
	},
	valid: func(f *Fault) error {
		if f.Text == "" || !httpx.IsFieldValue(f.Text) {
			return fmt.Errorf("want a content type")
		}
		return nil
	},
}

var eolValue = value{
	parse: func(f *Fault, text string) error {
		eol, ok := map[string]string{"cr": "\r", "lf": "\n", "crlf": "\r\n"}[text]
		if !ok {
			return fmt.Errorf("want cr, lf or crlf")
		}
		f.Text = eol
		return nil
	},
	valid: func(f *Fault) error {
		if !slices.Contains([]string{"\r", "\n", "\r\n"}, f.Text) {
			return fmt.Errorf("want the line end itself, CR, LF or CRLF, not %q", f.Text)
		}
		return nil
	},
}

// maxSize bounds the memory that a fault takes for each client.
const maxSize = 1 << 30

var sizeValue = value{parse: parseSize, valid: validSize}

// bigValue is the size of one event, the first unless another is given.
var bigValue = value{
	parse: func(f *Fault, text string) error {
		if f.First == 0 {
			f.First, f.Last = 1, 1
		}
		return parseSize(f, text)
	},
	valid: validSize,
}

func parseSize(f *Fault, text string) error {
	size, err := units.ParseSize(text)
	if err != nil {
		size = 0 // which validSize refuses
	}
	f.Size = size
	return nil
}

func validSize(f *Fault) error {
	if f.Size < 1 || f.Size > maxSize {
		return fmt.Errorf("want a size from 1 to 1g")
	}
	return nil
}
