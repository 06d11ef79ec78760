package listencmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// socketSchemes are those of the URLs that are WebSockets.
var socketSchemes = []string{"ws", "wss"}

func (o *options) bindWebSocket(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.Send, "send", nil, "send this `text`, or that of @file, after each connection; repeatable")
	flags.StringVar(&o.IDFrom, "id-from", "", "take the result of this jq `expression` for the ID of a message, by which to resume")
	flags.StringVar(&o.TypeFrom, "type-from", "", "take the result of this jq `expression` for the type of a message (default message)")
	flags.StringVar(&o.ResumeQuery, "resume-query", "", "resume by this `parameter` of the URL (default lastEventId)")
}

// webSocket returns the options of a WebSocket, or the error of flags that have no
// meaning for req.
func (s *session) webSocket(req *http.Request) (listen.WebSocket, error) {
	o := s.opts
	scheme := req.URL.Scheme
	if scheme != "ws" && scheme != "wss" {
		return listen.WebSocket{}, o.checkNoWebSocket()
	}
	if req.Method != http.MethodGet || req.Body != nil {
		return listen.WebSocket{}, fmt.Errorf("a WebSocket is opened by GET, without a body: want no -X or -d with %s://; --send sends a text", scheme)
	}
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"resume range", o.Resume == "range"}, {"resume-get", o.ResumeGet != ""}, {"as", o.As != ""},
		{"save-har", o.SaveHAR != ""}, {"ui", o.UI.port != nil}, {"http2", o.Curl.HTTP2},
	} {
		if flag.given {
			return listen.WebSocket{}, fmt.Errorf("--%s has no meaning with %s://", flag.name, scheme)
		}
	}
	config := listen.WebSocket{ResumeQuery: o.ResumeQuery, Compress: o.Curl.Compressed}
	for _, text := range o.Send {
		data, err := o.Curl.ReadData(text)
		if err == nil && !utf8.Valid(data) {
			err = errors.New("the text is not UTF-8")
		}
		if err != nil {
			return config, fmt.Errorf("--send: %w", err)
		}
		config.Send = append(config.Send, string(data))
	}
	d := describer{ctx: s.ctx, failure: s.failure, decoder: stream.NewDecoder(nil)}
	var err error
	if d.id, err = d.compile("id-from", o.IDFrom); err != nil {
		return config, err
	}
	if d.eventType, err = d.compile("type-from", o.TypeFrom); err != nil {
		return config, err
	}
	if d.id != nil || d.eventType != nil {
		config.Describe = d.describe
	}
	return config, nil
}

// checkNoWebSocket returns the error of flags that are for a WebSocket alone.
func (o *options) checkNoWebSocket() error {
	for _, flag := range []struct {
		name  string
		given bool
	}{{"send", o.Send != nil}, {"id-from", o.IDFrom != ""}, {"type-from", o.TypeFrom != ""}, {"resume-query", o.ResumeQuery != ""}} {
		if flag.given {
			return fmt.Errorf("--%s needs a URL with ws:// or wss://", flag.name)
		}
	}
	return nil
}

// A describer finds the ID and the type of messages by expressions.
type describer struct {
	ctx           context.Context
	failure       func(*query.Question, error)
	input         query.Input
	id, eventType *query.Question // nil if not asked for
	decoder       *stream.Decoder
	text, result  []byte
}

func (d *describer) compile(flag, expression string) (*query.Question, error) {
	if expression == "" {
		return nil, nil
	}
	q, err := d.input.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return q, nil
}

// keptSize is the size of a message up to which its room is used again.
const keptSize = 64 << 10

func (d *describer) describe(text []byte) (id, eventType string) {
	// Expressions are about blocks of an event stream.
	event := stream.Event{Data: string(text)}
	d.text, _ = event.AppendText(d.text[:0])
	d.decoder.Reset(bytes.NewReader(d.text))
	d.decoder.MaxEventSize = len(d.text) + 1
	if len(d.text) > keptSize {
		defer func() {
			d.text, d.decoder = nil, stream.NewDecoder(nil)
			d.input.Set(nil, time.Time{})
		}()
	}
	b, err := d.decoder.Next()
	if err != nil {
		return "", ""
	}
	d.input.Set(b, time.Now())
	return d.answer(d.id), d.answer(d.eventType)
}

var errFirst = errors.New("the first result is enough")

// answer returns the first result of an expression, empty if it is null.
func (d *describer) answer(q *query.Question) string {
	if q == nil {
		return ""
	}
	var err error
	d.result, err = q.Append(d.ctx, d.result[:0], func(dst, text []byte) ([]byte, error) {
		return append(dst, text...), errFirst
	})
	if err != nil && err != errFirst {
		d.failure(q, err)
		return ""
	}
	if string(d.result) == "null" {
		return ""
	}
	return string(d.result)
}
