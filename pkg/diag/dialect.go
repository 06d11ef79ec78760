package diag

import (
	"bytes"
	"strings"
)

// A dialect is what the events of a model's answer look like.
type dialect string

const (
	dialectNone      dialect = ""
	dialectChat      dialect = "OpenAI chat completions"
	dialectResponses dialect = "OpenAI responses"
	dialectAnthropic dialect = "Anthropic messages"
)

// dialectOf tells by the events, within what the profile allows.
func dialectOf(o *Observation) dialect {
	profile := o.Options.Profile
	for i, e := range o.a().timeline().events {
		if i == 5 {
			break
		}
		head := e.data[:min(len(e.data), 4<<10)]
		switch {
		case profile != ProfileAnthropic && bytes.Contains(head, []byte(`"chat.completion.chunk"`)):
			return dialectChat
		case profile != ProfileAnthropic && strings.HasPrefix(e.typ, "response."):
			return dialectResponses
		case profile != ProfileOpenAI && e.typ == "message_start":
			return dialectAnthropic
		}
	}
	return dialectNone
}
