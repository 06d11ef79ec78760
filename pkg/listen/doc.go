// Package listen stays connected to one event stream over HTTP, as a browser's
// EventSource does: it reconnects after an end or a drop, and resumes after the
// last event it has seen
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface).
//
//	req, err := http.NewRequestWithContext(ctx, "GET", "https://example.test/events", nil)
//	if err != nil {
//		return err
//	}
//	for event, err := range listen.New(req, listen.Options{}).Events() {
//		if err != nil {
//			return err
//		}
//		fmt.Println(event.Type, event.Data)
//	}
//
// The caller provides the request and the client, and so decides on credentials,
// proxies and TLS. [Options] sets idle timeouts and size limits, the reconnection
// policy ([Backoff], [Resume]), and a callback for connection state changes
// ([Change]). Unlike an EventSource, a stream may be requested by POST; such a
// request is never repeated unless the options allow it. [Options.Continue] has the
// rest of its answer fetched by another request.
//
// A request whose URL has the scheme ws or wss opens a WebSocket, whose messages are
// the events of the stream ([WebSocket]).
//
// Package stream decodes the format itself.
package listen
