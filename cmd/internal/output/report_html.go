package output

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/chart"
	"github.com/ssectl/ssectl/internal/units"
	"github.com/ssectl/ssectl/pkg/diag"
)

//go:embed report.html
var reportMarkup string

var reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"safe": Safe, "plain": plainText, "top": topRemedies, "rest": restRemedies, "size": func(n int) string { return units.Size(int64(n)) },
	"role": roleName, "evidence": evidence, "source": isSource, "headers": requestHeaders, "took": func(ms int64) string { return fmt.Sprintf("%.1f", float64(ms)/1000) }, "plural": plural, "seconds": func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) },
}).Parse(reportMarkup))

// WriteReportHTML writes the report as a page, with a picture of the streams: one file,
// that needs no network and takes none.
func WriteReportHTML(w io.Writer, r *diag.Report, _ ReportStyle) error {
	view := struct {
		*diag.Report
		Summing string
		Faults  []diag.Result
		Streams template.HTML
		Others  template.HTML // those that nothing is compared with
	}{Report: r, Summing: strings.ReplaceAll(SummaryLine(&r.Summary), "  ", ", ")}
	for _, c := range r.Checks {
		if failedBy(r, c) {
			view.Faults = append(view.Faults, c)
		}
	}
	for _, c := range r.Checks { // after those that failed
		if c.Status == diag.Warn {
			view.Faults = append(view.Faults, c)
		}
	}
	first, others := splitTimelines(r.Timelines)
	for _, part := range []struct {
		lines []diag.Timeline
		to    *template.HTML
	}{{first, &view.Streams}, {others, &view.Others}} {
		if len(part.lines) > 0 {
			var err error
			if *part.to, err = streamsFigure(part.lines).HTML(); err != nil {
				return err
			}
		}
	}
	var body bytes.Buffer
	if err := reportPage.Execute(&body, view); err != nil {
		return err
	}
	return chart.WritePage(w, "ssectl diag: "+Safe(r.URL), template.HTML(body.String()))
}

// restRemedies are those that topRemedies leaves out.
func restRemedies(c diag.Result) []diag.Remedy {
	top := topRemedies(c)
	return slices.DeleteFunc(slices.Clone(c.Remedies), func(r diag.Remedy) bool { return slices.Contains(top, r) })
}

// evidence returns the numbers of a finding, in the order of their names.
func evidence(c diag.Result) (lines [][2]string) {
	for _, key := range slices.Sorted(maps.Keys(c.Evidence)) {
		value, err := json.Marshal(c.Evidence[key])
		if err == nil {
			lines = append(lines, [2]string{key, Safe(string(value))})
		}
	}
	return lines
}

// requestHeaders returns those of an exchange, a line each.
func requestHeaders(c diag.Connection) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(c.Request)) {
		lines = append(lines, Safe(name+": "+c.Request[name]))
	}
	return lines
}

// isSource reports whether the source of a check can be linked to.
func isSource(doc string) bool { return strings.HasPrefix(doc, "https://") }

// roleNames are the roles of exchanges for people.
var roleNames = map[string]string{
	"a": "the stream, asked for as browsers do", "twin": "a second stream, opened later", "identity": "the stream without compression",
	"again": "once more, to confirm", "origin": "the origin", "fresh": "a new connection, for its first event",
	"resume1": "resumed after the event before the last", "resume2": "resumed after an earlier event", "control": "beside those, without an ID",
	"unknown-id": "resumed after an unknown ID", "last-id": "resumed after the last event", "bust": "with a query that no cache knows",
	"soak": "a second life, after the cut", "protocol": "over the other version of HTTP", "cors": "from a page of another origin",
	"foreign": "as another user, with an ID of the first", "foreign-control": "as another user", "range": "a part by Range",
	"range-if": "a part, on a false condition", "range-end": "a part after the end", "injection": "with line breaks in the query",
	"origin-resume1": "the origin, resumed", "origin-resume2": "the origin, resumed earlier", "origin-control": "the origin, without an ID",
}

func roleName(role string) string {
	if name := roleNames[role]; name != "" {
		return name
	}
	return role
}

// spanKinds are the colors of spans.
var spanKinds = map[diag.SpanKind]chart.Kind{
	diag.SpanHeld: chart.Bad, diag.SpanUnfinished: chart.Doubt, diag.SpanHeaders: chart.Quiet, diag.SpanStall: chart.Quiet,
}

// splitTimelines sets the streams that had the same events at the same time apart from
// those that were asked for a part of the past.
func splitTimelines(all []diag.Timeline) (first, others []diag.Timeline) {
	for _, t := range all {
		switch t.Role {
		case "a", "twin", "identity", "again", "origin":
			first = append(first, t)
		default:
			others = append(others, t)
		}
	}
	return first, others
}

