package output

import (
	"fmt"
	"io"
	"strings"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// marks are the words before a check, by its status.
var marks = map[diag.Status]string{
	diag.Pass: "ok", diag.Info: "info", diag.Warn: "warn", diag.Fail: "FAIL", diag.Inconclusive: "?", diag.Skip: "-",
}

// WriteReportText writes the report for people: by group, with the evidence and the
// remedies under a finding, and a summary in the last line.
func WriteReportText(w io.Writer, r *diag.Report, style ReportStyle) error {
	t := &reportText{style: style, width: style.Width}
	if t.width <= 0 || t.width > 120 {
		t.width = 120
	}
	for _, c := range r.Checks {
		t.idWidth = max(t.idWidth, len(c.ID))
	}
	t.head(r)
	for _, group := range diag.Groups() {
		t.group(r, group)
	}
	t.foot(r)
	_, err := io.WriteString(w, t.text.String())
	return err
}

type reportText struct {
	text    strings.Builder
	style   ReportStyle
	width   int
	idWidth int
}

func (t *reportText) head(r *diag.Report) {
	c := t.style.Colors
	fmt.Fprintf(&t.text, "ssectl diag %s  %s\n", r.Tool.Version, c.Strong(Safe(r.URL)))
	if r.Path.Protocol != "" {
		var hops []string
		for _, h := range r.Path.Hops {
			hops = append(hops, fmt.Sprintf("%s (%s)", h.Name, h.By))
		}
		if len(hops) == 0 {
			hops = []string{"no hop names itself"}
		}
		proto := r.Path.Protocol
		if r.Path.TLS != "" {
			proto += ", " + r.Path.TLS
		}
		fmt.Fprintf(&t.text, "  path  %s   %s   rtt %.1f ms\n", strings.Join(hops, ", "), proto, r.Path.RTT)
	}
	if r.Client.StallMax > 0 {
		fmt.Fprintf(&t.text, "  note  this machine slept for up to %.0f ms; what came then is left out\n", r.Client.StallMax)
	}
}

func (t *reportText) group(r *diag.Report, group string) {
	var shown []diag.Result
	passed := 0
	for _, c := range r.Checks {
		if c.Group != group || !t.shown(r, c) {
			continue
		}
		if c.Status == diag.Pass {
			passed++
		}
		shown = append(shown, c)
	}
	if len(shown) == 0 {
		return
	}
	fmt.Fprintf(&t.text, "\n%s\n", t.style.Colors.Strong(group))
	if group == "framing" && passed == len(shown) && passed > 1 && !t.style.All {
		t.check(together(shown))
		return
	}
	for _, c := range shown {
		t.check(c)
	}
}

// together sums up in one line a group that passed as a whole.
func together(checks []diag.Result) diag.Result {
	all := diag.Result{ID: "frame-*", Status: diag.Pass, Actual: fmt.Sprintf("all %d checks", len(checks))}
	for _, c := range checks {
		if c.ID == "frame-size" {
			all.Actual += "; " + c.Actual
		}
	}
	return all
}

// shown leaves out checks that do not apply, and mere remarks.
func (t *reportText) shown(r *diag.Report, c diag.Result) bool {
	switch {
	case t.style.All || failedBy(r, c):
		return true
	case c.Status == diag.Skip:
		return false
	}
	return true
}

func (t *reportText) check(c diag.Result) {
	mark := StatusStyle(t.style.Colors, c.Status)(fmt.Sprintf("%-4s", marks[c.Status]))
	indent := 2 + 4 + 2 + t.idWidth + 2
	id := fmt.Sprintf("%-*s", t.idWidth, c.ID)
	if c.Status == diag.Fail || c.Status == diag.Warn {
		id = t.style.Colors.Strong(id)
	}
	fmt.Fprintf(&t.text, "  %s  %s  ", mark, id)
	t.wrap(Safe(c.Actual), indent)
	if c.Status == diag.Pass || c.Status == diag.Skip {
		return
	}
	if c.Seen != "" {
		t.under("seen", Safe(c.Seen))
	}
	for _, remedy := range topRemedies(c) {
		t.under("fix", fmt.Sprintf("%s: %s", remedy.For, remedy.Text))
	}
}

// StatusStyle returns the style of a status.
func StatusStyle(c term.Colors, s diag.Status) term.Style {
	switch s {
	case diag.Pass:
		return c.Good
	case diag.Warn:
		return c.Warn
	case diag.Fail:
		return c.Bad
	}
	return c.Faint
}

// under writes a line below a finding.
func (t *reportText) under(word, text string) {
	fmt.Fprintf(&t.text, "        %s ", t.style.Colors.Faint(fmt.Sprintf("%-4s", word)))
	t.wrap(text, 13)
}

// wrap writes words, the lines after the first one indented.
func (t *reportText) wrap(text string, indent int) {
	t.text.WriteString(Wrap(text, indent, t.width))
	t.text.WriteByte('\n')
}

func (t *reportText) foot(r *diag.Report) {
	c := t.style.Colors
	line := SummaryLine(&r.Summary)
	if r.Error != nil {
		line = "could not test   " + line
	}
	switch r.Outcome {
	case diag.Pass:
		line = c.Good(line)
	default:
		line = c.Bad(line)
	}
	fmt.Fprintf(&t.text, "\n%s   %.1f s   exit %d\n", line, float64(r.DurationMS)/1000, r.Exit)
	var bad []string
	for _, check := range r.Checks {
		if failedBy(r, check) {
			bad = append(bad, check.ID)
		}
	}
	if len(bad) > 0 {
		fmt.Fprintf(&t.text, "explain: ssectl diag --explain %s\n", bad[0])
	}
}
