// Package diagcmd is the command "ssectl diag": its flags, the reports that it
// writes, and the catalog of checks as a user reads it. The diagnosis itself is
// the work of package diag.
package diagcmd

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// defaultSoak is longer than most hops let a silent stream live.
const defaultSoak = 130 * time.Second

// options are the values of the flags.
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
	Other       []string // headers

	Only, Skip, Require []string
	FailOn              string

	Watch     time.Duration
	UntilFail bool
	Metrics   string

	List    bool
	Explain string
	Schema  bool
}

// New returns the command. The version is that of the tool, for reports.
func New(streams *term.Streams, version string) *cobra.Command {
	opts := &options{Curl: curl.New(streams, version), Version: version, Color: term.ColorAuto, Profile: "auto", FailOn: "fail", Format: "text"}
	c := &cobra.Command{
		Use:   "diag URL",
		Short: "Find out what is wrong with an event stream",
		Long: `Diag connects to a server as a browser would, a few times at once, and judges the
stream: whether events are held back and by what, whether a reconnecting client
loses any, and whether caches, proxies and browsers get the right headers. It
shows its evidence, and the line of configuration that fixes a fault.

It opens up to three streams at once, for up to ` + diag.DefaultDuration.String() + ` (` + (2 * diag.DefaultDuration).String() + ` if it has to confirm a
fault), and sends a few short requests. Where Envoy is on the path and nothing else is
wrong it watches for 16.5s, as the usual limit of its routes cuts a stream after 15s.
A request that is not a GET may cost money or change something, and is sent once.`,
		Example: `  ssectl diag https://app.example.com/events
  ssectl diag --quick :8080/events
  ssectl diag URL --format github --report junit=diag.xml --report html=diag.html
  ssectl diag https://app.example.com/events --origin http://10.0.0.7:3000/events
  ssectl diag https://app.example.com/events --watch 5m --metrics :9090`,
		Args: cli.AtMostOne("URL"),
		RunE: func(c *cobra.Command, args []string) error {
			opts.URL = opts.Curl.URL
			if len(args) == 1 {
				opts.URL = args[0]
			}
			if c.Flags().Changed("watch") && opts.Watch == 0 {
				return cli.Usage(errors.New("--watch 0s: want a duration above 0"))
			}
			return run(c.Context(), streams, opts)
		},
	}
	cli.AddFlags(c, "Probe", opts.bindProbe)
	cli.AddFlags(c, "Checks", opts.bindChecks)
	cli.AddFlags(c, "Reports", opts.bindReports)
	cli.AddFlags(c, "Watch", opts.bindWatch)
	cli.AddFlags(c, "Connection, as in curl", opts.Curl.Bind)
	for _, name := range []string{"compressed", "verbose"} {
		c.Flags().Lookup(name).Hidden = true // accepted, but the report covers both in any case
	}
	cli.SetHelp(c, streams.Width,
		cli.HelpSection{Title: "Statuses", List: [][2]string{
			{"pass", "the check is met"},
			{"info", "worth knowing, not a fault"},
			{"warn", "harmless here, harmful in some setups"},
			{"fail", "a fault"},
			{"inconclusive", "the evidence is not enough; the report names the missing piece"},
			{"skip", "the check does not apply"},
		}},
		cli.ExitCodes(
			[2]string{"0", "no check failed; --watch was interrupted"},
			[2]string{"1", "a check failed, or one of --require is inconclusive; with --watch, only by --until-fail"},
			[2]string{"2", "wrong usage"},
			[2]string{"3", "could not test: DNS, connect, TLS, no HTTP answer, interrupted; no address for --metrics"},
		))
	return c
}

func (o *options) bindProbe(flags *pflag.FlagSet) {
	flags.DurationVar(&o.Duration, "duration", diag.DefaultDuration, "watch the stream for this `duration`; less once all is decided, about twice as long to confirm a fault")
	flags.BoolVar(&o.Quick, "quick", false, "check only headers, framing and broken bodies, in 3 s")
	flags.DurationVar(&o.Soak, "soak", 0, "keep one stream open, untouched, for this `duration`, to see what cuts it")
	flags.Lookup("soak").NoOptDefVal = cli.Short(defaultSoak)
	flags.IntVar(&o.Connections, "connections", diag.DefaultConnections, "open at most this `number` of streams at once")
	flags.BoolVar(&o.Repeat, "repeat", false, "send requests that may cost money more than once")
	flags.StringVar(&o.Origin, "origin", "", "compare with the same stream at this `URL` of the origin, to tell a fault of a hop from one of the server")
	flags.StringVar(&o.WebOrigin, "web-origin", "", "check CORS for pages of this `origin`")
	flags.BoolVar(&o.Credentials, "credentials", false, "check CORS for pages that send cookies; needs --web-origin")
	flags.Var(cli.Choice(&o.Profile, "auto", "openai", "anthropic", "mcp"), "profile", "check this protocol on top; auto recognizes it by its events")
	flags.DurationVar(&o.ExpectEvery, "expect-every", 0, "expect an event every `duration`; a longer silence is a fault")
	flags.StringVar(&o.ConnsURL, "conns-url", "", "read the number of open streams from this `URL` of the origin, as from /.ssectl/stats of ssectl serve")
	flags.StringArrayVar(&o.Other, "other-header", nil, "reconnect as another user too, with this `header` in place of the one of that name; \"Name:\" removes one; repeatable")
	flags.BoolVar(&o.Injection, "probe-injection", false, "try to inject events through the query")
}

func (o *options) bindChecks(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.Only, "only", nil, "run only these checks or groups, by `id`, separated by commas, and the checks they depend on")
	flags.StringSliceVar(&o.Skip, "skip", nil, "leave out these checks or groups, by `id`")
	flags.StringSliceVar(&o.Require, "require", nil, "fail if one of these checks or groups, by `id`, is inconclusive; a skipped check does not fail")
	flags.Var(cli.Choice(&o.FailOn, "fail", "warn", "never"), "fail-on", "exit with 1 if any check has this status or worse")
	flags.BoolVar(&o.List, "list", false, "list all checks")
	flags.StringVar(&o.Explain, "explain", "", "explain the check with this `id`: what it verifies, how, why, and the fixes")
}

func (o *options) bindReports(flags *pflag.FlagSet) {
	flags.Var(cli.Choice(&o.Format, output.ReportFormatNames()...), "format", "print the report in this format")
	flags.StringArrayVar(&o.Reports, "report", nil, "write a report to a file too, as `format=file`; html is a page with a picture of the streams; repeatable")
	flags.BoolVar(&o.All, "all", false, "show all checks, those that passed or do not apply too")
	flags.Var(&o.Color, "color", "use colors; auto is on a terminal, unless NO_COLOR is set")
	flags.BoolVar(&o.Schema, "schema", false, "print the JSON Schema of --format json")
}

func (o *options) bindWatch(flags *pflag.FlagSet) {
	flags.DurationVar(&o.Watch, "watch", 0, "diagnose again and again, from start to start every `duration`, and print a line for each change of a verdict, as text or JSON; rounds that would overlap are left out")
	flags.BoolVar(&o.UntilFail, "until-fail", false, "end with 1 after the first round of --watch that fails; one that could not test does not end it")
	flags.StringVar(&o.Metrics, "metrics", "", "serve metrics of --watch for Prometheus at http://`host:port`/metrics; without a host, to this machine alone")
}
