package output

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

var updateReports = flag.Bool("update-reports", false, "rewrite the golden files of reports")

// sampleReports are the reports for each format: findings of all kinds
// with text that a server chose, and a run that could not test.
func sampleReports() map[string]*diag.Report {
	fault := &diag.Report{
		SchemaID: diag.SchemaID, Tool: diag.Tool{Version: "1.0.0"}, URL: "http://127.0.0.1:1/", Started: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		DurationMS: 3, Outcome: diag.Error, Exit: 3, Error: &diag.Fault{Phase: "tcp", Message: "dial tcp 127.0.0.1:1: connect: connection refused"},
		Path: diag.Path{Hops: []diag.Hop{}}, Connections: []diag.Connection{}, Summary: diag.Summary{Fail: 1},
		Checks: []diag.Result{{ID: "connect-reach", Group: "connect", Status: diag.Fail, Severity: diag.Fail, Title: "an HTTP answer comes", Actual: "tcp: connection refused"}},
	}
	nginx := diag.Remedy{For: "nginx", Text: `proxy_buffering off; proxy_set_header Connection "";`, Recognized: true}
	app := diag.Remedy{For: "app", Text: "X-Accel-Buffering: no"}
	whole := &diag.Report{
		SchemaID: diag.SchemaID, Tool: diag.Tool{Version: "1.0.0"}, URL: "https://app.example.com/events?token=REDACTED", Started: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		DurationMS: 11204, Outcome: diag.Fail, Exit: 1,
		Summary:     diag.Summary{Pass: 1, Info: 1, Warn: 1, Fail: 2, Inconclusive: 2, Skip: 1},
		Client:      diag.ClientHealth{StallMax: 140, Stalls: 1},
		Path:        diag.Path{Protocol: "HTTP/2.0", TLS: "TLS 1.3", RTT: 23.1, Hops: []diag.Hop{{Name: "nginx", By: "Server"}}},
		Connections: []diag.Connection{{Role: "a", Method: "GET", Request: map[string]string{"Accept": "text/event-stream", "Cookie": "REDACTED"}, Status: 200, TTFB: 41, Bytes: 40960, Events: 212, Arrivals: 10, End: "client"}},
		Checks: []diag.Result{
			{ID: "connect-status", Group: "connect", Status: diag.Pass, Severity: diag.Fail, Title: "the status is 200", Actual: "200, no redirect"},
			{ID: "cache-control", Group: "headers", Status: diag.Warn, Severity: diag.Warn, Title: "caches are told to stay away", Actual: "missing: shared caches may keep the stream", Remedies: []diag.Remedy{app}},
			{ID: "buffer-proxy", Group: "buffering", Status: diag.Fail, Severity: diag.Fail, Title: "no buffer holds events", Actual: "events are held for about 2.40 s and let go in pieces of about 4096 bytes",
				Seen: "4 of 4 pauses inside an event", Evidence: map[string]any{"hold_ms": 2400, "batch_bytes": 4096}, Remedies: []diag.Remedy{nginx, app}, Doc: "https://github.com/nginx/nginx/issues/1505"},
			{ID: "heartbeat", Group: "buffering", Status: diag.Inconclusive, Severity: diag.Fail, Title: "silence stays short", Actual: "no silence longer than 3.10 s in 12.0 s; --soak watches longer"},
			{ID: "frame-field", Group: "framing", Status: diag.Fail, Severity: diag.Fail, Title: "every line is a field or a comment", Actual: "a line that is no field follows data", Seen: "line \"\x1b[2J]]>|# %0A::error::\u202e<b>\x00\x7f\""},
			{ID: "id-present", Group: "resume", Status: diag.Info, Severity: diag.Warn, Title: "events have IDs", Actual: "3 of 4 events have one"},
			{ID: "resume", Group: "resume", Status: diag.Inconclusive, Severity: diag.Fail, Title: "Last-Event-ID resumes", Actual: "fewer than three IDs were seen", Required: true},
			{ID: "llm-error", Group: "llm", Status: diag.Skip, Severity: diag.Fail, Title: "errors are told", Actual: "not the answer of a model"},
		},
	}
	whole.Timelines = sampleTimelines()
	return map[string]*diag.Report{"whole": whole, "fault": fault}
}

