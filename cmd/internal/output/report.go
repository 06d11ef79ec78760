package output

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// ReportStyle describes the place where a report is shown.
type ReportStyle struct {
	Colors term.Colors
	Width  int  // columns, 0 if unknown
	All    bool // passed and skipped checks too, each on a line of its own
}

// A ReportFormat writes a report in one form.
type ReportFormat func(io.Writer, *diag.Report, ReportStyle) error

// ReportFormats are the forms by name.
var ReportFormats = map[string]ReportFormat{
	"text":     WriteReportText,
	"json":     WriteReportJSON,
	"junit":    WriteReportJUnit,
	"tap":      WriteReportTAP,
	"github":   WriteReportGitHub,
	"html":     WriteReportHTML,
	"markdown": WriteReportMarkdown,
}

// ReportFormatNames are the names, in the order of the alphabet.
func ReportFormatNames() []string {
	var names []string
	for name := range ReportFormats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// WriteReportJSON writes the report by its published schema. Characters that change
// the direction of text on a terminal are escaped, as \u202e, which is the same to
// a reader of JSON.
func WriteReportJSON(w io.Writer, r *diag.Report, _ ReportStyle) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(safeJSON(text.Bytes()))
	return err
}

// JSONLine returns a value as one line of JSON, with its line end, that is as safe to
// show as a report in JSON is.
func JSONLine(value any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	return safeJSON(text.Bytes()), nil
}

// safeJSON escapes what must not reach a terminal or a log as it is.
func safeJSON(text []byte) (safe []byte) {
	// AppendSafe writes a DEL as JSON does not.
	escaped := bytes.ReplaceAll(text, []byte{0x7f}, []byte(`\u007f`))
	escaped = bytes.ReplaceAll(escaped, []byte("##["), []byte(`#\u0023[`)) // see Safe
	for _, line := range bytes.SplitAfter(escaped, []byte("\n")) {
		whole, found := bytes.CutSuffix(line, []byte("\n"))
		safe = AppendSafe(safe, whole)
		if found {
			safe = append(safe, '\n')
		}
	}
	return safe
}

// SummaryLine counts the statuses that matter, worst first.
func SummaryLine(s *diag.Summary) string {
	var parts []string
	for _, p := range []struct {
		n          int
		one, other string
	}{
		{s.Fail, "failed", "failed"},
		{s.Warn, "warning", "warnings"},
		{s.Inconclusive, "inconclusive", "inconclusive"},
		{s.Pass, "passed", "passed"},
	} {
		word := p.other
		if p.n == 1 {
			word = p.one
		}
		if p.n > 0 || p.one == "failed" {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, word))
		}
	}
	return strings.Join(parts, "  ")
}

// failedBy reports whether the check is a reason for the run to have failed.
func failedBy(r *diag.Report, c diag.Result) bool {
	switch c.Status {
	case diag.Fail:
		return true
	case diag.Inconclusive, diag.Skip:
		return c.Required
	}
	return false
}

