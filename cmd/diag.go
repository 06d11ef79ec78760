package cmd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// defaultSoak is longer than most hops let a silent stream live.
const defaultSoak = 130 * time.Second

// diagOptions are what the flags of diag say.
type diagOptions struct {
	Connection *connection
	URL        string

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

func newDiagCommand(streams *term.Streams) *cobra.Command {
	opts := &diagOptions{Connection: newConnection(streams), Color: term.ColorAuto}
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
			opts.URL = opts.Connection.URL
			if len(args) == 1 {
				opts.URL = args[0]
			}
			return runDiag(c.Context(), streams, opts)
		},
	}
	addFlags(c, "What to ask", opts.bindAsk)
	addFlags(c, "What to check", opts.bindChecks)
	addFlags(c, "Reports", opts.bindReports)
	addFlags(c, "Connection, as in curl", opts.Connection.bind)
	for _, name := range []string{"compressed", "verbose"} {
		c.Flags().Lookup(name).Hidden = true // accepted, and so in any case: the report tells both
	}
	setHelp(c, streams.Width,
		helpSection{"Statuses", `  pass, info, warn, fail; inconclusive where the evidence is not enough, with what
  would decide it; skip where a check does not apply. There is no score.`},
		exitCodes("0  no check failed", "1  a check failed, or one that --require names could not decide", "2  wrong usage", "3  could not test: DNS, connect, TLS, no HTTP answer, interrupted"))
	return c
}

func (o *diagOptions) bindAsk(flags *pflag.FlagSet) {
	flags.DurationVar(&o.Duration, "duration", diag.DefaultDuration, "watch the stream for this `time`; less when all is decided, about twice that to see a fault again")
	flags.BoolVar(&o.Quick, "quick", false, "headers, framing and broken bodies only, in 3 s")
	flags.DurationVar(&o.Soak, "soak", 0, "leave the stream alone for this `time`, to see who cuts it")
	flags.Lookup("soak").NoOptDefVal = defaultSoak.String()
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

func (o *diagOptions) bindChecks(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.Only, "only", nil, "run these checks or groups alone, by `id`, separated by commas, and those that they refer to")
	flags.StringSliceVar(&o.Skip, "skip", nil, "leave out these checks or groups, by `id`")
	flags.StringSliceVar(&o.Require, "require", nil, "fail if these checks or groups, by `id`, cannot decide; what does not apply fails nothing")
	flags.StringVar(&o.FailOn, "fail-on", "fail", "the `status` from which on the exit code is 1: fail, warn or never")
	flags.BoolVar(&o.List, "list", false, "list all checks")
	flags.StringVar(&o.Explain, "explain", "", "explain a check, by `id`: what, how, why, and what to try")
}

func (o *diagOptions) bindReports(flags *pflag.FlagSet) {
	flags.StringVar(&o.Format, "format", "text", "the `format` of the report on stdout: "+strings.Join(output.ReportFormatNames(), ", "))
	flags.StringArrayVar(&o.Reports, "report", nil, "write one more report, as `format=file`")
	flags.BoolVar(&o.All, "all", false, "show checks that do not apply, too")
	flags.Var(&o.Color, "color", "`when` to color the text: auto, always or never")
	flags.BoolVar(&o.Schema, "schema", false, "print the JSON Schema of --format json")
}

// runDiag checks what was asked for, probes, and writes the reports.
func runDiag(ctx context.Context, streams *term.Streams, opts *diagOptions) error {
	switch {
	case opts.Schema:
		_, err := streams.Out.Write(diag.Schema())
		return err
	case opts.List:
		return listChecks(streams)
	case opts.Explain != "":
		return explainCheck(streams, opts.Explain)
	}
	files, err := opts.validate()
	if err != nil {
		return usageError(err)
	}
	request, cfg, err := opts.config(ctx)
	if err != nil {
		return usageError(err)
	}
	for i := range files {
		// Now, not when the probe is over and its report would be lost.
		if files[i].file, err = openTape(files[i].name); err != nil {
			return usageError(fmt.Errorf("--report: %w", err))
		}
		defer files[i].file.Close()
	}
	if streams.ErrTerminal && opts.Format == "text" {
		fmt.Fprintf(streams.Err, "%s\n", announce(cfg))
	}
	// What servers send is bounded; its garbage is not to double it.
	debug.SetGCPercent(gcPercent)
	report, err := diag.Run(ctx, request, cfg)
	if err != nil {
		return usageError(err)
	}
	for i := range report.Checks {
		c := &report.Checks[i]
		c.Actual, c.Seen = optionFlags.Replace(c.Actual), optionFlags.Replace(c.Seen)
	}
	report.Tool.Version = versionString()
	if opts.Connection.Verbose {
		showConnections(streams.Err, report)
	}
	for _, file := range files {
		if err := writeReport(file, report, opts); err != nil {
			return err
		}
	}
	style := output.ReportStyle{Colors: streams.ColorsFor(opts.Color, streams.OutTerminal), All: opts.all()}
	if streams.OutTerminal {
		style.Width = streams.Width
	}
	if err := output.ReportFormats[opts.Format](streams.Out, report, style); err != nil {
		return err
	}
	return outcome(report, opts.URL)
}

