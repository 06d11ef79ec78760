package exchange

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// An End is how an exchange ended.
type End struct {
	How     How
	Err     error // of the connection, or nil
	Time    time.Time
	First   time.Time   // when the first event of a stream was whole; zero if none was
	Events  int64       // events of a stream
	Bytes   int64       // of the body, as they passed
	Trailer http.Header // of the answer

	// Unseen is the reason why a Watcher was not given all that passed, or nil:
	// the coding of the content could not be undone, or an event is too large.
	Unseen error
}

// How tells the ways apart in which an exchange can end.
type How string

// The ways.
const (
	Whole      How = "whole"       // the server ended the answer in order
	Truncated  How = "truncated"   // the server closed its connection within the answer
	Reset      How = "reset"       // the server reset its connection, or the HTTP/2 stream
	ClientLeft How = "client left" // the client was gone before the answer was whole
	TimedOut   How = "timed out"   // a time limit of ours ended it
	Refused    How = "refused"     // no answer came: Err is why
	Fault      How = "fault"       // a fault ended it on purpose
	Stopped    How = "stopped"     // this program was asked to end
)

// ErrStopped is the cause of the context of a request that this program ends since it was
// asked to end itself.
var ErrStopped = errors.New("closed by the server")

// String returns the end in words.
func (e End) String() string {
	after := func(words string) string {
		if e.Events > 0 {
			return fmt.Sprintf("%s after event %d", words, e.Events)
		}
		return words
	}
	switch e.How {
	case Whole:
		return "whole"
	case Truncated:
		return after("the upstream cut it off")
	case Reset:
		return after("the upstream reset it")
	case ClientLeft:
		return after("the client left")
	case TimedOut:
		return after("timed out")
	case Fault:
		if e.Err != nil {
			return "by a fault: " + e.Err.Error()
		}
		return after("cut by a fault")
	case Stopped:
		return after("stopped by us")
	}
	if e.Err != nil {
		return "no answer: " + e.Err.Error()
	}
	return "no answer"
}
