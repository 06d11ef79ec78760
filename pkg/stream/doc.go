// Package stream reads and writes the event stream format of Server-Sent
// Events, text/event-stream, as the WHATWG HTML standard defines it in section
// 9.2, and a JSON-lines form of it that loses nothing.
//
// A [Decoder] turns bytes into events, whatever pieces the bytes arrive in:
//
//	dec := stream.NewDecoder(resp.Body)
//	for event, err := range dec.Events() {
//		if err != nil {
//			return err
//		}
//		fmt.Println(event.Type, event.Data)
//	}
//
// [Decoder.Next] gives the same events as views into the decoder's buffer, at
// no allocation, and [Decoder.Block] gives everything else that was on the
// wire too: comments, blocks that dispatch nothing, the unfinished tail.
//
// [Event.AppendText] and [Encoder] go the other way. They never write a
// stream that a reader would take for other events than the ones given: line
// breaks in data are split over lines, and a line break in a type or an ID is
// an error.
//
// A [Record] is one line of a JSON-lines file: an event or a comment, its time,
// and what an exact replay needs.
//
// The package knows bytes only. Requests, reconnection and waiting are the
// business of package listen, replay to many clients that of package serve.
package stream
