package listencmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A blockSource is where listen gets its blocks: a connection or a file.
type blockSource interface {
	Next() (*stream.Block, error)
	Block() (*stream.Block, error)
	Time() time.Time
	Position() listen.Position
	Retry() (time.Duration, bool)
	Stats() listen.Stats
	Unfinished() int
	Close() error
}

// isFile reports whether a source is a file or standard input, not a URL.
func isFile(source string) bool {
	if source == "-" {
		return true
	}
	if strings.HasPrefix(source, ":") || httpx.Scheme(source) != "" {
		return false
	}
	info, err := os.Stat(source)
	return err == nil && !info.IsDir()
}

// A savedStream decodes a stream that was saved.
type savedStream struct {
	*stream.Decoder
	ctx        context.Context
	name       string
	input      io.Reader
	file       io.Closer
	head       []byte // read ahead by look
	beforeRead func() error
	onRead     func([]byte) error
	readAt     time.Time
	stats      listen.Stats
}

func openSaved(ctx context.Context, streams *term.Streams, name string, maxEventSize int, beforeRead func() error, onRead func([]byte) error) (*savedStream, error) {
	s := &savedStream{ctx: ctx, name: name, beforeRead: beforeRead, onRead: onRead, stats: listen.Stats{Started: time.Now(), Connections: 1}}
	if name == "-" {
		s.name = "standard input"
		s.input = &interruptible{ctx: ctx, r: streams.In}
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		s.input, s.file = f, f
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			s.input = &interruptible{ctx: ctx, r: f}
		}
	}
	s.Decoder = stream.NewDecoder(s)
	s.Decoder.MaxEventSize = maxEventSize
	if err := s.look(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Read is for the decoder.
func (s *savedStream) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, s.onRead(p[:n])
	}
	if err := s.beforeRead(); err != nil {
		return 0, err
	}
	if err := context.Cause(s.ctx); err != nil {
		return 0, err
	}
	n, err := s.input.Read(p)
	s.got(n)
	if failed := s.onRead(p[:n]); failed != nil {
		return 0, failed
	}
	return n, err
}

func (s *savedStream) got(n int) {
	s.readAt = time.Now()
	s.stats.Bytes += int64(n)
	if s.stats.FirstByte.IsZero() && n > 0 {
		s.stats.FirstByte = s.readAt
	}
}

// look reads the beginning and returns an error if no event stream begins so.
func (s *savedStream) look() error {
	head := make([]byte, 4<<10)
	n, err := s.input.Read(head)
	s.got(n)
	if err != nil && err != io.EOF && err != context.Cause(s.ctx) { // which Read returns
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.head = head[:n]
	text := bytes.TrimSpace(bytes.TrimPrefix(s.head, []byte("\ufeff")))
	kind := ""
	switch {
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		kind = "JSON"
		if isRecording(text) {
			return cli.Fail(cli.ExitUsage, fmt.Errorf("%s: this is a recording in JSON lines, not an event stream", s.name), "ssectl serve replays it")
		}
	case bytes.HasPrefix(text, []byte("<")):
		kind = "HTML or XML"
	case bytes.HasPrefix(text, []byte("HTTP/")):
		return cli.Fail(cli.ExitUsage, fmt.Errorf("%s: this begins with the headers of a response", s.name), "save it again without curl's -i")
	case bytes.HasPrefix(text, []byte("\x1f\x8b")), bytes.HasPrefix(text, []byte("\x28\xb5\x2f\xfd")):
		return cli.Fail(cli.ExitUsage, fmt.Errorf("%s: this is compressed", s.name), "decompress it first, or save it with curl --compressed")
	case bytes.IndexByte(text, 0) >= 0 && !hasField(text):
		return cli.Fail(cli.ExitUsage, fmt.Errorf("%s: this is binary, not an event stream", s.name), "")
	}
	if kind != "" {
		return cli.Fail(cli.ExitUsage, fmt.Errorf("%s: this is %s, not an event stream: %s", s.name, kind, excerpt(text)), "")
	}
	return nil
}

// hasField reports whether a line of text begins as those of a stream do.
func hasField(text []byte) bool {
	for line := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		for _, name := range []string{":", "data", "event", "id", "retry"} {
			if bytes.HasPrefix(line, []byte(name)) {
				return true
			}
		}
	}
	return false
}

// isRecording reports whether the first line is one that listen prints.
func isRecording(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	r, err := record.ParseJSON(line)
	return err == nil && (r.IsEvent || r.HasComment || r.Meta != nil)
}

// excerpt returns the beginning of a text as one line that is safe to show.
func excerpt(text []byte) string {
	const size = 200
	short := text[:min(len(text), size)]
	line := strings.Join(strings.Fields(output.Safe(strings.Join(strings.Fields(string(short)), " "))), " ")
	if len(text) > size {
		line += " ..."
	}
	return line
}

func (s *savedStream) Time() time.Time { return s.readAt }
func (s *savedStream) Position() listen.Position {
	return listen.Position{LastEventID: s.LastEventID()}
}
func (s *savedStream) Stats() listen.Stats { return s.stats }
func (s *savedStream) Unfinished() int     { return len(s.Decoder.Unfinished()) }

// Close closes the file.
func (s *savedStream) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// Next reports an unfinished event at the end as the connection of a URL does.
func (s *savedStream) Next() (*stream.Block, error) { return s.end(s.Decoder.Next()) }

// Block is Next for everything in the stream.
func (s *savedStream) Block() (*stream.Block, error) { return s.end(s.Decoder.Block()) }

func (s *savedStream) end(b *stream.Block, err error) (*stream.Block, error) {
	switch {
	case err == nil:
		return b, nil
	case err == io.EOF && s.Unfinished() > 0:
		return nil, &listen.UnfinishedError{Bytes: s.Unfinished()}
	}
	return nil, err
}

// An interruptible reader lets a context end a read of a pipe or a terminal,
// which nothing else ends. The goroutine of that read lasts until something
// comes, or the process ends.
type interruptible struct {
	ctx   context.Context
	r     io.Reader
	buf   []byte
	reads chan int
	err   error // of the read, set before reads is sent to
	rest  []byte
}

func (r *interruptible) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.buf == nil {
			r.buf, r.reads = make([]byte, 64<<10), make(chan int, 1)
		}
		go func() {
			n, err := r.r.Read(r.buf)
			r.err = err
			r.reads <- n
		}()
		select {
		case n := <-r.reads:
			r.rest = r.buf[:n]
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
		if len(r.rest) == 0 {
			return 0, r.err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
