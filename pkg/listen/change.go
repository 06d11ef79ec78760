package listen

import "time"

// A Change is a change of state, the argument of [Options.OnChange]: one of
// [Connected], [Dropped], [Waiting], [Gap], [Restarted] and [Ended].
type Change interface{ change() }

// Connected reports that the server answered with the stream.
type Connected struct {
	Status int
	Proto  string // "HTTP/1.1", or "WebSocket"
	URL    string // after redirects

	// Resumed reports whether the request asked for the events after Asked.
	Resumed bool
	Asked   Position
}

// Dropped reports the end of a connection.
type Dropped struct {
	Err        error // io.EOF for an orderly end, [ErrGoodbye], or the cause
	Unfinished int   // bytes of an event that had begun

	// Close is the close frame of a WebSocket, nil without one.
	Close *CloseError
}

// Waiting reports that the next connection is made after Delay.
type Waiting struct {
	Delay    time.Duration
	Failures int   // in a row that brought no event
	Err      error // the failure, nil if a Dropped reported it
}

// Gap reports that the server could not resume where it was asked to: events were
// missed. It continues after Got.
type Gap struct {
	Asked, Got string
}

// Restarted reports that the position was given up and the stream starts afresh.
type Restarted struct {
	Reason string
}

// Ended reports that the server ended the stream for good, by 204 No Content.
type Ended struct{}

func (Connected) change() {}
func (Dropped) change()   {}
func (Waiting) change()   {}
func (Gap) change()       {}
func (Restarted) change() {}
func (Ended) change()     {}
