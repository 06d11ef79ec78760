package diag

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/probe"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

const (
	// DefaultDuration is how long a stream is watched without a fault.
	DefaultDuration = 12 * time.Second

	// QuickDuration is how long it is watched with [Options.Quick].
	QuickDuration = 3 * time.Second

	// DefaultSoak is the usual time for [Options.Soak].
	DefaultSoak = 130 * time.Second

	// DefaultTimeout is how long an answer may take before it counts as none.
	DefaultTimeout = 10 * time.Second

	// DefaultConnections is how many streams are open at once.
	DefaultConnections = 3
)

// Config is what [Run] needs to know. Request has to be set.
type Config struct {
	// Client makes the requests; nil means http.DefaultClient. Its Transport
	// has to be an *http.Transport, or nil for the default one; it is copied,
	// never used.
	Client *http.Client

	// Request is the request that a user of the stream would make. One that
	// is not a GET may cost money or change something: it is sent once.
	Request *http.Request

	// Duration is how long the stream is watched; it ends earlier when all is
	// decided, and takes about twice as long where a fault has to be seen again.
	// Zero means DefaultDuration.
	Duration time.Duration

	// Timeout is how long an answer may take. Zero means DefaultTimeout, or
	// QuickDuration with Quick.
	Timeout time.Duration

	// Connections is how many streams may be open at once, at least 1. Zero
	// means DefaultConnections.
	Connections int

	// Repeat allows requests that may cost money to be made more than once.
	Repeat bool

	// Only and Skip choose checks by ID or group; no Only means all of the
	// default run. Each that is named is in the report, and so is a check that
	// one of them refers to; what they say does not depend on the others.
	Only, Skip []string

	// Require makes a failure of checks, by ID or group, that could not decide.
	// What does not apply, and is skipped, fails nothing.
	Require []string

	// FailOn is the status from which on a run has failed: Fail, which is the
	// default, Warn or NeverFail.
	FailOn check.Status

	seen.Options
}

// Observe makes every exchange that the checks need, each once.
func Observe(ctx context.Context, cfg Config) *seen.Observation {
	return probe.Observe(ctx, probe.Config{
		Client: cfg.Client, Request: cfg.Request, Window: cfg.duration(), Timeout: cfg.timeout(), Connections: cfg.connections(),
		Once: !cfg.mayRepeat(), Options: cfg.Options, Doubts: doubts,
	})
}

// doubts is what an observation leaves open.
func doubts(o *seen.Observation) probe.Doubts {
	return probe.Doubts{Checks: check.Unconfirmed(o, check.Faults(o)), ByClock: hold.ByClock(o), Join: hold.WantsJoin(o), Missed: hold.Missed(o), Settled: hold.Settled(o)}
}

// NeverFail is the [Config.FailOn] of runs that only look.
const NeverFail check.Status = "never"

// Run probes the server, and weighs what it saw. It never fails: a report on
// what could not be tested says why.
func Run(ctx context.Context, cfg Config) *Report {
	started := time.Now()
	o := Observe(ctx, cfg)
	report := Weigh(o, cfg)
	report.Duration = time.Since(started)
	if ctx.Err() != nil {
		report.interrupt(o)
	}
	report.settle(cfg)
	return report
}

// Weigh runs the checks over an observation. A fault of timing that a second
// look did not show is taken back.
func Weigh(o *seen.Observation, cfg Config) *Report {
	r := newReport(o)
	chosen := cfg.selected()
	var ids []string // of all that have been in the list
	for len(chosen) > 0 {
		item := chosen[0]
		chosen = chosen[1:]
		if slices.Contains(ids, item.ID) {
			continue
		}
		ids = append(ids, item.ID)
		begun := time.Now()
		f := item.RunWith(&cfg.Options, o)
		r.add(item, f, time.Since(begun))
		if other := check.Lookup(f.See); other != nil && !named(cfg.Skip, other) {
			chosen = append(chosen, other)
		}
	}
	r.sort()
	r.confirm(o)
	if x := o.Main(); x.Status == 0 && x.End == seen.EndError {
		r.fault(x.Phase, x.Error)
	} else if _, alive := o.Baseline(); x.Status == 0 && x.End == seen.EndTimeout && !alive {
		r.fault(seen.PhaseHTTP, fmt.Sprintf("no answer within %s", seen.RoundDuration(cfg.timeout())))
	}
	r.settle(cfg)
	return r
}

// selected returns the checks to run, in the order of the catalog. A group
// stands for what is wanted of it, an ID for its check in any case.
func (c *Config) selected() []*check.Check {
	var list []*check.Check
	for _, item := range check.All {
		chosen := contains(c.Only, item.ID) || contains(c.Require, item.ID)
		switch {
		case len(c.Only) > 0:
			chosen = chosen || contains(c.Only, item.Group) && item.Wanted(&c.Options)
		case !c.Quick || item.Quick:
			chosen = chosen || item.Wanted(&c.Options)
		}
		if chosen && !named(c.Skip, item) {
			list = append(list, item)
		}
	}
	return list
}

// named reports whether a list of IDs and groups has the item.
func named(list []string, item *check.Check) bool {
	return contains(list, item.ID) || contains(list, item.Group)
}

func contains(list []string, name string) bool {
	for _, item := range list {
		if strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

func (c *Config) duration() time.Duration {
	switch {
	case c.Quick:
		return QuickDuration
	case c.Duration > 0:
		return c.Duration
	}
	return DefaultDuration
}

func (c *Config) timeout() time.Duration {
	switch {
	case c.Timeout > 0:
		return c.Timeout
	case c.Quick:
		return QuickDuration
	}
	return DefaultTimeout
}

func (c *Config) connections() int {
	if c.Connections > 0 {
		return c.Connections
	}
	return DefaultConnections
}

// mayRepeat reports whether the request may be made again.
func (c *Config) mayRepeat() bool {
	if c.Repeat {
		return true
	}
	paid := c.Profile == seen.ProfileOpenAI || c.Profile == seen.ProfileAnthropic
	return !paid && (c.Request.Method == "" || c.Request.Method == http.MethodGet)
}
