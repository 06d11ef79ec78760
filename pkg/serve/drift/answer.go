package drift

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// An Answer is the shape of an answer. [New] makes one, to which events and pieces of
// the body are added.
type Answer struct {
	Status  int
	Type    string // the media type, without parameters
	Cut     string // how it ended where that was not in order, for people
	Message string // the cause that the body of an error has, for people

	form form
	json *shape
	body []byte // until it is known what it is

	types  []*eventType // in the order in which they came first
	events int
	order  []string // the types of the events, each run of one once
}

// A form is the kind of body that an answer has.
type form string

const (
	formEmpty  form = "empty"
	formJSON   form = "JSON"
	formLines  form = "lines of JSON"
	formStream form = "an event stream"
	formText   form = "text"
)

// An eventType is the events of one type.
type eventType struct {
	name        string
	count       int
	first, last int // number of an event, in the order of the stream
	ids         int // events with an ID
	data        shape
}

// New returns an answer without a body.
func New(status int, header http.Header) *Answer {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		kind, _, _ = strings.Cut(header.Get("Content-Type"), ";")
	}
	return &Answer{Status: status, Type: strings.ToLower(strings.TrimSpace(kind)), form: formEmpty}
}

// Event adds an event of a stream; other blocks do not count.
func (a *Answer) Event(r *record.Record) {
	a.form = formStream
	if !r.IsEvent {
		return
	}
	var value any
	if value = parse([]byte(r.Data)); value == nil {
		value = text{}
	}
	a.add(nameOf(r.Type, r.Data, value), value, r.HasID)
}

// nameOf returns what tells the events of a stream apart: the event type, or, where that
// is the usual one, the name that many services put in the data in its place. A short text in
// brackets is a mark, such as [DONE].
func nameOf(event, data string, value any) string {
	if event != "" && event != stream.DefaultType {
		return event
	}
	if object, ok := value.(map[string]any); ok {
		for _, key := range []string{"type", "event", "method"} {
			if name, ok := object[key].(string); ok && name != "" && len(name) <= 64 && !strings.ContainsAny(name, " \n") {
				return name
			}
		}
	}
	if data = strings.TrimSpace(data); len(data) <= 20 && strings.HasPrefix(data, "[") && strings.HasSuffix(data, "]") && strings.ToUpper(data) == data && strings.ContainsAny(data, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		return data
	}
	return stream.DefaultType
}

// parse returns an object or a list of JSON, and nil for anything else: a piece of text
// may look like a number.
func parse(text []byte) any {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil
	}
	var value any
	if json.Unmarshal(text, &value) != nil {
		return nil
	}
	return value
}

// maxTypes bounds the types of a stream that makes them up.
const maxTypes = 1000

func (a *Answer) add(name string, value any, hasID bool) {
	if len(a.types) >= maxTypes && a.of(name) == nil {
		name = a.types[0].name
	}
	t := a.of(name)
	if t == nil {
		t = &eventType{name: name, first: a.events}
		a.types = append(a.types, t)
	}
	if n := len(a.order); n == 0 || a.order[n-1] != name {
		a.order = append(a.order, name)
	}
	t.count++
	t.last = a.events
	a.events++
	if hasID {
		t.ids++
	}
	t.data.add(value)
}

// Events returns the number of events so far.
func (a *Answer) Events() int { return a.events }

func (a *Answer) of(name string) *eventType {
	for _, t := range a.types {
		if t.name == name {
			return t
		}
	}
	return nil
}

// last returns the type of the last event that does not come by the clock.
func (a *Answer) last() string {
	for _, name := range slices.Backward(a.order) {
		if !isUpkeep(name) {
			return name
		}
	}
	return ""
}

// maxBody bounds a body that is compared.
const maxBody = 64 << 20

var errTooLarge = fmt.Errorf("the body is larger than %d bytes", maxBody)

// Body adds a piece of a body that is no event stream.
func (a *Answer) Body(piece []byte) error {
	if len(a.body)+len(piece) > maxBody {
		return errTooLarge
	}
	a.body = append(a.body, piece...)
	return nil
}

// Done ends the body.
func (a *Answer) Done() {
	if a.form == formStream {
		return
	}
	body := bytes.TrimSpace(a.body)
	a.body = nil
	if a.Status >= http.StatusBadRequest {
		a.Message = messageOf(body)
	}
	var value any
	switch {
	case len(body) == 0:
	case !a.isLines() && json.Unmarshal(body, &value) == nil:
		a.form, a.json = formJSON, &shape{}
		a.json.add(value)
	default:
		a.form = formText
		var values []any
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if value := parse(bytes.TrimLeft(line, "\x1e")); value != nil { // of a JSON text sequence
				values = append(values, value)
			} else if len(bytes.TrimSpace(line)) > 0 {
				return
			}
		}
		a.form = formLines
		for _, value := range values {
			a.add(nameOf("", "", value), value, false)
		}
	}
}

// maxMessage bounds the message of an error, which may be a page of a proxy.
const maxMessage = 200

// messageOf returns the message in the body of an error: a text, or a member of JSON that
// services have it in.
func messageOf(body []byte) string {
	text := string(body)
	value := parse(body)
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	for value != nil {
		object, ok := value.(map[string]any)
		if !ok {
			break
		}
		value = nil
		for _, name := range []string{"error", "message", "detail", "title"} { // RFC 9457 has the last two
			if value = object[name]; value != nil {
				break
			}
		}
		if one, ok := value.(string); ok {
			text = one
		}
	}
	return httpx.Clip(strings.Join(strings.Fields(text), " "), maxMessage)
}

// isLines reports whether the body is lines of JSON even if it is a single one.
func (a *Answer) isLines() bool {
	return slices.ContainsFunc([]string{"ndjson", "jsonl", "jsonlines", "json-lines", "json-seq", "stream+json"}, func(word string) bool {
		return strings.Contains(a.Type, word)
	})
}

// Read reads an answer to its end, or to a number of events of a stream if that is not
// zero. An answer that breaks off is no error.
func Read(r *http.Response, events int) (*Answer, error) {
	a := New(r.StatusCode, r.Header)
	defer a.Done()
	body := io.Reader(r.Body)
	if name := coding.Of(r.Header); name != "" {
		decoded, err := coding.NewReader(name, body)
		if err != nil {
			a.Cut = err.Error()
			return a, nil
		}
		defer decoded.Close()
		body = decoded
	}
	if a.Type == stream.ContentType {
		a.form = formStream
		decoder := stream.NewDecoder(body)
		for b, err := range decoder.Blocks() {
			switch {
			case err != nil:
				a.Cut = "cut: " + err.Error()
				return a, nil
			case b.Incomplete():
				a.Cut = "within an event"
				return a, nil
			}
			one := record.FromBlock(b, time.Time{})
			if a.Event(&one); events > 0 && a.events >= events {
				return a, nil
			}
		}
		return a, nil
	}
	piece := make([]byte, 64<<10)
	for {
		n, err := body.Read(piece)
		if err := a.Body(piece[:n]); err != nil {
			return nil, err
		}
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			a.Cut = "cut: " + err.Error()
			return a, nil
		}
	}
}
