// Package term is the only one that touches the standard streams of the process: it
// knows whether they are terminals, how wide, and whether to use color.
package term

import (
	"cmp"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

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

	// Width is the number of columns of the terminal, 0 if unknown. It is that of the
	// start; Columns follows changes.
	Width   int
	columns func() int // nil in tests

	// Unicode is true if the terminal shows characters beyond ASCII.
	Unicode bool

	// CanErase is true if standard error is a terminal on which a line can be written
	// over.
	CanErase bool

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
		columns:     width,
		Unicode:     os.Getenv("TERM") != "dumb" && isUnicode(runtime.GOOS, os.Getenv),
		CanErase:    isTerminal(os.Stderr) && os.Getenv("TERM") != "dumb",
		NoColor:     os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb",
	}
}

// Columns returns the number of columns that the terminal has now, 0 if unknown.
func (s *Streams) Columns() int {
	if s.columns == nil {
		return s.Width
	}
	return s.columns()
}

// isUnicode reports whether the locale is one of UTF-8. A console of Windows gets UTF-16
// from Go in any case.
func isUnicode(system string, getenv func(string) string) bool {
	if system == "windows" {
		return true
	}
	// https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html#tag_08_02
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))
	_, charset, _ := strings.Cut(strings.ToLower(locale), ".")
	charset, _, _ = strings.Cut(charset, "@")
	return charset == "utf-8" || charset == "utf8"
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
