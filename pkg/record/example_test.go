package record_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A record goes to a JSON line and back without losing a byte.
func ExampleRecord() {
	at := time.Date(2026, 11, 20, 22, 45, 1, 123456000, time.UTC)
	block, _ := stream.NewDecoder(strings.NewReader("id:7\ndata: x\n\n")).Block()
	r := record.FromBlock(block, at)
	line := r.AppendJSON(nil)
	fmt.Printf("%s", line)

	back, _ := record.ParseJSON(line)
	wire, _ := back.AppendText(nil)
	fmt.Printf("%q\n", wire)
	// Output:
	// {"event":"message","id":"7","data":"x","time":"2026-11-20T22:45:01.123456Z","raw":"id:7\ndata: x\n\n"}
	// "id:7\ndata: x\n\n"
}

func ExampleReader() {
	file := strings.NewReader(`{"event":"tick","data":{"n": 1}}
{"event":"tick","id":2}
{"comment":"keepalive"}
`)
	records := record.NewReader(file)
	for r, err := range records.Records() {
		if err != nil {
			fmt.Println(err) // the other lines can be read all the same
			continue
		}
		fmt.Printf("event %v, data %q, comment %q\n", r.IsEvent, r.Data, r.Comment)
	}
	// Output:
	// event true, data "{\"n\":1}", comment ""
	// line 2: column 22: id: want a string, got a number
	// event false, data "", comment "keepalive"
}