// WriteReportJUnit writes the XML that CI servers read: a suite for each group,
// a case for each check. A run that could not test is an error in it.
func WriteReportJUnit(w io.Writer, r *diag.Report, _ ReportStyle) error {
	all := junitSuites{Name: "ssectl diag " + r.URL, Time: seconds(r.DurationMS)}
	if r.Error != nil {
		all.Suites = append(all.Suites, junitSuite{
			Name: "ssectl.diag", Tests: 1, Errors: 1,
			Cases: []junitCase{{
				Class: "ssectl.diag", Name: string(r.Error.Phase),
				Error: &junitMessage{Message: plainText(r.Error.Message), Type: string(r.Error.Phase)},
			}},
		})
		all.Tests, all.Errors = 1, 1
	}
	for _, group := range diag.Groups() {
		suite := junitSuite{Name: "ssectl.diag." + group}
		for _, c := range r.Checks {
			if c.Group == group {
				suite.add(r, c)
			}
		}
		if suite.Tests > 0 {
			all.Suites = append(all.Suites, suite)
			all.Tests += suite.Tests
			all.Failures += suite.Failures
			all.Skipped += suite.Skipped
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr,omitempty"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Error   *junitMessage `xml:"error,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (s *junitSuite) add(r *diag.Report, c diag.Result) {
	item := junitCase{Class: "ssectl.diag." + c.Group, Name: c.ID, Time: seconds(c.MS)}
	details := plainText(details(c, "\n"))
	switch {
	case failedBy(r, c):
		item.Failure = &junitMessage{Message: plainText(c.Actual), Type: string(c.Status), Text: details}
		s.Failures++
	case c.Status == diag.Skip, c.Status == diag.Inconclusive:
		item.Skipped = &junitMessage{Message: plainText(c.Actual), Type: string(c.Status)}
		s.Skipped++
	default:
		item.Out = plainText(string(c.Status)+": "+c.Actual) + details
	}
	s.Tests++
	s.Cases = append(s.Cases, item)
}

// details are the evidence and the remedies, each after sep.
func details(c diag.Result, sep string) string {
	var lines []string
	if c.Seen != "" {
		lines = append(lines, "seen "+c.Seen)
	}
	for _, remedy := range topRemedies(c) {
		lines = append(lines, fmt.Sprintf("fix %s: %s", remedy.For, remedy.Text))
	}
	if len(lines) == 0 {
		return ""
	}
	return sep + strings.Join(lines, sep)
}

// topRemedies are the ones to print: those for hops that were recognized and for
// the application, or else the likeliest.
func topRemedies(c diag.Result) []diag.Remedy {
	var top []diag.Remedy
	seen := map[string]bool{}
	for _, remedy := range c.Remedies {
		if remedy.Recognized && !seen[remedy.For] && len(top) < 2 {
			seen[remedy.For] = true
			top = append(top, remedy)
		}
	}
	for _, remedy := range c.Remedies {
		if !remedy.Recognized && remedy.For == "app" && len(top) < 3 {
			top = append(top, remedy)
			break
		}
	}
	for _, remedy := range c.Remedies {
		if !remedy.Recognized && remedy.For != "app" && len(top) < 2 {
			top = append(top, remedy)
		}
	}
	return top
}

func seconds(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }

// plainText is text without the characters that XML and terminals cannot take.
func plainText(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		lines = append(lines, Safe(line))
	}
	return strings.Join(lines, "\n")
}

// WriteReportTAP writes the Test Anything Protocol, version 13.
func WriteReportTAP(w io.Writer, r *diag.Report, _ ReportStyle) error {
	var text strings.Builder
	n := len(r.Checks)
	if r.Error != nil {
		n++
	}
	fmt.Fprintf(&text, "TAP version 13\n1..%d\n", n)
	if r.Error != nil {
		fmt.Fprintf(&text, "not ok 1 - %s\n", tapText("could not test: "+r.Error.Message))
	}
	for i, c := range r.Checks {
		number := n - len(r.Checks) + i + 1
		switch {
		case failedBy(r, c):
			fmt.Fprintf(&text, "not ok %d - %s\n", number, tapText(c.ID+" "+c.Actual))
			for _, line := range strings.Split(strings.TrimPrefix(details(c, "\n"), "\n"), "\n") {
				if line != "" {
					fmt.Fprintf(&text, "# %s\n", Safe(line))
				}
			}
		case c.Status == diag.Skip, c.Status == diag.Inconclusive:
			fmt.Fprintf(&text, "ok %d - %s # SKIP %s\n", number, c.ID, Safe(c.Actual))
		default:
			fmt.Fprintf(&text, "ok %d - %s\n", number, tapText(c.ID+" "+c.Actual))
		}
	}
	if r.Outcome == diag.Error {
		fmt.Fprintf(&text, "Bail out! %s\n", Safe(r.Error.Message))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// tapText keeps a description from being read as a directive.
func tapText(text string) string { return strings.ReplaceAll(Safe(text), "#", `\#`) }

// WriteReportGitHub writes workflow commands, which GitHub Actions shows as
// annotations, and a line that sums up
// (https://docs.github.com/actions/reference/workflow-commands-for-github-actions).
func WriteReportGitHub(w io.Writer, r *diag.Report, _ ReportStyle) error {
	var text strings.Builder
	told := func(c diag.Result) bool { return failedBy(r, c) && strings.Contains(c.Actual, r.Error.Message) }
	if r.Error != nil && !slices.ContainsFunc(r.Checks, told) {
		fmt.Fprintf(&text, "::error title=ssectl diag::%s\n", githubData("could not test: "+r.Error.Message))
	}
	for _, c := range r.Checks {
		level := ""
		switch {
		case failedBy(r, c):
			level = "error"
		case c.Status == diag.Warn:
			level = "warning"
		default:
			continue
		}
		fmt.Fprintf(&text, "::%s title=%s::%s\n", level, githubProperty("ssectl diag: "+c.ID), githubData(c.Actual+details(c, "\n")))
	}
	fmt.Fprintf(&text, "ssectl diag %s: %s\n", Safe(r.URL), SummaryLine(&r.Summary))
	_, err := io.WriteString(w, text.String())
	return err
}

var (
	githubDataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubPropertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func githubData(text string) string     { return githubDataEscapes.Replace(plainText(text)) }
func githubProperty(text string) string { return githubPropertyEscapes.Replace(Safe(text)) }

// WriteReportMarkdown writes a table for a step summary or a pull request.
func WriteReportMarkdown(w io.Writer, r *diag.Report, style ReportStyle) error {
	var text strings.Builder
	fmt.Fprintf(&text, "### ssectl diag: %s\n\n`%s`\n\n", r.Outcome, strings.ReplaceAll(Safe(r.URL), "`", ""))
	if r.Error != nil {
		fmt.Fprintf(&text, "Could not test (%s): %s\n\n", r.Error.Phase, markdownText(r.Error.Message))
	}
	fmt.Fprintf(&text, "%s, %s s\n\n", strings.ReplaceAll(SummaryLine(&r.Summary), "  ", ", "), seconds(r.DurationMS))
	rows := 0
	for _, c := range r.Checks {
		if !style.All && (c.Status == diag.Pass || c.Status == diag.Skip || c.Status == diag.Info) && !failedBy(r, c) {
			continue
		}
		if rows++; rows == 1 {
			text.WriteString("| | check | found | try |\n|---|---|---|---|\n")
		}
		var fixes []string
		for _, remedy := range topRemedies(c) {
			fixes = append(fixes, fmt.Sprintf("%s: `%s`", remedy.For, strings.NewReplacer("`", "'", "|", "\\|").Replace(remedy.Text)))
		}
		actual := markdownText(c.Actual)
		if c.Seen != "" {
			actual += "<br>" + markdownText(c.Seen)
		}
		fmt.Fprintf(&text, "| %s | `%s` | %s | %s |\n", c.Status, c.ID, actual, strings.Join(fixes, "<br>"))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// markdownText is text that is shown as it is, and not as markup.
func markdownText(text string) string {
	return markdownEscapes.Replace(Safe(text))
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "@", "&#64;", "\n", " ")