// streamsFigure draws timelines below each other, over the time of the run.
func streamsFigure(lines []diag.Timeline) *chart.Figure {
	f := &chart.Figure{
		Title: "When bytes and events came",
		Note:  "Each row is one connection. Its line is the bytes so far; below it, a bar for each arrival that completed events.",
		Label: "Timelines of the connections. Arrow keys move along the arrivals of a row, up and down change the row.",
	}
	shown := map[diag.SpanKind]bool{}
	ends, cut := false, false
	for _, t := range lines {
		f.Axis.To = max(f.Axis.To, t.End.Seconds())
		f.Rows = append(f.Rows, streamRow(&t))
		for _, s := range t.Spans {
			shown[s.Kind] = true
		}
		ends = ends || t.EndedBy == "eof"
		cut = cut || t.EndedBy == "reset" || t.EndedBy == "error"
	}
	f.Legend = []chart.Entry{{Kind: chart.Line, Text: "bytes so far"}, {Kind: chart.Dot, Text: "an event ends here"}, {Kind: chart.Bars, Text: "events at once, higher for more"}}
	for _, kind := range []struct {
		kind diag.SpanKind
		text string
	}{
		{diag.SpanHeld, "held: it was made, and did not come"},
		{diag.SpanUnfinished, "inside an event"},
		{diag.SpanHeaders, "no headers yet"},
		{diag.SpanStall, "this machine slept"},
	} {
		if shown[kind.kind] {
			f.Legend = append(f.Legend, chart.Entry{Kind: spanKinds[kind.kind], Text: kind.text})
		}
	}
	if ends {
		f.Legend = append(f.Legend, chart.Entry{Kind: chart.End, Text: "the server ended the stream"})
	}
	if cut {
		f.Legend = append(f.Legend, chart.Entry{Kind: chart.Broken, Text: "the connection was cut"})
	}
	return f
}

func streamRow(t *diag.Timeline) chart.Row {
	row := chart.Row{Name: roleName(t.Role), Note: streamNote(t), Strip: true}
	at := func(d time.Duration) float64 { return d.Seconds() }
	begun := t.Start
	if t.Headers > 0 {
		begun = t.Headers
		row.Stops = append(row.Stops, chart.Stop{At: at(begun), Text: fmt.Sprintf("at %s: headers, %s after the request", Duration(begun), Duration(begun-t.Start))})
	}
	line := []chart.Point{{X: at(begun)}}
	bytes, events := 0, 0
	for _, a := range t.Arrivals {
		line = append(line, chart.Point{X: at(a.From), Y: float64(bytes)}, chart.Point{X: at(a.To), Y: float64(a.Bytes)})
		events += a.Events
		if a.Events > 0 {
			row.Dots = append(row.Dots, chart.Point{X: at(a.To), Y: float64(a.Whole)})
			row.Bars = append(row.Bars, chart.Bar{From: at(a.To), To: at(a.To), Value: math.Log2(1 + float64(a.Events))})
		}
		row.Stops = append(row.Stops, chart.Stop{At: at(a.To), Text: arrivalText(&a, a.Bytes-bytes, events)})
		bytes = a.Bytes
	}
	if t.Headers > 0 {
		row.Line = append(line, chart.Point{X: at(t.End), Y: float64(bytes)})
	}
	if bytes > 0 {
		row.Max = units.Size(int64(bytes))
	}
	if past := pastOf(t); past > 0 {
		row.Base, row.Min = float64(past), units.Size(int64(past))
	}
	for _, s := range t.Spans {
		drawn := chart.Span{From: at(s.From), To: at(s.To), Kind: spanKinds[s.Kind]}
		// What several reasons speak for is no darker than the rest.
		i := slices.IndexFunc(row.Spans, func(o chart.Span) bool { return o.Kind == drawn.Kind && o.From <= drawn.To && drawn.From <= o.To })
		if i >= 0 {
			row.Spans[i].From, row.Spans[i].To = min(row.Spans[i].From, drawn.From), max(row.Spans[i].To, drawn.To)
			continue
		}
		row.Spans = append(row.Spans, drawn)
	}
	switch t.EndedBy {
	case "reset", "error":
		row.Marks = append(row.Marks, chart.Mark{At: at(t.End), Kind: chart.Broken})
	case "eof":
		row.Marks = append(row.Marks, chart.Mark{At: at(t.End), Kind: chart.End})
	}
	row.Stops = append(row.Stops, chart.Stop{At: at(t.End), Text: fmt.Sprintf("at %s: %s", Duration(t.End), endText(t.EndedBy))})
	return row
}

// pastOf returns how many bytes a stream began with, if those would leave hardly any
// room for what came after them.
func pastOf(t *diag.Timeline) int {
	if len(t.Arrivals) < 4 {
		return 0
	}
	first, last := t.Arrivals[0].Bytes, t.Arrivals[len(t.Arrivals)-1].Bytes
	if 2*first < last || first == last {
		return 0
	}
	return first - (last-first)/20 // so that its dot can be seen
}

// arrivalText describes an arrival of n bytes.
func arrivalText(a *diag.Arrival, n, events int) string {
	text := fmt.Sprintf("at %s: %s", Duration(a.To), units.Size(int64(n)))
	if a.Events > 0 {
		text += fmt.Sprintf(", %s (%d so far)", plural(a.Events, "event"), events)
	}
	if a.Comments > 0 {
		text += ", " + plural(a.Comments, "comment")
	}
	if a.Inside() {
		text += fmt.Sprintf(", and %s of the next", units.Size(int64(a.Bytes-a.Whole)))
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func endText(by string) string {
	switch by {
	case "client":
		return "closed by diag"
	case "eof":
		return "the server ended the stream"
	case "reset":
		return "the connection was cut"
	case "timeout":
		return "no answer in time"
	}
	return "no answer"
}

func streamNote(t *diag.Timeline) string {
	text := fmt.Sprintf("%s, %s, %s", plural(t.Events, "event"), units.Size(int64(t.Bytes)), endText(t.EndedBy))
	if t.Encoding != "" {
		text += ", " + Safe(t.Encoding) + " (drawn unpacked)"
	}
	if t.Merged > 0 {
		text += fmt.Sprintf("; %d of %d arrivals are drawn with the one before, no pause above %s is lost", t.Merged, t.Merged+len(t.Arrivals), Duration(t.Kept))
	}
	return text
}
