package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// AtMostOne returns the check of a command that takes one argument or none, which
// the noun names.
func AtMostOne(noun string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("want one %s, got %d", noun, len(args))
		}
		return nil
	}
}
