package diagcmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/suggest"
	"github.com/ssectl/ssectl/pkg/diag"
)

// optionFlags writes the options that diag names in its texts as flags.
var optionFlags = strings.NewReplacer(
	"Options.Quick", "--quick", "Options.Soak", "--soak", "Options.Duration", "--duration", "Options.ExpectEvery", "--expect-every",
	"Options.OriginURL", "--origin", "Options.ConnsURL", "--conns-url", "Options.WebOrigin", "--web-origin", "Options.Credentials", "--credentials",
	"Options.Injection", "--probe-injection", "Options.Profile", "--profile", "Options.OtherRequest", "--other-header", "serve.Handler.Stamp", "serve --stamp",
)

// WithFlags returns a text of package diag with flags in place of the options that
// it names.
func WithFlags(text string) string { return optionFlags.Replace(text) }

// NeedsFlag returns the flag without which a check has nothing to judge.
func NeedsFlag(c diag.Check) string { return WithFlags("Options." + c.Needs) }

func listChecks(streams *term.Streams) error {
	group := ""
	for c := range diag.Checks() {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(streams.Out, "%s\n", group)
		}
		needs := ""
		if c.Needs != "" {
			needs = " (" + NeedsFlag(c) + ")"
		}
		if _, err := fmt.Fprintf(streams.Out, "  %-20s %-4s  %s%s\n", c.ID, c.Worst, c.Title, needs); err != nil {
			return err
		}
	}
	return nil
}

func explainCheck(streams *term.Streams, id string) error {
	c, ok := diag.Lookup(id)
	if !ok {
		return cli.Fail(cli.ExitUsage, fmt.Errorf("--explain: no check %q", id), nearestCheck(id, false))
	}
	page := explanation{width: cli.HelpWidth(streams.Width)}
	fmt.Fprintf(&page.text, "%s (%s, worst status: %s)\n\n", c.ID, c.Group, c.Worst)
	page.field("what", c.Title)
	page.field("how", WithFlags(c.How))
	page.field("why", c.Why)
	page.field("see", c.Cite)
	var methods []string
	for _, method := range c.Methods {
		methods = append(methods, method.Name+": "+method.Doc)
	}
	page.field("found by", methods...)
	if c.Needs != "" {
		page.field("runs", "with "+NeedsFlag(c))
	}
	var fixes []string
	for _, remedy := range c.Remedies() {
		fixes = append(fixes, remedy.For+": "+remedy.Text)
	}
	page.field("fix", fixes...)
	_, err := io.WriteString(streams.Out, page.text.String())
	return err
}

// nearestCheck returns the hint for a name that no check has, nor a group if those
// count.
func nearestCheck(typed string, groups bool) string {
	var names []string
	for c := range diag.Checks() {
		names = append(names, c.ID)
		if groups {
			names = append(names, c.Group)
		}
	}
	if near := suggest.Nearest(typed, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "ssectl diag --list"
}

// An explanation is the page of a check.
type explanation struct {
	text  strings.Builder
	width int
}

// field writes values under each other, after the name of the field. Where there
// are several, the lines that one goes on with are indented.
func (e *explanation) field(name string, values ...string) {
	const indent = 10
	hang := indent
	if len(values) > 1 {
		hang += 2
	}
	for _, value := range values {
		fmt.Fprintf(&e.text, "%-*s%s\n", indent, name, output.Wrap(value, hang, e.width))
		name = ""
	}
}