// showConnections writes what was asked and answered, a line for each request.
func showConnections(w io.Writer, report *diag.Report) {
	for _, c := range report.Connections {
		var headers []string
		for _, name := range slices.Sorted(maps.Keys(c.Request)) {
			headers = append(headers, name+": "+c.Request[name])
		}
		fmt.Fprintf(w, "> %s for %s; %s\n", c.Method, c.Role, output.Safe(strings.Join(headers, "; ")))
		if c.Status == 0 {
			fmt.Fprintf(w, "< no answer, ended by %s\n", c.End)
			continue
		}
		fmt.Fprintf(w, "< %d after %.0f ms, %d bytes, %d events, %d comments, ended by %s\n", c.Status, c.TTFB, c.Bytes, c.Events, c.Comments, c.End)
	}
}

// gcPercent is the growth of the heap after which it is collected, in percent.
const gcPercent = 40

// all reports whether each check is shown, as those are that were named.
func (o *diagOptions) all() bool { return o.All || len(o.Only) > 0 }

// outcome is the exit code of a report; what it says was shown already, but
// for the reason of a run that could not test.
func outcome(report *diag.Report, target string) error {
	switch {
	case report.Exit == exitOK:
		return nil
	case report.Error != nil:
		return coded(report.Exit, fmt.Errorf("could not test: %s: %s", report.Error.Phase, report.Error.Message), untestedHint(report.Error.Phase, target))
	}
	return coded(report.Exit, errSilent, "")
}

// untestedHint says what may help where nothing could be tested.
func untestedHint(phase, target string) string {
	if info, err := os.Stat(target); err == nil && info.Mode().IsRegular() && phase != "interrupted" {
		return "a file has that name; diag wants a URL, which \"ssectl serve FILE\" makes of one"
	}
	return untestedHints[phase]
}

var untestedHints = map[string]string{
	"dns": "is the host name right? --resolve host:port:address overrules DNS",
	"tcp": "is the server running, and is this its port?",
	"tls": "-k accepts any certificate, --cacert FILE trusts another authority",
}

// announce says what is going to happen.
func announce(cfg diag.Options) string {
	if cfg.Quick {
		return "asking once, for up to 3 s ..."
	}
	d := max(cfg.Duration, cfg.Soak)
	return fmt.Sprintf("up to %d streams at once, for %s or less, about twice that to see a fault again ...", cfg.Connections, d)
}

// A reportFile is one --report.
type reportFile struct {
	format, name string
	file         *tapeFile // once it is open
}

// validate checks what cobra cannot, and returns the reports to write.
func (o *diagOptions) validate() ([]reportFile, error) {
	if o.URL == "" {
		return nil, fmt.Errorf("diag wants a URL")
	}
	if output.ReportFormats[o.Format] == nil {
		return nil, fmt.Errorf("--format %q: want one of %s", o.Format, strings.Join(output.ReportFormatNames(), ", "))
	}
	var files []reportFile
	for _, report := range o.Reports {
		format, name, ok := strings.Cut(report, "=")
		if !ok || name == "" || output.ReportFormats[format] == nil {
			return nil, fmt.Errorf("--report %q: want FORMAT=FILE, FORMAT one of %s", report, strings.Join(output.ReportFormatNames(), ", "))
		}
		files = append(files, reportFile{format: format, name: name})
	}
	for flag, names := range map[string][]string{"only": o.Only, "skip": o.Skip, "require": o.Require} {
		for _, name := range names {
			if !diag.Known(name) {
				return nil, fmt.Errorf("--%s: no check or group %q; --list shows them", flag, name)
			}
		}
	}
	switch {
	case !slices.Contains([]string{"fail", "warn", "never"}, o.FailOn):
		return nil, fmt.Errorf("--fail-on %q: want fail, warn or never", o.FailOn)
	case !slices.Contains([]diag.Profile{"auto", diag.ProfileOpenAI, diag.ProfileAnthropic, diag.ProfileMCP}, diag.Profile(o.Profile)):
		return nil, fmt.Errorf("--profile %q: want auto, openai, anthropic or mcp", o.Profile)
	case o.Connections < 1 || o.Connections > 8:
		return nil, fmt.Errorf("--connections: want 1 to 8")
	case o.Duration <= 0:
		return nil, fmt.Errorf("--duration: want a time above 0")
	case o.Credentials && o.WebOrigin == "":
		return nil, fmt.Errorf("--credentials wants --web-origin")
	}
	return files, nil
}

