package listen

import (
	"context"
	"errors"
	"time"
)

// A watch ends a connection that is silent for too long. Only the time spent in
// waiting for the server counts, not that in which the caller is busy.
type watch struct {
	idle, events *time.Timer // nil without a bound
	idleFor      time.Duration
	eventsFor    time.Duration

	ending *ending // of the connection, nil if there is none
	event  bool    // an event came since the last wait
	waited time.Duration
	since  time.Time
}

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
	w.waited, w.event = 0, false
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
		if w.event {
			w.event, w.waited = false, 0
		}
		w.since = time.Now()
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
		w.waited += time.Since(w.since)
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
