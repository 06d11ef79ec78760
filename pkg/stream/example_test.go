package stream_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

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

// Next gives views, which cost no allocation and hold until the next call.
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

// Block shows what was on the wire, whether it is an event or not.
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
	// stream: id "2\ndata: injected" contains a line feed
}

// A record goes to a JSON line and back without losing a byte.
func ExampleRecord() {
	at := time.Date(2026, 11, 20, 22, 45, 1, 123456000, time.UTC)
	block, _ := stream.NewDecoder(strings.NewReader("id:7\ndata: x\n\n")).Block()
	record := block.Record(at)
	line := record.AppendJSON(nil)
	fmt.Printf("%s", line)

	back, _ := stream.ParseRecord(line)
	wire, _ := back.AppendText(nil)
	fmt.Printf("%q\n", wire)
	// Output:
	// {"event":"message","id":"7","data":"x","time":"2026-11-20T22:45:01.123456Z","raw":"id:7\ndata: x\n\n"}
	// "id:7\ndata: x\n\n"
}

func ExampleRecordReader() {
	file := strings.NewReader(`{"event":"tick","data":{"n": 1}}
{"event":"tick","id":2}
{"comment":"keepalive"}
`)
	records := stream.NewRecordReader(file)
	for {
		record, err := records.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("event %v, data %q, comment %q\n", record.IsEvent, record.Data, record.Comment)
	}
	// Output:
	// event true, data "{\"n\":1}", comment ""
	// line 2, column 22: id: want a string, got a number
	// event false, data "", comment "keepalive"
}
