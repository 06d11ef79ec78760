package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/output"
)

// groupKey is the annotation of a flag that names its group in the help.
const groupKey = "group"

// AddFlags adds the flags that bind binds to c, under a title in its help, which
// shows them in that order.
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

// A HelpSection is a part of a help page after the flags: a text, then a list of
// names and their meanings.
type HelpSection struct {
	Title string
	Text  string
	List  [][2]string
}

// HelpWidth returns the width of a page of help on a terminal of the given width,
// 0 if unknown.
func HelpWidth(terminal int) int {
	const most = 100
	if terminal <= 0 || terminal > most {
		return most
	}
	return terminal
}

// SetHelp gives c, and the commands below it that have none, a help page: the
// long text, the usage line, examples, commands, and the flags by group. The
// sections are for c alone. width is that of the terminal, 0 if unknown.
func SetHelp(c *cobra.Command, width int, sections ...HelpSection) {
	width = HelpWidth(width)
	page := func(called *cobra.Command) string {
		if called != c {
			return helpText(called, width, nil)
		}
		return helpText(called, width, sections)
	}
	c.SetHelpFunc(func(called *cobra.Command, _ []string) { fmt.Fprint(called.OutOrStdout(), page(called)) })
	c.SetUsageFunc(func(called *cobra.Command) error {
		_, err := fmt.Fprint(called.OutOrStderr(), page(called))
		return err
	})
}

func helpText(c *cobra.Command, width int, sections []HelpSection) string {
	for name, usage := range map[string]string{"help": "show this help", "version": "print the version"} {
		if f := c.Flags().Lookup(name); f != nil {
			f.Usage = usage // of cobra
		}
	}
	var text strings.Builder
	about := c.Long
	if about == "" {
		about = c.Short + "."
	}
	fmt.Fprintf(&text, "%s\n\nUsage:\n  %s\n", Paragraphs(about, width), usageLine(c))
	if c.Example != "" {
		fmt.Fprintf(&text, "\nExamples:\n%s\n", strings.Trim(c.Example, "\n"))
	}
	var commands [][2]string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			commands = append(commands, [2]string{sub.Name(), sub.Short})
		}
	}
	if commands != nil {
		fmt.Fprintf(&text, "\nCommands:\n%s", List(commands, width))
	}
	for _, group := range FlagGroups(c) {
		fmt.Fprintf(&text, "\n%s:\n%s", group.Name(), group.FlagUsagesWrapped(width))
	}
	for _, section := range sections {
		fmt.Fprintf(&text, "\n%s:\n", section.Title)
		if section.Text != "" {
			fmt.Fprintf(&text, "  %s\n", output.Wrap(section.Text, 2, min(width, maxProse)))
		}
		text.WriteString(List(section.List, width))
	}
	return text.String()
}

func usageLine(c *cobra.Command) string {
	if c.HasAvailableSubCommands() {
		return c.CommandPath() + " COMMAND [flags]"
	}
	return c.UseLine()
}

// Paragraphs wraps a text with blank lines between its paragraphs. Lines that
// are indented, such as a command to type, stay as they are.
func Paragraphs(text string, width int) string {
	var paragraphs []string
	for _, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if !strings.HasPrefix(p, " ") && !strings.HasPrefix(p, "\t") {
			p = output.Wrap(p, 0, min(width, maxProse))
		}
		paragraphs = append(paragraphs, p)
	}
	return strings.Join(paragraphs, "\n\n")
}

// maxProse is the width of lines that are easy to read.
const maxProse = 80

// List returns names and their meanings in two columns.
func List(rows [][2]string, width int) string {
	widest := 0
	for _, row := range rows {
		widest = max(widest, len(row[0]))
	}
	var text strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&text, "  %-*s  %s\n", widest, row[0], output.Wrap(row[1], widest+4, width))
	}
	return text.String()
}

// FlagGroups returns the flags of c by group, in the order of their binding,
// flags without a group last.
func FlagGroups(c *cobra.Command) []*pflag.FlagSet {
	var groups []*pflag.FlagSet
	others := newGroup("Flags")
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

// ExitCodes is the section of the help that lists the exit codes of a command.
func ExitCodes(codes ...[2]string) HelpSection {
	return HelpSection{Title: "Exit codes", List: codes}
}
