package record_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// Read detects the format of a recording.
func ExampleRead() {
	for _, file := range []string{
		`{"event":"tick","data":{"n":1}}`,
		"event: tick\ndata: {\"n\":1}\n\n",
		"a line of a log\n",
	} {
		records, format, err := record.Read(strings.NewReader(file), record.FormatAuto, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		for r, err := range records {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("%-5s %s %q\n", format, r.Type, r.Data)
		}
	}
	// Output:
	// jsonl tick "{\"n\":1}"
	// sse   tick "{\"n\":1}"
	// text   "a line of a log"
}

// A Writer writes one JSON line for each block.
func ExampleWriter() {
	at := time.Date(2026, 11, 20, 22, 45, 1, 0, time.UTC)
	lines := record.NewWriter(os.Stdout)
	for block, err := range stream.NewDecoder(strings.NewReader(": hello\n\nid: 1\ndata: a\n\n")).Blocks() {
		if err == nil {
			err = lines.WriteBlock(block, at)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// {"comment":"hello","time":"2026-11-20T22:45:01.000000Z"}
	// {"event":"message","id":"1","data":"a","time":"2026-11-20T22:45:01.000000Z"}
}

// NumberIDs gives events an ID, so that clients can resume.
func ExampleNumberIDs() {
	records, _, _ := record.Read(strings.NewReader("a\nb\n"), record.FormatText, 0)
	for r := range record.NumberIDs(records, record.IDsAuto) {
		fmt.Println(r.ID, r.Data)
	}
	// Output:
	// 1 a
	// 2 b
}

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
