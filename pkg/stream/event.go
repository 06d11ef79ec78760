package stream

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// ContentType is the media type of an event stream.
const ContentType = "text/event-stream"

// DefaultType is the type of an event whose block named none.
const DefaultType = "message"

// An Event is one event of a stream.
//
// The zero value of every field means that the block had no such field, so a
// literal names only the fields that matter:
//
//	stream.Event{ID: "7", Data: `{"n":1}`}
type Event struct {
	// Type is the event type. Decoding sets it to [DefaultType] if the block
	// named none; encoding writes no event field for that, nor for "".
	Type string

	// Data is the data, its lines joined with \n.
	Data string

	// ID is the event's own ID, not the last event ID in force, which is
	// [Decoder.LastEventID].
	ID string

	// HasID distinguishes an ID that was set to nothing, which resets the last
	// event ID, from no ID at all. A non-empty ID implies it.
	HasID bool

	// HasRetry distinguishes a reconnection time of zero from none at all. A
	// non-zero Retry implies it.
	HasRetry bool

	// Retry is the reconnection time that the block set, in whole
	// milliseconds.
	Retry time.Duration
}

// maxRetry is the longest reconnection time in milliseconds that a
// [time.Duration] holds; a longer one in a stream counts as this one.
const maxRetry = math.MaxInt64 / int64(time.Millisecond)

// ErrInjection is matched by the errors that refuse a type or an ID because it
// would break out of its line, and so let whoever chose it write events, or
// because readers would ignore it.
var ErrInjection = errors.New("field holds a line break or a NUL")

// A FieldError refuses the value of a field that cannot be written as it is.
// It matches [ErrInjection].
type FieldError struct {
	Field string // "event" or "id"
	Value string
	Char  byte // the offending byte: CR, LF, or NUL
}

func (e *FieldError) Error() string {
	name := map[byte]string{'\r': "a carriage return", '\n': "a line feed", 0: "a NUL"}[e.Char]
	value := e.Value
	if len(value) > 40 {
		value = value[:40] + "..."
	}
	return fmt.Sprintf("%s %q contains %s", e.Field, value, name)
}

// Is reports whether target is [ErrInjection].
func (e *FieldError) Is(target error) bool { return target == ErrInjection }

// IsEventStream reports whether a Content-Type header names an event stream:
// the essence is [ContentType] in any case of letters, with or without
// parameters. A charset does not matter, the stream is UTF-8 in any case
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
func IsEventStream(contentType string) bool {
	essence, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.Trim(essence, " \t"), ContentType)
}
