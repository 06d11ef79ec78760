package stream_test

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ssectl/ssectl/pkg/stream"
)

func ExampleDecoder() {
	body := strings.NewReader("event: greeting\nid: 1\ndata: hello\n\ndata: two\ndata: lines\n\n")
	dec := stream.NewDecoder(body)
	for event, err := range dec.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q, last event ID %q\n", event.Type, event.Data, dec.LastEventID())
	}
	// Output:
	// greeting "hello", last event ID "1"
	// message "two\nlines", last event ID "1"
}

// Next returns views, which cost no allocation and hold until the next call.
func ExampleDecoder_Next() {
	dec := stream.NewDecoder(strings.NewReader("data: 12\n\ndata: 30\n\n"))
	size := 0
	for {
		event, err := dec.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		size += len(event.Data())
	}
	fmt.Println(size, "bytes of data")
	// Output: 4 bytes of data
}

// A client that lost its connection takes up the stream where it was.
func ExampleDecoder_Reset() {
	dec := stream.NewDecoder(strings.NewReader("retry: 500\nid: 7\ndata: a\n\ndata: cut o"))
	for event := range dec.Events() {
		fmt.Println(event.Data)
	}
	wait, _ := dec.Retry()
	fmt.Printf("lost %q; in %v, ask for what came after %q\n", dec.Unfinished(), wait, dec.LastEventID())

	dec.Reset(strings.NewReader("id: 8\ndata: b\n\n"))
	for event := range dec.Events() {
		fmt.Println(event.Data)
	}
	// Output:
	// a
	// lost "data: cut o"; in 500ms, ask for what came after "7"
	// b
}

// Block returns all blocks on the wire, events or not.
func ExampleDecoder_Block() {
	dec := stream.NewDecoder(strings.NewReader(": hello\n\nid: 3\nretry: 10\n\ndata: x\n\n"))
	for block, err := range dec.Blocks() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%-22q event: %v\n", block.Raw(), block.IsEvent())
	}
	// Output:
	// ": hello\n\n"          event: false
	// "id: 3\nretry: 10\n\n" event: false
	// "data: x\n\n"          event: true
}

func ExampleEncoder() {
	enc := stream.NewEncoder(os.Stdout)
	enc.Comment("a stream of two events")
	enc.Encode(&stream.Event{Type: "greeting", ID: "1", Data: "hello\nworld"})
	err := enc.Encode(&stream.Event{ID: "2\ndata: injected", Data: "refused"})
	fmt.Println(err)
	// Output:
	// : a stream of two events
	//
	// event: greeting
	// id: 1
	// data: hello
	// data: world
	//
	// id "2\ndata: injected" contains a line feed
}
