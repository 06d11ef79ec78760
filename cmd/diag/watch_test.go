package diagcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// A round is the outcome of a diagnosis in a test: verdicts as "id status, id status", or
// the reason why there are none.
type round struct {
	verdicts string
	untested string
	took     time.Duration
}

func (r round) report() *diag.Report {
	report := &diag.Report{URL: "http://example.com/events", Outcome: diag.Pass, Duration: r.took, DurationMS: r.took.Milliseconds()}
	if r.untested != "" {
		report.Error, report.Outcome, report.Exit = &diag.Fault{Phase: "tcp", Message: r.untested}, diag.Error, cli.ExitNoRun
	}
	for part := range strings.SplitSeq(r.verdicts, ", ") {
		id, status, ok := strings.Cut(part, " ")
		if !ok {
			continue
		}
		status, required := strings.CutSuffix(status, "!")
		c := diag.Result{ID: id, Group: "buffering", Status: diag.Status(status), Actual: "found " + status, Required: required}
		switch c.Status {
		case diag.Fail:
			report.Summary.Fail++
			report.Outcome, report.Exit = diag.Fail, cli.ExitFailed
		case diag.Pass:
			report.Summary.Pass++
		}
		report.Checks = append(report.Checks, c)
	}
	return report
}

// watched plays rounds to a watcher, and stops it after the last one. It returns the
// lines, and when each round began, in seconds after the start.
func watched(t *testing.T, w *watcher, rounds ...round) (told string, begun []int, err error) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		w.diagnose = func(context.Context) (*diag.Report, error) {
			begun = append(begun, int(time.Since(start)/time.Second))
			r := rounds[len(begun)-1]
			time.Sleep(r.took)
			if len(begun) == len(rounds) {
				time.AfterFunc(time.Millisecond, cancel)
			}
			return r.report(), nil
		}
		var out bytes.Buffer
		if w.tell == nil {
			w.tell = textLines(&out, term.NewColors(false))
		}
		err = w.run(ctx)
		cancel()
		told = out.String()
	})
	return told, begun, err
}

// TestWatchTellsChanges has checks come and go, and a target too.
func TestWatchTellsChanges(t *testing.T) {
	w := &watcher{every: 10 * time.Second, metrics: &metrics{}}
	told, begun, err := watched(t, w,
		round{verdicts: "a pass, b fail, c skip, d inconclusive, e inconclusive!, f warn"},
		round{verdicts: "a pass, b fail, c pass, d inconclusive, e inconclusive!, f warn"}, // c applies now, and is fine
		round{verdicts: "a fail, b skip, c skip, d pass, e pass, f info"},                  // b was a fault, and c none
		round{untested: "connection refused", verdicts: "a inconclusive"},
		round{untested: "connection refused"},
		round{untested: "no route"},
		round{verdicts: "a fail, c fail, d pass, e pass, f info, g warn"}, // b is not there, g is new
	)
	want := `2000-01-01T00:00:00Z  http://example.com/events  1 failed  1 passed, in 0s
2000-01-01T00:00:00Z  b  fail  found fail
2000-01-01T00:00:00Z  e  inconclusive  found inconclusive
2000-01-01T00:00:00Z  f  warn  found warn
2000-01-01T00:00:20Z  a  pass → fail  found fail
2000-01-01T00:00:20Z  b  fail → skip  found skip
2000-01-01T00:00:20Z  d  inconclusive → pass  found pass
2000-01-01T00:00:20Z  e  inconclusive → pass  found pass
2000-01-01T00:00:20Z  f  warn → info  found info
2000-01-01T00:00:30Z  could not test: tcp: connection refused
2000-01-01T00:00:50Z  could not test: tcp: no route
2000-01-01T00:01:00Z  http://example.com/events  2 failed  2 passed, in 0s
2000-01-01T00:01:00Z  c  skip → fail  found fail
2000-01-01T00:01:00Z  g  skip → warn  found warn
`
	if told != want || err != nil || fmt.Sprint(begun) != "[0 10 20 30 40 50 60]" {
		t.Errorf("told %v, %v\n%s\nwant\n%s", begun, err, told, want)
	}
	samples := parseMetrics(t, w.metrics.text())
	for name, want := range map[string]float64{
		`ssectl_diag_rounds_total{outcome="pass"}`:  0,
		`ssectl_diag_rounds_total{outcome="fail"}`:  4,
		`ssectl_diag_rounds_total{outcome="error"}`: 3,
		`ssectl_diag_up`:                                               1,
		`ssectl_diag_changes_total{check="a"}`:                         1,
		`ssectl_diag_changes_total{check="b"}`:                         1,
		`ssectl_diag_changes_total{check="g"}`:                         1,
		`ssectl_diag_check{check="a",group="buffering",status="fail"}`: 1,
		`ssectl_diag_check{check="a",group="buffering",status="pass"}`: 0,
		`ssectl_diag_check{check="f",group="buffering",status="info"}`: 1,
		`ssectl_diag_last_run_timestamp_seconds`:                       946684860,
		`ssectl_diag_run_duration_seconds`:                             0,
		`ssectl_diag_info{version="",url="http://example.com/events"}`: 1,
	} {
		if got, ok := samples[name]; !ok || got != want {
			t.Errorf("%s is %v, %v; want %v", name, got, ok, want)
		}
	}
}

