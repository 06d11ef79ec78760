package listen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// Options configure a [Stream]. The zero value behaves as an EventSource.
type Options struct {
	// Client makes the connections. It must not have a Timeout, which would
	// end every stream. Nil means [http.DefaultClient].
	Client *http.Client

	// Start is where to resume from on the first connection. If it has no ID, a
	// Last-Event-ID header of the request is taken. ResumeOff ignores both.
	Start Position

	Resume    Resume    // ResumeID if empty
	Reconnect Reconnect // ReconnectGET if empty

	// Backoff sets how long to wait before a reconnection.
	Backoff Backoff

	// MaxRetries bounds the connections in a row that bring no event, after the
	// first. MaxRetryTime bounds the time they may take. Zero means no bound.
	MaxRetries   int
	MaxRetryTime time.Duration

	// FailFast ends the stream if the very first connection cannot reach the
	// server: more likely a mistake than a lost network.
	FailFast bool

	// RetryOn reports whether to try again after a status that would be
	// final. The request was refused then, so this holds for any method.
	RetryOn func(status int) bool

	// Continue returns the request for the rest of a stream that ended or broke
	// off, nil if there is none. With it, an answer to a POST goes on without the
	// POST being sent again: the request it returns is the one that is repeated
	// from then on, and Last-Event-ID is added to it. A Last-Event-ID of the
	// request itself counts where no event had an ID. Where the server answers
	// such a request with a passing error, such as 502, it is tried again; a 404
	// or 410 is an [*ExpiredError]. ReconnectNever overrules Continue.
	//
	// The package knows no origins: a request to another one than that of the
	// first must not carry its credentials, which is up to the function.
	Continue func(Cut) *http.Request

	// Continued reports that the request given to [New] already is one for the
	// rest of a stream, as that of Continue in an earlier run was.
	Continued bool

	// FreshAfter is the number of resumed connections in a row without an event
	// after which the position is given up: a server may answer an ID that it no
	// longer knows with silence. Zero means never.
	FreshAfter int

	// ReconnectOn lists the types of events by which the server announces that
	// it closes: the connection is made anew after one.
	ReconnectOn []string

	// IdleTimeout bounds the time without a byte, EventTimeout that without
	// an event: comments keep a connection alive, but show nothing of the
	// stream. Both end a connection as if it had dropped. Zero means no bound.
	IdleTimeout  time.Duration
	EventTimeout time.Duration

	// MaxEventSize is that of [stream.Decoder].
	MaxEventSize int

	// WebSocket is for a request whose URL has the scheme ws or wss.
	WebSocket WebSocket

	// OnChange is called with each change of state, within Next.
	OnChange func(Change)

	// BeforeRead is called before each read that may wait for the server, when
	// everything received has been handed over: the time to flush. Its error
	// ends the stream.
	BeforeRead func() error

	// OnRead is called with the bytes of the stream as they come, also those of
	// an event that is not whole yet, without those that a response repeats
	// before the position to resume from. They are valid until it returns. Its
	// error ends the stream.
	OnRead func(p []byte) error
}

// A Cut is the end of a connection, the argument of [Options.Continue].
type Cut struct {
	Sent   *http.Request // the request that was sent last
	Answer http.Header   // of the latest response that was the stream
	At     Position
	Err    error // as in [Dropped], or a [*ResponseError]

	// Unfinished counts the bytes of an event that had begun. Without any, io.EOF
	// is an orderly end.
	Unfinished int
}

// Reconnect is the choice of the requests that are repeated.
type Reconnect string

// The choices of [Options.Reconnect]. A request that could not be sent, because
// the server was not there yet, may be tried again with all of them.
const (
	ReconnectGET    Reconnect = "get"    // GET requests alone
	ReconnectAlways Reconnect = "always" // all methods, with the body sent again
	ReconnectNever  Reconnect = "never"
)

// ErrGoodbye is in the [Dropped] of a connection that an event of
// [Options.ReconnectOn] ended.
var ErrGoodbye = errors.New("server said goodbye")

// Stats are the counts and times of a [Stream].
type Stats struct {
	Started     time.Time
	Headers     time.Time // of the first response, zero if none came
	FirstByte   time.Time
	Connections int // responses that were the stream
	Bytes       int64
}

// A Stream is an event stream over as many connections as it takes. It must not be
// used by several goroutines at once.
type Stream struct {
	options Options
	request *http.Request
	ctx     context.Context

	isWebSocket bool

	decoder *stream.Decoder
	err     error // final

	// The connection, if there is one.
	response *http.Response
	answer   http.Header // of the latest response that was the stream
	watch    watch
	got      bool // it brought an event
	resumed  bool // it was asked to go on somewhere
	goodbye  bool // the event handed over last ends it
	rest     bool // the request is one for the rest of a stream

	position   position
	readAt     time.Time
	stats      Stats
	failures   int // connections in a row that brought no event
	failing    time.Time
	barren     int // the resumed ones among them that were answered
	answered   bool
	unfinished int // bytes of an event that was begun and has not come again
}

