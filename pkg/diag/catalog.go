package diag

import (
	"iter"
	"slices"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
)

// A Status is the outcome of a check, or of a run.
type Status string

// The statuses. A run is Pass, Fail or Error.
const (
	Pass         Status = "pass"
	Info         Status = "info"
	Warn         Status = "warn"
	Fail         Status = "fail"
	Inconclusive Status = "inconclusive" // the evidence is not enough
	Skip         Status = "skip"         // the check does not apply
	Error        Status = "error"        // nothing could be tested
	Never        Status = "never"        // for Options.FailOn alone: no status fails the run
)

// A Check describes one question that [Run] answers. Its ID is stable: it is
// neither renamed nor used for another question.
//
// Texts name the options that decide as fields of Options, "Options.Soak" for
// example, so that a program can replace them with the names of its flags.
type Check struct {
	ID    string
	Group string
	Title string // the requirement, in a few words
	How   string // how it is measured, with the thresholds
	Why   string // the damage in practice when it fails
	Cite  string // the URL of a source
	Worst Status // the worst outcome that it can have

	// Needs names the field of Options that the check requires, and its value
	// after a space where it has to be a certain one; "" for none.
	Needs string

	// Methods are the methods that find the fault, if it is one of timing. The
	// evidence of a result names the one that did.
	Methods []Method
}

// A Method is a way to find out from arrival times whether something holds a
// stream.
type Method struct {
	Name string // "pauses"
	Doc  string // the evidence it looks for
}

// Remedies returns the remedies for a fault that the check finds, for any hop.
func (c Check) Remedies() []Remedy {
	if known := check.Lookup(c.ID); known != nil {
		return remedies(check.RemediesFor(known.Cures, nil))
	}
	return nil
}

// Checks returns all checks, by group, in the order of reports.
func Checks() iter.Seq[Check] {
	return func(yield func(Check) bool) {
		for c := range check.All() {
			if !yield(describe(c)) {
				return
			}
		}
	}
}

// Lookup returns the check with the given ID.
func Lookup(id string) (c Check, ok bool) {
	if known := check.Lookup(id); known != nil {
		return describe(known), true
	}
	return Check{}, false
}

// Groups returns the names of the groups, in the order of reports.
func Groups() []string { return check.Groups() }

// Known reports whether name is the ID of a check or the name of a group.
func Known(name string) bool {
	_, ok := Lookup(name)
	return ok || slices.Contains(Groups(), name)
}

func describe(c *check.Check) Check {
	var methods []Method
	for _, m := range c.Methods {
		methods = append(methods, Method{m.Name, m.Doc})
	}
	return Check{
		ID: c.ID, Group: c.Group, Title: c.Title, How: c.How, Why: c.Why, Cite: c.Cite,
		Worst: Status(c.Worst), Needs: c.Needs.String(), Methods: methods,
	}
}
