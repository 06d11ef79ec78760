package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
	"github.com/ssectl/ssectl/pkg/diag/lab/internal/lab"
)

// write writes a row for each set-up, the wrong findings, and the sums.
func write(w io.Writer, trials []*lab.Trial, kinds []lab.Traffic, verbose bool) {
	fmt.Fprint(w, "| set-up |")
	for _, kind := range kinds {
		fmt.Fprintf(w, " %s |", kind)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(kinds)))
	var order []string
	cells := map[string]map[lab.Traffic][]string{}
	for _, t := range trials {
		if cells[t.Setup] == nil {
			order = append(order, t.Setup)
			cells[t.Setup] = map[lab.Traffic][]string{}
		}
		cells[t.Setup][t.Traffic] = append(cells[t.Setup][t.Traffic], cell(t))
	}
	for _, name := range order {
		fmt.Fprintf(w, "| %s |", name)
		for _, kind := range kinds {
			fmt.Fprintf(w, " %s |", strings.Join(cells[name][kind], ", "))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "\n| set-up | traffic | truth: hold p90, headers | verdict | found | resume | others | remedy | took |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, t := range trials {
		if verbose || wrong(t) {
			row(w, t, verbose)
		}
	}
	sum(w, "set-ups that the thresholds were chosen on", trials, func(t *lab.Trial) bool { return !t.Unseen })
	sum(w, "set-ups added later", trials, func(t *lab.Trial) bool { return t.Unseen })
	sum(w, "all", trials, func(*lab.Trial) bool { return true })
}

func wrong(t *lab.Trial) bool {
	return !strings.HasPrefix(t.Verdict(), "right") || t.ResumeVerdict() == "WRONG"
}

// cell returns the truth and the verdict in two words.
func cell(t *lab.Trial) string {
	truth := map[string]string{"healthy": "ok", "quiet": "quiet", "slightly": "slight", "held": "held", "headers held": "headers"}[t.Truth()]
	switch verdict := t.Verdict(); verdict {
	case "right":
	case "right, as a warning":
		truth += ", warned"
	default:
		truth += " **" + verdict + "**"
	}
	if t.ResumeVerdict() == "WRONG" {
		truth += " **resume " + t.Resume + "**"
	}
	return truth
}

func row(w io.Writer, t *lab.Trial, verbose bool) {
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s | %.1f s |\n", t.Setup, t.Traffic, measured(t), t.Verdict(),
		strings.Join(t.Found, " "), strings.TrimSpace(t.Resume+" "+t.ResumeVerdict()), strings.Join(t.Others, " "), t.Remedy, t.Took.Seconds())
	if t.Err != nil {
		fmt.Fprintf(w, "  error: %v\n", t.Err)
	}
	if verbose && t.Report != nil {
		evidence(w, t)
	}
}

func evidence(w io.Writer, t *lab.Trial) {
	for _, c := range t.Report.Checks {
		if c.Group == "buffering" || c.ID == "resume" || c.Status == diag.Warn || c.Status == diag.Fail {
			fmt.Fprintf(w, "    %-12s %-18s %s; %s %v\n", c.Status, c.ID, c.Actual, c.Seen, time.Duration(c.MS)*time.Millisecond)
		}
	}
}

// sum counts the trials of a kind.
func sum(w io.Writer, what string, trials []*lab.Trial, of func(*lab.Trial) bool) {
	runs, truths, verdicts, resumes := 0, map[string]int{}, map[string]int{}, map[string]int{}
	for _, t := range trials {
		if of(t) {
			runs++
			truths[t.Truth()]++
			verdicts[t.Verdict()]++
			resumes[cmp.Or(t.ResumeVerdict(), "none")]++
		}
	}
	if runs > 0 {
		fmt.Fprintf(w, "\n%s: %d runs, truth %v, verdicts %v, of Last-Event-ID %v\n", what, runs, truths, verdicts, resumes)
	}
}
