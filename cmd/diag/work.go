package diagcmd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/progress"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// work shows on a terminal that a diagnosis goes on: what is being decided, and how long
// still.
type work struct {
	streams *term.Streams
	silent  bool

	mu    sync.Mutex // guards what follows
	doing string
	begun time.Time
	end   time.Duration // of the run, by its plan so far
}

// stage notes what a run does from now on.
func (w *work) stage(doing string, end time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doing, w.end = doing, end
}

// run makes a run, and shows its stages meanwhile.
func (w *work) run(ctx context.Context, run func() (*diag.Report, error)) (*diag.Report, error) {
	w.mu.Lock()
	w.doing, w.begun, w.end = "", time.Now(), 0
	w.mu.Unlock()
	defer w.show(ctx, w.line)()
	return run()
}

// show shows a line until the function that it returns is called.
func (w *work) show(ctx context.Context, text func() string) (stop func()) {
	if w == nil || w.silent {
		return func() {}
	}
	return progress.Start(ctx, w.streams, 0, text).Stop
}

// line describes the work at this moment.
func (w *work) line() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doing == "" {
		return ""
	}
	const columns = 10
	took := time.Since(w.begun)
	left := "a moment more"
	if took < w.end {
		left = "at most " + progress.Seconds(w.end-took) + " more"
	}
	bar := progress.Bar(float64(took)/float64(max(w.end, 1)), columns, w.streams.Unicode)
	// The end of a long line is cut, so the time comes first.
	return fmt.Sprintf("%s %s, %s", bar, left, w.doing)
}

// pause shows when the next round of a watch begins.
func (w *work) pause(ctx context.Context, round int, until time.Time) (stop func()) {
	return w.show(ctx, func() string {
		return fmt.Sprintf("round %d is done, the next one begins in %s", round, progress.Seconds(max(0, time.Until(until))))
	})
}
