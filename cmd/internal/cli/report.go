package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// strconvWords match the errors of Go's parsers about a value.
var strconvWords = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(strconv\.(\w+): parsing "(?:[^"\\]|\\.)*"|time): (invalid syntax|missing unit in duration .*)?`)
})

// PlainUsage replaces the words of Go's parsers in a usage error.
func PlainUsage(err error) error {
	return errors.New(strconvWords().ReplaceAllStringFunc(err.Error(), func(words string) string {
		switch {
		case strings.HasPrefix(words, "time: missing"):
			return "want a duration with its unit, such as 500ms or 2s"
		case !strings.HasSuffix(words, "syntax"):
			return ""
		case strings.HasPrefix(words, "strconv.ParseBool"):
			return "want true or false"
		}
		return "want a number"
	}))
}

// Report writes an error in one line, and its hint in another if it has one.
func Report(streams *term.Streams, err error) {
	if err == nil || IsClosedPipe(err) || errors.Is(err, ErrReported) {
		return
	}
	message := strings.ReplaceAll(err.Error(), "\n", " ")
	fmt.Fprintf(streams.Err, "ssectl: %s\n", output.Safe(message))
	if hint := Hint(err); hint != "" {
		fmt.Fprintf(streams.Err, "hint: %s\n", output.Safe(hint))
	}
}

// ErrReported is for a result that the command has shown already, so that only the
// exit code is left.
var ErrReported = errors.New("already told")
