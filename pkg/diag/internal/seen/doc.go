// Package seen records the exchanges of a probe, with times and sizes, and
// finds the events in them. It judges nothing: two streams can be compared
// here, but whether a difference is a fault is for packages hold and check.
package seen
