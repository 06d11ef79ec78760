// Diaglab tries diag on real servers, and prints a table: the set-up, the
// traffic, the truth by the publish times, and the findings of diag.
//
//	cd pkg/diag/lab; SSECTL_LAB_NODE=DIR go run . [-setup REGEXP] [-traffic NAME,NAME] [-n RUNS]
//
// Servers that are not installed are left out. DIR is a folder in which npm
// installed the packages that the set-ups of node need; -list names them.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/ssectl/ssectl/pkg/diag"
	"github.com/ssectl/ssectl/pkg/diag/lab/internal/lab"
)

func main() {
	name := flag.String("setup", "", "only set-ups whose name matches this regular `expression`")
	traffic := flag.String("traffic", "", "only these `kinds` of traffic, with commas between them")
	unseen := flag.Bool("unseen", false, "only set-ups that the thresholds were not chosen on")
	cures := flag.Bool("cures", false, "do what diag says to do, and look whether it helps")
	list := flag.Bool("list", false, "list the set-ups, and what they need")
	runs := flag.Int("n", 1, "run each this `number` of times")
	parallel := flag.Int("parallel", 6, "this `number` at once")
	duration := flag.Duration("duration", diag.DefaultDuration, "watch each for this `time`")
	verbose := flag.Bool("v", false, "a row for each run, with the evidence of what was found")
	flag.Parse()
	wanted, err := regexp.Compile(*name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	var setups []lab.Setup
	for _, setup := range lab.Setups {
		switch {
		case !wanted.MatchString(setup.Name) || *unseen && !setup.Unseen:
		case *list:
			fmt.Printf("%-45s %v %s %s\n", setup.Name, setup.Available(), setup.Program, strings.Join(setup.Needs, " "))
		case !setup.Available():
			fmt.Fprintf(os.Stderr, "left out: %s\n", setup.Name)
		default:
			setups = append(setups, setup)
		}
	}
	if *list {
		return
	}
	if *cures {
		writeCures(os.Stdout, tryCures(ctx, setups, *parallel, *duration))
		return
	}
	kinds := lab.AllTraffic
	if *traffic != "" {
		kinds = nil
		for kind := range strings.SplitSeq(*traffic, ",") {
			kinds = append(kinds, lab.Traffic(kind))
		}
	}
	write(os.Stdout, try(ctx, setups, kinds, *runs, *parallel, func(setup lab.Setup, t lab.Traffic) *lab.Trial {
		return lab.Run(ctx, setup, t, *duration)
	}), kinds, *verbose)
}

// try runs every set-up with every kind of traffic. It shuffles them, so that
// the heavy ones do not start all at once.
func try(ctx context.Context, setups []lab.Setup, kinds []lab.Traffic, runs, parallel int, run func(lab.Setup, lab.Traffic) *lab.Trial) []*lab.Trial {
	trials := make([]*lab.Trial, len(setups)*len(kinds)*runs)
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, i := range rand.Perm(len(trials)) {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			t := run(setups[i/runs/len(kinds)], kinds[i/runs%len(kinds)])
			if ctx.Err() != nil {
				return // interrupted
			}
			trials[i] = t
			fmt.Fprintf(os.Stderr, "%-12s %s, %s: %v %v %v %v\n", t.Verdict(), t.Setup, t.Traffic, t.Truth(), t.Found, t.Resume, t.ResumeVerdict())
		})
	}
	all.Wait()
	return slices.DeleteFunc(trials, func(t *lab.Trial) bool { return t == nil })
}
