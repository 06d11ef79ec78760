package diagcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/diag"
)

// validateWatch checks the options of --watch.
func (o *options) validateWatch() error {
	switch {
	case o.Watch < 0:
		return fmt.Errorf("--watch %v: want a duration above 0", o.Watch)
	case o.Watch == 0 && o.UntilFail:
		return errors.New("--until-fail needs --watch")
	case o.Watch == 0 && o.Metrics != "":
		return errors.New("--metrics needs --watch")
	case o.Watch > 0 && o.Format != "text" && o.Format != "json":
		return fmt.Errorf("--watch writes lines of text or json, not %s: --report %s=FILE writes a report of the last round", o.Format, o.Format)
	case o.Metrics != "":
		_, err := metricsAddr(o.Metrics)
		return err
	}
	return nil
}

// watch diagnoses again and again. It writes the reports when it ends, of the last
// round that tested.
func watch(ctx context.Context, streams *term.Streams, opts *options, diagnose func(context.Context) (*diag.Report, error), files []reportFile, work *work) error {
	w := &watcher{every: opts.Watch, untilFail: opts.UntilFail, diagnose: diagnose, tell: jsonLines(streams.Out), work: work}
	if opts.Format == "text" {
		w.tell = textLines(streams.Out, streams.ColorsFor(opts.Color, streams.OutTerminal))
	}
	if opts.Metrics != "" {
		addr, err := metricsAddr(opts.Metrics)
		if err != nil {
			return cli.Usage(err)
		}
		w.metrics = &metrics{url: redact.URLText(opts.URL), version: opts.Version, every: opts.Watch}
		url, stop, err := serveMetrics(addr, w.metrics)
		if err != nil {
			return err
		}
		defer stop()
		fmt.Fprintf(streams.Err, "ssectl: metrics at %s\n", url)
	}
	err := w.run(ctx)
	if w.last != nil {
		err = cmp.Or(writeReports(files, w.last, opts), err)
	}
	return err
}

// A watcher makes the same diagnosis again and again, and reports the changes.
type watcher struct {
	every     time.Duration // from start to start
	untilFail bool
	diagnose  func(context.Context) (*diag.Report, error)
	tell      func(line) error
	work      *work    // nil in tests
	metrics   *metrics // nil if nobody asks for them

	round    int
	verdicts map[string]diag.Status // of the last round that tested
	untested string                 // why the last round did not, "" if it did
	last     *diag.Report           // that tested
}

// run makes a round at each multiple of the interval until ctx ends, or until a
// round fails. Rounds do not overlap: one that takes longer than the interval is
// followed by the next multiple, so a slow target is never under watch without a
// pause.
func (w *watcher) run(ctx context.Context) error {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		begun := time.Now()
		report, err := w.diagnose(ctx)
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return w.stopped() // the round is not whole
		}
		w.round++
		if err := w.weigh(report, begun); err != nil {
			return err
		}
		if w.untilFail && report.Exit == cli.ExitFailed {
			return cli.Fail(cli.ExitFailed, cli.ErrReported, "")
		}
		select { // a tick that came during the round is old
		case <-ticker.C:
		default:
		}
		over := w.work.pause(ctx, w.round, begun.Add(w.every*time.Duration(1+time.Since(begun)/w.every)))
		select {
		case <-ticker.C:
			over()
		case <-ctx.Done():
			over()
			return w.stopped()
		}
	}
}

// stopped returns the outcome of a watch that was asked to stop. No fault was seen,
// but where that was waited for, somebody has to have looked.
func (w *watcher) stopped() error {
	if w.untilFail && w.last == nil {
		return cli.Fail(cli.ExitNoRun, errors.New("could not test: stopped before a round was done"), "")
	}
	return nil
}

// weigh compares a round with the one before.
func (w *watcher) weigh(report *diag.Report, begun time.Time) error {
	at := begun.Add(report.Duration)
	if report.Error != nil {
		w.metrics.untested(at, report.Duration)
		why := report.Error.Phase + ": " + report.Error.Message
		if why == w.untested {
			return nil
		}
		w.untested = why
		return w.tell(line{Kind: kindUntested, Time: at, Round: w.round, Phase: report.Error.Phase, Message: report.Error.Message})
	}
	again := w.untested != "" || w.last == nil
	w.untested, w.last = "", report
	if again {
		if err := w.tell(roundLine(report, at, w.round)); err != nil {
			return err
		}
	}
	changes := w.changes(report)
	w.metrics.tested(at, report, changes)
	for _, change := range changes {
		change.Time, change.Round = at, w.round
		if err := w.tell(change); err != nil {
			return err
		}
	}
	return nil
}

// changes returns the changes of verdicts since the last round that tested. The
// first one has none to compare with: its faults count.
func (w *watcher) changes(report *diag.Report) (changes []line) {
	verdicts := make(map[string]diag.Status, len(report.Checks))
	for _, c := range report.Checks {
		verdicts[c.ID] = c.Status
		change := line{Kind: kindChange, Check: c.ID, Group: c.Group, To: c.Status, Message: c.Actual}
		if w.verdicts != nil {
			// A check that another one called for is in some rounds alone.
			change.From = cmp.Or(w.verdicts[c.ID], diag.Skip)
		}
		undecided := c.Required && c.Status == diag.Inconclusive // which fails the round
		if isNews(change.From, c.Status, undecided) {
			changes = append(changes, change)
		}
	}
	w.verdicts = verdicts
	return changes
}

// isNews reports whether a change is worth a line. A check that no longer applies,
// or does so again, has a new verdict only where one of the two is a fault, as one
// that could not be decided is if it was required.
func isNews(from, to diag.Status, undecided bool) bool {
	fault := func(s diag.Status) bool { return s == diag.Fail || s == diag.Warn }
	if from == "" || from == diag.Skip || to == diag.Skip {
		return fault(from) || fault(to) || undecided
	}
	return from != to
}

// mayBeRepeated reports whether a request may be sent once a round, for days.
func mayBeRepeated(request *http.Request, cfg diag.Options) bool {
	get := request.Method == "" || request.Method == http.MethodGet
	paid := cfg.Profile == diag.ProfileOpenAI || cfg.Profile == diag.ProfileAnthropic
	return cfg.Repeat || get && !paid
}
