package servecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/progress"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// A feeder gets the events from where they are into histories: files at once,
// live inputs from start on.
type feeder struct {
	ctx     context.Context
	streams *term.Streams
	opts    *options
	tell    func(string)

	what []string // is served, for people
	live []func()
	wg   sync.WaitGroup
}

// start begins to read the live inputs.
func (f *feeder) start() {
	for _, follow := range f.live {
		f.wg.Go(follow)
	}
}

// wait waits for the live inputs to end.
func (f *feeder) wait() { f.wg.Wait() }

// mux returns what to serve: a copy of base for each input.
func (f *feeder) mux(base *serve.Handler) (*serve.Mux, error) {
	mux := &serve.Mux{Unrouted: base.Closed}
	add := func(method, path string, history *serve.History) error {
		if err := f.checkFaults(base, history); err != nil {
			return cli.Usage(err)
		}
		route := serve.Route{Method: method, Path: path, Handler: base.With(history)}
		if slices.ContainsFunc(mux.Routes, func(r serve.Route) bool { return r.Method == method && r.Path == path }) {
			return cli.Usage(fmt.Errorf("two inputs for the route %s", route.String()))
		}
		if f.opts.Shared {
			replay := route.Handler.Share(f.opts.History)
			f.live = append(f.live, func() { replay(f.ctx) })
		}
		mux.Routes = append(mux.Routes, route)
		return nil
	}
	history, err := f.input()
	if err == nil && history != nil && (f.opts.Upstream != "" || f.opts.Replay != "" || f.opts.As != "") && f.opts.Path == "" {
		err = cli.Usage(errors.New("the input would answer everything, and the upstream, the tape or the service nothing: want a --path for the input"))
	}
	if err == nil && history != nil {
		err = add("", f.opts.Path, history)
	}
	if err != nil {
		return nil, err
	}
	for _, route := range f.opts.Routes {
		place, file, _ := strings.Cut(route, "=")
		method, path, ok := strings.Cut(place, " ")
		if !ok {
			method, path = "", place
		}
		if !strings.HasPrefix(path, "/") || file == "" {
			return nil, cli.Usage(fmt.Errorf("--route %q: want [METHOD ]PATH=FILE, with a path that begins with a slash", route))
		}
		history, err := f.file(file)
		if err == nil {
			err = add(method, path, history)
		}
		if err != nil {
			return nil, err
		}
		last := len(f.what) - 1
		f.what[last] = place + ": " + f.what[last]
	}
	return mux, nil
}

// checkFaults returns an error for a fault that can never happen in a history.
func (f *feeder) checkFaults(base *serve.Handler, history *serve.History) error {
	if !history.Ended() || base.AtEnd == serve.EndLoop {
		return nil
	}
	for _, fault := range base.Faults {
		if err := fault.Check(history.Len() * int64(max(base.Rounds, 1))); err != nil {
			return err
		}
	}
	return nil
}

// input returns the history of the one input that has no route, nil if there
// is none.
func (f *feeder) input() (*serve.History, error) {
	inputs := 0
	for _, is := range []bool{f.opts.File != "", f.opts.Exec != "", f.opts.Clock > 0, f.opts.Canary} {
		if is {
			inputs++
		}
	}
	if inputs > 1 {
		return nil, cli.Usage(errors.New("want only one of FILE, --exec, --clock and --canary"))
	}
	switch opts := f.opts; {
	case opts.File == "-":
		return f.stdin()
	case opts.File != "":
		return f.file(opts.File)
	case opts.Canary:
		f.what = append(f.what, "the canary script")
		history := &serve.History{}
		return history, history.Load(serve.Canary())
	case opts.Clock > 0:
		f.what = append(f.what, "the time")
		history := &serve.History{Limit: opts.History}
		f.follow("clock", history, serve.Clock(f.ctx, opts.Clock), record.FormatText)
		return history, nil
	case opts.Exec != "":
		return f.exec(), nil
	case len(opts.Routes) > 0, opts.Upstream != "", opts.Replay != "", opts.As != "":
		return nil, nil
	case f.streams.InTerminal:
		return nil, cli.Fail(cli.ExitUsage, errors.New("no events to serve"), "give a FILE, a pipe, --clock 1s or --exec COMMAND")
	}
	return f.stdin()
}

