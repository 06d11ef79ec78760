// Package serve replays events of Server-Sent Events to many clients, and goes
// on with live ones.
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
// A client that reconnects gets what follows its last event ID. Pace, what
// happens at the end, heartbeats, and faults on purpose are fields of the
// handler; their zero values are what a production server would do.
//
// A [Source] reads events from JSON lines, a saved stream, text or a HAR file,
// to be loaded into a history or followed as they come in.
//
// An event is encoded once, and its bytes are shared by all clients. Over plain
// HTTP/1.1, a client is a goroutine with a place in the log, and costs a few
// kilobytes; a client that takes nothing costs the others nothing.
//
// What the events mean, and who may read them, is left to the caller.
package serve
