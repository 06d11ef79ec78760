package cmd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/cursor"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/cmd/internal/query"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// maxPending is the size of the output that waits for the next flush.
const maxPending = 64 << 10

// A listener is one run of listen.
type listener struct {
	ctx     context.Context
	streams *term.Streams
	opts    *listenOptions
	service preset.Preset
	format  string // with auto decided

	source blockSource
	read   func() (*stream.Block, error)
	*selector
	show    func(dst []byte, b *stream.Block, at time.Time) []byte
	once    bool   // no connection follows one that brought something
	all     bool   // blocks that are no events are shown too
	inner   bool   // comments and reconnection times within blocks are shown too
	asks    bool   // each event has something to decide
	copies  bool   // bytes are written as they come, so blocks show nothing
	pending []byte // formatted, not yet written
	broken  error  // the first error of a write; nothing is written after it
	// lineEnded is true if the output is empty or ends with a line end.
	lineEnded bool
	cursor    *cursor.Cursor
	tapes     []tape
	summary   *summary
	note      notes
	count     int
	hinted    bool // that a stream without IDs starts again
}

var errMaxTime = errors.New("--max-time reached")

// runListen prints a stream until it ends.
func runListen(parent context.Context, streams *term.Streams, opts *listenOptions) (err error) {
	ctx := parent
	if opts.MaxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(parent, time.Duration(opts.MaxTime), errMaxTime)
		defer cancel()
	}
	l := &listener{ctx: ctx, streams: streams, opts: opts, lineEnded: true}
	if err := l.prepare(); err != nil {
		return err
	}
	defer l.source.Close()
	why := l.loop()
	if err := l.flush(); err != nil {
		why = err
	}
	if l.opts.Text && streams.OutTerminal && !l.lineEnded {
		fmt.Fprintln(streams.Out) // for the prompt
	}
	err = l.verdict(parent, why)
	for _, t := range l.tapes {
		err = errors.Join(err, t.end(l.reason(why)))
	}
	if l.cursor != nil && l.count > 0 && l.source.Position() == (listen.Position{}) {
		l.note.line(nil, "nothing to keep in %s: the events have no IDs", opts.Cursor)
	}
	if stats := l.source.Stats(); l.summary != nil && (opts.Stats != "" || stats.Connections > 0) {
		ended := l.reason(why)
		if err != nil && opts.Stats != "json" && !errors.Is(err, cli.ErrReported) {
			ended = "" // the error reports it
		}
		l.summary.print(streams, l.note.colors, opts.Stats, stats, ended)
	}
	return err
}

// prepare turns the options into the parts that the loop works with.
func (l *listener) prepare() (err error) {
	if l.opts.As != "" {
		if l.service, err = preset.Find(l.opts.As); err != nil {
			return cli.Usage(err)
		}
	}
	l.note = notes{w: l.streams.Err, colors: l.streams.ColorsFor(l.opts.Color, l.streams.ErrTerminal)}
	if l.selector, err = newSelector(l.ctx, l.opts, l.service, l.warn); err != nil {
		return cli.Usage(err)
	}
	if err := l.prepareOutput(); err != nil {
		return cli.Usage(err)
	}
	if l.opts.Stats != "" || l.streams.ErrTerminal {
		l.summary = newSummary()
	}
	if err := l.openSource(); err != nil {
		return err
	}
	l.chooseWay()
	return nil
}

// chooseWay decides how closely to look at the stream: at its bytes, its blocks,
// its events, or the content of each event.
func (l *listener) chooseWay() {
	expression := l.opts.JQ != "" || l.opts.Text
	raw := l.format == "raw" && !expression && l.types == nil && l.filter == nil
	l.all = raw || l.opts.Comments && !expression
	l.inner = l.opts.Comments && !expression && l.format != "raw" && l.format != "data"
	l.asks = expression || l.selects() || l.opts.Count > 0 || l.summary != nil || l.cursor != nil
	if raw && l.once && !l.streams.OutTerminal && !l.selects() && l.opts.Count == 0 && l.cursor == nil && l.opts.ReconnectOn == nil {
		// Nothing of the stream is left out, repeated, or waited for.
		l.copies, l.all = true, false
		l.show = func(dst []byte, _ *stream.Block, _ time.Time) []byte { return dst }
	}
	l.read = l.source.Next
	if l.all || l.tapes != nil {
		l.read = l.source.Block
	}
}

