// Package cli holds the parts that all commands share: exit codes and the errors
// that carry them, help pages with grouped flags, and the values of flags. It
// knows no command.
package cli

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"

	"github.com/ssectl/ssectl/cmd/internal/term"
)

// The exit codes, the same for all commands.
const (
	ExitOK          = 0
	ExitFailed      = 1   // an expectation failed
	ExitUsage       = 2   // wrong usage, bad input file
	ExitNoRun       = 3   // could not run: DNS, connect, TLS, gave up reconnecting
	ExitNotStream   = 4   // the server answered, but not with an event stream
	ExitTimeout     = 5   // timed out before the stream was complete
	ExitInterrupted = 130 // SIGINT, SIGTERM
)

// Linger is true while a command waits for a program that it started. The process
// then does not end before, however long the program takes to stop.
var Linger atomic.Bool

// An exitError carries the exit code and the hint that a command chose for an
// error.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Fail returns err with the exit code of the program and, if there is something
// to try, a hint.
func Fail(code int, err error, hint string) error {
	return &exitError{code: code, err: err, hint: hint}
}

// Usage returns err with the exit code of wrong usage.
func Usage(err error) error { return Fail(ExitUsage, err, "") }

// Hint returns the hint of an error, or "" if it has none.
func Hint(err error) string {
	var known *exitError
	if errors.As(err, &known) {
		return known.hint
	}
	return ""
}

// ExitCode chooses the exit code for the error that a command returned.
func ExitCode(err error) int {
	var known *exitError
	switch {
	case err == nil, IsClosedPipe(err):
		return ExitOK
	case errors.As(err, &known):
		return known.code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitNoRun
}

// IsClosedPipe reports whether err is that the reader of our output went away,
// as head does when it has seen enough. A network connection fails with EPIPE
// too, so only errors of the output count.
func IsClosedPipe(err error) bool {
	var own *term.OutputError
	return errors.As(err, &own) && (errors.Is(own.Err, syscall.EPIPE) || errors.Is(own.Err, io.ErrClosedPipe))
}

// InterceptorHint returns the hint for a certificate that was not accepted because a
// product opens TLS on the way.
func InterceptorHint(product string) string {
	return product + " opens the connection, and has a certificate of its own for it: exempt the host there, or trust its authority with --cacert FILE"
}
