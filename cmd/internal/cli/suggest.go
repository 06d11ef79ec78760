package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/internal/suggest"
)

// SuggestFlag adds to the error of a flag that c does not have a hint which one may
// be meant. It is for cobra's SetFlagErrorFunc.
func SuggestFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if name := suggest.Nearest(unknown.GetSpecifiedName(), names); name != "" {
		return Fail(ExitUsage, err, fmt.Sprintf("did you mean --%s?", name))
	}
	return err
}
