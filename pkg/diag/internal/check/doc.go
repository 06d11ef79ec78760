// Package check holds the checks: each is a value with its function, its
// cures and its cost, in the file of its group. A check is a pure function of
// an observation.
package check
