package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

func newDemoCommand(streams *term.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See all of it in ten seconds",
		Long: `Demo runs the three other commands on this machine: a server on a free port that
cuts its connection after every few events, a listener that resumes the stream
after each cut, and a diagnosis of that server. It runs the command lines that it
shows.`,
		Args: cli.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), streams) },
	}
}

const (
	demoEvents = 13
	demoPace   = 150 * time.Millisecond
	demoLimit  = time.Minute // nothing of it takes a tenth of that
)

// runDemo serves, listens and diagnoses, each by the command line that it shows.
func runDemo(ctx context.Context, streams *term.Streams) error {
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	d := demo{ctx: ctx, streams: streams, colors: streams.ColorsFor(term.ColorAuto, streams.OutTerminal)}

	d.say("A server that sends %d events and cuts its connection after every 5:", demoEvents)
	url, stop, err := d.serve("--fault", "drop@5", "--pace", demoPace.String(), "--retry-hint", "1s")
	if err != nil {
		return err
	}
	defer stop()

	d.say("A listener. It comes back after each cut and asks for what it has not seen:")
	var printed bytes.Buffer
	out := *streams
	out.Out = io.MultiWriter(streams.Out, &printed)
	if err := d.run(&out, "listen", url, "--format", "json"); err != nil {
		return err
	}
	if err := checkDemo(&printed); err != nil {
		return err
	}
	d.say("%d of %d events, each exactly once.", demoEvents, demoEvents)

	d.say("What would a browser or a proxy make of this server?")
	return d.run(streams, "diag", url, "--quick")
}

// checkDemo reads the output of listen and wants every event once.
func checkDemo(printed io.Reader) error {
	records := record.NewReader(printed)
	for n := 1; ; n++ {
		r, err := records.Read()
		if err == io.EOF && n == demoEvents+1 {
			return nil
		}
		if want := fmt.Sprint(n); err != nil || r.ID != want {
			return cli.Fail(cli.ExitFailed, fmt.Errorf("demo: event %d of %d has ID %q: %w", n, demoEvents, r.ID, err), "")
		}
	}
}

// A demo is one run of it.
type demo struct {
	ctx     context.Context
	streams *term.Streams
	colors  term.Colors
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.streams.Out, "\n%s\n", d.colors.Strong(fmt.Sprintf(format, args...)))
}

// show prints a command line as a user would type it.
func (d *demo) show(args []string) {
	fmt.Fprintln(d.streams.Out, d.colors.Faint("$ ssectl "+strings.Join(args, " ")))
}

// run runs a command line and makes an error of its exit code; the command has
// reported the reason.
func (d *demo) run(streams *term.Streams, args ...string) error {
	d.show(args)
	if code := Run(d.ctx, streams, args); code != cli.ExitOK {
		return cli.Fail(code, cli.ErrReported, "")
	}
	return nil
}

// serve starts a server with these flags and returns its URL, and a function
// that stops it and waits.
func (d *demo) serve(flags ...string) (url string, stop func(), err error) {
	d.show(append([]string{"serve", "<", "events.jsonl"}, flags...))
	ctx, cancel := context.WithCancel(d.ctx)
	read, write := io.Pipe()
	own := &term.Streams{In: demoInput(), Out: write, Err: io.Discard}
	var running sync.WaitGroup
	running.Go(func() {
		code := Run(ctx, own, append([]string{"serve", "--port", "0", "--print-url"}, flags...))
		write.CloseWithError(fmt.Errorf("demo: serve ended with exit code %d", code))
	})
	stop = func() {
		cancel()
		read.Close()
		running.Wait()
	}
	if _, err := fmt.Fscanln(read, &url); err != nil {
		stop()
		return "", nil, err
	}
	return url, stop, nil
}

// demoInput is the events.jsonl that the demo shows.
func demoInput() io.Reader {
	words := strings.Fields("The tide comes in , cut after cut , and nothing is lost")
	var file []byte
	for i := range demoEvents {
		r := record.Record{IsEvent: true, Event: stream.Event{
			Type: "word", ID: fmt.Sprint(i + 1), Data: fmt.Sprintf(`{"n":%d,"text":%q}`, i+1, words[i%len(words)]),
		}}
		file = r.AppendJSON(file)
	}
	return bytes.NewReader(file)
}
