package llm

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// openAI is the API of OpenAI, which many others have too, below any path: Chat Completions
// (https://platform.openai.com/docs/api-reference/chat), Responses, Completions, models and
// embeddings.
type openAI struct {
	*engine
	kept store[*response]
}

func newOpenAI(e *engine) fake.Service {
	e.calls = "call_"
	return &openAI{engine: e}
}

// openAIModels are the models that are listed. Any other name is taken as well.
var openAIModels = []string{"gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4o", "gpt-4o-mini", "o4-mini", "text-embedding-3-small", "text-embedding-3-large"}

// Reply implements [fake.Service].
func (s *openAI) Reply(r *fake.Request, content *fake.Content) *fake.Reply {
	reply := s.route(r, content)
	if reply != nil && reply.Header.Get("X-Request-Id") == "" { // an error has its own
		s.sign(reply, http.StatusOK)
	}
	return reply
}

// route returns the reply of an endpoint.
func (s *openAI) route(r *fake.Request, content *fake.Content) *fake.Reply {
	path := strings.TrimSuffix(r.Path, "/")
	if id, ok := below(path, "/responses/"); ok {
		return s.response(r, id)
	}
	if isGet(r) {
		if id, ok := below(path, "/models/"); ok {
			return reply(http.StatusOK, s.model(id))
		}
		if strings.HasSuffix(path, "/models") {
			return s.models()
		}
		return nil
	}
	if respond := s.endpoint(path); respond != nil && r.Method == http.MethodPost {
		if wrong := s.check(r); wrong != nil {
			return wrong
		}
		return respond(r, content)
	}
	return nil
}

// endpoint returns the function of a path that takes POST alone, nil if there is none.
func (s *openAI) endpoint(path string) func(*fake.Request, *fake.Content) *fake.Reply {
	for _, e := range []struct {
		path  string
		reply func(*fake.Request, *fake.Content) *fake.Reply
	}{
		{"/chat/completions", s.chat}, {"/completions", s.complete}, {"/responses", s.respond}, {"/embeddings", s.embed},
	} {
		if strings.HasSuffix(path, e.path) {
			return e.reply
		}
	}
	return nil
}

