package diag

import "slices"

// The groups, in the order of reports.
var Groups = []string{"connect", "headers", "buffering", "framing", "resume", "reconnect", "cache", "cors", "protocol", "llm", "security"}

// Catalog is every check there is, by group, in the order of reports.
var Catalog = slices.Concat(
	connectChecks, headerChecks, bufferingChecks, framingChecks, resumeChecks, reconnectChecks,
	cacheChecks, corsChecks, protocolChecks, llmChecks, securityChecks,
)

// Lookup returns the check of that ID, or nil.
func Lookup(id string) *Check {
	for i := range Catalog {
		if Catalog[i].ID == id {
			return &Catalog[i]
		}
	}
	return nil
}

// Known reports whether name is the ID of a check or the name of a group.
func Known(name string) bool { return slices.Contains(Groups, name) || Lookup(name) != nil }
