package listen

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/stream"
)

var (
	// errNoContent is the 204 by which a server ends a stream for good
	// (https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model).
	errNoContent = errors.New("server answered 204 No Content")

	// errNothingNew is a 416: the log does not go beyond where we are.
	errNothingNew = errors.New("nothing new")
)

// errNoAnswer is an end of the connection, but of no stream.
var errNoAnswer error = noAnswerError{}

type noAnswerError struct{}

func (noAnswerError) Error() string { return "server closed the connection without an answer" }
func (noAnswerError) Unwrap() error { return io.EOF }

// bodyExcerpt is how much of an answer that is no stream a ResponseError has,
// and excerptTime how long it may take to come.
const (
	bodyExcerpt = 1 << 10
	excerptTime = 2 * time.Second
)

// connect makes a connection, always to the URL of the request: a redirect holds
// for one connection.
func (s *Stream) connect() error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.watch.begin(cancel)
	req := s.request.Clone(ctx)
	if s.request.GetBody != nil {
		body, err := s.request.GetBody()
		if err != nil {
			cancel(nil)
			return &callerError{err}
		}
		req.Body = body
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	connect := s.options.Client.Do
	if s.isWebSocket {
		connect = s.dial
	} else {
		httpx.SetDefault(req.Header, "Accept", stream.ContentType)
	}
	httpx.SetDefault(req.Header, "Cache-Control", "no-cache")
	s.resumed = s.ask(req)
	if s.stats.Started.IsZero() {
		s.stats.Started = time.Now()
	}
	if s.options.BeforeRead != nil {
		if err := s.options.BeforeRead(); err != nil {
			cancel(nil)
			return &callerError{err}
		}
	}

	s.watch.start()
	resp, err := connect(req)
	s.watch.stop()
	if err != nil {
		cause := s.watch.cause()
		cancel(nil)
		switch {
		case cause != nil:
			return cause
		case resp != nil: // an answer, but one the client would not take
			s.answered = true
			return &redirectError{httpx.WithoutURL(err)}
		}
		if err = httpx.WithoutURL(err); err == io.EOF {
			return errNoAnswer
		}
		return err
	}
	s.answered = true
	if s.stats.Headers.IsZero() {
		s.stats.Headers = time.Now()
	}
	if err := s.accept(resp, cancel); err != nil {
		resp.Body.Close()
		cancel(nil)
		return err
	}
	s.open(resp)
	return nil
}

// accept decides whether a response is the stream. Only 200 is
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model),
// and the 206 and 416 that a request for a range asks for. It calls cancel where
// the body of another answer takes too long: to close a body while it is read
// is not safe for those that decode.
func (s *Stream) accept(resp *http.Response, cancel context.CancelCauseFunc) error {
	ranged := resp.Request.Header.Get("Range") != ""
	switch {
	case s.isWebSocket && resp.StatusCode == http.StatusSwitchingProtocols:
		return nil
	case resp.StatusCode == http.StatusNoContent:
		s.tell(Ended{})
		return errNoContent
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && ranged:
		return s.nothingNew(resp)
	case s.isWebSocket:
	case resp.StatusCode == http.StatusOK && s.isStream(resp.Header.Get("Content-Type")),
		resp.StatusCode == http.StatusPartialContent && ranged && s.isStream(resp.Header.Get("Content-Type")):
		return s.locate(resp)
	}
	refused := &ResponseError{
		Status:      resp.StatusCode,
		Header:      resp.Header,
		ContentType: resp.Header.Get("Content-Type"),
		retryAfter:  retryAfter(resp.Header, time.Now()),
		webSocket:   s.isWebSocket,
	}
	timer := time.AfterFunc(excerptTime, func() { cancel(nil) })
	defer timer.Stop()
	refused.Body, _ = io.ReadAll(io.LimitReader(resp.Body, bodyExcerpt))
	return refused
}

// isStream reports whether a content type will do. File servers do not know event
// logs, so a range may have the type that they give to unknown files.
func (s *Stream) isStream(contentType string) bool {
	if s.options.Resume == ResumeRange && isFileType(contentType) {
		return true
	}
	return stream.IsEventStream(contentType)
}

// open begins to read a response.
func (s *Stream) open(resp *http.Response) {
	s.stats.Connections++
	s.response, s.answer = resp, resp.Header
	s.got = false
	s.decoder.Reset(&reader{s: s, body: resp.Body})
	connected := Connected{Status: resp.StatusCode, Proto: resp.Proto, URL: resp.Request.URL.String(), Resumed: s.resumed, Asked: s.Position()}
	if s.isWebSocket {
		connected.Proto = "WebSocket"
	}
	s.follow(resp.Header)
	s.tell(connected)
	if connected.Resumed && s.LastEventID() != connected.Asked.LastEventID {
		s.tell(Gap{Asked: connected.Asked.LastEventID, Got: s.LastEventID()})
	}
}

// disconnect ends the connection, if there is one.
func (s *Stream) disconnect() {
	if s.response != nil {
		if m, ok := s.response.Body.(*messages); ok {
			m.end() // the end of the watch would cut the connection
		}
		s.watch.end()
		s.response.Body.Close()
		s.response = nil
	}
}

// A reader is the source of the decoder: it lets the caller flush before a read,
// watches for silence during one, and keeps the time after it.
type reader struct {
	s    *Stream
	body io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	s := r.s
	if s.options.BeforeRead != nil {
		if err := s.options.BeforeRead(); err != nil {
			return 0, &callerError{err}
		}
	}
	for {
		s.watch.start()
		n, err := r.body.Read(p)
		s.watch.stop()
		s.readAt = time.Now()
		if s.stats.FirstByte.IsZero() && n > 0 {
			s.stats.FirstByte = s.readAt
		}
		if m, ok := r.body.(*messages); ok {
			s.stats.Bytes += m.counted()
		} else {
			s.stats.Bytes += int64(n)
		}
		n, other := s.position.skip(p[:n])
		if other != nil {
			return 0, other
		}
		if n > 0 && s.options.OnRead != nil {
			if err := s.options.OnRead(p[:n]); err != nil {
				return 0, &callerError{err}
			}
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
