package check

import (
	"iter"
	"slices"
)

// groups are the checks by group, in the order of reports.
var groups = [][]*Check{
	connectChecks, headersChecks, bufferingChecks, framingChecks, resumeChecks, reconnectChecks,
	cacheChecks, corsChecks, protocolChecks, llmChecks, securityChecks,
}

// All returns every check there is, in the order of reports.
func All() iter.Seq[*Check] {
	return func(yield func(*Check) bool) {
		for _, group := range groups {
			for _, c := range group {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// Groups returns the names of the groups, in the order of reports.
func Groups() []string {
	var names []string
	for _, group := range groups {
		names = append(names, group[0].Group)
	}
	return names
}

// Lookup returns the check of that ID, or nil.
func Lookup(id string) *Check {
	for c := range All() {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// Place returns where the check of that ID stands in the order of reports.
func Place(id string) int {
	i := slices.IndexFunc(slices.Collect(All()), func(c *Check) bool { return c.ID == id })
	return i
}
