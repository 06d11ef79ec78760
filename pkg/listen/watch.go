package listen

import (
	"context"
	"errors"
	"time"
)

// A watch ends a connection that is silent for too long. The time in which the
// caller is busy does not count: it is not the server's silence. But what a server
// sends without end instead of events takes time as well, so up to work for each
// such block counts as time without an event.
type watch struct {
	idle, events *time.Timer // nil without a bound
	idleFor      time.Duration
	eventsFor    time.Duration

	ending *ending // of the connection, nil if there is none
	event  bool    // an event came since the last wait
	blocks int     // that were no events, handed over since the last wait
	waited time.Duration
	since  time.Time // the last wait began
	until  time.Time // it ended
}

// work is how long one block may take its reader, which may also have to wait for
// somebody.
const work = time.Millisecond

// An ending is how a connection can be ended. The timers share no other state.
type ending struct {
	cancel context.CancelCauseFunc
	cause  chan error // holds the error of the timer that ended it, if one did
}

func newWatch(idle, events time.Duration) watch {
	return watch{idleFor: idle, eventsFor: events}
}

// begin takes up a connection that cancel ends.
func (w *watch) begin(cancel context.CancelCauseFunc) {
	w.end()
	w.ending = &ending{cancel: cancel, cause: make(chan error, 1)}
	w.waited, w.event, w.blocks, w.until = 0, false, 0, time.Time{}
	w.idle = w.ending.timer(w.idleFor, &TimeoutError{After: w.idleFor})
	w.events = w.ending.timer(w.eventsFor, w.noEvent())
}

func (w *watch) noEvent() error { return &TimeoutError{Event: true, After: w.eventsFor} }

// timer returns a stopped timer that ends the connection with err.
func (e *ending) timer(d time.Duration, err error) *time.Timer {
	if d <= 0 {
		return nil
	}
	timer := time.AfterFunc(d, func() { e.end(err) })
	timer.Stop()
	return timer
}

// end ends the connection with err.
func (e *ending) end(err error) {
	select {
	case e.cause <- err:
		e.cancel(err)
	default: // the other timer was first
	}
}

// start is called when waiting begins, stop when it ends.
func (w *watch) start() {
	if w.idle != nil {
		w.idle.Reset(w.idleFor)
	}
	if w.events != nil {
		w.since = time.Now()
		switch {
		case w.event:
			w.event, w.waited = false, 0
		case !w.until.IsZero():
			w.waited += min(w.since.Sub(w.until), time.Duration(w.blocks)*work)
		}
		w.blocks = 0
		if w.waited >= w.eventsFor {
			// The timer would be too late for a read that has bytes at once.
			w.ending.end(w.noEvent())
			return
		}
		w.events.Reset(w.eventsFor - w.waited)
	}
}

func (w *watch) stop() {
	if w.idle != nil {
		w.idle.Stop()
	}
	if w.events != nil {
		w.events.Stop()
		w.until = time.Now()
		w.waited += w.until.Sub(w.since)
	}
}

// alive is called when bytes came that are not handed over yet.
func (w *watch) alive() {
	if w.idle != nil {
		w.idle.Reset(w.idleFor)
	}
}

// cause returns the [*TimeoutError] that ended the connection, if one did.
func (w *watch) cause() error {
	if w.ending == nil {
		return nil
	}
	select {
	case err := <-w.ending.cause:
		return err
	default:
		return nil
	}
}

// end lets go of the connection.
func (w *watch) end() {
	if w.ending == nil {
		return
	}
	w.stop()
	w.ending.cancel(errDisconnected)
	w.ending = nil
}

var errDisconnected = errors.New("disconnected")
