// Package cmd is the command line of ssectl: flags in, exit code out.
package cmd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	diagcmd "github.com/ssectl/ssectl/cmd/diag"
	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	listencmd "github.com/ssectl/ssectl/cmd/listen"
	servecmd "github.com/ssectl/ssectl/cmd/serve"
)

// A subcommand is a command that the first argument can name.
type subcommand struct {
	name  string
	build func(*term.Streams) *cobra.Command
	// prints is true of a command that prints something and ends. It needs no
	// signals, and catching them takes a tenth of the time of such a run.
	prints bool
}

// named returns the subcommand that args name, alone, or else all of them.
func named(args []string) []subcommand {
	all := []subcommand{
		{name: "listen", build: func(s *term.Streams) *cobra.Command { return listencmd.New(s, versionString()) }},
		{name: "serve", build: func(s *term.Streams) *cobra.Command { return servecmd.New(s, versionString()) }},
		{name: "diag", build: func(s *term.Streams) *cobra.Command { return diagcmd.New(s, versionString()) }},
		{name: "demo", build: newDemoCommand},
		{name: "version", build: newVersionCommand, prints: true},
	}
	for i, s := range all {
		if len(args) > 0 && s.name == args[0] {
			return all[i : i+1]
		}
	}
	return all
}

// Main runs the command line of the process and returns its exit code. The
// first SIGINT or SIGTERM asks the command to stop, a second one ends it.
func Main() int {
	// A write to a closed pipe is an error to handle, not a signal to die of.
	signal.Ignore(syscall.SIGPIPE)
	// The complaints of net/http about a peer are not for our user.
	log.SetOutput(io.Discard)
	streams, args := term.System(), os.Args[1:]
	if with := named(args); len(with) == 1 && with[0].prints {
		return Run(context.Background(), streams, args)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	code := make(chan int, 1)
	go func() { code <- Run(ctx, streams, args) }()
	select {
	case c := <-code:
		return c
	case <-ctx.Done():
	}
	for {
		select {
		case c := <-code:
			return c
		case <-time.After(stopTime): // a write to a full pipe does not end
			if !cli.Linger.Load() {
				return cli.ExitInterrupted
			}
		}
	}
}

// stopTime is how long a command may take to stop.
const stopTime = 3 * time.Second

// Run runs one command line and returns its exit code.
func Run(ctx context.Context, streams *term.Streams, args []string) int {
	streams = streams.WithOutputErrors()
	with := named(args)
	root := newRootCommand(streams, with)
	if len(with) > 1 {
		refuseUnknown(root)
	}
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for os.Args
	running := false
	root.PersistentPreRun = func(*cobra.Command, []string) { running = true }
	command, err := root.ExecuteContextC(ctx)
	var write *fs.PathError
	if err != nil && !running && !errors.As(err, &write) {
		// Usage errors come from several places of cobra, all before this.
		hint := command.CommandPath() + " --help"
		if typed := command.Flags().Arg(0); typed != "" && (command == root || command.Name() == "help") {
			if near := root.SuggestionsFor(typed); len(near) > 0 {
				hint = "did you mean " + near[0] + "?"
			}
		}
		var many *cli.TooManyArgs
		if errors.As(err, &many) {
			hint = cmp.Or(cli.ValueHint(command, args), hint)
		}
		err = cli.Fail(cli.ExitUsage, cli.PlainUsage(err), cmp.Or(cli.Hint(err), hint))
	}
	cli.Report(streams, err)
	return cli.ExitCode(err)
}

const rootLong = `
Ssectl reads, serves and diagnoses streams of Server-Sent Events.`

const helpOfCommand = `"ssectl COMMAND --help" shows the flags of a command.`

const rootExamples = `
  ssectl listen https://example.com/events
  ssectl serve events.jsonl
  ssectl diag https://example.com/events`

// newRootCommand makes the command line with some of the subcommands: to bind
// the flags of those that are not run is half of the time to start.
func newRootCommand(streams *term.Streams, with []subcommand) *cobra.Command {
	root := &cobra.Command{
		Use:           "ssectl",
		Short:         "The command-line tool for Server-Sent Events",
		Long:          rootLong,
		Example:       rootExamples,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       versionString(),
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(cli.SuggestFlag)
	root.SetVersionTemplate("ssectl {{.Version}}\n")
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	cli.SetHelp(root, streams.Width, cli.HelpSection{Text: helpOfCommand, Title: "More"})
	for _, s := range with {
		root.AddCommand(s.build(streams))
	}
	return root
}

// refuseUnknown makes the commands help and completion, which cobra adds, refuse
// a name that they do not know. Without it both print a help page, and succeed.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if found, rest, _ := root.Find(args); found == root {
					return cobra.NoArgs(root, rest)
				}
				return nil
			}
		case "completion":
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}