func (f *feeder) file(name string) (*serve.History, error) {
	if fake.IsAnswers(name) {
		return nil, cli.Usage(fmt.Errorf("%s has answers, and no events: want its directory, which serves the answers of all its files", name))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, cli.Usage(err)
	}
	history, live, err := f.open(name, file)
	if !live {
		file.Close()
	}
	return history, err
}

// open returns the history of an input: loaded if r is a file, else followed, as a
// pipe may never end.
func (f *feeder) open(name string, r io.Reader) (history *serve.History, live bool, err error) {
	if file, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		info, err := file.Stat()
		switch {
		case err != nil:
		case info.IsDir():
			return nil, false, cli.Usage(fmt.Errorf("%s is a directory", name))
		case info.Mode().IsRegular():
			if !f.opts.Quiet {
				var done func()
				r, done = progress.Reader(f.ctx, f.streams, output.Safe(name), r, info.Size())
				defer done()
			}
			history, err := f.load(name, r)
			return history, false, err
		}
	}
	f.what = append(f.what, name)
	history = &serve.History{Limit: f.opts.History}
	// A read of a pipe cannot be called off, so nobody waits for it: the
	// process ends with it or without.
	f.live = append(f.live, func() { go f.read(name, history, r) })
	return history, true, nil
}

func (f *feeder) load(name string, r io.Reader) (*serve.History, error) {
	history := &serve.History{}
	records, format, err := record.Read(r, record.Format(f.opts.From), int(f.opts.MaxEventSize))
	if err == nil {
		err = history.Load(record.NumberIDs(records, f.ids(format)))
	}
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("%s: %w", name, err))
	}
	f.what = append(f.what, fmt.Sprintf("%s (%d events)", name, history.Len()))
	return history, nil
}

// ids returns how to treat the IDs of an input. Text has none to be faithful to.
func (f *feeder) ids(format record.Format) record.IDs {
	switch {
	case f.opts.IDs != "":
		return record.IDs(f.opts.IDs)
	case format == record.FormatText:
		return record.IDsAuto
	}
	return record.IDsKeep
}

// read follows a live input until it ends.
func (f *feeder) read(name string, history *serve.History, r io.Reader) {
	records, format, err := record.Read(r, record.Format(f.opts.From), int(f.opts.MaxEventSize))
	if err != nil {
		records = func(yield func(record.Record, error) bool) { yield(record.Record{}, err) }
	}
	f.followNow(name, history, records, format)
	if c, ok := r.(io.Closer); ok {
		c.Close() // or its writer would wait forever
	}
}

func (f *feeder) follow(name string, history *serve.History, records iter.Seq2[record.Record, error], format record.Format) {
	f.live = append(f.live, func() { f.followNow(name, history, records, format) })
}

func (f *feeder) followNow(name string, history *serve.History, records iter.Seq2[record.Record, error], format record.Format) {
	skipped := func(err error) { f.tell(fmt.Sprintf("%s: %v; skipped", name, err)) }
	if err := history.Follow(record.NumberIDs(records, f.ids(format)), skipped); err != nil {
		f.tell(fmt.Sprintf("%s: %v", name, err))
	}
}

func (f *feeder) stdin() (*serve.History, error) {
	history, _, err := f.open("standard input", f.streams.In)
	return history, err
}

// exec returns the history of the output of a command.
func (f *feeder) exec() *serve.History {
	f.what = append(f.what, "the output of "+f.opts.Exec)
	if f.opts.From == "" {
		f.opts.From = string(record.FormatText)
	}
	history := &serve.History{Limit: f.opts.History}
	f.live = append(f.live, func() {
		command := exec.CommandContext(f.ctx, "sh", "-c", f.opts.Exec)
		out, in := io.Pipe()
		command.Stdout, command.Stderr = in, f.streams.Err
		command.WaitDelay = 500 * time.Millisecond
		asGroup(command)
		f.wg.Go(func() { f.read("--exec", history, out) })
		err := command.Run()
		killGroup(command) // those that a SIGTERM did not end, or that outlive it in the background
		if f.ctx.Err() == nil && err != nil {
			f.tell(fmt.Sprintf("--exec: %v", err))
		}
		in.Close()
	})
	return history
}
