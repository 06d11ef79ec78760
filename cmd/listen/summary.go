package listencmd

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ssectl/ssectl/cmd/internal/chart"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/units"
	"github.com/ssectl/ssectl/pkg/listen"
)

// A summary gathers the figures that are shown at the end.
type summary struct {
	gaps      *hdrhistogram.Histogram // in microseconds
	sizes     *hdrhistogram.Histogram // in bytes
	rate      chart.Rate              // of events, since begun
	begun     time.Time               // the first connection, or else the first event
	drops     []time.Time             // of connections, the first of them
	returns   []time.Time             // connections after the first one, likewise
	restarts  int                     // how many of them there were
	events    int
	first     time.Time
	firstText time.Time // of --text
	last      time.Time
}

const (
	maxGap   = 24 * time.Hour // the longest gap that is measured; longer ones count as it
	maxSize  = 1 << 40        // the largest event, likewise
	maxMarks = 200            // drops and returns that are kept
)

func newSummary() *summary {
	return &summary{gaps: hdrhistogram.New(1, maxGap.Microseconds(), 3), sizes: hdrhistogram.New(1, maxSize, 2)}
}

// event takes in an event of a size on the wire.
func (s *summary) event(at time.Time, size int) {
	s.events++
	if s.begun.IsZero() {
		s.begun = at
	}
	s.rate.Add(at.Sub(s.begun), 1)
	s.sizes.RecordValue(int64(max(size, 1)))
	if s.first.IsZero() {
		s.first = at
	} else {
		s.gaps.RecordValue(min(at.Sub(s.last), maxGap).Microseconds())
	}
	s.last = at
}

// change takes in a change of the connection.
func (s *summary) change(change listen.Change, at time.Time) {
	switch change.(type) {
	case listen.Connected:
		if s.begun.IsZero() {
			s.begun = at
		} else {
			if s.restarts++; len(s.returns) < maxMarks {
				s.returns = append(s.returns, at)
			}
		}
	case listen.Dropped:
		if len(s.drops) < maxMarks {
			s.drops = append(s.drops, at)
		}
	}
}

// text notes that an event brought text.
func (s *summary) text(at time.Time) {
	if s.firstText.IsZero() {
		s.firstText = at
	}
}

// summaryJSON is the summary for machines. Times are in milliseconds from the
// first request on, null for events that did not happen.
type summaryJSON struct {
	Events      int       `json:"events"`
	Bytes       int64     `json:"bytes"`
	Connections int       `json:"connections"`
	Duration    float64   `json:"duration_ms"`
	Headers     *float64  `json:"headers_ms"`
	FirstByte   *float64  `json:"first_byte_ms"`
	FirstEvent  *float64  `json:"first_event_ms"`
	FirstText   *float64  `json:"first_text_ms"`
	Gaps        *gapsJSON `json:"gaps_ms"`
	Ended       string    `json:"ended"`
}

type gapsJSON struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (s *summary) print(streams *term.Streams, colors term.Colors, form string, stats listen.Stats, ended string) {
	if form == "json" {
		line, err := json.Marshal(s.json(stats, ended))
		if err == nil {
			fmt.Fprintf(streams.Err, "%s\n", line)
		}
		return
	}
	now := time.Since(stats.Started)
	if stats.Started.IsZero() {
		now = 0
	}
	if ended != "" {
		ended = ": " + output.Safe(ended)
	}
	fmt.Fprintf(streams.Err, "ssectl: %s\n", colors.Strong(fmt.Sprintf("%s, %s in %s, %s%s",
		plural(s.events, "event"), units.Size(stats.Bytes), output.Duration(now), plural(stats.Connections, "connection"), ended)))
	if s.events == 0 {
		return
	}
	var times []string
	for _, at := range []struct {
		name string
		time time.Time
	}{{"headers", stats.Headers}, {"first byte", stats.FirstByte}, {"first event", s.first}, {"first text", s.firstText}} {
		if !at.time.IsZero() {
			times = append(times, at.name+" "+output.Duration(at.time.Sub(stats.Started)))
		}
	}
	if times != nil { // a file has none
		fmt.Fprintf(streams.Err, "ssectl: %s\n", colors.Faint(strings.Join(times, ", ")))
	}
	if s.events > 1 {
		micro := func(n int64) string { return output.Duration(time.Duration(n) * time.Microsecond) }
		fmt.Fprintf(streams.Err, "ssectl: %s\n", colors.Faint(fmt.Sprintf("gaps p50 %s, p95 %s, p99 %s, max %s",
			micro(s.gaps.ValueAtQuantile(50)), micro(s.gaps.ValueAtQuantile(95)), micro(s.gaps.ValueAtQuantile(99)), micro(s.gaps.Max()))))
	}
	for _, line := range s.pictures(streams) {
		fmt.Fprintf(streams.Err, "ssectl: %s\n", colors.Faint(line))
	}
}

