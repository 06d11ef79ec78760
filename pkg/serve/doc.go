// Package serve provides an [http.Handler] that replays recorded events to any
// number of clients, then streams live ones.
//
// A [History] is the log of a stream: events are appended once, and each client
// reads from its own place in it. A [Handler] answers requests from a history:
//
//	history := &serve.History{Limit: 1000}
//	handler := &serve.Handler{History: history}
//	defer handler.Close()
//	http.Handle("/events", handler)
//	...
//	history.Append(stream.Event{ID: "1", Data: "hello"})
//
// A client that reconnects gets the events after its last event ID. The pace, the
// end of the stream, heartbeats and deliberate faults are [Options] of the
// handler, whose zero value is right for a production server.
//
// [History.Load] and [History.Follow] append the records of a recording, which
// package record reads from JSON lines, a saved stream, text or a HAR file. A
// [Mux] serves several histories by method and path.
//
// A request for a WebSocket gets the events as text messages, in the form that
// [Frames] names.
//
// An event is encoded once, and all clients share its bytes. Over plain HTTP/1.1,
// a client is a goroutine with a place in the log, and takes a few kilobytes; a
// client that stops reading does not slow down the others.
//
// Authorization is left to the caller, as is the meaning of the events.
package serve
