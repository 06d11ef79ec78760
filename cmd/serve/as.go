package servecmd

import (
	"time"

	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/llm"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
)

// asOptions are the values of the flags for a service to stand in for.
type asOptions struct {
	As    string
	Text  string        // of every answer
	First time.Duration // --ttft
	Rate  float64       // --tps
	Slots int
}

// A standIn is a service that --as names.
type standIn struct {
	name  string
	about string // the endpoints that it has, for --help as

	// variables are those of baseURLs that its libraries read; path is what else a
	// library expects at the end of the URL.
	variables []string
	path      string

	// make returns the service. The pace has --jitter; text is that of --text or of
	// standard input, empty if there is none.
	make func(opts *asOptions, text string, pace fake.Pace) (fake.Service, error)
}

// standIns are all services of --as, by name.
var standIns = []standIn{
	{name: "a2a", about: "tasks of Agent2Agent, of versions 1.0 and 0.3, and the card of the agent", make: newProtocol},
	{name: "ag-ui", about: "runs of AG-UI, at any path", path: "/agent", make: newProtocol},
	{name: "anthropic", about: "Messages, token counts, models", variables: []string{"ANTHROPIC_BASE_URL"}, make: newLLM},
	{name: "gemini", about: "generateContent and its stream, Interactions, token counts, embeddings, models", variables: []string{"GOOGLE_GEMINI_BASE_URL"}, make: newLLM},
	{name: "graphql", about: "GraphQL over SSE with distinct connections and with one, and plain GraphQL", path: "/graphql", make: newProtocol},
	{name: "langgraph", about: "threads and runs of LangGraph, and their streams from any event on", make: newProtocol},
	{name: "mcp", about: "MCP with sessions, without (2026-07-28), and with the older SSE transport at /sse; tools echo and count", path: "/mcp", make: newProtocol},
	{name: "mcp-2025-11-25", about: "MCP with sessions alone", path: "/mcp", make: newProtocol},
	{name: "mcp-2026-07-28", about: "MCP without sessions alone", path: "/mcp", make: newProtocol},
	{name: "mercure", about: "a Mercure hub, which takes any token", path: "/.well-known/mercure", make: newProtocol},
	{name: "openai", about: "Chat Completions, Responses (with background and the rest by GET), Completions, embeddings, models", variables: []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"}, path: "/v1", make: newLLM},
	{name: "vercel-ai", about: "UI message streams of the AI SDK, for useChat, and the rest by GET", path: "/api/chat", make: newLLM},
}

// newLLM makes a service of package llm.
func newLLM(opts *asOptions, text string, pace fake.Pace) (fake.Service, error) {
	return llm.New(opts.As, llm.Options{Text: text, Pace: pace, Slots: opts.Slots})
}

// newProtocol makes a service of package protocol.
func newProtocol(opts *asOptions, text string, pace fake.Pace) (fake.Service, error) {
	return protocol.New(opts.As, protocol.Options{Text: text, Pace: pace})
}