// prepareOutput chooses the form in which events are shown.
func (l *listener) prepareOutput() error {
	terminal := l.streams.OutTerminal
	l.format = l.opts.Format
	if l.format == "auto" {
		l.format = "json"
		if terminal {
			l.format = "text"
		}
	}
	expression, end := l.opts.JQ, "\n"
	if l.opts.Text {
		switch {
		case l.service.Text == "":
			return errors.New("--text needs --as, which knows where the text is")
		case l.opts.JQ != "":
			return errors.New("--text and --jq exclude each other")
		}
		expression, end = l.service.Text, ""
	}
	if expression != "" {
		q, err := query.Compile(expression)
		if err != nil {
			return err
		}
		add := func(dst, text []byte) ([]byte, error) {
			dst = append(output.AppendText(dst, text, terminal), end...)
			if len(dst) <= maxPending {
				return dst, nil
			}
			l.pending = dst
			err := l.flush()
			return l.pending, err
		}
		l.show = func(dst []byte, _ *stream.Block, _ time.Time) []byte {
			shown, err := q.Append(l.ctx, dst, l.object(), add)
			if l.broken == nil {
				l.failure(q, err)
			}
			return shown
		}
		return nil
	}
	options := output.EventOptions{
		Terminal: terminal,
		Colors:   l.streams.ColorsFor(l.opts.Color, terminal),
		Pretty:   l.opts.Pretty,
	}
	if terminal {
		options.Width = l.streams.Width
	}
	l.show = output.EventFormats[l.format](options)
	return nil
}

// copied gets the bytes that were read, and writes them if the output is a copy
// of the input. The error of an earlier write ends the reading in any case.
func (l *listener) copied(p []byte) error {
	if l.copies && len(p) > 0 && l.broken == nil {
		_, l.broken = l.streams.Out.Write(p)
	}
	return l.broken
}

// openSource opens the file, or makes ready to connect to the URL.
func (l *listener) openSource() error {
	config, err := l.opts.listenConfig()
	if err != nil {
		return cli.Usage(err)
	}
	if isFile(l.opts.Source) {
		if l.opts.Cursor != "" {
			return cli.Usage(errors.New("--cursor needs a URL, not a file"))
		}
		l.once = true
		saved, err := openSaved(l.ctx, l.streams, l.opts.Source, config.MaxEventSize, l.flush, l.copied)
		if err != nil {
			return err
		}
		l.source = saved
		return l.openTapes(nil)
	}
	for _, header := range l.service.Headers {
		l.opts.Curl.Headers = append([]string{header}, l.opts.Curl.Headers...)
	}
	req, err := l.opts.Curl.Request(l.ctx, l.opts.Source)
	if err != nil {
		return cli.Usage(err)
	}
	if config.MaxEventSize == 0 {
		config.MaxEventSize = l.service.MaxEventSize
	}
	if config.Client, err = l.opts.Curl.Client(); err != nil {
		return cli.Usage(err)
	}
	if l.opts.Cursor != "" {
		position, err := l.openCursor(req)
		if err != nil {
			return cli.Usage(err)
		}
		if l.opts.LastEventID == "" {
			config.Start = position
		}
	}
	if err := l.openTapes(req); err != nil {
		return err
	}
	if l.service.ContinueByGET {
		config.Continue = continueByGET
	}
	l.once = config.Reconnect == listen.ReconnectNever || config.Reconnect == listen.ReconnectGET && req.Method != http.MethodGet && config.Continue == nil
	config.BeforeRead = l.flush
	config.OnRead = l.copied
	config.OnChange = l.changed
	l.source = listen.New(req, config)
	return nil
}

func (l *listener) openCursor(req *http.Request) (position listen.Position, err error) {
	l.cursor, position, err = cursor.Open(l.opts.Cursor, cursorKey(req.URL))
	return position, err
}

