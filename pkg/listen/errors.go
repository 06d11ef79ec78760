package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A ResponseError is an answer that is no event stream: it has another status
// than 200, or another content type. It is final, as the standard has it, unless
// [Options.RetryOn] accepts the status.
type ResponseError struct {
	Status      int
	Header      http.Header
	ContentType string // of the Header
	Body        []byte // the first bytes of the answer, as they came

	retryAfter time.Duration // negative if the server named none
	webSocket  bool          // the request was for one
}

func (e *ResponseError) Error() string {
	if e.webSocket && e.Status < http.StatusBadRequest {
		return strings.TrimSpace(fmt.Sprintf("server answered %d %s", e.Status, http.StatusText(e.Status))) + ", want 101 for a WebSocket"
	}
	if e.Status != http.StatusOK {
		return strings.TrimSpace(fmt.Sprintf("server answered %d %s", e.Status, http.StatusText(e.Status)))
	}
	if e.ContentType == "" {
		return fmt.Sprintf("answer has no content type, want %s", stream.ContentType)
	}
	return fmt.Sprintf("answer is %q, want %s", e.ContentType, stream.ContentType)
}

// An UnfinishedError is the orderly end of a stream in the middle of an event,
// which the standard drops. The events before are likely not all there were. It
// matches [io.ErrUnexpectedEOF].
type UnfinishedError struct {
	Bytes int // that were dropped
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("stream ended inside an event, %d bytes dropped", e.Bytes)
}

// Is reports whether target is [io.ErrUnexpectedEOF].
func (e *UnfinishedError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// A TimeoutError is the end of a connection that was silent for too long.
type TimeoutError struct {
	Event bool // no event; else not a single byte
	After time.Duration
}

func (e *TimeoutError) Error() string {
	if e.Event {
		return fmt.Sprintf("no event for %v", e.After)
	}
	return fmt.Sprintf("no byte for %v", e.After)
}

// Timeout reports true, as the method of a [net.Error] does.
func (e *TimeoutError) Timeout() bool { return true }

// A LostError is the end of a connection that broke off and is not made again.
type LostError struct {
	Unfinished int // bytes of an event that had begun
	Err        error
}

func (e *LostError) Error() string {
	if e.Unfinished > 0 {
		return fmt.Sprintf("connection lost inside an event, %d bytes dropped: %v", e.Unfinished, e.Err)
	}
	return fmt.Sprintf("connection lost: %v", e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// A GaveUpError reports that the stream was not available again within the bounds
// of the options.
type GaveUpError struct {
	Retries int   // in a row without an event
	Err     error // of the last one
}

func (e *GaveUpError) Error() string {
	why := e.Err.Error()
	if e.Err == io.EOF {
		why = "the server closed the stream"
	}
	if e.Retries == 1 {
		return "gave up after 1 retry: " + why
	}
	return fmt.Sprintf("gave up after %d retries: %s", e.Retries, why)
}

func (e *GaveUpError) Unwrap() error { return e.Err }

// An ExpiredError reports that the server has the rest of a stream no more, which
// a request of [Options.Continue] asked for: it answered 404 or 410.
type ExpiredError struct {
	Err *ResponseError
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("the rest of the answer is gone: %v", e.Err)
}

func (e *ExpiredError) Unwrap() error { return e.Err }

// A callerError is an error that another connection would not fix, such as that of
// [Options.BeforeRead].
type callerError struct{ err error }

func (e *callerError) Error() string { return e.err.Error() }

// A redirectError is a redirect that the client refused to follow.
type redirectError struct{ err error }

func (e *redirectError) Error() string { return e.err.Error() }
func (e *redirectError) Unwrap() error { return e.err }

// isFinal reports whether an error would only recur.
func isFinal(err error) bool {
	var (
		size        *stream.SizeError
		certificate *tls.CertificateVerificationError
		redirect    *redirectError
		caller      *callerError
		protocol    *ProtocolError
	)
	return errors.As(err, &protocol) || errors.As(err, &size) || errors.As(err, &certificate) || errors.As(err, &redirect) || errors.As(err, &caller)
}

// isPassing reports whether a status is one of a server, or of a proxy before it,
// that may answer otherwise in a moment.
func isPassing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// isUnsent reports whether the server was not reached at all.
func isUnsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retryAfter reads the header of that name, seconds or a date
// (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after). It is negative if
// there is none that can be read. A date is one by the clock of the server.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		if date, err := http.ParseTime(header.Get("Date")); err == nil {
			now = date
		}
		return min(max(at.Sub(now), 0), maxWait)
	}
	return -1
}
