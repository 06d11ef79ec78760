package fake

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/ssectl/ssectl/pkg/record"
)

// A Reply is an answer before it is sent.
type Reply struct {
	Status int // 0 means 200
	Header http.Header
	Body   []byte // if Stream is nil

	// Wait, if not nil, is called before anything of the reply is sent, and returns when
	// that may begin. It is for the time that an answer takes which comes whole. ctx ends
	// when the client leaves; Wait then returns its error, and nothing is sent.
	Wait func(ctx context.Context) error

	// Stream, if not nil, sends the blocks of an event stream, one after the other.
	// The delay of a record is waited for before it. The answer ends in order when
	// Stream returns nil, and is cut when it returns an error. ctx ends when the client
	// leaves; send then returns an error, which Stream returns. Several goroutines must
	// not call send at once.
	Stream func(ctx context.Context, send func(record.Record) error) error
}

// JSON returns a reply with a value as its body.
func JSON(status int, value any) *Reply {
	body, err := json.Marshal(value)
	if err != nil {
		body, status = []byte(`{"error":{"message":"the answer is no JSON"}}`), http.StatusInternalServerError
	}
	return &Reply{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// Events returns a reply that is a stream of these records.
func Events(records ...record.Record) *Reply {
	return &Reply{Stream: func(_ context.Context, send func(record.Record) error) error {
		for _, r := range records {
			if err := send(r); err != nil {
				return err
			}
		}
		return nil
	}}
}