// continueByGET returns the request for the events after the last event ID, nil if
// no event had one.
func continueByGET(sent *http.Request, answer http.Header, at listen.Position) *http.Request {
	if at.LastEventID == "" {
		return nil
	}
	next := sent.Clone(sent.Context())
	next.Method, next.Body, next.GetBody, next.ContentLength, next.TransferEncoding = http.MethodGet, nil, nil, 0, nil
	next.Header.Del("Content-Type")
	next.Header.Set("Accept", stream.ContentType)
	if session := answer.Get("Mcp-Session-Id"); session != "" {
		next.Header.Set("Mcp-Session-Id", session)
	}
	return next
}

// cursorKey names a stream in a cursor file by its URL, without secrets. Where
// that leaves something out, a hash keeps apart URLs that look alike.
func cursorKey(u *url.URL) string {
	shown := redact.URL(u)
	if whole := u.String(); shown != whole {
		sum := sha256.Sum256([]byte(whole))
		shown += fmt.Sprintf(" sha256:%x", sum[:8])
	}
	return shown
}

// loop hands blocks on until there is a reason to end.
func (l *listener) loop() error {
	for {
		b, err := l.read()
		if err != nil {
			return err
		}
		at := l.source.Time()
		for _, t := range l.tapes {
			t.block(b, at)
		}
		if l.inner {
			l.showInner(b, at)
		}
		switch {
		case b.IsEvent() && l.asks:
			err = l.event(b, at)
		case b.Incomplete() && (l.inner || !l.once): // it comes again, or is none
		case b.IsEvent() || l.all:
			if b.IsEvent() {
				l.count++
			}
			l.pending = l.show(l.pending, b, at)
			if len(l.pending) > maxPending {
				err = l.flush()
			}
		}
		if err != nil {
			return err
		}
	}
}

// showInner shows the comments between the fields of a block, before the block,
// and the reconnection time of one that has no end: by the standard it counts
// from the end of its line on. They are shown as blocks of their own.
func (l *listener) showInner(b *stream.Block, at time.Time) {
	if _, alone := b.Comment(); alone {
		return
	}
	raw := b.Raw()
	cut := b.Incomplete() && raw[len(raw)-1] != '\n' && raw[len(raw)-1] != '\r'
	fields := slices.Collect(b.Fields())
	if cut {
		fields = fields[:len(fields)-1]
	}
	var text []byte
	for _, field := range fields {
		switch {
		case len(field.Name) == 0:
			text = stream.AppendComment(text, string(field.Value))
		case b.Incomplete() && string(field.Name) == "retry":
			text = fmt.Appendf(text, "retry: %s\n\n", field.Value)
		}
	}
	for piece := range stream.NewDecoder(bytes.NewReader(text)).Blocks() {
		l.pending = l.show(l.pending, piece, at)
	}
}

// The reasons to end that are in the stream or asked for.
var (
	errCount    = errors.New("--count reached")
	errUntil    = errors.New("--until reached")
	errFailIf   = errors.New("--fail-if matched")
	errFailedAs = errors.New("the stream reported an error")
	errBrokenAs = errors.New("an event is not the JSON that --as wants")
)

// event shows the event if it is wanted. Its error is the reason to end the run.
func (l *listener) event(b *stream.Block, at time.Time) error {
	if err := context.Cause(l.ctx); err != nil {
		return err // thousands of events may have been read before the end
	}
	if l.summary != nil {
		l.summary.event(at)
	}
	l.look(b, at)
	if l.wants() {
		l.count++
		before := len(l.pending)
		l.pending = l.show(l.pending, b, at)
		if l.opts.Text && l.summary != nil && len(l.pending) > before {
			l.summary.text(at)
		}
	}
	fails, ends := l.isFailure(), l.isEnd()
	if err := context.Cause(l.ctx); err != nil {
		return err // no expression could answer
	}
	if len(l.pending) > maxPending || l.cursor != nil {
		if err := l.flush(); err != nil {
			return err
		}
	}
	if l.cursor != nil {
		// Only now, and for each event: the position must not be ahead of the output.
		if err := l.cursor.Save(l.source.Position()); err != nil {
			return err
		}
	}
	switch {
	case fails && l.opts.FailIf == "" && l.object()["json"] == nil:
		return fmt.Errorf("%w: %s", errBrokenAs, excerpt(b.Data()))
	case fails && l.opts.FailIf == "":
		return fmt.Errorf("%w: %s", errFailedAs, excerpt(b.Data()))
	case fails:
		return fmt.Errorf("%w: %s", errFailIf, excerpt(b.Data()))
	case ends:
		return errUntil
	case l.opts.Count > 0 && uint(l.count) >= l.opts.Count:
		return errCount
	}
	return nil
}

