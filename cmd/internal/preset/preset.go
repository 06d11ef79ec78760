// Package preset describes the streams of well-known services: the event that ends
// them, the events that are errors, and the text that people read.
package preset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/internal/suggest"
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

	// Fits is true for an event that shows whose stream it is, empty if none does.
	Fits string

	// Thinking has the pieces of the text that a model writes to itself, and Tools
	// those of the calls that it makes: objects with the name of the tool, if the
	// piece has it, the text, and a key that all pieces of a call have.
	Thinking, Tools string

	// Rest is how the rest of an answer is fetched after a cut, nil if the
	// service has no way.
	Rest *Rest

	// Notifies takes 202 for the answer to a notification, which has no other.
	Notifies bool

	// MaxEventSize is the size in bytes that an event may have unless the
	// user gives another.
	MaxEventSize int
}

// A Rest describes how the rest of an answer to a POST is fetched by another
// request. Its expressions are jq. All but Position have what was seen for their
// input, as --resume-get has.
type Rest struct {
	// ID is what the answer is known by. Its first result that is not null counts.
	ID string

	// Position is the position of an event, a number that grows or a text, null if
	// it has none. Its input is the event.
	Position string

	// Request is the request for the rest: a URL, or an object with url, query,
	// method, headers and body. Without a result there is none.
	Request string

	// Lost is a text for people if a cut will lose something of the answer.
	Lost string

	Dense   bool // positions are numbers without gaps
	Replays bool // the rest begins with the first event of the answer
	Polls   bool // the service may end any connection in order, even without an event
}

// maxMedia is room for an event with a picture or a recording in base64. SDKs
// let events of more than 64 MiB through.
const maxMedia = 256 << 20

// broken is true for an event that should have been JSON: a piece of the answer
// is lost. Events without data say nothing.
const broken = `(.json == null and .data != "" and .data != "null")`

// stateless is true for a request of an MCP revision without sessions, which are
// dates. It binds its input to $seen.
const stateless = `. as $seen | (.request | .headers["mcp-protocol-version"] // (.json.params._meta["io.modelcontextprotocol/protocolVersion"])? // "") >= "2026-07-28"`

// The UI message stream of the AI SDK (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol).
const (
	uiUntil  = `.json.type? == "finish" or .data == "[DONE]"`
	uiFailIf = broken + ` and .data != "[DONE]" or (.json.type? | IN("error", "abort"))`
	uiText   = `select(.json.type? == "text-delta") | .json.delta`

	uiThinking = `select(.json.type? == "reasoning-delta") | .json.delta`
	uiTools    = `select(.json.type? | IN("tool-input-start", "tool-input-delta")) | .json | {key: .toolCallId?, name: .toolName?, text: .inputTextDelta?}`
)

