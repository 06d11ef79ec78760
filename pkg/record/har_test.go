package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// TestHARComesBack writes two connections of one stream, and reads their events.
func TestHARComesBack(t *testing.T) {
	var file bytes.Buffer
	h := record.NewHARWriter(&file, "test", "1")
	if err := h.Flush(); err != nil || file.Len() > 0 {
		t.Fatalf("written before the first exchange: %q, %v", file.Bytes(), err)
	}
	at := recordTime
	for _, text := range []string{
		"id: 1\ndata: a\n\nevent: x\ndata: {\"n\": \"é\"}\n\n: comment\n\n",
		"id: 2\n\ndata: b\ndata: c\n\nid\ndata: d\n\n",
	} {
		h.Begin(&record.HARExchange{
			Asked: at, Answered: at.Add(time.Second), Method: "GET", URL: "http://example.test/", Proto: "HTTP/1.1",
			RequestHeader: map[string][]string{"B": {"2", "1"}, "A": {"3"}}, Status: 200, StatusText: "OK", ContentType: stream.ContentType,
		})
		for block, err := range stream.NewDecoder(strings.NewReader(text)).Blocks() {
			if err != nil {
				t.Fatal(err)
			}
			at = at.Add(time.Second)
			h.Block(block, at)
		}
		if err := h.Flush(); err != nil || h.Pending() > 0 {
			t.Fatalf("%v, %d bytes left", err, h.Pending())
		}
	}
	if err := h.Close(at); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(file.Bytes()) || !strings.Contains(file.String(), `[{"name":"A","value":"3"},{"name":"B","value":"2"},{"name":"B","value":"1"}]`) {
		t.Fatalf("wrote %s", file.Bytes())
	}
	records, format, err := record.Read(&file, record.FormatAuto, 0)
	if err != nil || format != record.FormatHAR {
		t.Fatalf("format %q, %v", format, err)
	}
	// Each entry begins with the last event ID in force.
	const want = "id: 1\ndata: a\n\nevent: x\ndata: {\"n\": \"é\"}\n\nid: 2\ndata: b\ndata: c\n\nid: \ndata: d\n\n"
	if got := read(t, records); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestHARKeepsTheErrorOfAWrite(t *testing.T) {
	full := errors.New("disk full")
	h := record.NewHARWriter(failingWriter{full}, "test", "1")
	h.Begin(&record.HARExchange{})
	for range 2 {
		if err := h.Flush(); err != full {
			t.Errorf("Flush: %v", err)
		}
	}
	if err := h.Close(recordTime); err != full {
		t.Errorf("Close: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestWriterWritesOnce wants a Write of a whole line for each call.
func TestWriterWritesOnce(t *testing.T) {
	var out countingWriter
	lines := record.NewWriter(&out)
	block, err := stream.NewDecoder(strings.NewReader("data: a\n\n")).Next()
	if err != nil {
		t.Fatal(err)
	}
	r := record.FromBlock(block, recordTime)
	if err := errors.Join(lines.Write(&r), lines.WriteBlock(block, recordTime)); err != nil || out.writes != 2 {
		t.Errorf("%d writes, %v", out.writes, err)
	}
	line := string(r.AppendJSON(nil))
	if got := out.String(); got != line+line {
		t.Errorf("got %q", got)
	}
	if err := record.NewWriter(failingWriter{errors.ErrUnsupported}).Write(&r); err != errors.ErrUnsupported {
		t.Errorf("error %v", err)
	}
}

type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

// TestAppendBlockAllocatesNothing holds for a line that listen writes.
func TestAppendBlockAllocatesNothing(t *testing.T) {
	block, err := stream.NewDecoder(strings.NewReader("event: x\nid: 7\ndata: " + strings.Repeat(`{"a":1}`, 20) + "\n\n")).Next()
	if err != nil {
		t.Fatal(err)
	}
	var lines record.Writer
	dst := make([]byte, 0, 4<<10)
	if n := testing.AllocsPerRun(100, func() { dst = lines.AppendBlock(dst[:0], block, recordTime) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
