package llm

import (
	"encoding/json"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// A prompt is a request to a model.
type prompt struct {
	model   string
	stream  bool
	limit   int // of tokens of the answer, 0 for none
	choices int // answers that are asked for; 0 is one

	last   string // of the user, or of a tool
	tokens int    // of all that was said

	schema any    // of the JSON that the answer has to be; nil if it may be any text
	call   string // the tool that has to be called
	tool   any    // the schema of its arguments
}

// anyObject is the schema of an answer that has to be some object.
var anyObject = map[string]any{"type": "object", "properties": map[string]any{"text": map[string]any{"type": "string"}}}

// mayCall notes a tool, of which one has to be called: that of a name, or else the first.
// So it is after the result of a tool too: a client that does not stop asking for calls
// gets them, and libraries refuse a text.
func (p *prompt) mayCall(forced bool, wanted, name string, schema any) {
	if forced && p.call == "" && name != "" && (wanted == "" || wanted == name) {
		p.call, p.tool = name, schema
	}
}

// said adds a text to the prompt. Those of the user and of tools are said again.
func (p *prompt) said(text string, again bool) {
	p.tokens += countTokens(text)
	if again {
		p.last = text
	}
}

// echo returns an answer that repeats the last message, in the form that is asked for.
func (p *prompt) echo() fake.Content {
	said := p.last
	if strings.TrimSpace(said) == "" {
		said = "Hello."
	}
	switch {
	case p.call != "":
		return fake.Content{Tools: []fake.ToolCall{{Name: p.call, Arguments: json.RawMessage(encode(example(p.tool, said)))}}}
	case p.schema != nil:
		return fake.Content{Text: encode(example(p.schema, said))}
	}
	return fake.Content{Text: said}
}
