package record_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// read returns records as they are sent, up to the first error.
func read(t *testing.T, records iter.Seq2[record.Record, error]) string {
	t.Helper()
	var wire []byte
	for r, err := range records {
		if err != nil {
			return string(wire) + "<" + err.Error() + ">"
		}
		if wire, err = r.AppendText(wire); err != nil {
			t.Fatal(err)
		}
	}
	return string(wire)
}

func TestFormatIsToldByTheFirstBytes(t *testing.T) {
	for _, test := range []struct {
		input string
		want  record.Format
	}{
		{`{"data":"x"}`, record.FormatJSONL},
		{"\ufeff\n  {\"data\":\"x\"}", record.FormatJSONL},
		{`{"log":{"entries":[]}}`, record.FormatHAR},
		{"{\n  \"log\": {}}", record.FormatHAR},
		{`{"logs":1}`, record.FormatJSONL},
		{"data: x\n\n", record.FormatSSE},
		{"data:x\n\n", record.FormatSSE},
		{"data", record.FormatSSE},
		{"\ufeffdata\r\r", record.FormatSSE},
		{"\n\nid: 1\n", record.FormatSSE},
		{": comment\n", record.FormatSSE},
		{"event: x\n", record.FormatSSE},
		{"retry: 1\n", record.FormatSSE},
		{"database is up\n", record.FormatText},
		{"identity\n", record.FormatText},
		{"dat", record.FormatText},
		{"hello\n", record.FormatText},
		{"[1,2]\n", record.FormatText},
		{"", record.FormatText},
	} {
		_, got, _ := record.Read(iotestOneByte{strings.NewReader(test.input)}, record.FormatAuto, 0)
		if got != test.want {
			t.Errorf("%q: format %q, want %q", test.input, got, test.want)
		}
	}
}

// iotestOneByte reads one byte at a time, as a live input may come.
type iotestOneByte struct{ io.Reader }

func (r iotestOneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 1)]) }

func TestFormatOfLiveInputIsToldWithoutWaiting(t *testing.T) {
	for _, first := range []string{"hello\n", "data: x\n", `{"data":"x"}` + "\n", ": ok\n"} {
		in, out := io.Pipe()
		go io.WriteString(out, first)
		done := make(chan bool)
		go func() {
			record.Read(in, record.FormatAuto, 0)
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Errorf("%q: the source waits for more", first)
		}
		out.Close()
	}
}

func TestSources(t *testing.T) {
	for _, test := range []struct {
		format      record.Format
		ids         record.IDs
		input, want string
	}{
		{record.FormatText, record.IDsAuto, "a\r\n\nb", "id: 1\ndata: a\n\nid: 2\ndata: \n\nid: 3\ndata: b\n\n"},
		{record.FormatText, record.IDsKeep, "a\n", "data: a\n\n"},
		{record.FormatJSONL, record.IDsAuto, `{"data":"a","id":"x"}` + "\n" + `{"comment":"c"}` + "\n" + `{"data":"b"}`, "id: x\ndata: a\n\n: c\n\nid: 2\ndata: b\n\n"},
		{record.FormatJSONL, record.IDsNone, `{"data":"a","id":"x"}`, "data: a\n\n"},
		{record.FormatJSONL, record.IDsKeep, `{"data":"a"}` + "\n{", "data: a\n\n<line 2: "},
		{record.FormatJSONL, record.IDsKeep, `{"message":"a log, not an event"}`, "<line 1: no key that makes an event"},
		{record.FormatSSE, record.IDsAuto, "\ufeffdata:a\r\n\r\nid: 9\rdata:b\r\r", "\ufeffid: 1\ndata:a\r\n\r\nid: 9\rdata:b\r\r"},
		{record.FormatSSE, record.IDsNone, "\ufeffid: 1\r\ndata:a\r\nid\r\nidx: 3\r\n\r\n", "\ufeffdata:a\r\nidx: 3\r\n\r\n"},
		{record.FormatHAR, record.IDsKeep, har, "id: 1\ndata: a\n\nevent: x\ndata: b\n\nid: 2\ndata: c\n\ndata:raw\r\n\r\ndata: base64\n\n"},
		{record.FormatHAR, record.IDsKeep, `{"log":{"entries":[]}}`, "<har: no event stream in it>"},
		{record.FormatHAR, record.IDsKeep, `{"log":`, "<har: unexpected EOF>"},
		{"yaml", record.IDsKeep, "", `<unknown format "yaml": want one of jsonl sse text har>`},
	} {
		records, _, err := record.Read(strings.NewReader(test.input), test.format, 0)
		got := fmt.Sprintf("<%v>", err)
		if err == nil {
			got = read(t, record.NumberIDs(records, test.ids))
		}
		if got != test.want && !(strings.Contains(test.want, "<line") && strings.HasPrefix(got, test.want)) {
			t.Errorf("%s, ids %s, %q:\n got %q\nwant %q", test.format, test.ids, test.input, got, test.want)
		}
	}
}