// config makes the client and the request.
func (o *diagOptions) config(ctx context.Context) (*http.Request, diag.Options, error) {
	// The probe asks for compression and undoes it itself.
	verbose := o.Connection.Verbose
	o.Connection.Compressed, o.Connection.Verbose = false, false
	defer func() { o.Connection.Verbose = verbose }()
	client, err := o.Connection.client()
	if err != nil {
		return nil, diag.Options{}, err
	}
	request, err := o.Connection.request(ctx, o.URL)
	if err != nil {
		return nil, diag.Options{}, err
	}
	if !o.Connection.gives("Accept-Encoding") {
		request.Header.Del("Accept-Encoding") // the probe asks as a browser does
	}
	cfg := diag.Options{
		Client: client, Duration: o.Duration, Connections: o.Connections, Repeat: o.Repeat,
		Only: o.Only, Skip: o.Skip, Require: o.Require, FailOn: diag.Status(o.FailOn),
		Quick: o.Quick, Soak: o.Soak, ExpectEvery: o.ExpectEvery,
		WebOrigin: o.WebOrigin, Credentials: o.Credentials, Injection: o.Injection,
	}
	if o.Profile != "auto" {
		cfg.Profile = diag.Profile(o.Profile)
	}
	for _, other := range []struct {
		raw string
		to  *string
	}{{o.Origin, &cfg.OriginURL}, {o.ConnsURL, &cfg.ConnsURL}} {
		if other.raw == "" {
			continue
		}
		u, err := parseURL(other.raw)
		if err != nil {
			return nil, diag.Options{}, err
		}
		*other.to = u.String()
	}
	return request, cfg, nil
}

// writeReport writes one --report, whole or not at all.
func writeReport(file reportFile, report *diag.Report, opts *diagOptions) error {
	var text bytes.Buffer
	style := output.ReportStyle{Colors: term.NewColors(false), All: opts.all()}
	if err := output.ReportFormats[file.format](&text, report, style); err != nil {
		return err
	}
	_, err := file.file.Write(text.Bytes())
	if err = cmp.Or(err, file.file.Close()); err != nil {
		return coded(exitUsage, fmt.Errorf("--report: %w", err), "")
	}
	return nil
}

// optionFlags writes the options that diag names in its texts as flags.
var optionFlags = strings.NewReplacer(
	"Options.Quick", "--quick", "Options.Soak", "--soak", "Options.Duration", "--duration", "Options.ExpectEvery", "--expect-every",
	"Options.OriginURL", "--origin", "Options.ConnsURL", "--conns-url", "Options.WebOrigin", "--web-origin", "Options.Credentials", "--credentials",
	"Options.Injection", "--probe-injection", "Options.Profile", "--profile", "serve.Handler.Stamp", "serve --stamp",
)

// needsFlag is the flag without which a check has nothing to judge.
func needsFlag(c diag.Check) string { return optionFlags.Replace("Options." + c.Needs) }

func listChecks(streams *term.Streams) error {
	group := ""
	for c := range diag.Checks() {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(streams.Out, "%s\n", group)
		}
		needs := ""
		if c.Needs != "" {
			needs = " (" + needsFlag(c) + ")"
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
		return usageError(fmt.Errorf("no check %q; --list shows them", id))
	}
	fmt.Fprintf(streams.Out, "%s (%s, at worst %s)\n", c.ID, c.Group, c.Worst)
	fmt.Fprintf(streams.Out, "\nwhat  %s\nhow   %s\nwhy   %s\nsee   %s\n", c.Title, optionFlags.Replace(c.How), c.Why, c.Cite)
	for i, method := range c.Methods {
		word := "by  "
		if i > 0 {
			word = "    "
		}
		fmt.Fprintf(streams.Out, "%s  %s: %s\n", word, method.Name, method.Doc)
	}
	if c.Needs != "" {
		fmt.Fprintf(streams.Out, "runs  with %s\n", needsFlag(c))
	}

	for i, remedy := range c.Remedies() {
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
