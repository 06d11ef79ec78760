package cmd

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/ssectl/ssectl/cmd/internal/term"
)

// The exit codes, the same for all commands.
const (
	exitOK          = 0
	exitFailed      = 1   // an expectation failed
	exitUsage       = 2   // wrong usage, bad input file
	exitNoRun       = 3   // could not run: DNS, connect, TLS, gave up reconnecting
	exitNotStream   = 4   // the server answered, but not with an event stream
	exitTimeout     = 5   // timed out before what was wanted
	exitInterrupted = 130 // SIGINT, SIGTERM
)

// A codedError carries the exit code, and the hint, that a command chose for an
// error. Commands make one with failed, usage and the like.
type codedError struct {
	code int
	err  error
	hint string
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// coded gives err an exit code and, if there is something to try, a hint.
func coded(code int, err error, hint string) error {
	return &codedError{code: code, err: err, hint: hint}
}

// usageError is coded for wrong usage.
func usageError(err error) error { return coded(exitUsage, err, "") }

// exitCode chooses the exit code for the error that a command returned.
func exitCode(err error) int {
	var known *codedError
	switch {
	case err == nil, isClosedPipe(err):
		return exitOK
	case errors.As(err, &known):
		return known.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitNoRun
}

// isClosedPipe reports whether err is that the reader of our output went away,
// as head does when it has seen enough. A network connection fails with EPIPE
// too, so only errors of the output count.
func isClosedPipe(err error) bool {
	var own *term.OutputError
	return errors.As(err, &own) && (errors.Is(own.Err, syscall.EPIPE) || errors.Is(own.Err, io.ErrClosedPipe))
}
