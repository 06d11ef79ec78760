package diag

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
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

// A Profile is a protocol on top of event streams.
type Profile string

// The profiles.
const (
	ProfileAuto      Profile = "auto" // told by the events
	ProfileOpenAI    Profile = "openai"
	ProfileAnthropic Profile = "anthropic"
	ProfileMCP       Profile = "mcp"
)

// Options choose what is asked and how it is judged.
type Options struct {
	Quick       bool          `json:"quick,omitempty"`       // headers, framing and broken bodies only
	Soak        time.Duration `json:"soak,omitempty"`        // leave the stream alone for so long
	ExpectEvery time.Duration `json:"expectEvery,omitempty"` // an event is due this often
	Profile     Profile       `json:"profile,omitempty"`     // "" is auto
	WebOrigin   string        `json:"webOrigin,omitempty"`   // the Origin of the page that reads the stream
	Credentials bool          `json:"credentials,omitempty"` // the page sends cookies
	Injection   bool          `json:"injection,omitempty"`   // try to write events by way of the query
	OriginURL   string        `json:"originURL,omitempty"`   // the same stream, behind the hops
	ConnsURL    string        `json:"connsURL,omitempty"`    // tells how many streams the origin has open
}

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
	FailOn Status

	Options
}

// Observe makes every exchange that the checks need, each once.
func Observe(ctx context.Context, cfg Config) *Observation {
	return observe(ctx, probeConfig{
		Client: cfg.Client, Request: cfg.Request, Window: cfg.duration(), Timeout: cfg.timeout(), Connections: cfg.connections(),
		Once: !cfg.mayRepeat(), Options: cfg.Options, Doubts: doubts,
	})
}

// doubts is what an observation leaves open.
func doubts(o *Observation) Doubts {
	return Doubts{Checks: unconfirmed(o, suspects(o)), ByClock: seemsBehind(o), Join: wantsFirst(o), Missed: missedFirst(o), Settled: enough(o)}
}

// NeverFail is the [Config.FailOn] of runs that only look.
const NeverFail Status = "never"

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
func Weigh(o *Observation, cfg Config) *Report {
	r := newReport(o)
	chosen := cfg.selected()
	var ids []string // of all that have been in the list
	for len(chosen) > 0 {
		check := chosen[0]
		chosen = chosen[1:]
		if slices.Contains(ids, check.ID) {
			continue
		}
		ids = append(ids, check.ID)
		begun := time.Now()
		f := cfg.run(check, o)
		r.add(check, f, time.Since(begun))
		if other := Lookup(f.see); other != nil && !named(cfg.Skip, other) {
			chosen = append(chosen, other)
		}
	}
	r.sort()
	r.confirm(o)
	if x := o.a(); x.Status == 0 && x.End == EndError {
		r.fault(x.Phase, x.Error)
	} else if _, alive := o.baseline(); x.Status == 0 && x.End == EndTimeout && !alive {
		r.fault(PhaseHTTP, fmt.Sprintf("no answer within %s", roundDuration(cfg.timeout())))
	}
	r.settle(cfg)
	return r
}

// selected returns the checks to run, in the order of the catalog. A group
// stands for what is wanted of it, an ID for its check in any case.
func (c *Config) selected() []*Check {
	var list []*Check
	for _, check := range catalog {
		chosen := contains(c.Only, check.ID) || contains(c.Require, check.ID)
		switch {
		case len(c.Only) > 0:
			chosen = chosen || contains(c.Only, check.Group) && check.wanted(&c.Options)
		case !c.Quick || check.Quick:
			chosen = chosen || check.wanted(&c.Options)
		}
		if chosen && !named(c.Skip, check) {
			list = append(list, check)
		}
	}
	return list
}

// run has a check weigh an observation, if what it needs was asked for.
func (c *Config) run(check *Check, o *Observation) Finding {
	switch {
	case !check.wanted(&c.Options):
		return inconclusive("not looked at: it needs %s", check.Needs)
	case c.Quick && !check.Quick:
		return inconclusive("not looked at: it needs a run without --quick")
	}
	return check.Run(o)
}

// named reports whether a list of IDs and groups has the check.
func named(list []string, check *Check) bool {
	return contains(list, check.ID) || contains(list, check.Group)
}

func contains(list []string, name string) bool {
	for _, item := range list {
		if strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

// wanted reports whether the options ask for the check.
func (c *Check) wanted(cfg *Options) bool {
	switch c.Needs {
	case "":
		return true
	case "--soak":
		return cfg.Soak > 0
	case "--origin":
		return cfg.OriginURL != ""
	case "--conns-url":
		return cfg.ConnsURL != ""
	case "--web-origin":
		return cfg.WebOrigin != ""
	case "--credentials":
		return cfg.WebOrigin != "" && cfg.Credentials
	case "--probe-injection":
		return cfg.Injection
	case "--profile":
		return true // told by the events, and skipped where they tell nothing
	case "--profile mcp":
		return cfg.Profile == ProfileMCP
	}
	return true
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
	paid := c.Profile == ProfileOpenAI || c.Profile == ProfileAnthropic
	return !paid && (c.Request.Method == "" || c.Request.Method == http.MethodGet)
}
