package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ssectl/ssectl/internal/streamtest"
	"github.com/ssectl/ssectl/pkg/stream"
)

// decodeAll decodes with the decoder, by blocks, and checks on the way the
// properties of any stream.
func decodeAll(t *testing.T, input string, cuts []byte) reference {
	t.Helper()
	d := stream.NewDecoder(&streamtest.SplitReader{Input: input, Cuts: cuts})
	d.StartSmall(1)
	var got reference
	var raw []byte
	for {
		b, err := d.Block()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("Block: %v", err)
		}
		if len(b.Raw()) == 0 {
			t.Fatalf("block without bytes")
		}
		raw = append(raw, b.Raw()...)
		whole := int64(len(raw))
		if b.Incomplete() {
			got.unfinished = true
			whole -= int64(len(b.Raw()))
			if string(d.Unfinished()) != string(b.Raw()) {
				t.Fatalf("Unfinished %q, block %q", d.Unfinished(), b.Raw())
			}
		}
		if d.InputOffset() != whole {
			t.Fatalf("InputOffset %d after %d bytes", d.InputOffset(), whole)
		}
		if b.IsEvent() {
			event := b.Event()
			got.events = append(got.events, refEvent{event.Type, event.Data, d.LastEventID()})
		}
		for field := range b.Fields() {
			if len(field.Name) == 0 && !b.Incomplete() {
				got.comments = append(got.comments, string(stream.AppendValid(nil, field.Value)))
			}
		}
	}
	if string(raw) != input {
		t.Fatalf("raw blocks add up to\n%q\nwant\n%q", raw, input)
	}
	if _, err := d.Block(); err != io.EOF {
		t.Fatalf("asked again at the end: %v", err)
	}
	got.lastEventID = d.LastEventID()
	got.retry, got.hasRetry = d.Retry()
	return got
}

// checkDecode compares the decoder with the reference on input, read in pieces
// of the sizes in cuts.
func checkDecode(t *testing.T, input string, cuts []byte) {
	t.Helper()
	want := decodeReference(input)
	got := decodeAll(t, input, cuts)
	if want.unfinished {
		want.comments, got.comments = nil, nil // those of the tail count in the reference
	}
	if diff := diffReference(got, want); diff != "" {
		t.Fatalf("input %q, reads of %v\n%s", input, cuts, diff)
	}
	// Next and Event must skip exactly the blocks that are no events.
	d := stream.NewDecoder(&streamtest.SplitReader{Input: input, Cuts: cuts})
	var events []refEvent
	for event, err := range d.Events() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, refEvent{event.Type, event.Data, d.LastEventID()})
	}
	if g, w := fmt.Sprintf("%q", events), fmt.Sprintf("%q", want.events); g != w {
		t.Fatalf("input %q, reads of %v\nEvents %s\nwant %s", input, cuts, g, w)
	}
	if (len(d.Unfinished()) > 0) != want.unfinished {
		t.Fatalf("input %q: Unfinished %q, want any: %v", input, d.Unfinished(), want.unfinished)
	}
}

func TestDecodeSpec(t *testing.T) {
	for _, c := range specCases(t) {
		t.Run(c.at, func(t *testing.T) {
			for _, cuts := range [][]byte{nil, {0}, {1}, {2, 0}, {6}, {0, 4, 1}} {
				checkDecode(t, c.in, cuts)
			}
			// Every split in two.
			for i := range len(c.in) {
				checkSplitAt(t, c.in, i)
			}
		})
	}
}

func checkSplitAt(t *testing.T, input string, at int) {
	t.Helper()
	d := stream.NewDecoder(io.MultiReader(strings.NewReader(input[:at]), strings.NewReader(input[at:])))
	var events []refEvent
	for event, err := range d.Events() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, refEvent{event.Type, event.Data, d.LastEventID()})
	}
	want := decodeReference(input)
	if g, w := fmt.Sprintf("%q", events), fmt.Sprintf("%q", want.events); g != w {
		t.Fatalf("input %q split at %d:\n got %s\nwant %s", input, at, g, w)
	}
}

