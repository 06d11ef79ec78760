package cmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A tape keeps what comes in a file. Errors of writing show in flush.
type tape interface {
	block(b *stream.Block, at time.Time)
	change(change listen.Change, at time.Time)
	flush() error
	end(reason string) error // nil behind an error of flush
}

// openTapes opens the files of --record and --save-har; req is nil for a file.
func (l *listener) openTapes(req *http.Request) error {
	if l.opts.Record != "" {
		f, err := openTape(l.opts.Record, l.opts.Source, l.opts.Cursor)
		if err != nil {
			return cli.Usage(fmt.Errorf("--record: %w", err))
		}
		l.tapes = append(l.tapes, newRecording(f, req))
	}
	if l.opts.SaveHAR == "" {
		return nil
	}
	if req == nil {
		return cli.Usage(fmt.Errorf("--save-har is for a URL"))
	}
	f, err := openTape(l.opts.SaveHAR, l.opts.Record, l.opts.Cursor)
	if err != nil {
		for _, t := range l.tapes {
			t.end("")
		}
		return cli.Usage(fmt.Errorf("--save-har: %w", err))
	}
	l.tapes = append(l.tapes, newHAR(f, req, l.response))
	return nil
}

// A tapeFile is the file of a tape. It takes the place of an older one only
// with the first write, so that a server which refuses costs no recording.
type tapeFile struct {
	*os.File
	created, written bool
}

// openTape opens a file for writing, but not one that is in use.
func openTape(path string, used ...string) (*tapeFile, error) {
	for _, other := range used {
		if other != "" && isSameFile(path, other) {
			return nil, fmt.Errorf("%s is %s, which is in use", path, other)
		}
	}
	_, err := os.Stat(path)
	f, openErr := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600) // the data of a stream may be private
	return &tapeFile{File: f, created: err != nil}, openErr
}

// isSameFile reports whether two paths name one file, which need not exist.
func isSameFile(path, other string) bool {
	a, err := os.Stat(path)
	b, otherErr := os.Stat(other)
	if err == nil && otherErr == nil {
		return a.Mode().IsRegular() && os.SameFile(a, b)
	}
	path, err = filepath.Abs(path)
	other, otherErr = filepath.Abs(other)
	return err == nil && otherErr == nil && path == other
}

func (f *tapeFile) Write(p []byte) (int, error) {
	if !f.written {
		f.written = true
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if err := f.Truncate(0); err != nil {
				return 0, err
			}
		}
	}
	return f.File.Write(p)
}

// Close removes the file if it is new and nothing was written.
func (f *tapeFile) Close() error {
	err := f.File.Close()
	if f.created && !f.written {
		err = cmp.Or(err, os.Remove(f.Name()))
	}
	return err
}

// response returns the response that is being read.
func (l *listener) response() *http.Response {
	if source, ok := l.source.(*listen.Stream); ok {
		return source.Response()
	}
	return nil
}

// A recording is a file of JSON lines that serve replays exactly.
type recording struct {
	w       io.WriteCloser
	started bool // there is a stream
	pending []byte
	err     error
}

// newRecording notes the request, but neither its headers nor its body: they
// may hold credentials.
func newRecording(w io.WriteCloser, req *http.Request) *recording {
	r := &recording{w: w, started: req == nil}
	if req != nil {
		r.meta(time.Now(), map[string]any{"request": map[string]any{"method": req.Method, "url": redact.URL(req.URL)}})
	}
	return r
}

func (r *recording) block(b *stream.Block, at time.Time) {
	r.started = true
	record := b.Record(at)
	r.pending = record.AppendJSON(r.pending)
	if len(r.pending) > maxPending {
		r.err = r.flush()
	}
}

func (r *recording) change(change listen.Change, at time.Time) {
	switch c := change.(type) {
	case listen.Connected:
		r.started = true
		response := map[string]any{"status": c.Status, "protocol": c.Proto}
		if c.Resumed {
			response["resumed_after"] = c.Asked.LastEventID
		}
		r.meta(at, map[string]any{"response": response})
	case listen.Dropped:
		r.meta(at, map[string]any{"dropped": droppedLine(c)})
	}
}

func (r *recording) meta(at time.Time, facts map[string]any) {
	text, err := json.Marshal(facts)
	if err != nil {
		r.err = err
		return
	}
	record := stream.Record{Time: at, Meta: text}
	r.pending = record.AppendJSON(r.pending)
}

func (r *recording) flush() error {
	if !r.started {
		return nil
	}
	if r.err == nil && len(r.pending) > 0 {
		_, err := r.w.Write(r.pending)
		r.err = wrapTape("--record", err)
	}
	r.pending = r.pending[:0]
	return r.err
}

func (r *recording) end(reason string) error {
	if r.err != nil { // which ended the run, and was told
		r.w.Close()
		return nil
	}
	r.meta(time.Now(), map[string]any{"ended": reason})
	err := r.flush()
	if closing := r.w.Close(); err == nil {
		err = wrapTape("--record", closing)
	}
	return err
}

func wrapTape(flag string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}
