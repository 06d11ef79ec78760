// Package attack holds the tests that attack ssectl: generated servers, clients
// and inputs, held to the promises of the README and of SECURITY.md. They take
// minutes, so they are a module of their own, which go test ./... at the top
// leaves out and .ci/run does not.
package attack