// TestWatchTimes counts from start to start, and leaves out rounds that would overlap.
func TestWatchTimes(t *testing.T) {
	fine := round{verdicts: "a pass", took: 4 * time.Second}
	long := round{verdicts: "a pass", took: 25 * time.Second}
	_, begun, _ := watched(t, &watcher{every: 10 * time.Second}, fine, fine, long, fine, fine)
	if want := "[0 10 20 50 60]"; fmt.Sprint(begun) != want {
		t.Errorf("rounds began after %v s, want %s", begun, want)
	}
}

func TestWatchUntilFail(t *testing.T) {
	w := &watcher{every: time.Second, untilFail: true}
	away, fine, bad := round{untested: "refused"}, round{verdicts: "a pass"}, round{verdicts: "a fail"}
	_, begun, err := watched(t, w, fine, away, fine, bad, fine)
	if len(begun) != 4 || cli.ExitCode(err) != cli.ExitFailed {
		t.Errorf("%d rounds, exit %d; want the fourth to be the last, and 1", len(begun), cli.ExitCode(err))
	}
	if w.last == nil || w.last.Outcome != diag.Fail {
		t.Errorf("the last report is %+v, want that of the failure", w.last)
	}
	for _, test := range []struct {
		untilFail bool
		only      round
		exit      int
	}{{true, fine, cli.ExitOK}, {true, away, cli.ExitNoRun}, {false, away, cli.ExitOK}, {false, bad, cli.ExitOK}} {
		_, _, err := watched(t, &watcher{every: time.Second, untilFail: test.untilFail}, test.only)
		if cli.ExitCode(err) != test.exit {
			t.Errorf("%+v: interrupted, exit %d: %v", test, cli.ExitCode(err), err)
		}
	}
}

// TestWatchInterruptedInARound tells nothing of a round that is not whole.
func TestWatchInterruptedInARound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{every: time.Hour, metrics: &metrics{}}
	w.tell = func(l line) error { t.Errorf("told %+v", l); return nil }
	w.diagnose = func(context.Context) (*diag.Report, error) {
		cancel()
		return round{verdicts: "a fail", untested: "stopped before it was done"}.report(), nil
	}
	if err := w.run(ctx); err != nil || w.last != nil {
		t.Errorf("%v, %+v", err, w.last)
	}
	if text := w.metrics.text(); strings.Contains(text, "ssectl_diag_up") {
		t.Errorf("metrics of a run that was not whole:\n%s", text)
	}
	broken := errors.New("full")
	w.tell = func(line) error { return broken }
	w.diagnose = func(context.Context) (*diag.Report, error) { return round{verdicts: "a fail"}.report(), nil }
	if err := w.run(t.Context()); err != broken {
		t.Errorf("got %v, want the error of the output", err)
	}
}

// TestWatchLinesAreSafe has a server whose words are commands of terminals, of GitHub
// and of the format of metrics.
func TestWatchLinesAreSafe(t *testing.T) {
	evil := "\x1b[2J\n::error::\u202e ##[error]\x7f\xff\"\\"
	l := line{Kind: kindChange, Check: "a", From: diag.Pass, To: diag.Fail, Message: evil}
	var text, json bytes.Buffer
	textLines(&text, term.NewColors(false))(l)
	jsonLines(&json)(l)
	l.Kind = kindUntested
	textLines(&text, term.NewColors(false))(l)
	for _, got := range []string{text.String(), json.String()} {
		if strings.ContainsAny(strings.ReplaceAll(got, "\n", ""), "\x1b\x7f\u202e") || strings.Contains(got, "##[") || strings.Contains(got, "\n::") {
			t.Errorf("%q is not safe", got)
		}
	}
	if lines := strings.Count(text.String()+json.String(), "\n"); lines != 3 {
		t.Errorf("%d lines, want 3", lines)
	}
	m := &metrics{version: "a\"b\\c\nd", url: "http://x/\xff"}
	if got := parseMetrics(t, m.text()); got[`ssectl_diag_info{version="a\"b\\c\nd",url="http://x/`+"\ufffd"+`"}`] != 1 {
		t.Errorf("got %v", got)
	}
}

