package diagcmd

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

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/outfile"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// run checks the options, probes, and writes the reports.
func run(ctx context.Context, streams *term.Streams, opts *options) error {
	if opts.prints() > 1 {
		return cli.Usage(fmt.Errorf("--list, --explain and --schema exclude each other"))
	}
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
		return cli.Fail(cli.ExitUsage, err, cli.Hint(err))
	}
	request, cfg, err := opts.config(ctx)
	if err != nil {
		return cli.Usage(err)
	}
	var names []string
	for i := range files {
		// Now, not when the probe is over and its report would be lost.
		if files[i].file, err = outfile.Open(files[i].name, names...); err != nil {
			return cli.Usage(fmt.Errorf("--report: %w", err))
		}
		defer files[i].file.Close()
		names = append(names, files[i].name)
	}
	if streams.ErrTerminal && opts.Format == "text" && opts.Watch == 0 {
		fmt.Fprintf(streams.Err, "%s\n", announce(cfg))
	}
	// The answers of servers are bounded; their garbage must not double them.
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	work := &work{streams: streams, silent: opts.Curl.Silent}
	cfg.Progress = work.stage
	diagnose := func(ctx context.Context) (*diag.Report, error) {
		report, err := work.run(ctx, func() (*diag.Report, error) { return diag.Run(ctx, request, cfg) })
		if err != nil {
			return nil, cli.Usage(err)
		}
		for i := range report.Checks {
			c := &report.Checks[i]
			c.Actual, c.Seen = WithFlags(c.Actual), WithFlags(c.Seen)
		}
		report.Tool.Version = opts.Version
		if opts.Curl.Verbose {
			showConnections(streams.Err, report)
		}
		return report, nil
	}
	if opts.Watch > 0 {
		if !mayBeRepeated(request, cfg) {
			return cli.Fail(cli.ExitUsage, fmt.Errorf("--watch sends the request in each round, and it may cost money or change something"), "--repeat allows it")
		}
		return watch(ctx, streams, opts, diagnose, files, work)
	}
	report, err := diagnose(ctx)
	if err != nil {
		return err
	}
	if err := writeReports(files, report, opts); err != nil {
		return err
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

// prints returns how many flags ask for a page in place of a diagnosis.
func (o *options) prints() int {
	n := 0
	for _, asked := range []bool{o.Schema, o.List, o.Explain != ""} {
		if asked {
			n++
		}
	}
	return n
}

// showConnections writes a line for each request and one for its answer.
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

// memoryLimit is the number of bytes from which on garbage is collected whatever
// gcPercent is. The program itself takes some 15 MiB besides.
const memoryLimit = 28 << 20

// all reports whether each check is shown, as those are that were named.
func (o *options) all() bool { return o.All || len(o.Only) > 0 }

// outcome returns the exit code of a report as an error. The report was shown
// already, except for the reason of a run that could not test.
func outcome(report *diag.Report, target string) error {
	switch {
	case report.Exit == cli.ExitOK:
		return nil
	case report.Error != nil:
		return cli.Fail(report.Exit, fmt.Errorf("could not test: %s: %s", report.Error.Phase, report.Error.Message), untestedHint(report, target))
	}
	return cli.Fail(report.Exit, cli.ErrReported, "")
}

// untestedHint returns a remedy where nothing could be tested.
func untestedHint(report *diag.Report, target string) string {
	phase := report.Error.Phase
	if info, err := os.Stat(target); err == nil && info.Mode().IsRegular() && phase != "interrupted" {
		return "a file has that name, but diag needs a URL, which \"ssectl serve FILE\" makes of one"
	}
	if phase == "tls" && report.Path.Interceptor != "" {
		return cli.InterceptorHint(report.Path.Interceptor)
	}
	return untestedHints[phase]
}

var untestedHints = map[string]string{
	"dns": "is the host name right? --resolve host:port:address overrules DNS",
	"tcp": "is the server running, and is this its port?",
	"tls": "-k accepts any certificate, --cacert FILE trusts another authority",
}

// announce returns the line that is shown before the probe.
func announce(cfg diag.Options) string {
	if cfg.Quick {
		return "connecting once, for up to 3 s ..."
	}
	d := max(cfg.Duration, cfg.Soak)
	return fmt.Sprintf("up to %d streams at once, for %s or less, about twice as long to confirm a fault ...", cfg.Connections, d)
}

// A reportFile is one --report.
type reportFile struct {
	format, name string
	file         *outfile.File // once it is open
}

// validate checks the options that cobra cannot, and returns the reports to write.
func (o *options) validate() ([]reportFile, error) {
	if o.URL == "" {
		return nil, fmt.Errorf("nothing to diagnose: give a URL")
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
				return nil, cli.Fail(cli.ExitUsage, fmt.Errorf("--%s: no check or group %q", flag, name), nearestCheck(name, true))
			}
		}
	}
	switch {
	case o.Connections < 1 || o.Connections > 8:
		return nil, fmt.Errorf("--connections %d: want 1 to 8", o.Connections)
	case o.ExpectEvery < 0:
		return nil, fmt.Errorf("--expect-every %v: want a duration of 0 or more", o.ExpectEvery)
	case o.Soak < 0:
		return nil, fmt.Errorf("--soak %v: want a duration of 0 or more", o.Soak)
	case o.Duration <= 0:
		return nil, fmt.Errorf("--duration %v: want a duration above 0", o.Duration)
	case o.Credentials && o.WebOrigin == "":
		return nil, fmt.Errorf("--credentials needs --web-origin")
	}
	return files, o.validateWatch()
}