// New returns a Stream that sends req with its first Next, and again for each
// reconnection. The context of req ends it. Options that cannot be met are the
// error of the first Next.
func New(req *http.Request, options Options) *Stream {
	if options.Client == nil {
		options.Client = http.DefaultClient
	}
	options.Resume = cmp.Or(options.Resume, ResumeID)
	options.Reconnect = cmp.Or(options.Reconnect, ReconnectGET)
	s := &Stream{options: options, request: req, ctx: req.Context(), rest: options.Continued, err: options.check(), isWebSocket: isWebSocket(req)}
	if s.isWebSocket && s.err == nil {
		s.err = options.checkWebSocket(req)
	}
	s.decoder = stream.NewDecoder(nil)
	s.decoder.MaxEventSize = options.MaxEventSize
	s.watch = newWatch(options.IdleTimeout, options.EventTimeout)
	if id := req.Header.Get("Last-Event-ID"); id != "" && options.Start.LastEventID == "" {
		s.options.Start.LastEventID = id
	}
	s.position.set(s.options.Start)
	s.decoder.SetLastEventID(s.options.Start.LastEventID)
	return s
}

// check returns the error of options that cannot be met.
func (o *Options) check() error {
	switch {
	case o.Resume != ResumeID && o.Resume != ResumeRange && o.Resume != ResumeOff:
		return fmt.Errorf("unknown Resume %q: want id, range or off", o.Resume)
	case o.Reconnect != ReconnectGET && o.Reconnect != ReconnectAlways && o.Reconnect != ReconnectNever:
		return fmt.Errorf("unknown Reconnect %q: want get, always or never", o.Reconnect)
	case o.Client.Timeout > 0:
		return errClientTimeout
	}
	return nil
}

var errClientTimeout = errors.New("the http.Client has a Timeout, which would cut every stream: use a context, or IdleTimeout")

// Next returns the next event, as a view like that of [stream.Decoder.Next]. It
// connects, waits and reconnects as needed. The error is io.EOF when the server
// ended the stream for good, or one of this package's types, the cause of the
// context, or a [*stream.SizeError]; later calls return the same error.
func (s *Stream) Next() (*stream.Block, error) {
	if s.options.Resume == ResumeRange {
		return s.next(s.event)
	}
	return s.next(s.decoder.Next)
}

// Block returns the next block, comments and all, as [stream.Decoder.Block] does.
func (s *Stream) Block() (*stream.Block, error) {
	if s.options.Resume == ResumeRange {
		return s.next(s.block)
	}
	return s.next(s.decoder.Block)
}

// Events ranges over the events, owned by the caller. An error other than
// io.EOF is the last thing it yields. The stream is closed after it.
func (s *Stream) Events() iter.Seq2[stream.Event, error] {
	return func(yield func(stream.Event, error) bool) {
		defer s.Close()
		for {
			b, err := s.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(stream.Event{}, err)
				return
			}
			if !yield(b.Event(), nil) {
				return
			}
		}
	}
}

// Time returns when the last bytes were read: for the block handed over last,
// when it was complete.
func (s *Stream) Time() time.Time { return s.readAt }

// LastEventID returns the last event ID in force.
func (s *Stream) LastEventID() string { return s.decoder.LastEventID() }

// Position returns where a later run would resume: after the block handed over
// last.
func (s *Stream) Position() Position {
	return Position{LastEventID: s.LastEventID(), Offset: s.offset(), Checksum: s.position.sum, Validator: s.position.validator}
}

// Retry returns the reconnection time that the server gave last, and whether it
// gave any.
func (s *Stream) Retry() (time.Duration, bool) { return s.decoder.Retry() }

// Stats returns the counts so far.
func (s *Stream) Stats() Stats { return s.stats }

// Unfinished returns how many bytes of an event had come when the last
// connection ended, if no event came since.
func (s *Stream) Unfinished() int { return s.unfinished }

// Response returns the response that is being read, nil if there is none.
func (s *Stream) Response() *http.Response { return s.response }

// Close ends the connection. Next returns [io.ErrClosedPipe] after it, unless the
// stream had ended before. The error is always nil.
func (s *Stream) Close() error {
	s.disconnect()
	if s.err == nil {
		s.err = io.ErrClosedPipe
	}
	return nil
}

func (s *Stream) next(read func() (*stream.Block, error)) (*stream.Block, error) {
	if s.goodbye {
		s.drop(ErrGoodbye)
	}
	for s.err == nil {
		if s.response == nil {
			if err := s.connect(); err != nil {
				s.fail(err, err)
			}
			continue
		}
		b, err := read()
		if err != nil {
			s.drop(err)
			continue
		}
		if b.IsEvent() {
			s.arrived(b)
		} else {
			s.watch.blocks++
		}
		return b, nil
	}
	return nil, s.err
}

// arrived notes that an event arrived: whatever was wrong is over.
func (s *Stream) arrived(b *stream.Block) {
	s.got = true
	s.failures, s.barren, s.unfinished = 0, 0, 0
	s.watch.event = true
	if s.options.ReconnectOn != nil {
		s.goodbye = slices.Contains(s.options.ReconnectOn, string(b.Type()))
	}
}

