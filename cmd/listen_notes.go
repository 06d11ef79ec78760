package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// notes are the lines on stderr about the connection, one for each change.
type notes struct {
	w      io.Writer
	colors term.Colors
	// dropped is a line that is written with the next one: where none follows,
	// the error of the run reports the same.
	dropped string
}

// line writes one line. Its text may hold parts that a server chose, so it is
// escaped whole, and colored after that.
func (n notes) line(style term.Style, format string, args ...any) {
	text := output.Safe(fmt.Sprintf(format, args...))
	if style != nil {
		text = style(text)
	}
	fmt.Fprintf(n.w, "ssectl: %s\n", text)
}

// changed reports a change of state, after the events that came before it.
func (l *listener) changed(change listen.Change) {
	if l.flush() != nil {
		return // the next read ends the run with this error
	}
	for _, t := range l.tapes {
		t.change(change, time.Now())
	}
	n := l.note
	switch c := change.(type) {
	case listen.Connected:
		n.line(n.colors.Good, "%s", connectedLine(c, l.opts))
		l.showHeaders()
		l.hintEncoded()
	case listen.Dropped:
		l.note.dropped = droppedLine(c)
		if orderly := c.Err == io.EOF || c.Err == listen.ErrGoodbye; orderly && c.Unfinished == 0 && !l.hasEnd() {
			l.note.tellDropped()
		}
	case listen.Waiting:
		l.note.tellDropped()
		why := ""
		if c.Err != nil {
			why = fmt.Sprintf(" (%v)", shortError(c.Err))
		}
		n.line(n.colors.Faint, "reconnecting in %s%s", output.Duration(c.Delay), why)
		l.hintStart(c)
	case listen.Gap:
		n.line(n.colors.Bad, `gap: asked for events after "%s", but the server continues after "%s": events were missed`, c.Asked, c.Got)
	case listen.Ended:
		n.line(nil, "the server ended the stream, 204")
	case listen.Restarted:
		n.line(n.colors.Warn, "starting afresh: %s", c.Reason)
		l.hinted = true
	}
}

func (n *notes) tellDropped() {
	if n.dropped != "" {
		n.line(n.colors.Warn, "%s", n.dropped)
		n.dropped = ""
	}
}

// hintEncoded explains a stream that nobody can read.
func (l *listener) hintEncoded() {
	resp := l.response()
	if resp == nil || l.opts.Curl.Compressed {
		return
	}
	if encoding := coding.Of(resp.Header); encoding != "" {
		l.note.line(nil, "the stream is compressed (%s), though the request did not ask for it", encoding)
		fmt.Fprintln(l.note.w, "hint: --compressed decodes it")
	}
}

// hintStart explains reconnection once: it surprises users of curl.
func (l *listener) hintStart(c listen.Waiting) {
	source, ok := l.source.(*listen.Stream)
	if !ok || l.hinted || c.Err != nil || l.opts.Resume != "id" || l.count == 0 || source.LastEventID() != "" {
		return
	}
	l.hinted = true
	fmt.Fprintln(l.note.w, "hint: without event IDs a stream starts again, as in a browser; --no-reconnect makes one connection")
}

func connectedLine(c listen.Connected, opts *listenOptions) string {
	line := fmt.Sprintf("connected, %d, %s", c.Status, c.Proto)
	switch {
	case !c.Resumed:
		return line
	case opts.Resume == "range":
		return fmt.Sprintf("%s, resumed at byte %d", line, c.Asked.Offset)
	}
	return fmt.Sprintf(`%s, resumed after id "%s"`, line, c.Asked.LastEventID)
}