// flush writes the pending output. It is called before each read that may wait,
// so no event waits for the next one.
func (l *listener) flush() error {
	for _, t := range l.tapes {
		if err := t.flush(); err != nil {
			return err
		}
	}
	if len(l.pending) == 0 || l.broken != nil {
		return l.broken
	}
	_, l.broken = l.streams.Out.Write(l.pending)
	l.lineEnded = l.pending[len(l.pending)-1] == '\n'
	l.pending = l.pending[:0]
	if cap(l.pending) > 4*maxPending {
		l.pending = nil // a huge event is no reason to keep its room
	}
	return l.broken
}

func (l *listener) warn(err error) { l.note.line(nil, "%v", err) }

// verdict turns the reason why the loop ended into the error of the run.
func (l *listener) verdict(parent context.Context, why error) error {
	var (
		refused *listen.ResponseError
		timeout *listen.TimeoutError
		gaveUp  *listen.GaveUpError
		lost    *listen.LostError
		cut     *listen.UnfinishedError
	)
	unmet, began := l.hasEnd(), l.source.Stats().Connections > 0
	switch {
	case why == errCount, why == errUntil:
		return nil
	case errors.Is(why, errFailIf), errors.Is(why, errFailedAs), errors.Is(why, errBrokenAs):
		return cli.Fail(cli.ExitFailed, why, "")
	case parent.Err() != nil:
		return cli.Fail(cli.ExitInterrupted, cli.ErrReported, "")
	case cli.IsClosedPipe(why):
		return nil
	case errors.As(why, &refused) && refused.Status == http.StatusAccepted && l.service.Notifies:
		l.note.line(nil, "accepted, 202: a notification has no other answer")
		return nil
	case errors.As(why, &refused):
		return cli.Fail(cli.ExitNotStream, fmt.Errorf("%s: %w%s", l.target(), why, bodyOf(refused)), l.refusedHint(refused))
	case errors.Is(why, errMaxTime) || l.ctx.Err() != nil:
		switch {
		case unmet && began:
			return cli.Fail(cli.ExitFailed, errors.New("--max-time passed before an event matched --until"), "")
		case !began:
			return cli.Fail(cli.ExitTimeout, fmt.Errorf("%s: no stream within --max-time %v", l.target(), time.Duration(l.opts.MaxTime)), "")
		}
		return nil
	case errors.As(why, &timeout):
		return cli.Fail(cli.ExitTimeout, fmt.Errorf("%s: %w", l.target(), why), "")
	case unmet && (why == io.EOF || errors.As(why, &cut) || began && (errors.As(why, &gaveUp) || errors.As(why, &lost))):
		return cli.Fail(cli.ExitFailed, l.early(why), "")
	case why == io.EOF:
		return nil
	case errors.As(why, &cut):
		return cli.Fail(cli.ExitNoRun, fmt.Errorf("%s: %w", l.target(), why), "the answer was cut, or the server leaves out the blank line after its last event")
	}
	return cli.Fail(cli.ExitNoRun, fmt.Errorf("%s: %w", l.target(), why), l.unreachedHint(why))
}

// early returns the error of a stream that ended too soon.
func (l *listener) early(why error) error {
	message := "the stream ended before an event matched --until"
	if l.opts.As != "" && l.opts.Until == "" {
		message = "the stream ended before its end mark for --as " + l.opts.As
	}
	if n := l.source.Unfinished(); n > 0 {
		message += fmt.Sprintf(", %d bytes of an unfinished event were dropped", n)
	}
	var (
		cut  *listen.UnfinishedError
		lost *listen.LostError
	)
	switch {
	case why == io.EOF || errors.As(why, &cut):
		return errors.New(message)
	case errors.As(why, &lost):
		return fmt.Errorf("%s: %w", message, shortError(lost.Err)) // the message has the bytes
	}
	return fmt.Errorf("%s: %w", message, why)
}
