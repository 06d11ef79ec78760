// Diaglab tries diag on real servers, and prints a table: the set-up, the
// traffic, what the publish times say, and what diag made of it.
//
//	SSECTL_LAB_NODE=DIR go run ./pkg/diag/internal/diaglab [-setup TEXT] [-traffic NAME] [-n RUNS]
//
// Servers that are not installed are left out. DIR is a folder in which npm
// installed express and compression.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
	"github.com/ssectl/ssectl/pkg/diag/internal/lab"
)

func main() {
	name := flag.String("setup", "", "only set-ups whose name has this `text`")
	traffic := flag.String("traffic", "", "only this `kind` of traffic")
	runs := flag.Int("n", 1, "run each this `number` of times")
	parallel := flag.Int("parallel", 6, "this `number` at once")
	duration := flag.Duration("duration", diag.DefaultDuration, "watch each for this `time`")
	verbose := flag.Bool("v", false, "show the evidence of what was found")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	var trials []*lab.Trial
	var all sync.WaitGroup
	slots := make(chan struct{}, *parallel)
	var mu sync.Mutex // guards trials
	for _, setup := range lab.Setups {
		if !strings.Contains(setup.Name, *name) {
			continue
		}
		if !setup.Available() {
			fmt.Fprintf(os.Stderr, "left out: %s\n", setup.Name)
			continue
		}
		for _, t := range lab.AllTraffic {
			if *traffic != "" && string(t) != *traffic {
				continue
			}
			for range *runs {
				slots <- struct{}{}
				all.Go(func() {
					defer func() { <-slots }()
					trial := lab.Run(ctx, setup, t, *duration)
					mu.Lock()
					defer mu.Unlock()
					trials = append(trials, trial)
					fmt.Fprintf(os.Stderr, "%-12s %s, %s: %v %v\n", trial.Verdict(), trial.Setup, trial.Traffic, trial.Truth(), trial.Found)
				})
			}
		}
	}
	all.Wait()
	print(trials, *verbose)
}

// print writes the table, in the order of the set-ups, and sums up.
func print(trials []*lab.Trial, verbose bool) {
	order := func(name string) int {
		return slices.IndexFunc(lab.Setups, func(s lab.Setup) bool { return s.Name == name })
	}
	slices.SortStableFunc(trials, func(a, b *lab.Trial) int {
		if d := order(a.Setup) - order(b.Setup); d != 0 {
			return d
		}
		return slices.Index(lab.AllTraffic, a.Traffic) - slices.Index(lab.AllTraffic, b.Traffic)
	})
	counts, held := map[string]int{}, 0
	fmt.Println("| set-up | traffic | truth: hold p90, headers | verdict | found | resume | others | remedy | took |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, t := range trials {
		counts[t.Verdict()]++
		if strings.HasSuffix(t.Truth(), "held") {
			held++
		}
		fmt.Printf("| %s | %s | %s: %.2f s, %.2f s | %s | %s | %s | %s | %s | %.1f s |\n", t.Setup, t.Traffic, t.Truth(), t.Hold.Seconds(), t.Headers.Seconds(),
			t.Verdict(), strings.Join(t.Found, " "), t.Resume, strings.Join(t.Others, " "), t.Remedy, t.Took.Seconds())
		if t.Err != nil {
			fmt.Printf("  error: %v\n", t.Err)
		}
		if verbose {
			evidence(t)
		}
	}
	fmt.Printf("\n%d runs, %d of them held: %v\n", len(trials), held, counts)
}

func evidence(t *lab.Trial) {
	if t.Report == nil {
		return
	}
	for _, c := range t.Report.Checks {
		if c.Group == "buffering" || c.ID == "resume" || c.Status == diag.Warn || c.Status == diag.Fail {
			fmt.Printf("    %-12s %-18s %s; %s %v\n", c.Status, c.ID, c.Actual, c.Seen, time.Duration(c.MS)*time.Millisecond)
		}
	}
}
