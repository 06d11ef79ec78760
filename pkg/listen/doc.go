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
// The caller gives the request and the client and so decides on credentials,
// proxies and TLS. [Options] bounds silence and sizes, says how to wait
// ([Backoff]) and how to resume, and has what happens told ([Change]). Unlike
// an EventSource, a stream may be asked for by POST; such a request is never
// repeated unless the options say so.
//
// The format itself is the business of package stream.
package listen
