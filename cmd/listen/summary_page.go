package listencmd

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/chart"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/internal/units"
	"github.com/ssectl/ssectl/pkg/listen"
)

//go:embed summary.html
var summaryMarkup string

var summaryPage = template.Must(template.New("summary").Parse(summaryMarkup))

type fact struct{ Name, Value string }

// writePage writes the summary as a page with charts, one file that needs no network.
func (s *summary) writePage(w io.Writer, version, target string, stats listen.Stats, ended string, now time.Time) error {
	view := struct {
		Version, Target, Ended string
		Time                   time.Time
		Facts                  []fact
		Figures                []template.HTML
	}{Version: version, Target: target, Ended: output.Safe(ended), Time: stats.Started, Facts: s.facts(stats, now)}
	for _, f := range s.figures() {
		markup, err := f.HTML()
		if err != nil {
			return err
		}
		view.Figures = append(view.Figures, markup)
	}
	var body, page bytes.Buffer
	if err := summaryPage.Execute(&body, view); err != nil {
		return err
	}
	if err := chart.WritePage(&page, "ssectl listen: "+target, template.HTML(body.String())); err != nil {
		return err
	}
	_, err := w.Write(page.Bytes())
	return err
}

// facts are the figures that are single numbers.
func (s *summary) facts(stats listen.Stats, now time.Time) []fact {
	facts := []fact{
		{"events", fmt.Sprint(s.events)},
		{"bytes", units.Size(stats.Bytes)},
		{"connections", fmt.Sprint(stats.Connections)},
	}
	if !stats.Started.IsZero() {
		facts = append(facts, fact{"duration", output.Duration(now.Sub(stats.Started))})
	}
	for _, at := range []struct {
		name string
		time time.Time
	}{{"headers after", stats.Headers}, {"first byte after", stats.FirstByte}, {"first event after", s.first}, {"first text after", s.firstText}} {
		if !at.time.IsZero() && !stats.Started.IsZero() {
			facts = append(facts, fact{at.name, output.Duration(at.time.Sub(stats.Started))})
		}
	}
	if s.events > 1 {
		for _, q := range []float64{50, 95, 99, 100} {
			name := fmt.Sprintf("gap p%.0f", q)
			if q == 100 {
				name = "longest gap"
			}
			facts = append(facts, fact{name, output.Duration(time.Duration(s.gaps.ValueAtQuantile(q)) * time.Microsecond)})
		}
	}
	if s.events > 0 {
		facts = append(facts, fact{"event size p50", units.Size(s.sizes.ValueAtQuantile(50))}, fact{"largest event", units.Size(s.sizes.Max())})
	}
	return facts
}

// figures are the rate over time, the gaps and the sizes.
func (s *summary) figures() []*chart.Figure {
	if s.events == 0 {
		return nil
	}
	figures := []*chart.Figure{s.rateFigure()}
	if s.events > 1 {
		figures = append(figures, chart.Histogram("Gaps between events", "gap", s.gapBins(48), func(v float64) string {
			return output.Duration(time.Duration(v * float64(time.Second)))
		}))
	}
	return append(figures, chart.Histogram("Sizes of events", "event", chart.LogBins(distribution(s.sizes, 1), 1, 48), func(v float64) string {
		return units.Size(int64(v))
	}))
}

func (s *summary) rateFigure() *chart.Figure {
	end := s.last
	for _, at := range append(s.drops, s.returns...) {
		if at.After(end) {
			end = at
		}
	}
	took := max(end.Sub(s.begun), time.Millisecond)
	rates, width := s.rate.PerSecond(took, s.parts(240))
	row := chart.Row{Name: "events per second"}
	most := 0.0
	for i, rate := range rates {
		from, to := time.Duration(i)*width, time.Duration(i+1)*width
		if i == len(rates)-1 {
			to = took
		}
		row.Bars = append(row.Bars, chart.Bar{From: from.Seconds(), To: to.Seconds(), Value: rate})
		row.Stops = append(row.Stops, chart.Stop{At: ((from + to) / 2).Seconds(), Text: fmt.Sprintf("%s to %s: %s", output.Duration(from), output.Duration(to), perSecond(rate))})
		most = max(most, rate)
	}
	row.Max = perSecond(most)
	row.Note = fmt.Sprintf("in parts of %s", output.Duration(width))
	f := &chart.Figure{Title: "Rate over time", Label: "Events per second over time. Arrow keys move along it.", Axis: chart.Axis{To: took.Seconds()}}
	since := func(at time.Time) float64 { return at.Sub(s.begun).Seconds() }
	for i, at := range s.drops {
		if i >= len(s.returns) {
			row.Marks = append(row.Marks, chart.Mark{At: since(at), Kind: chart.End})
			continue
		}
		back := s.returns[i]
		row.Spans = append(row.Spans, chart.Span{From: since(at), To: since(back), Kind: chart.Bad})
		row.Marks = append(row.Marks, chart.Mark{At: since(at), Kind: chart.Bad})
	}
	if s.restarts > 0 {
		f.Legend = append(f.Legend, chart.Entry{Kind: chart.Bad, Text: "not connected"})
		f.Note = plural(s.restarts, "reconnection") + "."
		if s.restarts > len(s.returns) {
			f.Note = fmt.Sprintf("%d reconnections, of which the first %d are marked.", s.restarts, len(s.returns))
		}
	}
	f.Rows = []chart.Row{row}
	return f
}
