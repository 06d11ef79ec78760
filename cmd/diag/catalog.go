package diagcmd

import (
	"fmt"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

func listChecks(streams *term.Streams) error {
	group := ""
	for _, c := range diag.Catalog {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(streams.Out, "%s\n", group)
		}
		needs := ""
		if c.Needs != "" {
			needs = " (" + c.Needs + ")"
		}
		if _, err := fmt.Fprintf(streams.Out, "  %-20s %-4s  %s%s\n", c.ID, c.Worst, c.Title, needs); err != nil {
			return err
		}
	}
	return nil
}

func explainCheck(streams *term.Streams, id string) error {
	c := diag.Lookup(id)
	if c == nil {
		return cli.Usage(fmt.Errorf("no check %q; --list shows them", id))
	}
	fmt.Fprintf(streams.Out, "%s (%s, at worst %s)\n", c.ID, c.Group, c.Worst)
	fmt.Fprintf(streams.Out, "\nwhat  %s\nhow   %s\nwhy   %s\nsee   %s\n", c.Title, c.How, c.Why, c.Cite)
	if c.Needs != "" {
		fmt.Fprintf(streams.Out, "runs  with %s\n", c.Needs)
	}

	for i, remedy := range c.AllRemedies() {
		word := "fix "
		if i > 0 {
			word = "    "
		}
		if _, err := fmt.Fprintf(streams.Out, "%s  %s: %s\n", word, remedy.For, remedy.Text); err != nil {
			return err
		}
	}
	return nil
}
