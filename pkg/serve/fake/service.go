package fake

import (
	"encoding/json"
	"time"
)

// A Service is the other side of an API: it makes replies in its form. Its methods may
// be called at once.
type Service interface {
	// Reply returns the reply to a request. content is what it means; nil leaves that
	// to the service, which repeats the last thing the client said. A nil reply means
	// that the API has no such endpoint.
	Reply(r *Request, content *Content) *Reply

	// Error returns the reply with a status of failure, its body and its headers, as
	// the API has them. An empty message means a usual one.
	Error(r *Request, status int, message string) *Reply
}

// A Content is what an answer means, whatever form it has.
type Content struct {
	Text     string
	Thinking string // what the model thought before
	Tools    []ToolCall
	JSON     any // the value that the answer is about, where the API has one: the result of a tool, of an operation

	Finish string // why the answer ends, as the API names it; empty for the usual reason
	Usage  *Usage // nil counts the words
}

// A ToolCall is a call that a model asks for.
type ToolCall struct {
	ID        string // empty for one that is made up
	Name      string
	Arguments json.RawMessage // an object; nil is an empty one
}

// Usage is the number of tokens of a request and its answer.
type Usage struct {
	Input, Output int
}

// A Pace is the speed at which a model writes. The zero value is at once.
type Pace struct {
	First  time.Duration // until the first token
	Rate   float64       // tokens per second after that; 0 is at once
	Jitter float64       // share by which a wait is longer or shorter, up to 1
}
