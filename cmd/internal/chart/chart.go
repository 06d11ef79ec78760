// Package chart draws series of numbers: as figures of a page that is one file and
// needs no network ([WritePage]), and as lines of block characters on a terminal
// ([Spark]). It knows neither streams nor reports.
//
// Figures are SVG, made here and not in the browser: they are there without scripts,
// print sharply, and their text can be searched. A script adds a cursor, zoom and keys.
package chart

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// A Figure is rows of marks over one common axis.
type Figure struct {
	Title string
	Note  string // under the title
	Label string // for readers that do not see the figure
	Axis  Axis
	Rows  []Row
	// Legend explains the marks. Marks of a kind that is not in it need no explanation.
	Legend []Entry
}

// An Axis is the range of all rows. Without ticks it is one of seconds, and can be
// zoomed.
type Axis struct {
	From, To float64
	Ticks    []Tick
}

// A Tick is a label of an axis.
type Tick struct {
	At   float64
	Text string
}

// A Row is one series, drawn as far as it has parts.
type Row struct {
	Name string
	Note string  // beside the name
	Max  string  // the label of the largest value of Line
	Min  string  // the label of Base
	Base float64 // the value at the bottom
	Line []Point // of a value that grows or changes, in steps or straight
	Dots []Point
	Bars []Bar
	// Strip draws the bars in a strip of their own below the line.
	Strip bool
	Spans []Span
	Marks []Mark
	// Stops are the places that a cursor goes to, in order, with the text that it shows.
	Stops []Stop
}

// A Point is a value of Row.Line or a place on it. X is of the axis.
type Point struct{ X, Y float64 }

// A Bar goes from From to To, or is a thin one if they are the same.
type Bar struct{ From, To, Value float64 }

// A Kind is the meaning of a mark, and so its color.
type Kind string

// The kinds.
const (
	Line  Kind = "line"
	Dot   Kind = "dot"
	Bars  Kind = "bar"
	Bad   Kind = "bad"   // a fault
	Doubt Kind = "doubt" // of interest
	Quiet Kind = "quiet" // for completeness
	End   Kind = "end"   // of what a row shows, in order

	Broken Kind = "broken" // its end, where that is a fault
)

// A Span is a stretch of the axis that is shaded.
type Span struct {
	From, To float64
	Kind     Kind
}

// A Mark is a place on the axis.
type Mark struct {
	At   float64
	Kind Kind
}

// A Stop is a place that the cursor goes to.
type Stop struct {
	At   float64
	Text string
}

// An Entry of a legend.
type Entry struct {
	Kind Kind
	Text string
}

// The inner coordinates of a row, which the browser stretches over its width.
const (
	wide = 10_000
	high = 1_000

	lineTop, lineBottom   = 70, 985
	stripTop, stripBottom = 790, 1_000
	stripLine             = 740 // the bottom of the line above a strip
)

// HTML returns the figure as markup for a page of [WritePage].
func (f *Figure) HTML() (template.HTML, error) {
	var text strings.Builder
	err := templates.ExecuteTemplate(&text, "figure", f.view())
	return template.HTML(text.String()), err
}

type figureView struct {
	*Figure
	Rows  []rowView
	Ticks []tickView
	Data  data
	Zooms bool
}

type rowView struct {
	Row
	Number                       int
	Grid, Area, Path, Dots, Bars string // paths
	Spans                        []spanView
	Marks                        []markView
}

type spanView struct {
	X, Width string
	Kind     Kind
}

type markView struct {
	Path string
	Kind Kind
}

type tickView struct {
	X, Text string
	Anchor  string
}

// data is for the script.
type data struct {
	From  float64   `json:"from"`
	To    float64   `json:"to"`
	Zooms bool      `json:"zooms"`
	Rows  []rowData `json:"rows"`
}

type rowData struct {
	X    []float64 `json:"x"`
	Text []string  `json:"text"`
}

func (f *Figure) view() figureView {
	v := figureView{Figure: f, Zooms: f.Axis.Ticks == nil}
	v.Data = data{From: f.Axis.From, To: f.Axis.To, Zooms: v.Zooms, Rows: []rowData{}}
	ticks := f.Axis.Ticks
	if v.Zooms {
		ticks = secondTicks(f.Axis.From, f.Axis.To)
	}
	grid := ""
	for _, t := range ticks {
		part := f.part(t.At)
		anchor := "middle"
		switch {
		case part < .03:
			anchor = "start"
		case part > .97:
			anchor = "end"
		}
		v.Ticks = append(v.Ticks, tickView{number(100*part) + "%", t.Text, anchor})
		grid += fmt.Sprintf("M%s 0V%d", f.x(t.At), high)
	}
	for i, r := range f.Rows {
		v.Rows = append(v.Rows, f.row(i, r, grid))
		d := rowData{X: []float64{}, Text: []string{}}
		for _, s := range r.Stops {
			d.X, d.Text = append(d.X, math.Round(s.At*1e6)/1e6), append(d.Text, s.Text)
		}
		v.Data.Rows = append(v.Data.Rows, d)
	}
	return v
}