func droppedLine(c listen.Dropped) string {
	line := ""
	switch {
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
func (l *listener) showHeaders() {
	source, ok := l.source.(*listen.Stream)
	if !ok || !l.opts.Include || source.Response() == nil {
		return
	}
	resp := source.Response()
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s\n", resp.Proto, output.Safe(resp.Status))
	curl.PrintHeaders(&text, "", resp.Header, redact.ResponseHeader)
	fmt.Fprintln(&text)
	if l.opts.JQ == "" && !l.opts.Text && (l.format == "text" || l.format == "raw") {
		l.pending = append(l.pending, text.Bytes()...)
	} else {
		l.streams.Err.Write(text.Bytes())
	}
}

// target names the source in a message.
func (l *listener) target() string {
	if l.opts.Source == "-" {
		return "standard input"
	}
	if isFile(l.opts.Source) {
		return output.Safe(l.opts.Source)
	}
	u, err := curl.ParseURL(l.opts.Source)
	if err != nil {
		return output.Safe(l.opts.Source)
	}
	u.RawQuery = ""
	return redact.URL(u)
}

// bodyOf returns the part of an answer that fits into a message.
func bodyOf(refused *listen.ResponseError) string {
	if title, ok := httpx.Title(refused.Body); ok {
		if title == "" {
			return ", a page without a title"
		}
		return fmt.Sprintf(`, a page titled "%s"`, excerpt([]byte(title)))
	}
	if len(bytes.TrimSpace(refused.Body)) == 0 || !strings.Contains(refused.ContentType, "json") && !strings.HasPrefix(refused.ContentType, "text/plain") {
		return ""
	}
	return ": " + excerpt(refused.Body)
}

const proxyHint = "-x http://user:password@host:port gives credentials to a proxy"

// refusedHint returns a remedy for an answer that is not a stream.
func (l *listener) refusedHint(refused *listen.ResponseError) string {
	essence, _, _ := strings.Cut(refused.ContentType, ";")
	switch status := refused.Status; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		if l.opts.Curl.GivesCredentials() {
			return "" // but not the right ones
		}
		return `give credentials: -H "Authorization: Bearer ...", -u or -b`
	case status == http.StatusProxyAuthRequired:
		return proxyHint
	case status == http.StatusMethodNotAllowed:
		return "try another method: -X POST, or -d with a body"
	case l.opts.RetryOn == "" && (status == http.StatusTooManyRequests || status >= 500):
		return "--retry-on " + strconv.Itoa(status) + " tries again"
	case status != http.StatusOK:
		return ""
	case essence == "application/json":
		return `the API may want "stream": true in the body, or another path`
	case strings.HasPrefix(essence, "text/html"):
		return "this is a web page: is it the URL of the stream?"
	case l.opts.Resume != "range" && (essence == "" || essence == "text/plain" || essence == "application/octet-stream"):
		return "the server must send Content-Type: " + stream.ContentType + "; --resume range reads logs served as files"
	}
	return "the server must send Content-Type: " + stream.ContentType
}

// unreachedHint returns a remedy for a connection that could not be made.
func (l *listener) unreachedHint(err error) string {
	var (
		size *stream.SizeError
		dns  *net.DNSError
		op   *net.OpError
	)
	switch {
	case errors.As(err, &size):
		return "--max-event-size allows more"
	case isFile(l.opts.Source), l.source.Stats().Connections > 0:
		return ""
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "try http://"
	case strings.Contains(err.Error(), "certificate"):
		return "--cacert FILE trusts a private authority, -k any certificate"
	case err.Error() == http.StatusText(http.StatusProxyAuthRequired): // of a CONNECT: net/http has no type for it
		return proxyHint
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "this is the proxy; --noproxy '*' connects without one"
	case errors.As(err, &dns) && dns.IsNotFound && !strings.Contains(l.opts.Source, "/"):
		return "there is no file of this name either"
	case l.opts.Retry < 0 && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, io.EOF)):
		return "is the server running? --retry 10 keeps trying"
	}
	return ""
}

// reason is why a run ended, for the summary and recordings.
func (l *listener) reason(why error) string {
	switch {
	case why == io.EOF && isFile(l.opts.Source):
		return "end of input"
	case why == io.EOF:
		return "the server ended the stream"
	case why == errUntil && l.opts.As != "":
		return "complete"
	case errors.Is(why, errMaxTime):
		return errMaxTime.Error()
	case l.ctx.Err() != nil:
		return "interrupted"
	case cli.IsClosedPipe(why):
		return "the output was closed"
	}
	return why.Error()
}
