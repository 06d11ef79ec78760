package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupKey is the annotation of a flag that names its group in the help.
const groupKey = "group"

// AddFlags adds the flags that bind makes to c, under a title in its help.
// Flags are shown in the order in which they are bound.
func AddFlags(c *cobra.Command, title string, bind func(*pflag.FlagSet)) {
	group := pflag.NewFlagSet(title, pflag.ContinueOnError)
	group.SortFlags = false
	bind(group)
	group.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupKey] = []string{title}
	})
	c.Flags().SortFlags = false
	c.Flags().AddFlagSet(group)
}

// A HelpSection is a part of the help behind the flags.
type HelpSection struct {
	Title, Text string
}

// SetHelp gives c a help page: the long text, the usage line, examples, the
// flags by group, and the sections. width is that of the terminal, 0 if unknown.
func SetHelp(c *cobra.Command, width int, sections ...HelpSection) {
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		fmt.Fprint(c.OutOrStdout(), helpText(c, width, sections))
	})
	c.SetUsageFunc(func(c *cobra.Command) error {
		fmt.Fprint(c.OutOrStderr(), helpText(c, width, sections))
		return nil
	})
}

func helpText(c *cobra.Command, width int, sections []HelpSection) string {
	if width <= 0 || width > 100 {
		width = 100
	}
	var text strings.Builder
	about := c.Long
	if about == "" {
		about = c.Short
	}
	fmt.Fprintf(&text, "%s\n\nUsage:\n  %s\n", strings.TrimSpace(about), c.UseLine())
	if c.Example != "" {
		fmt.Fprintf(&text, "\nExamples:\n%s\n", strings.Trim(c.Example, "\n"))
	}
	for _, group := range FlagGroups(c) {
		fmt.Fprintf(&text, "\n%s:\n%s", group.Name(), group.FlagUsagesWrapped(width))
	}
	for _, section := range sections {
		fmt.Fprintf(&text, "\n%s:\n%s\n", section.Title, strings.Trim(section.Text, "\n"))
	}
	return text.String()
}

// FlagGroups returns the flags of c by group, in the order of their binding,
// those without a group last.
func FlagGroups(c *cobra.Command) []*pflag.FlagSet {
	var groups []*pflag.FlagSet
	others := newGroup("Other")
	byTitle := map[string]*pflag.FlagSet{}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		titles := f.Annotations[groupKey]
		if titles == nil {
			others.AddFlag(f)
			return
		}
		group := byTitle[titles[0]]
		if group == nil {
			group = newGroup(titles[0])
			byTitle[titles[0]] = group
			groups = append(groups, group)
		}
		group.AddFlag(f)
	})
	return append(groups, others)
}

func newGroup(title string) *pflag.FlagSet {
	group := pflag.NewFlagSet(title, pflag.ContinueOnError)
	group.SortFlags = false
	return group
}

// ExitCodes is the section of the help that all commands that connect share.
func ExitCodes(lines ...string) HelpSection {
	return HelpSection{"Exit codes", "  " + strings.Join(lines, "\n  ")}
}
