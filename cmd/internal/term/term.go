// Package term is the only one that touches the standard streams of the process: it
// knows whether they are terminals, how wide, and whether to use color.
package term

import (
	"io"
	"os"
	"strconv"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// Streams are the three streams that a command works with, and their properties.
// Tests fill one by hand.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	InTerminal  bool
	OutTerminal bool
	ErrTerminal bool

	// Width is the number of columns of the terminal, 0 if unknown.
	Width int

	// NoColor is true if the environment asks for no color
	// (https://no-color.org, TERM=dumb); a flag may overrule it.
	NoColor bool
}

// System returns the streams of the process.
func System() *Streams {
	return &Streams{
		In:          os.Stdin,
		Out:         os.Stdout,
		Err:         os.Stderr,
		InTerminal:  isTerminal(os.Stdin),
		OutTerminal: isTerminal(os.Stdout),
		ErrTerminal: isTerminal(os.Stderr),
		Width:       width(),
		NoColor:     os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb",
	}
}

// An OutputError is an error of a write to [Streams.Out]. It sets a closed
// standard output apart from a closed network connection, which fails with the
// same error numbers.
type OutputError struct{ Err error }

func (e *OutputError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the write.
func (e *OutputError) Unwrap() error { return e.Err }

// WithOutputErrors returns the streams with an Out whose errors are
// [*OutputError] values.
func (s *Streams) WithOutputErrors() *Streams {
	marked := *s
	marked.Out = markedWriter{s.Out}
	return &marked
}

type markedWriter struct{ w io.Writer }

func (m markedWriter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	if err != nil {
		err = &OutputError{err}
	}
	return n, err
}

// Process returns Out as a process that we start has to get it: where it is a file,
// without our care for its errors, so that the process writes to it directly.
func (s *Streams) Process() io.Writer {
	if marked, ok := s.Out.(markedWriter); ok {
		return marked.w
	}
	return s.Out
}

func isTerminal(f *os.File) bool {
	return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
}

// width is that of the terminal on standard output or standard error; COLUMNS
// overrules it.
func width() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}
