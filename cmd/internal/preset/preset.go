// Package preset describes the streams of well-known services: the event that ends
// them, the events that are errors, and the text that people read.
package preset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/cmd/internal/suggest"
)

// A Preset is a set of flags, as a user who knows the service would give them. Its
// expressions are jq, with the input that --jq has.
type Preset struct {
	Name    string
	About   string
	Headers []string // sent unless the user gives others of that name
	Until   string   // true for the event that ends the stream well
	FailIf  string   // true for an event that is an error
	Text    string   // the pieces of the growing text

	// ContinueByGET has the rest of an answer to a POST fetched by a GET with
	// Last-Event-ID, in the session that the answer named.
	ContinueByGET bool

	// Notifies takes 202 for the answer to a notification, which has no other.
	Notifies bool

	// MaxEventSize is the size in bytes that an event may have unless the
	// user gives another.
	MaxEventSize int
}

// maxMedia is room for an event with a picture or a recording in base64. SDKs
// let events of more than 64 MiB through.
const maxMedia = 256 << 20

// broken is true for an event that should have been JSON: a piece of the answer
// is lost. Events without data say nothing.
const broken = `(.json == null and .data != "" and .data != "null")`

// Presets are all that there are, by name.
var Presets = []Preset{
	{
		Name:         "a2a",
		About:        "Agent2Agent tasks",
		Headers:      []string{"Accept: application/json, text/event-stream"},
		Until:        `.json.result? | (.statusUpdate.status.state? // "" | IN("TASK_STATE_COMPLETED", "TASK_STATE_INPUT_REQUIRED")) or .final? == true`,
		FailIf:       broken + ` or .json.error? or (.json.result.statusUpdate.status.state? // "" | IN("TASK_STATE_FAILED", "TASK_STATE_REJECTED", "TASK_STATE_CANCELED"))`,
		Text:         `(.json.result.artifactUpdate.artifact.parts[].text)? // empty`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "ag-ui",
		About:        "AG-UI agent runs",
		Until:        `.json.type? == "RUN_FINISHED"`,
		FailIf:       broken + ` or .json.type? == "RUN_ERROR"`,
		Text:         `select(.json.type? == "TEXT_MESSAGE_CONTENT") | .json.delta`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "anthropic",
		About:        "Anthropic Messages",
		Headers:      []string{"Anthropic-Version: 2023-06-01"},
		Until:        `.event == "message_stop"`,
		FailIf:       broken + ` or .event == "error"`,
		Text:         `select(.event == "content_block_delta") | .json.delta.text // empty`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "gemini",
		About:        "Gemini with alt=sse",
		Until:        `any((.json.candidates[].finishReason)?; .)`,
		FailIf:       broken + ` or .json.error? or .json.promptFeedback.blockReason?`,
		Text:         `(.json.candidates[].content.parts[] | select(.thought | not) | .text)? // empty`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "graphql",
		About:        "GraphQL over SSE, distinct connections",
		Until:        `.event == "complete"`,
		FailIf:       broken + ` or .event == "next" and (.json.errors? | length > 0)`,
		Text:         `select(.event == "next") | .data + "\n"`,
		MaxEventSize: maxMedia,
	},
	{
		Name: "mcp",
		// https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
		ContinueByGET: true,
		Notifies:      true,
		About:         "Model Context Protocol, streamable HTTP",
		Headers:       []string{"Accept: application/json, text/event-stream"},
		Until:         `.json | objects | has("id") and has("result")`,
		FailIf:        broken + ` or .json.error? or .json.result.isError?`,
		Text:          `(.json.result.content[].text)? // empty`,
		MaxEventSize:  maxMedia,
	},
	{
		Name:         "mercure",
		About:        "Mercure hubs",
		Text:         `.data + "\n"`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "openai",
		About:        "OpenAI chat completions, and compatible services",
		Until:        `.data == "[DONE]"`,
		FailIf:       broken + ` and .data != "[DONE]" or .json.error?`,
		Text:         `(.json.choices[] | .delta.content // .text)? // empty`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "openai-responses",
		About:        "OpenAI Responses",
		Until:        `.json.type? == "response.completed"`,
		FailIf:       broken + ` or (.json.type? // .event | IN("error", "response.failed", "response.incomplete"))`,
		Text:         `select(.json.type? == "response.output_text.delta") | .json.delta`,
		MaxEventSize: maxMedia,
	},
}

// Find returns the preset of a name.
func Find(name string) (Preset, error) {
	i := slices.IndexFunc(Presets, func(p Preset) bool { return p.Name == name })
	if i < 0 {
		meant := ""
		if nearest := suggest.Nearest(name, Names()); nearest != "" {
			meant = fmt.Sprintf("; did you mean %s?", nearest)
		}
		return Preset{}, fmt.Errorf("no preset %q; want one of %s%s", name, strings.Join(Names(), ", "), meant)
	}
	return Presets[i], nil
}

// Names returns the names of all presets.
func Names() []string {
	var names []string
	for _, p := range Presets {
		names = append(names, p.Name)
	}
	return names
}