// sampleTimelines are a stream that is held, the same without compression, and one that
// was cut, with names that a server chose.
func sampleTimelines() []diag.Timeline {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	held := diag.Timeline{
		Role: "a", Headers: ms(41), End: ms(11_000), EndedBy: "client", Encoding: "<gzip>\x1b[2J\u202e", Bytes: 5000, Events: 24,
		Arrivals: []diag.Arrival{{From: ms(2400), To: ms(2410), Bytes: 4096, Whole: 4000, Events: 12}, {From: ms(4800), To: ms(4800), Bytes: 8192, Whole: 8192, Events: 12, Comments: 1}},
		Spans:    []diag.Span{{From: ms(41), To: ms(2400), Kind: diag.SpanHeld, Text: "held for 2.36 s"}, {From: ms(2410), To: ms(4800), Kind: diag.SpanUnfinished, Text: "96 bytes of an event were there"}},
	}
	plain := diag.Timeline{Role: "identity", Start: ms(370), Headers: ms(400), End: ms(11_000), EndedBy: "eof", Bytes: 9000, Events: 30, Merged: 27, Kept: ms(12), Hidden: 3}
	for i := range 3 {
		plain.Arrivals = append(plain.Arrivals, diag.Arrival{From: ms(1000 * (i + 1)), To: ms(1000*(i+1) + 90), Bytes: 3000 * (i + 1), Whole: 3000 * (i + 1), Events: 10})
	}
	cut := diag.Timeline{Role: "resume1", Start: ms(6000), End: ms(6500), EndedBy: "reset", Spans: []diag.Span{{From: ms(6000), To: ms(6500), Kind: diag.SpanHeaders, Text: "no headers for 500 ms"}}}
	return []diag.Timeline{held, plain, cut}
}

func TestReportGolden(t *testing.T) {
	for name, report := range sampleReports() {
		for format, write := range ReportFormats {
			var got bytes.Buffer
			if err := write(&got, report, ReportStyle{Colors: term.NewColors(false), Width: 80}); err != nil {
				t.Errorf("%s, %s: %v", name, format, err)
				continue
			}
			if strings.ContainsAny(got.String(), "\x1b\x00\x7f\u202e") {
				t.Errorf("%s, %s: control characters of a server in the report", name, format)
			}
			file := filepath.Join("testdata", "report-"+name+"."+format)
			if *updateReports {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s, %s: got\n%s\nwant\n%s", name, format, got.Bytes(), want)
			}
		}
	}
}

// TestReportJSONSchema holds reports to the schema that is published.
func TestReportJSONSchema(t *testing.T) {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(diag.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, report := range sampleReports() {
		var text bytes.Buffer
		if err := WriteReportJSON(&text, report, ReportStyle{}); err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(&text)
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := compiled.Validate(map[string]any{"schema": "ssectl.diag/1"}); err == nil {
		t.Error("the schema accepts a report of nothing")
	}
}

// TestReportJUnitXML reads the XML as a CI server does, and counts.
func TestReportJUnitXML(t *testing.T) {
	for name, report := range sampleReports() {
		var text bytes.Buffer
		if err := WriteReportJUnit(&text, report, ReportStyle{}); err != nil {
			t.Fatal(err)
		}
		cases, failures := 0, 0
		for dec := xml.NewDecoder(&text); ; {
			token, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if start, ok := token.(xml.StartElement); ok {
				switch start.Name.Local {
				case "testcase":
					cases++
				case "failure", "error":
					failures++
				}
			}
		}
		want := report.Summary.Fail
		for _, c := range report.Checks {
			if c.Required && c.Status == diag.Inconclusive {
				want++
			}
		}
		all := len(report.Checks)
		if report.Error != nil {
			all, want = all+1, want+1
		}
		if cases != all || failures != want {
			t.Errorf("%s: %d cases and %d failures, want %d and %d", name, cases, failures, all, want)
		}
	}
}

// TestReportGitHubOneLine: a server must not end a workflow command, and so
// begin one of its own.
func TestReportGitHubOneLine(t *testing.T) {
	var text bytes.Buffer
	if err := WriteReportGitHub(&text, sampleReports()["whole"], ReportStyle{}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "::error title=ssectl diag") && !strings.HasPrefix(line, "::warning title=ssectl diag") && !strings.HasPrefix(line, "ssectl diag ") {
			t.Errorf("line %q", line)
		}
	}
}

// TestReportTextNarrow: the text fits any terminal that is not absurd.
func TestReportTextNarrow(t *testing.T) {
	for _, width := range []int{70, 80, 100} {
		var text bytes.Buffer
		if err := WriteReportText(&text, sampleReports()["whole"], ReportStyle{Colors: term.NewColors(false), Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width && !strings.Contains(line, "https://") && !strings.HasPrefix(line, "  path") && !strings.HasPrefix(line, "  note") {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
}

func TestJSONIsWhole(t *testing.T) {
	var text bytes.Buffer
	if err := WriteReportJSON(&text, sampleReports()["fault"], ReportStyle{}); err != nil {
		t.Fatal(err)
	}
	var back diag.Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || back.Error == nil || back.Exit != 3 {
		t.Errorf("got %+v, %v", back, err)
	}
}
