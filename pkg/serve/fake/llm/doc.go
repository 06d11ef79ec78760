// Package llm answers as the APIs of language models do: OpenAI, Anthropic, Gemini, and
// the UI message streams of the AI SDK.
//
// [New] returns a service by its name, one of [Names]. With no content for an answer it
// says again what the user said last, or [Options].Text, as a stream or whole, as the
// request asks. A [fake.Content] may have thinking and calls of tools too. A Finish that
// ends in "error" makes the answer end with the error of the service, after its text.
//
// Where a service has the rest of an answer by GET, latest answers are kept for it.
package llm