// Presets are all that there are, by name.
var Presets = []Preset{
	{
		Name:         "a2a",
		About:        "Agent2Agent tasks",
		Headers:      []string{"Accept: application/json, text/event-stream"},
		Until:        `.json.result? | (.statusUpdate.status.state? // .task.status.state? // "" | IN("TASK_STATE_COMPLETED", "TASK_STATE_INPUT_REQUIRED")) or .final? == true`,
		FailIf:       broken + ` or .json.error? or (.json.result? | objects | (.statusUpdate? // .) | .status?.state? // "" | IN("TASK_STATE_FAILED", "TASK_STATE_REJECTED", "TASK_STATE_CANCELED", "failed", "rejected", "canceled"))`,
		Text:         `.json.result? | objects | .artifactUpdate? // select(.kind? == "artifact-update") | .artifact?.parts[]?.text? // empty`,
		Fits:         `.json.result? | objects | has("statusUpdate") or has("artifactUpdate") or has("task") or (.kind? | IN("task", "status-update", "artifact-update", "message"))`,
		MaxEventSize: maxMedia,
		// The task may have gone on in between: a subscription begins where it is then
		// (https://a2a-protocol.org/latest/specification/#subscribe-to-task). It makes
		// nothing. Before 1.0 the method had another name.
		Rest: &Rest{
			ID: `.last.json.result? | objects | .task.id? // .statusUpdate.taskId? // .artifactUpdate.taskId? // .taskId? // (select(.kind? == "task") | .id) // null`,
			Request: `select(.id and .request.json.jsonrpc?) | {
				method: "POST", url: .request.url, headers: {"content-type": "application/json"},
				body: ({jsonrpc: "2.0", id: .request.json.id, params: {id},
					method: (if .request.json.method? | IN("message/stream", "tasks/resubscribe") then "tasks/resubscribe" else "SubscribeToTask" end)} | tojson)}`,
			Lost: `select(.request.json.jsonrpc?) | "A2A subscribes to a task anew after a cut: its events in between are lost"`,
		},
	},
	{
		Name:         "ag-ui",
		About:        "AG-UI agent runs",
		Until:        `.json.type? == "RUN_FINISHED"`,
		FailIf:       broken + ` or .json.type? == "RUN_ERROR"`,
		Text:         `select(.json.type? == "TEXT_MESSAGE_CONTENT") | .json.delta`,
		Fits:         `.json.type? | IN("RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TOOL_CALL_START")`,
		Thinking:     `select(.json.type? | IN("REASONING_MESSAGE_CONTENT", "THINKING_TEXT_MESSAGE_CONTENT")) | .json.delta`,
		Tools:        `select(.json.type? | IN("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_CHUNK")) | .json | {key: .toolCallId?, name: .toolCallName?, text: .delta?}`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "agno",
		About:        "Agno agent runs, of AgentOS",
		Until:        `(.json.event? // .event) == "RunCompleted"`,
		FailIf:       broken + ` or ((.json.event? // .event) | IN("RunError", "RunCancelled", "error"))`,
		Text:         `select((.json.event? // .event) == "RunContent") | .json.content | strings`,
		Fits:         `.json.event? | IN("RunStarted", "RunContent", "RunCompleted")`,
		Thinking:     `select((.json.event? // .event) == "RunContent") | .json.reasoning_content? | strings`,
		Tools:        `select((.json.event? // .event) == "ToolCallStarted") | .json.tool? | objects | {key: .tool_call_id, name: .tool_name, text: (.tool_args | select(. != null) | tojson)}`,
		MaxEventSize: maxMedia,
		// The request is a POST, which runs nothing
		// (https://docs.agno.com/reference-api/schema/agents/resume-agent-run-stream).
		Rest: &Rest{
			ID:       `.last.json | objects | select(.run_id) | {run_id, session_id}`,
			Position: `.json.event_index?`,
			Request: `select(.id and .position != null and .request.form.background == "true") | {
				method: "POST", url: "\(.request.base)/\(.id.run_id | @uri)/resume",
				headers: {"content-type": "application/x-www-form-urlencoded"},
				body: ("last_event_index=\(.position)" + (.id.session_id | if . then "&session_id=\(@uri)" else "" end))}`,
			Lost:  `select(.request.form.background != "true") | "this run was not made with background=true: a cut will lose it"`,
			Dense: true,
		},
	},
	{
		Name:     "anthropic",
		About:    "Anthropic Messages",
		Headers:  []string{"Anthropic-Version: 2023-06-01"},
		Until:    `.event == "message_stop"`,
		FailIf:   broken + ` or .event == "error"`,
		Text:     `select(.event == "content_block_delta") | .json.delta.text // empty`,
		Fits:     `.event == "message_start" and (.json.message? | type) == "object"`,
		Thinking: `select(.event == "content_block_delta") | .json.delta.thinking? // empty`,
		Tools: `select(.json.type? | IN("content_block_start", "content_block_delta")) | .json | {key: .index} + (
			(.content_block? | objects | select(.type? | IN("tool_use", "server_tool_use", "mcp_tool_use")) | {name, text: ""}) //
			(.delta? | objects | select(.type? == "input_json_delta") | {text: .partial_json}) // empty)`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "gemini",
		About:        "Gemini with alt=sse",
		Until:        `any((.json.candidates[].finishReason)?; .)`,
		FailIf:       broken + ` or .json.error? or .json.promptFeedback.blockReason?`,
		Text:         `(.json.candidates[].content.parts[] | select(.thought | not) | .text)? // empty`,
		Fits:         `(.json.candidates? | type) == "array"`,
		Thinking:     `(.json.candidates[].content.parts[] | select(.thought) | .text)? // empty`,
		Tools:        `(.json.candidates[].content.parts[].functionCall)? | objects | {name, text: (.args | tojson)}`,
		MaxEventSize: maxMedia,
	},
	{
		Name:     "gemini-interactions",
		About:    "Gemini Interactions",
		Until:    `.json.event_type? | IN("interaction.completed", "interaction.complete")`,
		FailIf:   broken + ` and .data != "[DONE]" or .json.event_type? == "error" or .json.error? or (.json.status? | IN("failed", "cancelled"))`,
		Text:     `select(.json.event_type? | IN("step.delta", "content.delta")) | .json.delta | objects | select(.type == "text") | .text`,
		Fits:     `(.json.event_type? | strings | startswith("interaction.")) // false`,
		Thinking: `select(.json.event_type? | IN("step.delta", "content.delta")) | .json.delta | objects | select(.type? | IN("thought", "thought_summary")) | .text? // .content.text? // empty`,
		Tools: `.json | objects | select(.event_type? | IN("step.start", "step.delta", "content.delta")) | {key: .index?} + (
			(.step? | objects | select(.type? == "function_call") | {name: .name?, text: ""}) //
			(.delta? | objects | select(.type? == "arguments_delta") | {text: .arguments?}) //
			(.delta? | objects | select(.type? == "function_call") | {name: .name?, text: (.arguments? | if type == "string" then . else tojson end)}) // empty)`,
		MaxEventSize: maxMedia,
		// https://ai.google.dev/api/interactions-api
		Rest: &Rest{
			ID:       `.last.json | objects | .interaction.id? // .interaction_id`,
			Position: `.json.event_id?`,
			Request: `select(.id and .request.json.store? != false) | {url: "\(.request.base)/\(.id | @uri)",
				query: (.request.query + {stream: "true", last_event_id: .position})}`,
			Lost: `select(.request.json.store? == false) | "this interaction is not stored: a cut will lose it"`,
		},
	},
	{
		Name:         "graphql",
		About:        "GraphQL over SSE, distinct connections",
		Until:        `.event == "complete"`,
		FailIf:       broken + ` or .event == "next" and (.json.errors? | length > 0)`,
		Text:         `select(.event == "next") | .data + "\n"`,
		Fits:         `.event == "next" and (.json | type == "object" and (has("data") or has("errors")))`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "langgraph",
		About:        "LangGraph runs, as stream_mode messages-tuple has text",
		FailIf:       `.event == "error"`,
		Text:         `select(.event | . == "messages" or startswith("messages|")) | (.json[0]? // empty) | objects | .content | if type == "array" then .[] | objects | .text // empty else strings end`,
		Fits:         `(.event | . == "messages" or startswith("messages|")) and (.json | type) == "array"`,
		Tools:        `select(.event | . == "messages" or startswith("messages|")) | (.json[0]? // empty) | objects | .id? as $id | .tool_call_chunks[]? | objects | {key: "\($id) \(.index?)", name: .name?, text: .args?}`,
		MaxEventSize: maxMedia,
		// The answer names its run, with a path from the root of the service; -1 asks for
		// all events (https://reference.langchain.com/javascript/langchain-langgraph-sdk/client/RunsClient/joinStream).
		Rest: &Rest{
			ID:       `.response.headers | .location // (.["content-location"] | strings | . + "/stream")`,
			Position: `.id`,
			Request: `select(.id and .request.json.stream_resumable? == true) | {
				url: (if .id | startswith("/") then (.request.base | sub("(/threads/[^/]+)?/runs/stream$"; "")) + .id else .id end),
				headers: {"last-event-id": (.position // "-1")}}`,
			Lost: `select(.request.json.stream_resumable? != true) | "this run was not made with stream_resumable: a cut will lose it"`,
		},
	},
	{
		Name:     "mcp",
		Notifies: true,
		// Revision 2025-11-25 has the rest of an answer by GET, in its session
		// (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery);
		// 2026-07-28 has neither that GET nor sessions.
		Rest: &Rest{
			ID:       `.response.headers["mcp-session-id"]`,
			Position: `.id`,
			Request:  stateless + ` | select((. | not) and $seen.position) | {url: $seen.request.url, headers: {"mcp-session-id": $seen.id}}`,
			Lost:     stateless + ` | select(.) | "MCP 2026-07-28 resumes nothing: a cut will lose this answer"`,
			Polls:    true,
		},
		About:        "Model Context Protocol, streamable HTTP",
		Headers:      []string{"Accept: application/json, text/event-stream"},
		Until:        `.json | objects | has("id") and has("result")`,
		FailIf:       broken + ` or .json.error? or .json.result.isError?`,
		Text:         `(.json.result.content[].text)? // empty`,
		Fits:         `.json.jsonrpc? == "2.0" and (.json.result? | type != "object" or (has("content") or has("tools") or has("resources") or has("prompts") or has("protocolVersion")))`,
		MaxEventSize: maxMedia,
	},
	{
		Name:         "mercure",
		About:        "Mercure hubs",
		Text:         `.data + "\n"`,
		MaxEventSize: maxMedia,
	},
	{
		Name:     "openai",
		About:    "OpenAI chat completions, and compatible services",
		Until:    `.data == "[DONE]"`,
		FailIf:   broken + ` and .data != "[DONE]" or .json.error?`,
		Text:     `(.json.choices[] | .delta.content // .text)? // empty`,
		Fits:     `.json.object? == "chat.completion.chunk" or (.json.choices? | type) == "array"`,
		Thinking: `(.json.choices[] | .delta | .reasoning_content? // .reasoning?)? | strings`,
		Tools: `(.json.choices[] | .index? as $choice | .delta.tool_calls[] | objects |
			{key: "\($choice) \(.index?)", name: .function.name?, text: .function.arguments?})? // empty`,
		MaxEventSize: maxMedia,
	},
	{
		Name:     "openai-responses",
		About:    "OpenAI Responses",
		Until:    `.json.type? == "response.completed"`,
		FailIf:   broken + ` or (.json.type? // .event | IN("error", "response.failed", "response.incomplete"))`,
		Text:     `select(.json.type? == "response.output_text.delta") | .json.delta`,
		Fits:     `(.json.type? | strings | startswith("response.")) // false`,
		Thinking: `select(.json.type? | IN("response.reasoning_summary_text.delta", "response.reasoning_text.delta")) | .json.delta`,
		Tools: `.json | objects | {key: .output_index?} + (
			(select(.type == "response.output_item.added") | .item? | objects | select(.type? | IN("function_call", "custom_tool_call", "mcp_call")) | {name: .name?, text: ""}) //
			(select(.type | IN("response.function_call_arguments.delta", "response.custom_tool_call_input.delta", "response.mcp_call_arguments.delta")) | {text: .delta?}) // empty)`,
		MaxEventSize: maxMedia,
		// https://platform.openai.com/docs/guides/background#streaming-a-background-response
		Rest: &Rest{
			ID:       `.last.json | objects | .response.id?`,
			Position: `.json.sequence_number?`,
			Request: `select(.id and .request.json.background? == true) | {url: "\(.request.base)/\(.id | @uri)",
				query: (.request.query + {stream: "true", starting_after: .position})}`,
			Lost:  `select(.request.json.background? != true) | "this answer was not made with background: a cut will lose it"`,
			Dense: true,
		},
	},
	{
		Name:         "vercel-ai",
		About:        "AI SDK UI message streams",
		Until:        uiUntil,
		FailIf:       uiFailIf,
		Text:         uiText,
		Fits:         `.json.type? | IN("start", "text-start", "text-delta", "start-step", "tool-input-start")`,
		Thinking:     uiThinking,
		Tools:        uiTools,
		MaxEventSize: maxMedia,
		// The chat's stream is replayed from its beginning; 204 means that none is
		// active (https://ai-sdk.dev/docs/ai-sdk-ui/chatbot-resume-streams).
		Rest: &Rest{
			ID:      `.request.json.id?`,
			Request: `select(.id) | "\(.request.base)/\(.id | tostring | @uri)/stream"`,
			Lost:    `select(.request.json.id? | not) | "the request names no chat by an id: a cut will lose its answer"`,
			Replays: true,
		},
	},
	{
		Name:         "vercel-workflow",
		About:        "AI SDK UI message streams of the Workflow SDK",
		Until:        uiUntil,
		FailIf:       uiFailIf,
		Text:         uiText,
		Thinking:     uiThinking,
		Tools:        uiTools,
		MaxEventSize: maxMedia,
		// https://ai-sdk.dev/docs/reference/ai-sdk-workflow/workflow-chat-transport
		Rest: &Rest{
			ID:      `.response.headers["x-workflow-run-id"]`,
			Request: `select(.id) | {url: "\(.request.base)/\(.id | @uri)/stream", query: {startIndex: .count}}`,
			Lost:    `select(.response.headers["x-workflow-run-id"] | not) | "the answer names no workflow run: a cut will lose it"`,
		},
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
