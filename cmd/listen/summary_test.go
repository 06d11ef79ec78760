package listencmd

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/listen"
)

var updateSummary = flag.Bool("update-summary", false, "rewrite testdata/summary.html")

// sampleSummary is one of 100 events in 10 s, the later half twice as fast, with a drop
// between.
func sampleSummary() (*summary, listen.Stats) {
	begun := time.Date(2026, 11, 25, 1, 0, 0, 0, time.UTC)
	s := newSummary()
	s.change(listen.Connected{}, begun)
	at := begun
	for i := range 100 {
		gap := 150 * time.Millisecond
		if i >= 50 {
			gap = 50 * time.Millisecond
		}
		at = at.Add(gap)
		if i == 50 {
			s.change(listen.Dropped{Err: io.EOF}, at)
			at = at.Add(300 * time.Millisecond)
			s.change(listen.Connected{}, at)
		}
		s.event(at, 100+i)
	}
	return s, listen.Stats{Started: begun, Headers: begun.Add(time.Millisecond), FirstByte: begun.Add(2 * time.Millisecond), Connections: 2, Bytes: 15_000}
}

func TestPictures(t *testing.T) {
	s, _ := sampleSummary()
	for _, test := range []struct {
		streams term.Streams
		want    string
	}{
		{term.Streams{ErrTerminal: true, Unicode: true, Width: 60}, "gaps 50ms |█          █       ▁| 350ms\nrate |▂▃▂▃▃▂▃▃▂▃▃▂▃▂▅▇▇▇█| up to 22/s in 10.3s"},
		{term.Streams{ErrTerminal: true, Width: 50}, "gaps 50ms |#    #   .| 350ms\nrate |:------+##| up to 21/s in 10.3s"},
		{term.Streams{ErrTerminal: true, Width: 34}, "gaps 50ms |#   #  .| 350ms"},
		{term.Streams{ErrTerminal: true, Width: 24}, ""}, // no room
		{term.Streams{Unicode: true}, ""}, // no terminal
	} {
		if got := strings.Join(s.pictures(&test.streams), "\n"); got != test.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", test.streams, got, test.want)
		}
	}
	few := newSummary()
	few.event(time.Now(), 1)
	if got := few.pictures(&term.Streams{ErrTerminal: true}); got != nil {
		t.Errorf("a single event has the pictures %q", got)
	}
}

// TestSummaryPage looks for the parts of the page, and for a name that breaks out of
// its markup.
func TestSummaryPage(t *testing.T) {
	s, stats := sampleSummary()
	var page bytes.Buffer
	if err := s.writePage(&page, "1.0.0", "http://x/<script>alert(1)</script>", stats, "</p><img src=x>\x1b[2J", s.last); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	file := filepath.Join("testdata", "summary.html") // which Chromium shows in another test
	if *updateSummary {
		if err := os.WriteFile(file, page.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(want, page.Bytes()) {
		t.Errorf("%s differs, %v; -update-summary rewrites it", file, err)
	}
	for _, want := range []string{"<dt>events</dt><dd>100</dd>", "<dt>first event after</dt><dd>150ms</dd>", "1 reconnection.", "Gaps between events", "Sizes of events", "default-src &#39;none&#39;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, not := range []string{"<script>alert", "<img", "\x1b"} {
		if strings.Contains(text, not) {
			t.Errorf("the page has %q", not)
		}
	}
}

// TestSummaryPageEmpty is that of a server that sent nothing.
func TestSummaryPageEmpty(t *testing.T) {
	var page bytes.Buffer
	if err := newSummary().writePage(&page, "1.0.0", "http://x/", listen.Stats{}, "", time.Now()); err != nil || !strings.Contains(page.String(), "<dt>events</dt><dd>0</dd>") {
		t.Errorf("%v: %s", err, page.String())
	}
}

// TestSummaryIsBounded adds drops without end.
func TestSummaryIsBounded(t *testing.T) {
	s, stats := sampleSummary()
	at := s.last
	for range 10_000 {
		at = at.Add(time.Second)
		s.change(listen.Dropped{Err: io.EOF}, at)
		s.change(listen.Connected{}, at.Add(time.Millisecond))
		s.event(at.Add(time.Millisecond), 1)
	}
	var page bytes.Buffer
	if err := s.writePage(&page, "1.0.0", "http://x/", stats, "", s.last); err != nil {
		t.Fatal(err)
	}
	if len(s.drops) > maxMarks || page.Len() > 200_000 || !strings.Contains(page.String(), "10001 reconnections, of which the first 200 are marked.") {
		t.Errorf("%d drops, %d bytes", len(s.drops), page.Len())
	}
}
