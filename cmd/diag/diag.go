// Package diagcmd is the command "ssectl diag": its flags, the reports that it
// writes, and the catalog of checks as a user reads it. The diagnosis itself is
// the work of package diag.
package diagcmd

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// options are what the flags of diag say.
type options struct {
	Version string // of the tool
	Curl    *curl.Flags
	URL     string

	Format  string
	Reports []string // FORMAT=FILE
	All     bool
	Color   term.ColorMode

	Duration    time.Duration
	Quick       bool
	Soak        time.Duration
	Connections int
	Repeat      bool

	Origin      string
	WebOrigin   string
	Credentials bool
	Profile     string
	ExpectEvery time.Duration
	ConnsURL    string
	Injection   bool

	Only, Skip, Require []string
	FailOn              string

	List    bool
	Explain string
	Schema  bool
}

// New returns the command. The version is that of the tool, for reports.
func New(streams *term.Streams, version string) *cobra.Command {
	opts := &options{Curl: curl.New(streams, version), Version: version, Color: term.ColorAuto}
	c := &cobra.Command{
		Use:   "diag URL",
		Short: "Find out what is wrong with an event stream",
		Long: `Diag asks a server as a browser would, a few times at once, and weighs what it
sees: whether events are held back and by what, whether a client that comes back
loses any, whether caches, proxies and browsers are told the right things. It
shows its evidence, and the line of configuration that cures a fault.

It makes up to three streams at once, for ` + diag.DefaultDuration.String() + ` or less, about twice as long where a
fault has to be seen again, and a few short requests. A request that is not a GET
may cost money or change something, and is sent once.`,
		Example: `  ssectl diag https://app.example.com/events
  ssectl diag --quick :8080/events
  ssectl diag URL --format github --report junit=diag.xml --report json=diag.json
  ssectl diag https://app.example.com/events --origin http://10.0.0.7:3000/events`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			opts.URL = opts.Curl.URL
			if len(args) == 1 {
				opts.URL = args[0]
			}
			return run(c.Context(), streams, opts)
		},
	}
	cli.AddFlags(c, "What to ask", opts.bindAsk)
	cli.AddFlags(c, "What to check", opts.bindChecks)
	cli.AddFlags(c, "Reports", opts.bindReports)
	cli.AddFlags(c, "Connection, as in curl", opts.Curl.Bind)
	for _, name := range []string{"compressed", "verbose"} {
		c.Flags().Lookup(name).Hidden = true // accepted, and so in any case: the report tells both
	}
	cli.SetHelp(c, streams.Width,
		cli.HelpSection{Title: "Statuses", Text: `  pass, info, warn, fail; inconclusive where the evidence is not enough, with what
  would decide it; skip where a check does not apply. There is no score.`},
		cli.ExitCodes("0  no check failed", "1  a check failed, or one that --require names could not decide", "2  wrong usage", "3  could not test: DNS, connect, TLS, no HTTP answer, interrupted"))
	return c
}

func (o *options) bindAsk(flags *pflag.FlagSet) {
	flags.DurationVar(&o.Duration, "duration", diag.DefaultDuration, "watch the stream for this `time`; less when all is decided, about twice that to see a fault again")
	flags.BoolVar(&o.Quick, "quick", false, "headers, framing and broken bodies only, in 3 s")
	flags.DurationVar(&o.Soak, "soak", 0, "leave the stream alone for this `time`, to see who cuts it")
	flags.Lookup("soak").NoOptDefVal = diag.DefaultSoak.String()
	flags.IntVar(&o.Connections, "connections", diag.DefaultConnections, "have this `number` of streams open at once, at most")
	flags.BoolVar(&o.Repeat, "repeat", false, "send requests that may cost money more than once")
	flags.StringVar(&o.Origin, "origin", "", "the `URL` of the same stream at the origin: tells the fault of a hop from that of the server")
	flags.StringVar(&o.WebOrigin, "web-origin", "", "the `origin` of the page that reads the stream, for the checks of CORS")
	flags.BoolVar(&o.Credentials, "credentials", false, "the page sends cookies; with --web-origin")
	flags.StringVar(&o.Profile, "profile", "auto", "the protocol on top, by `name`: openai, anthropic, mcp, or auto, which the events tell")
	flags.DurationVar(&o.ExpectEvery, "expect-every", 0, "an event is due each `time`, so that a longer silence fails")
	flags.StringVar(&o.ConnsURL, "conns-url", "", "the `URL` that tells how many streams the origin has open, as that of serve at /.ssectl/stats")
	flags.BoolVar(&o.Injection, "probe-injection", false, "try to write events by way of the query")
}

func (o *options) bindChecks(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.Only, "only", nil, "run these checks or groups alone, by `id`, separated by commas, and those that they refer to")
	flags.StringSliceVar(&o.Skip, "skip", nil, "leave out these checks or groups, by `id`")
	flags.StringSliceVar(&o.Require, "require", nil, "fail if these checks or groups, by `id`, cannot decide; what does not apply fails nothing")
	flags.StringVar(&o.FailOn, "fail-on", "fail", "the `status` from which on the exit code is 1: fail, warn or never")
	flags.BoolVar(&o.List, "list", false, "list all checks")
	flags.StringVar(&o.Explain, "explain", "", "explain a check, by `id`: what, how, why, and what to try")
}

func (o *options) bindReports(flags *pflag.FlagSet) {
	flags.StringVar(&o.Format, "format", "text", "the `format` of the report on stdout: "+strings.Join(output.ReportFormatNames(), ", "))
	flags.StringArrayVar(&o.Reports, "report", nil, "write one more report, as `format=file`")
	flags.BoolVar(&o.All, "all", false, "show checks that do not apply, too")
	flags.Var(&o.Color, "color", "`when` to color the text: auto, always or never")
	flags.BoolVar(&o.Schema, "schema", false, "print the JSON Schema of --format json")
}
