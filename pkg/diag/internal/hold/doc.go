// Package hold estimates from the times of an observation whether something
// between server and client holds events back, by which cause, and for how
// long. Each method is a value of type Method; a View runs it when a check
// asks.
package hold
