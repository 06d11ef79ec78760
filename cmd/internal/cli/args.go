package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ssectl/ssectl/internal/redact"
)

// A TooManyArgs is the error of a command line with more arguments than the command
// takes.
type TooManyArgs struct{ message string }

func (e *TooManyArgs) Error() string { return e.message }

// AtMostOne returns the check of a command that takes one argument or none, which
// the noun names.
func AtMostOne(noun string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return &TooManyArgs{fmt.Sprintf("want one %s, got %s", noun, quoted(args))}
		}
		return nil
	}
}

// NoArgs is the check of a command that takes no arguments.
func NoArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &TooManyArgs{fmt.Sprintf("%s takes no arguments, got %s", c.Name(), quoted(args))}
	}
	return nil
}

// quoted lists arguments, which may be URLs with secrets.
func quoted(args []string) string {
	var shown []string
	for _, arg := range args {
		shown = append(shown, strconv.Quote(redact.WithoutSecrets(arg)))
	}
	return strings.Join(shown, " and ")
}

// ValueHint returns a remedy if a flag of c whose value is optional stands before
// its value as others do: the value then counts as an argument. args are those of
// the program.
func ValueHint(c *cobra.Command, args []string) string {
	for i := range len(args) - 1 {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok || strings.HasPrefix(args[i+1], "-") {
			continue
		}
		if f := c.Flags().Lookup(name); f != nil && f.NoOptDefVal != "" && f.Value.Type() != "bool" {
			return fmt.Sprintf("--%s takes its value after \"=\": --%s=%s", name, name, redact.WithoutSecrets(args[i+1]))
		}
	}
	return ""
}
