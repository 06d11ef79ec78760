package diag

import (
	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// The types of the rooms below that a caller has to name.
type (
	Options = seen.Options
	Profile = seen.Profile
	Phase   = seen.Phase
	Hop     = seen.Hop
	Status  = check.Status
	Check   = check.Check
	Remedy  = check.Remedy
)

// The profiles.
const (
	ProfileAuto      = seen.ProfileAuto
	ProfileOpenAI    = seen.ProfileOpenAI
	ProfileAnthropic = seen.ProfileAnthropic
	ProfileMCP       = seen.ProfileMCP
)

// The phases.
const (
	PhaseDNS         = seen.PhaseDNS
	PhaseTCP         = seen.PhaseTCP
	PhaseTLS         = seen.PhaseTLS
	PhaseInterrupted = seen.PhaseInterrupted
)

// The outcomes of checks.
const (
	Pass         = check.Pass
	Info         = check.Info
	Warn         = check.Warn
	Fail         = check.Fail
	Inconclusive = check.Inconclusive
	Skip         = check.Skip
)

// What every check is, by group, in the order of reports.
var (
	Catalog = check.Catalog
	Groups  = check.Groups
)

// Lookup returns the check of that ID, or nil.
func Lookup(id string) *Check { return check.Lookup(id) }

// Known reports whether name is the ID of a check or the name of a group.
func Known(name string) bool { return check.Known(name) }
