package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

// read returns what a source has, in the words of the wire.
func read(t *testing.T, source serve.Source) string {
	t.Helper()
	var wire []byte
	for {
		r, err := source()
		if err == io.EOF {
			return string(wire)
		}
		if err != nil {
			return string(wire) + "<" + err.Error() + ">"
		}
		if wire, err = r.AppendText(wire); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFormatIsToldByTheFirstBytes(t *testing.T) {
	for _, test := range []struct {
		input string
		want  serve.Format
	}{
		{`{"data":"x"}`, serve.FormatJSONL},
		{"\ufeff\n  {\"data\":\"x\"}", serve.FormatJSONL},
		{`{"log":{"entries":[]}}`, serve.FormatHAR},
		{"{\n  \"log\": {}}", serve.FormatHAR},
		{`{"logs":1}`, serve.FormatJSONL},
		{"data: x\n\n", serve.FormatSSE},
		{"data:x\n\n", serve.FormatSSE},
		{"data", serve.FormatSSE},
		{"\ufeffdata\r\r", serve.FormatSSE},
		{"\n\nid: 1\n", serve.FormatSSE},
		{": comment\n", serve.FormatSSE},
		{"event: x\n", serve.FormatSSE},
		{"retry: 1\n", serve.FormatSSE},
		{"database is up\n", serve.FormatText},
		{"identity\n", serve.FormatText},
		{"dat", serve.FormatText},
		{"hello\n", serve.FormatText},
		{"[1,2]\n", serve.FormatText},
		{"", serve.FormatText},
	} {
		_, got, _ := serve.NewSource(iotestOneByte{strings.NewReader(test.input)}, serve.FormatAuto, 0)
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
			serve.NewSource(in, serve.FormatAuto, 0)
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
		format      serve.Format
		ids         serve.IDs
		input, want string
	}{
		{serve.FormatText, serve.IDsAuto, "a\r\n\nb", "id: 1\ndata: a\n\nid: 2\ndata: \n\nid: 3\ndata: b\n\n"},
		{serve.FormatText, serve.IDsKeep, "a\n", "data: a\n\n"},
		{serve.FormatJSONL, serve.IDsAuto, `{"data":"a","id":"x"}` + "\n" + `{"comment":"c"}` + "\n" + `{"data":"b"}`, "id: x\ndata: a\n\n: c\n\nid: 2\ndata: b\n\n"},
		{serve.FormatJSONL, serve.IDsNone, `{"data":"a","id":"x"}`, "data: a\n\n"},
		{serve.FormatJSONL, serve.IDsKeep, `{"data":"a"}` + "\n{", "data: a\n\n<line 2: "},
		{serve.FormatJSONL, serve.IDsKeep, `{"message":"a log, not an event"}`, "<line 1: no key that makes an event"},
		{serve.FormatSSE, serve.IDsAuto, "\ufeffdata:a\r\n\r\nid: 9\rdata:b\r\r", "\ufeffid: 1\ndata:a\r\n\r\nid: 9\rdata:b\r\r"},
		{serve.FormatSSE, serve.IDsNone, "\ufeffid: 1\r\ndata:a\r\nid\r\nidx: 3\r\n\r\n", "\ufeffdata:a\r\nidx: 3\r\n\r\n"},
		{serve.FormatHAR, serve.IDsKeep, har, "id: 1\ndata: a\n\nevent: x\ndata: b\n\nid: 2\ndata: c\n\ndata:raw\r\n\r\ndata: base64\n\n"},
		{serve.FormatHAR, serve.IDsKeep, `{"log":{"entries":[]}}`, "<har: no event stream in it>"},
		{serve.FormatHAR, serve.IDsKeep, `{"log":`, "<har: unexpected EOF>"},
		{"yaml", serve.IDsKeep, "", `<unknown format "yaml": want jsonl, sse, text or har>`},
	} {
		source, _, err := serve.NewSource(strings.NewReader(test.input), test.format, 0)
		got := fmt.Sprintf("<%v>", err)
		if err == nil {
			got = read(t, serve.NumberIDs(source, test.ids))
		}
		if got != test.want && !(strings.Contains(test.want, "<line") && strings.HasPrefix(got, test.want)) {
			t.Errorf("%s, ids %s, %q:\n got %q\nwant %q", test.format, test.ids, test.input, got, test.want)
		}
	}
}

// har is what browsers save: Chromium notes events, with the last event ID in
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

func TestBadLineOfLiveInputIsSkipped(t *testing.T) {
	input := `{"data":"a"}` + "\nbroken\n" + `{"data":"b"}` + "\n"
	source, _, err := serve.NewSource(strings.NewReader(input), serve.FormatJSONL, 0)
	if err != nil {
		t.Fatal(err)
	}
	history := &serve.History{}
	var lines []int
	err = history.Follow(source, func(err error) {
		var bad *serve.LineError
		if errors.As(err, &bad) {
			lines = append(lines, bad.Line)
		}
	})
	if err != nil || history.Len() != 2 || len(lines) != 1 || lines[0] != 2 {
		t.Errorf("%v; %d events, bad lines %v", err, history.Len(), lines)
	}
}

// TestAutomaticIDsOfSplitLineEnds has a CRLF come in two reads: the LF is then the
// start of the next block.
func TestAutomaticIDsOfSplitLineEnds(t *testing.T) {
	input := strings.Repeat("data: x\r\n\r\n", 20)
	for size := 1; size < 20; size++ {
		source, _, err := serve.NewSource(inPieces{strings.NewReader(input), size}, serve.FormatSSE, 0)
		if err != nil {
			t.Fatal(err)
		}
		history := &serve.History{}
		if err := history.Load(serve.NumberIDs(source, serve.IDsAuto)); err != nil {
			t.Fatal(err)
		}
		_, got := get(t, start(t, &serve.Handler{History: history}))
		n := 0
		for block, err := range stream.NewDecoder(strings.NewReader(got)).Blocks() {
			if err != nil {
				t.Fatal(err)
			}
			if n++; !block.IsEvent() || string(block.ID()) != fmt.Sprint(n) {
				t.Fatalf("reads of %d bytes: block %d is %q", size, n, block.Raw())
			}
		}
		if n != 20 {
			t.Errorf("reads of %d bytes: %d events, want 20", size, n)
		}
	}
}

// inPieces gives at most so many bytes a read.
type inPieces struct {
	io.Reader
	size int
}

func (r inPieces) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), r.size)]) }

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
		source, _, err := serve.NewSource(strings.NewReader(input.String()), serve.FormatSSE, 0)
		if err != nil {
			t.Fatal(err)
		}
		source = serve.NumberIDs(source, serve.IDsAuto)
		var got []string
		for {
			record, err := source()
			if err == io.EOF {
				break
			}
			if err != nil {
				record.ID = "error"
			}
			got = append(got, record.ID)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: the IDs are %s, want %s", test.input, got, test.want)
		}
	}
}

