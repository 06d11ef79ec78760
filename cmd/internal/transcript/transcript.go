// Package transcript puts the deltas of a stream together, by means of the preset
// of the service that it is from.
package transcript

import (
	"context"
	"strings"
	"sync"

	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/record"
)

// A reader is the expressions of a preset.
type reader struct {
	name                        string
	fits, text, thinking, tools *query.Query // nil for none
}

var readers = sync.OnceValue(func() (all []reader) {
	for _, p := range preset.Presets {
		if p.Fits == "" {
			continue
		}
		all = append(all, reader{p.Name, compile(p.Fits), compile(p.Text), compile(p.Thinking), compile(p.Tools)})
	}
	return all
})

// compile returns an expression, which a test has compiled before.
func compile(source string) *query.Query {
	if source == "" {
		return nil
	}
	q, err := query.Compile(source)
	if err != nil {
		panic(err)
	}
	return q
}

// beginning is the number of events among which one shows whose stream it is.
const beginning = 50

// Read returns the transcript of the events, without parts if no preset fits.
func Read(records []record.Record) window.Transcript {
	whole := window.Transcript{Parts: []window.Part{}}
	service := find(records)
	if service == nil {
		return whole
	}
	t := transcript{calls: map[string]*part{}}
	for i := range records {
		if records[i].IsEvent {
			t.event(service, input(&records[i]))
		}
	}
	whole.Service = service.name
	for _, p := range t.parts {
		whole.Parts = append(whole.Parts, window.Part{Kind: p.kind, Name: p.name, Text: p.text.String()})
	}
	return whole
}

func input(r *record.Record) map[string]any { return query.EventInput(r.Event, r.Time) }

func find(records []record.Record) *reader {
	left := beginning
	for i := range records {
		if !records[i].IsEvent {
			continue
		}
		event := input(&records[i])
		for n := range readers() {
			fits, err := readers()[n].fits.First(context.Background(), event)
			if err == nil && fits != nil && fits != false {
				return &readers()[n]
			}
		}
		if left--; left == 0 {
			break
		}
	}
	return nil
}

type transcript struct {
	parts []*part
	calls map[string]*part // those of tools, by key
}

type part struct {
	kind, name string
	text       strings.Builder
}

func (t *transcript) event(service *reader, event map[string]any) {
	for text := range service.thinking.All(context.Background(), event) {
		t.add("thinking", text)
	}
	for text := range service.text.All(context.Background(), event) {
		t.add("text", text)
	}
	for piece := range service.tools.All(context.Background(), event) {
		if piece, ok := piece.(map[string]any); ok {
			t.call(piece)
		}
	}
}

// add adds a piece of text, to the part before it if that is of the same kind.
func (t *transcript) add(kind string, piece any) {
	text, ok := piece.(string)
	if !ok || text == "" {
		return
	}
	if n := len(t.parts); n == 0 || t.parts[n-1].kind != kind {
		t.parts = append(t.parts, &part{kind: kind})
	}
	t.parts[len(t.parts)-1].text.WriteString(text)
}

// call adds a piece of the call of a tool. One without a key and without a name
// goes on with the latest call.
func (t *transcript) call(piece map[string]any) {
	name, _ := piece["name"].(string)
	text, _ := piece["text"].(string)
	key := ""
	if piece["key"] != nil {
		encoded, _ := query.Marshal(piece["key"])
		key = string(encoded)
	}
	call := t.calls[key]
	if call == nil || key == "" && name != "" {
		call = &part{kind: "tool"}
		t.parts = append(t.parts, call)
		t.calls[key] = call
	}
	if call.name == "" {
		call.name = name
	}
	call.text.WriteString(text)
}
