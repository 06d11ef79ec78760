package check

import (
	"fmt"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// A Status is the outcome of a check.
type Status string

// The outcomes.
const (
	Pass         Status = "pass"
	Info         Status = "info"
	Warn         Status = "warn"
	Fail         Status = "fail"
	Inconclusive Status = "inconclusive" // it ran, and the evidence is not enough
	Skip         Status = "skip"         // it does not apply here
)

// A Check is one question to an observation. Its ID is stable: once published
// it is neither renamed nor used for something else.
type Check struct {
	ID    string
	Group string
	Title string // the requirement, in a few words
	How   string // how it is measured, and with which thresholds
	Why   string // the damage in practice when it fails
	Cite  string // where that is written
	Worst Status // the worst outcome it can have

	Needs   Need
	Anyway  func(*seen.Observation) bool // where an observation decides it without the option that it needs
	Methods []*hold.Method               // that find the fault, where it is one of timing
	Cures   []Cure

	Quick     bool // one connection and its first seconds decide it
	AtOnce    bool // the headers of the answer decide it
	Timing    bool // it rests on times, so that a fault is looked for a second time
	OnHold    bool // it finds a fault where a check of buffering finds a hold
	AnyAnswer bool // it judges any answer, not only an event stream

	run func(*seen.Observation) Finding
}

// Run weighs an observation.
func (c *Check) Run(o *seen.Observation) Finding {
	if !c.AnyAnswer && !o.Main().OK() {
		return skip("no event stream to look at")
	}
	return c.run(o)
}

// A Finding is the result of a check.
type Finding struct {
	Status   Status
	Title    string         // the result in one line
	Seen     string         // the evidence in one line, for people
	Expected string         // the requirement, where it is not plain
	Evidence map[string]any // the evidence in numbers
	Cures    []Cure         // overrules those of the check where not nil

	Minor  bool          // inconclusive as on most healthy streams: no news, unless the check was asked for
	See    string        // the check that has more to say of it
	Unheld *Finding      // stands in its place where a second look shows no hold
	hold   time.Duration // where something is held: for how long, and by which method that was seen
	method *hold.Method
}

func found(status Status, format string, args ...any) Finding {
	return Finding{Status: status, Title: fmt.Sprintf(format, args...)}
}

func pass(format string, args ...any) Finding { return found(Pass, format, args...) }

func info(format string, args ...any) Finding { return found(Info, format, args...) }

func warn(format string, args ...any) Finding { return found(Warn, format, args...) }

func fail(format string, args ...any) Finding { return found(Fail, format, args...) }

func skip(format string, args ...any) Finding { return found(Skip, format, args...) }

func inconclusive(format string, args ...any) Finding {
	return found(Inconclusive, format, args...)
}

// seen adds the evidence in words.
func (f Finding) seen(format string, args ...any) Finding {
	f.Seen = fmt.Sprintf(format, args...)
	return f
}

// with adds evidence in numbers.
func (f Finding) with(key string, value any) Finding {
	evidence := make(map[string]any, len(f.Evidence)+1)
	for k, v := range f.Evidence {
		evidence[k] = v
	}
	evidence[key] = value
	f.Evidence = evidence
	return f
}

// minor marks a finding that most healthy streams have.
func (f Finding) minor() Finding {
	f.Minor = true
	return f
}

// refer names the check that has more to say of it, so that it is in the report.
func (f Finding) refer(id string) Finding {
	f.See = id
	return f
}

// skipFor leaves it to another check.
func skipFor(id string) Finding { return skip("see %s", id).refer(id) }

// cure overrules the cures of the check.
func (f Finding) cure(cures ...Cure) Finding {
	f.Cures = append([]Cure{}, cures...)
	return f
}

// Decided reports whether an observation decides the check with these options.
func (c *Check) Decided(opts *seen.Options, o *seen.Observation) bool {
	return c.Needs.Given(opts) || c.Anyway != nil && c.Anyway(o)
}

// RunWith weighs an observation, if the options ask for it.
func (c *Check) RunWith(opts *seen.Options, o *seen.Observation) Finding {
	switch {
	case !c.Decided(opts, o):
		return inconclusive("not looked at: it needs Options.%s", c.Needs)
	case opts.Quick && !c.Quick:
		return inconclusive("not looked at: it needs a run without Options.Quick")
	}
	return c.Run(o)
}

// A Need is an option without which a check has nothing to judge.
type Need int

// The needs. A check that needs nothing is in the default run.
const (
	NeedsNothing Need = iota
	NeedsSoak
	NeedsOriginURL
	NeedsConnsURL
	NeedsWebOrigin
	NeedsCredentials // and WebOrigin
	NeedsInjection
	NeedsProfile // which the events show by themselves, as a rule
	NeedsMCP     // the profile of MCP
	NeedsOther   // the request of another user
)

// String returns the name of the option, "" for NeedsNothing.
func (n Need) String() string {
	return [...]string{"", "Soak", "OriginURL", "ConnsURL", "WebOrigin", "Credentials", "Injection", "Profile", "Profile mcp", "OtherRequest"}[n]
}

// Given reports whether the options have it.
func (n Need) Given(opts *seen.Options) bool {
	switch n {
	case NeedsSoak:
		return opts.Soak > 0
	case NeedsOriginURL:
		return opts.OriginURL != ""
	case NeedsConnsURL:
		return opts.ConnsURL != ""
	case NeedsWebOrigin:
		return opts.WebOrigin != ""
	case NeedsCredentials:
		return opts.WebOrigin != "" && opts.Credentials
	case NeedsInjection:
		return opts.Injection
	case NeedsOther:
		return opts.Other
	case NeedsMCP:
		return opts.Profile == seen.ProfileMCP
	}
	return true
}