// config makes the client and the request.
func (o *options) config(ctx context.Context) (*http.Request, diag.Options, error) {
	// The probe needs the transport itself: it asks for compression and undoes
	// it, and the report has the requests and responses.
	plain := *o.Curl
	plain.Compressed, plain.Verbose = false, false
	client, err := plain.Client()
	if err != nil {
		return nil, diag.Options{}, err
	}
	request, err := plain.Request(ctx, o.URL)
	if err != nil {
		return nil, diag.Options{}, err
	}
	if !o.Curl.Gives("Accept-Encoding") {
		request.Header.Del("Accept-Encoding") // the probe asks as a browser does
	}
	cfg := diag.Options{
		Client: client, Duration: o.Duration, Connections: o.Connections, Repeat: o.Repeat,
		Only: o.Only, Skip: o.Skip, Require: o.Require, FailOn: diag.Status(o.FailOn),
		Quick: o.Quick, Soak: o.Soak, ExpectEvery: o.ExpectEvery,
		WebOrigin: o.WebOrigin, Credentials: o.Credentials, Injection: o.Injection,
	}
	if len(o.Other) > 0 {
		other := request.Clone(ctx)
		if err := curl.SetHeaders(other, o.Other); err != nil {
			return nil, diag.Options{}, fmt.Errorf("--other-header: %w", err)
		}
		cfg.OtherRequest = other
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
		u, err := curl.ParseURL(other.raw)
		if err != nil {
			return nil, diag.Options{}, err
		}
		*other.to = u.String()
	}
	return request, cfg, nil
}

// writeReports writes each --report.
func writeReports(files []reportFile, report *diag.Report, opts *options) error {
	for _, file := range files {
		if err := writeReport(file, report, opts); err != nil {
			return err
		}
	}
	return nil
}

// writeReport writes one --report, whole or not at all.
func writeReport(file reportFile, report *diag.Report, opts *options) error {
	var text bytes.Buffer
	style := output.ReportStyle{Colors: term.NewColors(false), All: opts.all()}
	if err := output.ReportFormats[file.format](&text, report, style); err != nil {
		return err
	}
	_, err := file.file.Write(text.Bytes())
	if err = cmp.Or(err, file.file.Close()); err != nil {
		return cli.Fail(cli.ExitUsage, fmt.Errorf("--report: %w", err), "")
	}
	return nil
}
