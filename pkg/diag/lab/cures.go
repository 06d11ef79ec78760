package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/lab/internal/lab"
)

// A tried cure has the trials before and after it.
type tried struct {
	*lab.Cure
	before, after *lab.Trial
	said          bool
}

// tryCures tries those for the given set-ups.
func tryCures(ctx context.Context, setups []lab.Setup, parallel int, duration time.Duration) []tried {
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	results := make([]tried, len(lab.Cures))
	for i := range lab.Cures {
		cure := &lab.Cures[i]
		at := slices.IndexFunc(setups, func(s lab.Setup) bool { return s.Name == cure.Sick })
		if at < 0 {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			before, after, said := cure.Try(ctx, setups[at], duration)
			results[i] = tried{cure, before, after, said}
		})
	}
	all.Wait()
	return slices.DeleteFunc(results, func(t tried) bool { return t.Cure == nil })
}

func writeCures(w io.Writer, results []tried) {
	fmt.Fprint(w, "| set-up | traffic | remedy | said | before: hold p90, headers | after | diag then found |\n|---|---|---|---|---|---|---|\n")
	for _, t := range results {
		said := "yes"
		if !t.said {
			said = "**no**"
		}
		fmt.Fprintf(w, "| %s | %s | `%s` | %s | %s | %s | %v |\n", t.Sick, t.Traffic, t.Remedy, said, measured(t.before), measured(t.after), t.after.Found)
	}
}

// measured is the truth in numbers.
func measured(t *lab.Trial) string {
	return fmt.Sprintf("%s: %.2f s, %.2f s", t.Truth(), t.Hold.Seconds(), t.Headers.Seconds())
}
