package listencmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/units"
	"github.com/ssectl/ssectl/pkg/listen"
)

// A summary gathers the figures that are shown at the end.
type summary struct {
	gaps      *hdrhistogram.Histogram // in microseconds
	events    int
	first     time.Time
	firstText time.Time // of --text
	last      time.Time
}

// maxGap is the longest gap that is measured; longer ones count as it.
const maxGap = 24 * time.Hour

func newSummary() *summary {
	return &summary{gaps: hdrhistogram.New(1, maxGap.Microseconds(), 3)}
}

func (s *summary) event(at time.Time) {
	s.events++
	if s.first.IsZero() {
		s.first = at
	} else {
		s.gaps.RecordValue(min(at.Sub(s.last), maxGap).Microseconds())
	}
	s.last = at
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
