package listen

import "time"

// A Change is a change of state that [Options.OnChange] is told of: one of
// [Connected], [Dropped], [Waiting], [Gap], [Restarted] and [Ended].
type Change interface{ change() }

// Connected says that the server answered with the stream.
type Connected struct {
	Status int
	Proto  string // "HTTP/1.1"
	URL    string // after redirects

	// Resumed says that the request asked for what follows Asked.
	Resumed bool
	Asked   Position
}

// Dropped says that a connection ended.
type Dropped struct {
	Err        error // io.EOF for an orderly end, [ErrGoodbye], or what broke it
	Unfinished int   // bytes of an event that had begun
}

// Waiting says that the next connection is made after Delay.
type Waiting struct {
	Delay    time.Duration
	Failures int   // in a row that brought no event
	Err      error // what failed, nil if a Dropped has told it
}

// Gap says that the server could not go on where it was asked to: events were
// missed. It goes on after Got.
type Gap struct {
	Asked, Got string
}

// Restarted says that the position was given up and the stream starts afresh.
type Restarted struct {
	Reason string
}

// Ended says that the server ended the stream for good, by 204 No Content.
type Ended struct{}

func (Connected) change() {}
func (Dropped) change()   {}
func (Waiting) change()   {}
func (Gap) change()       {}
func (Restarted) change() {}
func (Ended) change()     {}