func (f *Figure) row(number int, r Row, grid string) rowView {
	v := rowView{Row: r, Number: number, Grid: grid}
	bottom := lineBottom
	if r.Strip {
		bottom = stripLine
	}
	most := 0.0
	for _, p := range append(r.Line, r.Dots...) {
		most = max(most, p.Y)
	}
	y := func(value float64) string {
		if most <= r.Base {
			return strconv.Itoa(bottom)
		}
		return strconv.Itoa(bottom - int(math.Round(max(value-r.Base, 0)/(most-r.Base)*float64(bottom-lineTop))))
	}
	var line, area, dots strings.Builder
	for i, p := range r.Line {
		command := "L"
		if i == 0 {
			command = "M"
			fmt.Fprintf(&area, "M%s %d", f.x(p.X), bottom)
		}
		fmt.Fprintf(&line, "%s%s %s", command, f.x(p.X), y(p.Y))
		fmt.Fprintf(&area, "L%s %s", f.x(p.X), y(p.Y))
	}
	if n := len(r.Line); n > 0 {
		fmt.Fprintf(&area, "L%s %dZ", f.x(r.Line[n-1].X), bottom)
	}
	for _, p := range r.Dots {
		fmt.Fprintf(&dots, "M%s %sh.01", f.x(p.X), y(p.Y)) // a point is the round cap of its stroke
	}
	v.Path, v.Area, v.Dots, v.Bars = line.String(), area.String(), dots.String(), f.bars(r)
	for _, s := range r.Spans {
		from, to := f.part(s.From), f.part(s.To)
		v.Spans = append(v.Spans, spanView{f.x(s.From), fixed(max(to-from, 0) * wide), s.Kind})
	}
	for _, m := range r.Marks {
		v.Marks = append(v.Marks, markView{fmt.Sprintf("M%s 0V%d", f.x(m.At), high), m.Kind})
	}
	return v
}

func (f *Figure) bars(r Row) string {
	top, bottom := lineTop, stripBottom
	if r.Strip {
		top = stripTop
	}
	most := 0.0
	for _, b := range r.Bars {
		most = max(most, b.Value)
	}
	var text strings.Builder
	for _, b := range r.Bars {
		if b.Value <= 0 {
			continue
		}
		// Never so low that it cannot be seen.
		height := max(20, int(math.Round(b.Value/most*float64(bottom-top))))
		if b.From == b.To {
			fmt.Fprintf(&text, "M%s %dv-%d", f.x(b.From), bottom, height)
			continue
		}
		fmt.Fprintf(&text, "M%s %dV%dH%sV%dZ", f.x(b.From), bottom, bottom-height, f.x(b.To), bottom)
	}
	return text.String()
}

// Thin reports whether the bars are strokes.
func (v rowView) Thin() bool { return len(v.Row.Bars) > 0 && v.Row.Bars[0].From == v.Row.Bars[0].To }

// part returns the place of a value on the axis, from 0 to 1.
func (f *Figure) part(value float64) float64 {
	if f.Axis.To <= f.Axis.From {
		return 0
	}
	return min(max((value-f.Axis.From)/(f.Axis.To-f.Axis.From), 0), 1)
}

func (f *Figure) x(value float64) string { return fixed(f.part(value) * wide) }

// fixed formats an inner coordinate.
func fixed(value float64) string { return number(math.Round(value*10) / 10) }

func number(value float64) string {
	return strconv.FormatFloat(math.Round(value*1000)/1000, 'f', -1, 64)
}

// secondTicks returns round times, eight or so.
func secondTicks(from, to float64) []Tick {
	step := niceStep((to - from) / 8)
	if step <= 0 || math.IsInf(step, 0) || math.IsNaN(step) {
		return nil
	}
	var ticks []Tick
	for i := math.Ceil(from / step); i*step <= to+step*1e-9; i++ {
		text := number(i*step) + " s"
		if to < 1 {
			text = number(i*step*1000) + " ms"
		}
		ticks = append(ticks, Tick{i * step, text})
	}
	return ticks
}

// niceStep returns the round number next above a step.
func niceStep(least float64) float64 {
	if least <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(least)))
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= least {
			return m * unit
		}
	}
	return 10 * unit
}
