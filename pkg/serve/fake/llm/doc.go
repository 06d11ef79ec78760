// Package llm answers as the APIs of language models do: OpenAI, Anthropic, Gemini, and
// the UI message streams of the AI SDK.
//
// [New] returns a service by its name, one of [Names]. An answer without a content is
// [Options].Text, or the last message of the user; where the request asks for JSON by a schema,
// an example of that; where it must call a tool, a call. It comes as a stream or whole, as
// the request asks, at [Options].Pace. A [fake.Content] may have thinking and calls of
// tools too. A Finish that ends in "error" makes the answer end with the error of the
// service, after its text.
//
//	service, err := llm.New("openai", llm.Options{Text: "Low water is at noon."})
//	handler, err := fake.NewHandler(fake.Options{Service: service})
//
// The latest answers are kept where a service has the rest of an answer by GET.
package llm