func TestLongLineOfTextIsSkipped(t *testing.T) {
	input := strings.Repeat("x", stream.DefaultMaxEventSize+1) + "\nshort\n"
	source, _, _ := serve.NewSource(strings.NewReader(input), serve.FormatText, 0)
	_, err := source()
	var bad *serve.LineError
	if !errors.As(err, &bad) || bad.Line != 1 {
		t.Fatalf("got %v, want an error of line 1", err)
	}
	if r, err := source(); r.Data != "short" || err != nil {
		t.Errorf("got %.20q, %v", r.Data, err)
	}
}

func TestClockKeepsTheInterval(t *testing.T) {
	source := serve.Clock(t.Context(), 5*time.Millisecond)
	var last time.Time
	for range 3 {
		r, err := source()
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, r.Data)
		if err != nil || !strings.HasSuffix(r.Data, "Z") || at.Before(last) {
			t.Errorf("data %q, %v", r.Data, err)
		}
		last = at
	}
}

func TestCanaryHasAllPhases(t *testing.T) {
	text := read(t, serve.Canary())
	for _, want := range []string{`"first"`, `"small"`, `"large"`, ": heartbeat\n", `"after-silence"`, `"larger"`, "event: close\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

// An input that cannot be read on is no end of the stream: clients get what was
// whole, and a cut, however often they come back.
func TestInputThatFailsIsACut(t *testing.T) {
	for _, shared := range []bool{false, true} {
		h := &serve.Handler{History: &serve.History{Limit: 100}}
		source, _, err := serve.NewSource(strings.NewReader("id: 1\ndata: a\n\ndata: "+strings.Repeat("x", 2000)), serve.FormatSSE, 1000)
		if err != nil {
			t.Fatal(err)
		}
		from, replay := h.History, func(context.Context) error { return nil }
		if shared {
			replay = h.Share(10)
		}
		var size *stream.SizeError
		if err := from.Follow(source, nil); !errors.As(err, &size) {
			t.Errorf("Follow returned %v", err)
		}
		replay(t.Context())
		url := start(t, h)
		if _, got := get(t, url); got != "id: 1\ndata: a\n\n<unexpected EOF>" {
			t.Errorf("shared %v: got %q", shared, got)
		}
		if response, got := get(t, url, "Last-Event-ID", "1"); response.StatusCode != 200 || !strings.HasSuffix(got, "<unexpected EOF>") {
			t.Errorf("shared %v: resumed, got %d, %q", shared, response.StatusCode, got)
		}
	}
}