// isGet reports whether a request asks for a page.
func isGet(r *fake.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// below returns the part of a path after the last of these segments.
func below(path, segments string) (rest string, ok bool) {
	i := strings.LastIndex(path, segments)
	if i < 0 || i+len(segments) == len(path) {
		return "", false
	}
	return path[i+len(segments):], true
}

// check returns the error of a request without a body or a model.
func (s *openAI) check(r *fake.Request) *fake.Reply {
	if _, ok := r.JSON.(map[string]any); !ok {
		return s.wrong(r, "the body of the request is not a JSON object", "", "")
	}
	if s.modelOf(r) == "" {
		return s.wrong(r, "the request names no model", "model", "missing_required_parameter")
	}
	return nil
}

// modelOf returns the model of a request, which is a part of the path at Azure.
func (s *openAI) modelOf(r *fake.Request) string {
	if model := text(r.JSON, "model"); model != "" {
		return model
	}
	rest, _ := below(r.Path, "/deployments/")
	model, _, _ := strings.Cut(rest, "/")
	return model
}

func (s *openAI) model(id string) object {
	return obj("id", id, "object", "model", "created", 1750000000, "owned_by", "ssectl")
}

func (s *openAI) models() *fake.Reply {
	all := []object{}
	for _, id := range openAIModels {
		all = append(all, s.model(id))
	}
	return reply(http.StatusOK, obj("object", "list", "data", all))
}

const (
	maxDimensions = 1 << 13  // more than any model has
	maxInputs     = 2048     // of a request for embeddings (https://platform.openai.com/docs/api-reference/embeddings/create)
	maxAnswer     = 16 << 20 // bytes of an answer that has several: one text as often as n asks for
	maxEmbeddings = 48 << 20 // bytes; those of the largest model with all inputs fit
)

// embed returns embeddings of zeros.
func (s *openAI) embed(r *fake.Request, _ *fake.Content) *fake.Reply {
	var inputs []any
	switch input := member(r.JSON, "input").(type) {
	case string:
		inputs = []any{input}
	case []any:
		inputs = input
		if len(input) > 0 {
			if _, ok := input[0].(json.Number); ok { // the tokens of one text
				inputs = []any{input}
			}
		}
	}
	if len(inputs) == 0 {
		return s.wrong(r, "the request has no input", "input", "missing_required_parameter")
	}
	if len(inputs) > maxInputs {
		return s.wrong(r, fmt.Sprintf("input has %d items, and %d is the most", len(inputs), maxInputs), "input", "invalid_value")
	}
	size := number(r.JSON, "dimensions")
	switch {
	case size > maxDimensions:
		return s.wrong(r, fmt.Sprintf("dimensions is more than %d", maxDimensions), "dimensions", "invalid_value")
	case size == 0 && strings.HasSuffix(s.modelOf(r), "-large"):
		size = 3072
	case size == 0:
		size = 1536
	}
	zeros := json.RawMessage(encode(make([]int, size)))
	if text(r.JSON, "encoding_format") == "base64" {
		zeros = json.RawMessage(encode(base64.StdEncoding.EncodeToString(make([]byte, 4*size)))) // of 32-bit floats
	}
	if len(zeros)*len(inputs) > maxEmbeddings {
		return s.wrong(r, fmt.Sprintf("%d embeddings of %d dimensions are too many", len(inputs), size), "input", "invalid_value")
	}
	used := 0
	all := []object{}
	for i, input := range inputs {
		all = append(all, obj("object", "embedding", "index", i, "embedding", zeros))
		used += countTokens(text(input)) + len(list(input))
	}
	return reply(http.StatusOK, obj("object", "list", "data", all, "model", s.modelOf(r),
		"usage", obj("prompt_tokens", used, "total_tokens", used)))
}

// An openAIError is the type of an error with a status, its code, and the usual message.
type openAIError struct{ kind, code, message string }

var openAIErrors = map[int]openAIError{
	400: {"invalid_request_error", "", "the request is not valid"},
	401: {"invalid_request_error", "invalid_api_key", "the API key is not correct"},
	403: {"invalid_request_error", "forbidden", "the API key has no permission for this"},
	404: {"invalid_request_error", "unknown_url", "there is no such URL"},
	405: {"invalid_request_error", "method_not_supported", "Only POST requests are accepted."},
	429: {"requests", "rate_limit_exceeded", "the rate limit is reached: try again in 1s"},
	500: {"server_error", "", "the server had an error with the request"},
	503: {"service_unavailable_error", "", "the engine is overloaded: try again later"},
}

// Error implements [fake.Service].
func (s *openAI) Error(r *fake.Request, status int, message string) *fake.Reply {
	if status == http.StatusNotFound && message == "" && r != nil && r.Method != http.MethodPost && s.endpoint(strings.TrimSuffix(r.Path, "/")) != nil {
		status = http.StatusMethodNotAllowed
	}
	e, ok := openAIErrors[status]
	switch {
	case !ok && status >= 500:
		e = openAIError{kind: "server_error", message: http.StatusText(status)}
	case !ok:
		e = openAIError{kind: "invalid_request_error", message: http.StatusText(status)}
	}
	return s.failure(r, status, e, message, "")
}

// wrong returns the error of a request that is not valid.
func (s *openAI) wrong(r *fake.Request, message, param, code string) *fake.Reply {
	return s.failure(r, http.StatusBadRequest, openAIError{"invalid_request_error", code, ""}, message, param)
}

func (s *openAI) failure(_ *fake.Request, status int, e openAIError, message, param string) *fake.Reply {
	if message == "" {
		message = e.message
	}
	reply := reply(status, obj("error", obj("message", message, "type", e.kind, "param", orNull(param), "code", orNull(e.code))))
	s.sign(reply, status)
	return reply
}

// orNull returns a text for JSON, null for none.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// sign sets the headers that all replies have. A limit that is reached has nothing left.
func (s *openAI) sign(reply *fake.Reply, status int) {
	header := headers(reply)
	header.Set("X-Request-Id", fmt.Sprintf("req_%08x%06d", uint32(s.seed), s.replies.Add(1)))
	header.Set("Openai-Version", "2020-10-01")
	header.Set("Openai-Processing-Ms", "1")
	requests, left, reset := "9999", "1999000", "6ms"
	if status == http.StatusTooManyRequests {
		requests, left, reset = "0", "0", "1s"
	}
	for name, value := range map[string]string{
		"Limit-Requests": "10000", "Remaining-Requests": requests, "Reset-Requests": reset,
		"Limit-Tokens": "2000000", "Remaining-Tokens": left, "Reset-Tokens": reset,
	} {
		header.Set("X-Ratelimit-"+name, value)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
}

// headers returns the headers of a reply.
func headers(reply *fake.Reply) http.Header {
	if reply.Header == nil {
		reply.Header = http.Header{}
	}
	return reply.Header
}