// drop ends the connection and decides whether to make another.
func (s *Stream) drop(err error) {
	if cause := s.watch.cause(); cause != nil {
		err = cause
	}
	s.goodbye = false
	var closed *CloseError
	if s.response != nil {
		if m, ok := s.response.Body.(*messages); ok {
			closed = m.closed
		}
	}
	if n := len(s.decoder.Unfinished()); n > 0 && err != ErrGoodbye {
		s.unfinished = n
	}
	s.leave(err)
	s.disconnect()
	if s.ctx.Err() == nil && !isFinal(err) {
		s.tell(Dropped{Err: err, Unfinished: s.unfinished, Close: closed})
	}
	s.fail(err, nil)
}

// fail decides whether err is final, and else waits for the next connection.
// untold is err if no change has reported it yet.
func (s *Stream) fail(err, untold error) {
	var refused *ResponseError
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		if errors.As(err, &refused) {
			s.err = err // it came in time
		}
		return
	}
	server := time.Duration(-1)
	again := s.reconnects()
	if d, ok := s.decoder.Retry(); ok {
		server = d
	}
	switch {
	case errors.As(err, &refused):
		retried := s.rest && isPassing(refused.Status) || s.options.RetryOn != nil && s.options.RetryOn(refused.Status)
		again = retried && s.options.Reconnect != ReconnectNever && s.isRepeatable()
		if refused.retryAfter >= 0 {
			server = refused.retryAfter
		}
	case err == errNoContent, isFinal(err), s.options.FailFast && !s.answered:
		again = false
	case s.options.Continue != nil && (s.answer != nil || s.rest) && s.options.Reconnect != ReconnectNever:
		// Without more of the rest, what is there came to its end.
		again = s.continues(err) || again && !s.rest
	case !s.answered && isUnsent(err):
		again = s.isRepeatable()
	}
	if !again {
		s.err = s.final(err)
		return
	}
	s.failures++
	if s.failures == 1 {
		s.failing = time.Now()
	}
	backoff := s.options.Backoff
	if refused != nil && refused.retryAfter >= 0 {
		backoff.IgnoreServer = false
	}
	inARow := s.failures
	if err == errNothingNew {
		inARow = 1 // to ask a file server again is no failure to wait longer for
	}
	wait := backoff.Wait(inARow, server)
	tooLong := s.options.MaxRetryTime > 0 && time.Since(s.failing)+wait > s.options.MaxRetryTime
	if tooLong || s.options.MaxRetries > 0 && s.failures > s.options.MaxRetries {
		s.err = &GaveUpError{Retries: s.failures - 1, Err: err}
		return
	}
	s.tell(Waiting{Delay: wait, Failures: s.failures, Err: untold})
	s.sleep(wait)
}

func (s *Stream) reconnects() bool {
	// A request for the rest asks for nothing to be done anew.
	isGET := s.request.Method == "" || s.request.Method == http.MethodGet || s.rest
	switch s.options.Reconnect {
	case ReconnectNever:
		return false
	case ReconnectGET:
		return isGET && s.isRepeatable()
	}
	return s.isRepeatable()
}

// continues takes up the request for the rest of the stream, if there is one.
func (s *Stream) continues(err error) bool {
	next := s.options.Continue(Cut{Sent: s.request, Answer: s.answer, At: s.Position(), Err: err, Unfinished: s.unfinished})
	if next == nil {
		return false
	}
	if id := next.Header.Get("Last-Event-ID"); id != "" && s.LastEventID() == "" {
		s.decoder.SetLastEventID(id)
	}
	s.request, s.rest = next, true
	return true
}

// isRepeatable reports whether the request can be sent again with its body.
func (s *Stream) isRepeatable() bool {
	return s.request.Body == nil || s.request.Body == http.NoBody || s.request.GetBody != nil
}

// final returns the error that a stream ends with which err has ended.
func (s *Stream) final(err error) error {
	var (
		timeout *TimeoutError
		refused *ResponseError
		caller  *callerError
	)
	switch {
	case errors.As(err, &caller):
		return caller.err
	case err == io.EOF, err == ErrGoodbye, err == errNoContent, err == errNothingNew:
		if s.unfinished > 0 {
			return &UnfinishedError{Bytes: s.unfinished}
		}
		return io.EOF
	case s.rest && errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusGone):
		return &ExpiredError{Err: refused}
	case errors.As(err, &timeout), errors.As(err, &refused), isFinal(err), s.stats.Connections == 0:
		return err
	}
	return &LostError{Unfinished: s.unfinished, Err: err}
}

func (s *Stream) sleep(d time.Duration) {
	if s.options.BeforeRead != nil {
		if s.err = s.options.BeforeRead(); s.err != nil {
			return
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
		s.err = context.Cause(s.ctx)
	}
}

func (s *Stream) tell(change Change) {
	if s.options.OnChange != nil {
		s.options.OnChange(change)
	}
}