// TestWatchThousandRounds leaves nothing: the bubble ends only when all its
// goroutines have.
func TestWatchThousandRounds(t *testing.T) {
	rounds := make([]round, 1000)
	for i := range rounds {
		rounds[i] = round{verdicts: "a pass, b pass", took: time.Duration(i%13) * time.Second}
		switch {
		case i%7 == 3:
			rounds[i].verdicts = "a fail, b pass"
		case i%11 == 5:
			rounds[i] = round{untested: fmt.Sprint("reason ", i)}
		}
	}
	var heap []uint64
	told := 0
	w := &watcher{every: 10 * time.Second, metrics: &metrics{}}
	w.tell = func(l line) error {
		told++
		if len(heap) == 0 && l.Round > 100 || len(heap) == 1 && l.Round > 950 {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			heap = append(heap, stats.HeapAlloc)
		}
		return nil
	}
	_, begun, err := watched(t, w, rounds...)
	if len(begun) != 1000 || err != nil || told < 300 {
		t.Errorf("%d rounds, %d lines, %v", len(begun), told, err)
	}
	if len(heap) != 2 || heap[1] > heap[0]+256<<10 {
		t.Errorf("the heap grew: %v", heap)
	}
	if n := len(w.metrics.changes) + len(w.metrics.checks) + len(w.verdicts) + len(w.metrics.rounds); n > 10 {
		t.Errorf("%d things are remembered after a thousand rounds", n)
	}
}

func TestMetricsOverHTTP(t *testing.T) {
	m := &metrics{version: "1", every: time.Minute}
	recorder := httptest.NewRecorder()
	m.ServeHTTP(recorder, nil)
	if got := recorder.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	samples := parseMetrics(t, recorder.Body.String())
	if _, ok := samples["ssectl_diag_up"]; ok || samples["ssectl_diag_interval_seconds"] != 60 {
		t.Errorf("before the first round: %v", samples)
	}
	var none *metrics
	none.untested(time.Now(), 0)
	none.tested(time.Now(), round{}.report(), nil)
}

func TestMetricsAddr(t *testing.T) {
	for text, want := range map[string]string{
		":9090": "127.0.0.1:9090", "0.0.0.0:9090": "0.0.0.0:9090", "[::1]:0": "[::1]:0", "localhost:80": "localhost:80",
		"9090": "", "": "", ":": "", ":http": "", ":99999": "", ":+1": "", "host": "", "::1:80": "",
	} {
		if got, err := metricsAddr(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// parseMetrics reads the text format of Prometheus, and is strict: each family has its
// help and its type before its samples, is there once, and no sample is there twice.
func parseMetrics(t *testing.T, text string) map[string]float64 {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	samples, types := map[string]float64{}, map[string]string{}
	var family, help string
	for row := range strings.Lines(text) {
		row = strings.TrimSuffix(row, "\n")
		fields := strings.SplitN(row, " ", 4)
		switch {
		case strings.HasPrefix(row, "# HELP "):
			help = fields[2]
		case strings.HasPrefix(row, "# TYPE "):
			family = fields[2]
			if family != help || types[family] != "" || fields[3] != "gauge" && fields[3] != "counter" {
				t.Errorf("%q after the help of %q", row, help)
			}
			types[family] = fields[3]
			if strings.HasSuffix(family, "_total") != (fields[3] == "counter") {
				t.Errorf("%s is a %s", family, fields[3])
			}
		default:
			key, rest := sample(row)
			value, err := strconv.ParseFloat(rest, 64)
			if name, _, _ := strings.Cut(key, "{"); name != family || err != nil {
				t.Errorf("%q in the family %q: %v", row, family, err)
			}
			if _, twice := samples[key]; twice {
				t.Errorf("%s is there twice", key)
			}
			samples[key] = value
		}
	}
	return samples
}

// sample splits a row after its name and labels, whose values are quoted.
func sample(row string) (key, value string) {
	quoted := false
	for i := 0; i < len(row); i++ {
		switch {
		case quoted && row[i] == '\\':
			i++
		case row[i] == '"':
			quoted = !quoted
		case !quoted && row[i] == ' ':
			return row[:i], row[i+1:]
		}
	}
	return row, ""
}
