package listencmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
)

// progress writes the lines on stderr about the connection, one for each change.
type progress struct {
	w      io.Writer
	colors term.Colors
	// dropped is a line that is written with the next one: where none follows,
	// the error of the run reports the same.
	dropped string
}

// line writes one line. Its text may hold parts that a server chose, so it is
// escaped whole, and colored after that.
func (p progress) line(style term.Style, format string, args ...any) {
	text := output.Safe(fmt.Sprintf(format, args...))
	if style != nil {
		text = style(text)
	}
	fmt.Fprintf(p.w, "ssectl: %s\n", text)
}

// changed reports a change of state, after the events that came before it.
func (s *session) changed(change listen.Change) {
	if s.flush() != nil {
		return // the next read ends the run with this error
	}
	if d, ok := change.(listen.Dropped); ok && d.Close != nil {
		// The error of the run has it too. Unlike the data, it is for people.
		d.Close.Reason = s.secrets.Clean(d.Close.Reason)
	}
	for _, r := range s.recorders {
		r.change(change, time.Now())
	}
	if s.summary != nil {
		s.summary.change(change, time.Now())
	}
	p := s.progress
	switch c := change.(type) {
	case listen.Connected:
		p.line(p.colors.Good, "%s", s.connectedLine(c))
		s.followRest()
		s.showHeaders()
		s.hintEncoded()
	case listen.Dropped:
		s.progress.dropped = droppedLine(c)
		if orderly := c.Err == io.EOF || c.Err == listen.ErrGoodbye; orderly && c.Unfinished == 0 && !s.hasEnd() {
			s.progress.writeDropped()
		}
	case listen.Waiting:
		s.progress.writeDropped()
		why := ""
		if c.Err != nil {
			why = fmt.Sprintf(" (%v)", shortError(c.Err))
		}
		p.line(p.colors.Faint, "reconnecting in %s%s", output.Duration(c.Delay), why)
		s.hintStart(c)
	case listen.Gap:
		p.line(p.colors.Bad, `gap: asked for events after "%s", but the server continues after "%s": events were missed`, c.Asked, c.Got)
	case listen.Ended:
		p.line(nil, "the server ended the stream, 204")
	case listen.Restarted:
		p.line(p.colors.Warn, "starting afresh: %s", c.Reason)
		s.hinted = true
	}
}

func (p *progress) writeDropped() {
	if p.dropped != "" {
		p.line(p.colors.Warn, "%s", p.dropped)
		p.dropped = ""
	}
}

// hintEncoded explains a stream that nobody can read.
func (s *session) hintEncoded() {
	resp := s.response()
	if resp == nil || s.opts.Curl.Compressed {
		return
	}
	if encoding := coding.Of(resp.Header); encoding != "" {
		s.progress.line(nil, "the stream is compressed (%s), though the request did not ask for it", encoding)
		fmt.Fprintln(s.progress.w, "hint: --compressed decodes it")
	}
}

// hintStart explains reconnection once: it surprises users of curl.
func (s *session) hintStart(c listen.Waiting) {
	source, ok := s.source.(*listen.Stream)
	if !ok || s.hinted || s.rest != nil || c.Err != nil || s.opts.Resume != "id" || s.count == 0 || source.LastEventID() != "" {
		return
	}
	s.hinted = true
	if s.isWebSocket() {
		fmt.Fprintln(s.progress.w, "hint: without IDs a stream starts again; --id-from finds them in messages, --no-reconnect makes one connection")
		return
	}
	fmt.Fprintln(s.progress.w, "hint: without event IDs a stream starts again, as in a browser; --no-reconnect makes one connection")
}

// followRest has the rest of the answer follow the connection that was made.
func (s *session) followRest() {
	resp := s.response()
	if s.rest == nil || resp == nil {
		return
	}
	s.rest.connected(resp)
	if lost := s.rest.lost(); lost != "" && !s.rest.continued {
		s.progress.line(s.progress.colors.Warn, "%s", lost)
	}
	if s.cursor != nil && s.broken == nil {
		s.broken = s.saveCursor()
	}
}

func (s *session) connectedLine(c listen.Connected) string {
	line := fmt.Sprintf("connected, %d, %s", c.Status, c.Proto)
	switch {
	case s.rest != nil && s.rest.continued && s.rest.last.value != nil:
		return fmt.Sprintf("%s, for the rest after %s", line, s.rest.last.text)
	case s.rest != nil && s.rest.continued:
		return line + ", for the rest"
	case !c.Resumed:
		return line
	case s.opts.Resume == "range":
		return fmt.Sprintf("%s, resumed at byte %d", line, c.Asked.Offset)
	}
	return fmt.Sprintf(`%s, resumed after id "%s"`, line, c.Asked.LastEventID)
}

func droppedLine(c listen.Dropped) string {
	line := ""
	switch {
	case c.Err == io.EOF && c.Close != nil:
		line = "the " + c.Close.Error()
	case c.Err == io.EOF:
		line = "the server closed the stream"
	case c.Err == listen.ErrGoodbye:
		line = "the server said goodbye"
	default:
		line = fmt.Sprintf("dropped: %v", shortError(c.Err))
	}
	if c.Unfinished > 0 {
		line += fmt.Sprintf(", inside an event: %d bytes dropped", c.Unfinished)
	}
	return line
}

// shortError leaves out the addresses that net puts in front of a cause.
func shortError(err error) error {
	var op *net.OpError
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno) && errors.As(err, &op):
		return errno
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("connection closed too early")
	}
	return err
}

// showHeaders does --include: with the stream where people read it, else on
// stderr.
func (s *session) showHeaders() {
	source, ok := s.source.(*listen.Stream)
	if !ok || !s.opts.Include || source.Response() == nil {
		return
	}
	resp := source.Response()
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s\n", resp.Proto, output.Safe(resp.Status))
	curl.PrintHeaders(&text, "", resp.Header, redact.ResponseHeader)
	fmt.Fprintln(&text)
	if s.opts.JQ == "" && !s.opts.Text && (s.format == "text" || s.format == "raw") {
		s.pending = append(s.pending, text.Bytes()...)
	} else {
		s.streams.Err.Write(text.Bytes())
	}
}
