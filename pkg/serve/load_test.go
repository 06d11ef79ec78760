package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

func TestBadLineOfLiveInputIsSkipped(t *testing.T) {
	input := `{"data":"a"}` + "\nbroken\n" + `{"data":"b"}` + "\n"
	records, _, err := record.Read(strings.NewReader(input), record.FormatJSONL, 0)
	if err != nil {
		t.Fatal(err)
	}
	history := &serve.History{}
	var lines []int
	err = history.Follow(records, func(err error) {
		var bad *record.LineError
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
		records, _, err := record.Read(inPieces{strings.NewReader(input), size}, record.FormatSSE, 0)
		if err != nil {
			t.Fatal(err)
		}
		history := &serve.History{}
		if err := history.Load(record.NumberIDs(records, record.IDsAuto)); err != nil {
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

func TestClockKeepsTheInterval(t *testing.T) {
	var last time.Time
	n := 0
	for r, err := range serve.Clock(t.Context(), 5*time.Millisecond) {
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, r.Data)
		if err != nil || !strings.HasSuffix(r.Data, "Z") || at.Before(last) {
			t.Errorf("data %q, %v", r.Data, err)
		}
		if last = at; n == 2 {
			break
		}
		n++
	}
}

func TestCanaryHasAllPhases(t *testing.T) {
	var text []byte
	for r, err := range serve.Canary() {
		if err == nil {
			text, err = r.AppendText(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{`"first"`, `"small"`, `"large"`, ": heartbeat\n", `"after-silence"`, `"larger"`, "event: close\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s", want)
		}
	}
}

// An input that cannot be read on is no end of the stream: clients get what was
// whole, and a cut, however often they come back.
func TestInputThatFailsIsACut(t *testing.T) {
	for _, shared := range []bool{false, true} {
		h := &serve.Handler{History: &serve.History{Limit: 100}}
		records, _, err := record.Read(strings.NewReader("id: 1\ndata: a\n\ndata: "+strings.Repeat("x", 2000)), record.FormatSSE, 1000)
		if err != nil {
			t.Fatal(err)
		}
		from, replay := h.History, func(context.Context) error { return nil }
		if shared {
			replay = h.Share(10)
		}
		var size *stream.SizeError
		if err := from.Follow(records, nil); !errors.As(err, &size) {
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
