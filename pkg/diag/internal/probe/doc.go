// Package probe makes the exchanges of one observation: it opens streams,
// resumes them and asks side questions. It judges nothing, and asks for the
// doubts about what it has recorded to know when to look again.
package probe
