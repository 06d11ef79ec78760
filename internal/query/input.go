package query

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/stream"
)

// An Input is an event as expressions see it, the object of its JSON line and json,
// its data parsed, null where that is not JSON. Only the parts that an expression
// asks for are made, once for all expressions. The zero value is ready for
// [Input.Compile].
type Input struct {
	block *stream.Block
	at    time.Time
	made  fields         // those that are in whole
	whole map[string]any // for gojq

	text    []byte // the data, nil if it was not asked for
	scanned bool
	valid   bool   // the data is JSON
	root    member // json, and the parts of it that simple expressions look at
}

// fields is a set of the keys of an event.
type fields uint8

const (
	fieldEvent fields = 1 << iota
	fieldID
	fieldData
	fieldJSON
	fieldTime
	fieldRetry
	allFields = fieldEvent | fieldID | fieldData | fieldJSON | fieldTime | fieldRetry
)

// fieldNamed returns the field of a key, none if events never have it.
func fieldNamed(key string) fields {
	switch key {
	case "event":
		return fieldEvent
	case "id":
		return fieldID
	case "data":
		return fieldData
	case "json":
		return fieldJSON
	case "time":
		return fieldTime
	case "retry":
		return fieldRetry
	}
	return 0
}

// Set makes b, which was read at a time, the event that is asked about, as long as b
// is valid.
func (in *Input) Set(b *stream.Block, at time.Time) {
	in.block, in.at = b, at
	in.made, in.whole, in.text, in.scanned = 0, nil, nil, false
}

// Object returns the event. It belongs to the caller until the next event is set,
// and is not changed after that.
func (in *Input) Object() map[string]any { return in.object(allFields) }

// EventInput returns the object of an event that is kept.
func EventInput(event stream.Event, at time.Time) map[string]any {
	object := map[string]any{
		"event": event.Type,
		"data":  event.Data,
		"json":  Parse([]byte(event.Data)),
		"time":  at.UTC().Format(timeFormat),
	}
	if event.HasID {
		object["id"] = event.ID
	}
	if event.HasRetry {
		object["retry"] = int(event.Retry.Milliseconds())
	}
	return object
}

// timeFormat is that of the JSON lines.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// IsJSON reports whether the data is JSON other than null.
func (in *Input) IsJSON() bool { return in.field(fieldJSON).kind != null }

// object returns the event with the keys in want at least.
func (in *Input) object(want fields) map[string]any {
	if in.whole == nil {
		in.whole = make(map[string]any, 6)
	}
	missing := want &^ in.made
	in.made |= want
	add := func(key string, field fields) {
		if missing&field != 0 {
			in.whole[key] = in.field(field).decoded()
		}
	}
	add("event", fieldEvent)
	add("data", fieldData)
	add("json", fieldJSON)
	add("time", fieldTime)
	if in.block.HasID() {
		add("id", fieldID)
	}
	if d, ok := in.block.Retry(); ok && missing&fieldRetry != 0 {
		in.whole["retry"] = int(d.Milliseconds())
	}
	return in.whole
}

// field returns the value of a key, null where the event has none.
func (in *Input) field(field fields) value {
	switch field {
	case fieldEvent:
		return value{kind: text, text: wellFormed(in.block.Type())}
	case fieldID:
		if in.block.HasID() {
			return value{kind: text, text: wellFormed(in.block.ID())}
		}
	case fieldData:
		return value{kind: text, text: in.data()}
	case fieldJSON:
		if in.scan() {
			return in.root.value
		}
	case fieldTime:
		return value{kind: text, text: in.at.UTC().AppendFormat(nil, timeFormat)}
	case fieldRetry:
		if d, ok := in.block.Retry(); ok {
			return value{kind: number, text: strconv.AppendInt(nil, d.Milliseconds(), 10)}
		}
	}
	return value{kind: null}
}

func (in *Input) data() []byte {
	if in.text == nil {
		in.text = wellFormed(in.block.Data())
	}
	return in.text
}

// scan finds the values that simple expressions look at, and reports whether the
// data is JSON.
func (in *Input) scan() bool {
	if !in.scanned {
		in.scanned, in.valid = true, scan(in.data(), &in.root)
	}
	return in.valid
}

// wellFormed returns text with malformed UTF-8 replaced, as the standard demands.
func wellFormed(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	return stream.AppendValid(nil, text)
}