// TestDecodePieces puts the place where a decoder looks no further, within one
// read, at every byte of every case.
func TestDecodePieces(t *testing.T) {
	const (
		piece  = 64 << 10 // the second read is twice as large as the first, and looked at in halves
		event  = "data: a filler\n\n"
		events = 4000
	)
	filler := strings.Repeat(event, events)
	for _, c := range specCases(t) {
		want := decodeReference(":\n" + c.in) // no BOM is dropped there
		for at := range len(c.in) + 1 {
			padding := ":" + strings.Repeat("x", piece-at-len(filler)-2) + "\n"
			d := stream.NewDecoder(strings.NewReader(padding + filler + c.in))
			var got []refEvent
			n := 0
			for event, err := range d.Events() {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n > events {
					got = append(got, refEvent{event.Type, event.Data, d.LastEventID()})
				}
			}
			if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want.events); g != w {
				t.Fatalf("%s: %q cut at %d:\n got %s\nwant %s", c.at, c.in, at, g, w)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range specCases(f) {
		f.Add(c.in, []byte{0, 3, 1})
	}
	for _, sample := range streamtest.Samples(f) {
		f.Add(sample.Text, []byte{20, 7})
	}
	f.Fuzz(func(t *testing.T, input string, cuts []byte) { checkDecode(t, input, cuts) })
}

// TestDecodeSamples holds the samples to the counts of their index.
func TestDecodeSamples(t *testing.T) {
	index, err := os.ReadFile("../../testdata/streams/INDEX.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range streamtest.Samples(t) {
		checkDecode(t, sample.Text, nil)
		got := decodeAll(t, sample.Text, []byte{5, 1, 12})
		row := fmt.Sprintf("| %d | %q |", len(got.events), got.lastEventID)
		row = strings.Replace(row, "urn:uuid:0b8f7f5e-6f2e-4d25-9f59-0d3b3b6d2a03", "urn:uuid:…a03", 1)
		found := false
		for line := range strings.Lines(string(index)) {
			if strings.HasPrefix(line, "| "+sample.Name+" ") {
				found = true
				line = strings.Replace(line, `| "" (reset by bare `+"`id`)", `| ""`, 1)
				plain := strings.ReplaceAll(strings.ReplaceAll(line, `"`, ""), "  ", " ")
				if !strings.Contains(plain, strings.ReplaceAll(strings.ReplaceAll(row, `"`, ""), "  ", " ")) {
					t.Errorf("%s: got %s, the index has %s", sample.Name, row, line)
				}
			}
		}
		if !found {
			t.Errorf("%s is not in the index", sample.Name)
		}
	}
}

// TestDecodeAtOnce feeds byte by byte through a pipe and wants each event as
// soon as its last byte is there, a bare CR included.
func TestDecodeAtOnce(t *testing.T) {
	for _, input := range []string{"data: a\n\n", "data: a\r\r", "data: a\r\n\r", "data: a\n\r", ": hb\n", ": hb\r", ":\r"} {
		r, w := io.Pipe()
		done := make(chan string)
		go func() {
			b, err := stream.NewDecoder(r).Block()
			if err != nil {
				done <- err.Error()
				return
			}
			done <- string(b.Raw())
		}()
		for i := range len(input) {
			w.Write([]byte{input[i]})
		}
		if got := <-done; got != input { // the pipe is still open
			t.Errorf("input %q: got %q", input, got)
		}
		w.Close()
	}
}

// A reader must not be asked for more while there is an event at hand.
func TestDecodeReadsOnlyWhenEmpty(t *testing.T) {
	reads := 0
	r := readerFunc(func(p []byte) (int, error) {
		reads++
		if reads > 1 {
			return 0, io.EOF
		}
		return copy(p, ": c\n\ndata: a\n\ndata: b\r\n\r\ndata: c\n\n"), nil
	})
	d := stream.NewDecoder(r)
	for range 3 {
		if _, err := d.Next(); err != nil || reads != 1 {
			t.Fatalf("error %v after %d reads", err, reads)
		}
	}
	if _, err := d.Next(); err != io.EOF || reads != 2 {
		t.Fatalf("error %v after %d reads", err, reads)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestDecodeReset(t *testing.T) {
	d := stream.NewDecoder(strings.NewReader("id: 7\nretry: 20\ndata: a\n\ndata: cut"))
	for _, err := range d.Events() {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := string(d.Unfinished()); got != "data: cut" {
		t.Errorf("Unfinished %q", got)
	}
	d.Reset(strings.NewReader("\ufeff\ndata: b\n\n"))
	if got := d.InputOffset(); got != 0 {
		t.Errorf("InputOffset after Reset: %d", got)
	}
	event, err := d.Event()
	if err != nil || event.Data != "b" || event.ID != "" || event.HasID {
		t.Errorf("after Reset: %+v, %v", event, err)
	}
	if got := d.LastEventID(); got != "7" {
		t.Errorf("LastEventID after Reset: %q", got)
	}
	if got, ok := d.Retry(); got != 20*time.Millisecond || !ok {
		t.Errorf("Retry after Reset: %v, %v", got, ok)
	}
	d.SetLastEventID("")
	if got := d.LastEventID(); got != "" {
		t.Errorf("LastEventID after SetLastEventID: %q", got)
	}
}

func TestDecodeMaxEventSize(t *testing.T) {
	const small, large = "data: 12345678\n\n", "data: 123456789\n\n"
	for _, cuts := range [][]byte{nil, {0}, {5}} {
		d := stream.NewDecoder(&streamtest.SplitReader{Input: small + small + large + small, Cuts: cuts})
		d.MaxEventSize = len(small)
		for range 2 {
			if _, err := d.Next(); err != nil {
				t.Fatalf("reads of %v: an event of the limit: %v", cuts, err)
			}
		}
		_, err := d.Next()
		var size *stream.SizeError
		if !errors.As(err, &size) || size.Offset != 2*int64(len(small)) || size.Limit != len(small) {
			t.Fatalf("reads of %v: got %v, want a SizeError at %d", cuts, err, 2*len(small))
		}
		if _, again := d.Next(); again != err {
			t.Errorf("asked again: %v", again)
		}
	}
}

// A block of exactly the limit passes in every split, also where the LF of a
// CRLF comes late.
func TestDecodeMaxEventSizeLateLF(t *testing.T) {
	const input = "data: a\r\n\r\ndata: 123\n\n"
	for at := range len(input) {
		d := stream.NewDecoder(io.MultiReader(strings.NewReader(input[:at]), strings.NewReader(input[at:])))
		d.MaxEventSize = len("data: 123\n\n")
		n := 0
		for _, err := range d.Events() {
			if err != nil {
				t.Fatalf("split at %d: %v", at, err)
			}
			n++
		}
		if n != 2 {
			t.Errorf("split at %d: %d events", at, n)
		}
	}
}

// A view must not let its user write into the bytes after it.
func TestViewsAreClipped(t *testing.T) {
	b, err := stream.NewDecoder(strings.NewReader("event: x\nid: 1\ndata: a\n\n")).Next()
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range [][]byte{b.Data(), b.Type(), b.ID(), b.Raw()} {
		_ = append(view, "OVERWRITTEN"...)
	}
	if got := string(b.Raw()); got != "event: x\nid: 1\ndata: a\n\n" {
		t.Errorf("raw is %q", got)
	}
}

// An endless line must not take more memory than the limit allows.
func TestDecodeEndlessLine(t *testing.T) {
	endless := readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = 'x'
		}
		return len(p), nil
	})
	for _, start := range []string{"", ":", "data: ", "foo: "} {
		d := stream.NewDecoder(io.MultiReader(strings.NewReader(start), endless))
		d.MaxEventSize = 1 << 20
		if _, err := d.Next(); !errors.As(err, new(*stream.SizeError)) {
			t.Errorf("%q without end: %v", start, err)
		}
		if got := len(d.Unfinished()); got > 1<<20 {
			t.Errorf("%q without end: %d bytes kept", start, got)
		}
	}
}

func TestDecodeSourceErrors(t *testing.T) {
	broken := errors.New("broken")
	d := stream.NewDecoder(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken)))
	if event, err := d.Event(); err != nil || event.Data != "a" {
		t.Fatalf("before the error: %v, %v", event, err)
	}
	for range 2 {
		if _, err := d.Event(); err != broken {
			t.Errorf("got %v, want %v", err, broken)
		}
	}
	if got := string(d.Unfinished()); got != "data: b" {
		t.Errorf("Unfinished %q", got)
	}
	var last error
	for _, last = range stream.NewDecoder(iotest.ErrReader(broken)).Events() {
	}
	if last != broken {
		t.Errorf("Events ended with %v", last)
	}
	// Data and error in one read, as io.Reader allows.
	both := stream.NewDecoder(iotest.DataErrReader(strings.NewReader("data: a\n\n")))
	if event, err := both.Event(); err != nil || event.Data != "a" {
		t.Errorf("data with EOF: %v, %v", event, err)
	}
	idle := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, err := stream.NewDecoder(idle).Next(); err != io.ErrNoProgress {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

func TestBlockFields(t *testing.T) {
	d := stream.NewDecoder(strings.NewReader("\ufeff\nid:1\r\nevent\r: c\ndata:  x\nfoo: bar: \n\n"))
	var got bytes.Buffer
	for b, err := range d.Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		for f := range b.Fields() {
			fmt.Fprintf(&got, "%s=%q ", f.Name, f.Value)
		}
	}
	for b := range stream.NewDecoder(strings.NewReader("\ufeffdata: cut")).Blocks() {
		for f := range b.Fields() {
			fmt.Fprintf(&got, "%s=%q ", f.Name, f.Value)
		}
	}
	if want := `id="1" event="" ="c" data=" x" foo="bar: " data="cut" `; got.String() != want {
		t.Errorf("got  %s\nwant %s", &got, want)
	}
}

func TestIsEventStream(t *testing.T) {
	for value, want := range map[string]bool{
		"text/event-stream":                 true,
		"text/event-stream;":                true,
		"Text/Event-Stream ; charset=utf-8": true,
		"text/event-stream;charset=latin1":  true,
		"text/event-streaming":              false,
		"text/event":                        false,
		"application/json":                  false,
		"":                                  false,
		"text/plain; text/event-stream":     false,
	} {
		if got := stream.IsEventStream(value); got != want {
			t.Errorf("IsEventStream(%q) = %v", value, got)
		}
	}
}