// har is a file as browsers save it: Chromium notes events, with the last event ID in
// force for each; others have the text.
const har = `{"log":{"entries":[
{"response":{"content":{"mimeType":"text/html","text":"data: no\n\n"}}},
{"_eventSourceMessages":[
  {"time":1790000000.25,"eventName":"message","eventId":"1","data":"a"},
  {"time":1790000000.5,"eventName":"x","eventId":"1","data":"b"},
  {"time":1790000001,"eventName":"message","eventId":"2","data":"c"}],
 "response":{"content":{"mimeType":"text/event-stream","text":""}}},
{"response":{"content":{"mimeType":"text/event-stream; charset=utf-8","text":"data:raw\r\n\r\n"}}},
{"response":{"content":{"mimeType":"text/event-stream","encoding":"base64","text":"ZGF0YTogYmFzZTY0Cgo="}}}
]}}`

// TestAutomaticIDsBesideOthers wants no ID twice.
func TestAutomaticIDsBesideOthers(t *testing.T) {
	for _, test := range []struct{ input, want string }{
		{"1 - -", "1 2 3"},
		{"2 -", "2 3"},
		{"- 5 - x -", "1 5 6 x 7"},
		{"- -  2", "1 2 error"},
		{"- 1", "1 error"},
		{"007 -", "007 8"},
	} {
		var input strings.Builder
		for _, id := range strings.Fields(test.input) {
			if id != "-" {
				fmt.Fprintf(&input, "id: %s\n", id)
			}
			input.WriteString("data: x\n\n")
		}
		records, _, err := record.Read(strings.NewReader(input.String()), record.FormatSSE, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for r, err := range record.NumberIDs(records, record.IDsAuto) {
			if err != nil {
				r.ID = "error"
			}
			got = append(got, r.ID)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: the IDs are %s, want %s", test.input, got, test.want)
		}
	}
}

func TestLongLineOfTextIsSkipped(t *testing.T) {
	input := strings.Repeat("x", stream.DefaultMaxEventSize+1) + "\nshort\n"
	records, _, _ := record.Read(strings.NewReader(input), record.FormatText, 0)
	next, stop := iter.Pull2(records)
	defer stop()
	_, err, _ := next()
	var bad *record.LineError
	if !errors.As(err, &bad) || bad.Line != 1 {
		t.Fatalf("got %v, want an error of line 1", err)
	}
	if r, err, _ := next(); r.Data != "short" || err != nil {
		t.Errorf("got %.20q, %v", r.Data, err)
	}
}

// FuzzRead wants any input to be records or an error, with IDs that can be sent.
func FuzzRead(f *testing.F) {
	f.Add("", `{"data":"a","id":"x"}`, "auto")
	f.Add("har", har, "keep")
	f.Add("text", "a\nb", "auto")
	f.Add("sse", "id: 1\ndata: x\n\n", "none")
	f.Fuzz(func(t *testing.T, format, text, ids string) {
		records, _, err := record.Read(strings.NewReader(text), record.Format(format), 0)
		if err != nil {
			return
		}
		n := 0
		for r, err := range record.NumberIDs(records, record.IDs(ids)) {
			if n++; n > len(text)+1 {
				t.Fatal("more records than bytes")
			}
			if err == nil && len(r.AppendJSON(nil)) < len("{}\n") {
				t.Errorf("record without a line: %+v", r)
			}
		}
	})
}
