// Package attack holds the tests that attack ssectl: generated servers, clients
// and inputs, held to the promises of README.md and SECURITY.md. They take
// minutes, so they have a build tag:
//
//	go test -tags attack ./cmd/attack
package attack
