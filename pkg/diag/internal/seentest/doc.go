// Package seentest makes observations for tests: recordings, and simulations
// of servers, paths and networks.
package seentest
