package seen

import (
	"bytes"
	"strings"
)

// A Dialect is the form of the events of a model's answer.
type dialect string

const (
	NoDialect         dialect = ""
	ChatCompletions   dialect = "OpenAI chat completions"
	Responses         dialect = "OpenAI responses"
	AnthropicMessages dialect = "Anthropic messages"
)

// DialectOf recognizes the dialect by the events, among those that the profile
// allows.
func DialectOf(o *Observation) dialect {
	profile := o.Options.Profile
	for i, e := range o.Main().Timeline().Events {
		if i == 5 {
			break
		}
		head := e.Data[:min(len(e.Data), 4<<10)]
		switch {
		case profile != ProfileAnthropic && bytes.Contains(head, []byte(`"chat.completion.chunk"`)):
			return ChatCompletions
		case profile != ProfileAnthropic && strings.HasPrefix(e.Type, "response."):
			return Responses
		case profile != ProfileOpenAI && e.Type == "message_start":
			return AnthropicMessages
		}
	}
	return NoDialect
}
