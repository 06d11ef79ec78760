package check

import (
	"slices"
)

// groups are the checks by group, in the order of reports.
var groups = [][]*Check{
	connectChecks, headersChecks, BufferingChecks, framingChecks, resumeChecks, reconnectChecks,
	cacheChecks, corsChecks, protocolChecks, llmChecks, securityChecks,
}

// All is every check there is, in the order of reports.
var All = slices.Concat(groups...)

// Catalog is every check there is, by group, in the order of reports.
var Catalog = func() (list []Check) {
	for _, c := range All {
		list = append(list, *c)
	}
	return list
}()

// The Groups, in the order of reports.
var Groups = func() (names []string) {
	for _, checks := range groups {
		names = append(names, checks[0].Group)
	}
	return names
}()

// Lookup returns the check of that ID, or nil.
func Lookup(id string) *Check {
	for _, c := range All {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// Known reports whether name is the ID of a check or the name of a group.
func Known(name string) bool { return slices.Contains(Groups, name) || Lookup(name) != nil }
