package llm

import (
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// gemini is the Gemini API (https://ai.google.dev/api/generate-content), with Interactions.
type gemini struct {
	*engine
	kept store[*interaction]
}

func newGemini(e *engine) fake.Service {
	e.calls = "call_"
	return &gemini{engine: e}
}

// maxBatch is the number of embeddings that one request may ask for.
const maxBatch = 100

// geminiModels are the models that are listed. Any other name is taken as well.
var geminiModels = []string{"gemini-3-pro-preview", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-embedding-001"}

// Reply implements [fake.Service].
func (s *gemini) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	path := strings.TrimSuffix(r.Path, "/")
	if id, ok := below(path, "/interactions/"); ok {
		return s.interaction(r, id)
	}
	call, ok := below(path, "/models/")
	model, method, _ := strings.Cut(call, ":")
	switch {
	case isGet(r) && ok:
		return reply(http.StatusOK, s.model(model))
	case isGet(r) && strings.HasSuffix(path, "/models"):
		all := []object{}
		for _, name := range geminiModels {
			all = append(all, s.model(name))
		}
		return reply(http.StatusOK, obj("models", all))
	case r.Method != http.MethodPost:
		return nil
	}
	if _, is := r.JSON.(map[string]any); !is {
		return s.Error(r, http.StatusBadRequest, "the body of the request is not a JSON object")
	}
	switch {
	case strings.HasSuffix(path, "/interactions"):
		return s.interact(r, content)
	case !ok:
		return nil
	case method == "generateContent" || method == "streamGenerateContent":
		return s.generate(r, model, method == "streamGenerateContent", content)
	case method == "countTokens":
		source := r.JSON
		if inner := member(r.JSON, "generateContentRequest"); inner != nil {
			source = inner
		}
		return reply(http.StatusOK, obj("totalTokens", s.prompt(source, model).tokens))
	case method == "embedContent":
		return reply(http.StatusOK, obj("embedding", zeros(r.JSON)))
	case method == "batchEmbedContents":
		all := []object{}
		if n := len(list(r.JSON, "requests")); n > maxBatch {
			return s.Error(r, http.StatusBadRequest, fmt.Sprintf("at most %d requests can be in one batch, and it has %d", maxBatch, n))
		}
		for _, one := range list(r.JSON, "requests") {
			all = append(all, zeros(one))
		}
		return reply(http.StatusOK, obj("embeddings", all))
	}
	return nil
}

func (s *gemini) model(name string) object {
	methods := []string{"generateContent", "countTokens", "embedContent", "batchEmbedContents"}
	return obj("name", "models/"+name, "baseModelId", name, "version", "001", "displayName", name,
		"inputTokenLimit", 1<<20, "outputTokenLimit", 1<<16, "supportedGenerationMethods", methods)
}

// zeros returns an embedding of zeros.
func zeros(request any) object {
	size := number(request, "outputDimensionality")
	if size == 0 || size > maxDimensions {
		size = 3072
	}
	return obj("values", make([]int, size))
}

// prompt reads a request.
func (s *gemini) prompt(request any, model string) *prompt {
	p := &prompt{model: model, limit: number(request, "generationConfig", "maxOutputTokens")}
	system := member(request, "systemInstruction")
	if system == nil {
		system = member(request, "system_instruction")
	}
	p.said(geminiText(list(system, "parts")), false)
	for _, c := range list(request, "contents") {
		all := list(c, "parts")
		for _, part := range all {
			if response := member(part, "functionResponse", "response"); response != nil {
				p.said(result(response), true)
			}
		}
		if said := geminiText(all); said != "" {
			p.said(said, text(c, "role") != "model")
		}
	}
	config := member(request, "generationConfig")
	if text(config, "responseMimeType") == "application/json" {
		p.schema = anyObject
		for _, name := range []string{"responseSchema", "responseJsonSchema"} {
			if schema := member(config, name); schema != nil {
				p.schema = schema
			}
		}
	}
	calling := member(request, "toolConfig", "functionCallingConfig")
	wanted := ""
	if names := list(calling, "allowedFunctionNames"); len(names) > 0 {
		wanted, _ = names[0].(string)
	}
	for _, tool := range list(request, "tools") {
		for _, declared := range list(tool, "functionDeclarations") {
			schema := member(declared, "parameters")
			if schema == nil {
				schema = member(declared, "parametersJsonSchema")
			}
			p.mayCall(text(calling, "mode") == "ANY", wanted, text(declared, "name"), schema)
		}
	}
	return p
}

// geminiText returns the texts of parts.
func geminiText(all []any) string {
	var texts []string
	for _, part := range all {
		if t := text(part, "text"); t != "" && !truth(part, "thought") {
			texts = append(texts, t)
		}
	}
	return strings.Join(texts, "\n")
}

// result returns the result of a tool as a text: that of a member of this name, or all.
func result(response any) string {
	if s, ok := response.(string); ok {
		return s
	}
	for _, name := range []string{"output", "result", "content"} {
		if s, ok := member(response, name).(string); ok {
			return s
		}
	}
	return encode(response)
}

// generate answers a request for content, whole or as a stream, which is of events if the
// query asks for that, and else an array.
func (s *gemini) generate(r *fake.Request, model string, stream bool, content *fake.Content) *fake.Reply {
	if len(list(r.JSON, "contents")) == 0 {
		return s.Error(r, http.StatusBadRequest, "contents is not specified")
	}
	p := s.prompt(r.JSON, model)
	a := s.answer(p, content)
	switch {
	case stream && r.Query.Get("alt") == "sse":
		return s.stream(crlf(a.written(a.geminiEvents())), nil)
	case a.fails():
		return s.Error(r, http.StatusInternalServerError, "")
	case stream:
		all := []any{}
		for e := range a.geminiEvents() {
			all = append(all, e.data)
		}
		return s.whole(a, all)
	}
	var all []object
	if a.thinking.count > 0 {
		all = append(all, obj("text", a.Thinking, "thought", true))
	}
	if a.speaks() {
		all = append(all, obj("text", a.Text))
	}
	for _, c := range a.calls {
		all = append(all, a.functionCall(c))
	}
	return s.whole(a, a.candidate(all, a.geminiFinish(), a.usage.Output-a.thought, a.thought))
}

func (a *answer) geminiFinish() string { return a.finish("STOP", "MAX_TOKENS", "STOP") }

func (a *answer) functionCall(c call) object {
	return obj("functionCall", obj("id", c.ID, "name", c.Name, "args", c.Arguments), "thoughtSignature", a.signature())
}

// candidate returns an answer, or a piece of it, with these parts.
func (a *answer) candidate(all []object, finish any, output, thought int) object {
	content := obj("parts", all, "role", "model")
	candidate := obj("content", content)
	if finish != nil {
		candidate = candidate.with("finishReason", finish)
	}
	usage := obj("promptTokenCount", a.usage.Input, "candidatesTokenCount", output, "totalTokenCount", a.usage.Input+output+thought,
		"promptTokensDetails", []object{obj("modality", "TEXT", "tokenCount", a.usage.Input)})
	if thought > 0 {
		usage = usage.with("thoughtsTokenCount", thought)
	}
	return obj("candidates", []object{candidate.with("index", 0)}, "usageMetadata", usage, "modelVersion", a.model, "responseId", a.key)
}

// geminiEvents returns the events of the stream: answers of one part each. The last has why it ends.
func (a *answer) geminiEvents() iter.Seq[event] {
	type piece struct {
		part   object
		tokens int
	}
	return func(yield func(event) bool) {
		var last *piece
		output, thought := 0, 0
		flush := func(next *piece, finish any) bool {
			now := last
			last = next
			return now == nil || yield(event{data: a.candidate([]object{now.part}, finish, output, thought), tokens: now.tokens})
		}
		for t, n := range a.thinking.pieces() {
			if !flush(&piece{obj("text", t, "thought", true), n}, nil) {
				return
			}
			thought += n
		}
		for t, n := range a.text.pieces() {
			if !flush(&piece{obj("text", t), n}, nil) {
				return
			}
			output += n
		}
		for _, c := range a.calls {
			if !flush(&piece{a.functionCall(c), 1}, nil) {
				return
			}
			output += c.count
		}
		if last == nil {
			last = &piece{part: obj("text", "")}
		}
		if a.fails() {
			if flush(nil, nil) {
				yield(event{data: geminiFailure(http.StatusInternalServerError, "")})
			}
			return
		}
		output, thought = a.usage.Output-a.thought, a.thought
		flush(nil, a.geminiFinish())
	}
}

// crlf gives records the line ends that the service has.
func crlf(records iter.Seq[record.Record]) iter.Seq[record.Record] {
	return func(yield func(record.Record) bool) {
		for r := range records {
			r.Raw = []byte("data: " + r.Data + "\r\n\r\n")
			if !yield(r) {
				return
			}
		}
	}
}

// geminiStatuses are the names of statuses
// (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto).
var geminiStatuses = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
	429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}

var geminiMessages = map[int]string{
	400: "the request has an invalid argument", 401: "the request has no valid credentials", 403: "the API key has no permission for this",
	404: "the entity is not found", 429: "the quota is exhausted: retry in 1s", 500: "an internal error has occurred",
	503: "the model is overloaded: try again later", 504: "the deadline is exceeded",
}

// Error implements [fake.Service].
func (s *gemini) Error(_ *fake.Request, status int, message string) *fake.Reply {
	reply := reply(status, geminiFailure(status, message))
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		headers(reply).Set("Retry-After", "1")
	}
	return reply
}

func geminiFailure(status int, message string) object {
	name := geminiStatuses[status]
	switch {
	case name == "" && status >= 500:
		name = "INTERNAL"
	case name == "":
		name = "FAILED_PRECONDITION"
	}
	if message == "" {
		message = geminiMessages[status]
	}
	if message == "" {
		message = http.StatusText(status)
	}
	failure := obj("code", status, "message", message, "status", name)
	if status == http.StatusTooManyRequests {
		failure = failure.with("details", []object{obj("@type", "type.googleapis.com/google.rpc.RetryInfo", "retryDelay", "1s")})
	}
	return obj("error", failure)
}
