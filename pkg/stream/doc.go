// Package stream decodes and encodes the event stream format of Server-Sent
// Events, text/event-stream, as section 9.2 of the WHATWG HTML standard defines
// it.
//
// A [Decoder] turns bytes into events, in whatever pieces the bytes arrive:
//
//	dec := stream.NewDecoder(resp.Body)
//	for event, err := range dec.Events() {
//		if err != nil {
//			return err
//		}
//		fmt.Println(event.Type, event.Data)
//	}
//
// [Decoder.Next] returns the same events as views into the decoder's buffer,
// without an allocation, and [Decoder.Block] returns everything else on the wire
// too: comments, blocks that dispatch nothing, the unfinished tail.
//
// [Event.AppendText] and [Encoder] encode. They never write a stream that decodes
// to other events than the ones given: line breaks in data are split over lines,
// and a line break in a type or an ID is an error.
//
// The package handles bytes only. Package record reads and writes recordings of
// streams, package listen makes requests and reconnects, and package serve replays
// a stream to many clients.
package stream
