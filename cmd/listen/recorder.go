package listencmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/outfile"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A recorder keeps a stream in a file. Flush reports the errors of writing.
type recorder interface {
	block(b *stream.Block, at time.Time)
	change(change listen.Change, at time.Time)
	flush() error
	end(reason string) error // nil after an error of flush
}

// openRecorders opens the files of --record and --save-har; req is nil for a file.
func (s *session) openRecorders(req *http.Request) error {
	if s.opts.Record != "" {
		f, err := outfile.Open(s.opts.Record, s.opts.Source, s.opts.Cursor)
		if err != nil {
			return cli.Usage(fmt.Errorf("--record: %w", err))
		}
		s.recorders = append(s.recorders, newRecording(f, req))
	}
	if s.opts.SaveHAR == "" {
		return nil
	}
	if req == nil {
		return cli.Usage(fmt.Errorf("--save-har needs a URL, not a file"))
	}
	f, err := outfile.Open(s.opts.SaveHAR, s.opts.Record, s.opts.Cursor)
	if err != nil {
		for _, r := range s.recorders {
			r.end("")
		}
		return cli.Usage(fmt.Errorf("--save-har: %w", err))
	}
	s.recorders = append(s.recorders, newHAR(f, req, s.opts.Version, s.response))
	return nil
}

// response returns the response that is being read.
func (s *session) response() *http.Response {
	if source, ok := s.source.(*listen.Stream); ok {
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
	rec := record.FromBlock(b, at)
	r.pending = rec.AppendJSON(r.pending)
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
	rec := record.Record{Time: at, Meta: text}
	r.pending = rec.AppendJSON(r.pending)
}

func (r *recording) flush() error {
	if !r.started {
		return nil
	}
	if r.err == nil && len(r.pending) > 0 {
		_, err := r.w.Write(r.pending)
		r.err = wrapWrite("--record", err)
	}
	r.pending = r.pending[:0]
	return r.err
}

func (r *recording) end(reason string) error {
	if r.err != nil { // which ended the run, and was reported
		r.w.Close()
		return nil
	}
	r.meta(time.Now(), map[string]any{"ended": reason})
	err := r.flush()
	if closing := r.w.Close(); err == nil {
		err = wrapWrite("--record", closing)
	}
	return err
}

func wrapWrite(flag string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}