// A stream shorter than this is told by its figures.
const (
	leastPictured = 10
	leastDuration = time.Second
)

// pictures returns the distribution of the gaps and the course of the rate, a line each,
// for terminals.
func (s *summary) pictures(streams *term.Streams) []string {
	took := s.last.Sub(s.begun)
	if !streams.ErrTerminal || s.events < leastPictured || took < leastDuration {
		return nil
	}
	const most = 40
	columns, width := most, streams.Columns()
	if width > 0 {
		columns = max(8, min(most, width-40)) // the rest of the line
	}
	bins := s.gapBins(columns)
	counts := make([]float64, len(bins))
	for i, b := range bins {
		counts[i] = float64(b.Count)
	}
	rates, _ := s.rate.PerSecond(took, s.parts(columns))
	lines := []string{
		fmt.Sprintf("gaps %s |%s| %s", output.Duration(time.Duration(bins[0].From*1e9)), chart.Spark(counts, streams.Unicode), output.Duration(time.Duration(bins[len(bins)-1].To*1e9))),
		fmt.Sprintf("rate |%s| up to %s in %s", chart.Spark(rates, streams.Unicode), perSecond(slices.Max(rates)), output.Duration(took)),
	}
	if width > 0 { // a line that breaks within its bars shows nothing
		lines = slices.DeleteFunc(lines, func(line string) bool { return len("ssectl: ")+utf8.RuneCountInString(line) > width })
	}
	return lines
}

// parts returns in how many parts of the time to show the rate: in shorter ones than
// hold a few events there would be none or one.
func (s *summary) parts(most int) int { return min(most, max(5, s.events/4)) }

// gapBins returns the gaps in seconds.
func (s *summary) gapBins(most int) []chart.Bin {
	return chart.LogBins(distribution(s.gaps, 1e-6), 1e-6, most)
}

// distribution ranges over the values of a histogram and how often each was.
func distribution(h *hdrhistogram.Histogram, unit float64) iter.Seq2[float64, int64] {
	bars := h.Distribution()
	return func(yield func(float64, int64) bool) {
		for _, b := range bars {
			if b.Count > 0 && !yield(float64(b.From)*unit, b.Count) {
				return
			}
		}
	}
}

// perSecond returns a rate with the digits that matter.
func perSecond(rate float64) string {
	if rate >= 10 {
		return fmt.Sprintf("%.0f/s", rate)
	}
	return fmt.Sprintf("%.2g/s", rate)
}

func (s *summary) json(stats listen.Stats, ended string) summaryJSON {
	since := func(t time.Time) *float64 {
		if t.IsZero() {
			return nil
		}
		ms := float64(t.Sub(stats.Started).Microseconds()) / 1000
		return &ms
	}
	line := summaryJSON{
		Events: s.events, Bytes: stats.Bytes, Connections: stats.Connections,
		Headers: since(stats.Headers), FirstByte: since(stats.FirstByte), FirstEvent: since(s.first), FirstText: since(s.firstText),
		Ended: output.Safe(ended),
	}
	if !stats.Started.IsZero() {
		line.Duration = *since(time.Now())
	}
	if s.events > 1 {
		ms := func(n int64) float64 { return float64(n) / 1000 }
		line.Gaps = &gapsJSON{ms(s.gaps.ValueAtQuantile(50)), ms(s.gaps.ValueAtQuantile(95)), ms(s.gaps.ValueAtQuantile(99)), ms(s.gaps.Max())}
	}
	return line
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
