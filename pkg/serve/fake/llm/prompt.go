package llm

import (
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// A prompt is what a client asks a model.
type prompt struct {
	model  string
	stream bool
	limit  int // of tokens of the answer, 0 for none

	last   string // what the user, or a tool, said last
	tokens int    // of all that was said
}

// said adds a text to the prompt. Those of the user and of tools are said again.
func (p *prompt) said(text string, again bool) {
	p.tokens += len(tokens(text))
	if again {
		p.last = text
	}
}

// echo returns an answer that says again what came last.
func (p *prompt) echo() fake.Content {
	if strings.TrimSpace(p.last) == "" {
		return fake.Content{Text: "Hello."}
	}
	return fake.Content{Text: p.last}
}
