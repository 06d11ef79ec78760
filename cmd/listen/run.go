package listencmd

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/cursor"
	"github.com/ssectl/ssectl/cmd/internal/outfile"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// maxPending is the size of the output that waits for the next flush.
const maxPending = 64 << 10

// A session is one run of listen.
type session struct {
	ctx     context.Context
	streams *term.Streams
	opts    *options
	service preset.Preset
	format  string // with auto decided

	source blockSource
	read   func() (*stream.Block, error)
	*selector
	show    func(dst []byte, b *stream.Block, at time.Time) []byte
	once    bool            // no connection follows one that brought something
	all     bool            // blocks that are no events are shown too
	inner   bool            // comments and reconnection times within blocks are shown too
	within  *stream.Decoder // of those blocks' comments
	asks    bool            // each event has something to decide
	copies  bool            // bytes are written as they come, so blocks show nothing
	pending []byte          // formatted, not yet written
	broken  error           // the first error of a write; nothing is written after it
	// lineEnded is true if the output is empty or ends with a line end.
	lineEnded bool
	cursor    *cursor.Cursor
	rest      *rest // nil if there is no way to fetch one
	finished  bool  // an earlier run had the whole answer
	recorders []recorder
	ui        *ui // nil if there is none
	summary   *summary
	page      *outfile.File // of the summary, nil if there is none
	progress  progress
	secrets   redact.Secrets // of the request
	count     int
	hinted    bool // that a stream without IDs starts again
	notifies  bool // the request is one that a 202 answers
}

var errMaxTime = errors.New("--max-time reached")

// run prints a stream until it ends.
func run(parent context.Context, streams *term.Streams, opts *options) (err error) {
	ctx := parent
	if opts.MaxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(parent, time.Duration(opts.MaxTime), errMaxTime)
		defer cancel()
	}
	s := &session{ctx: ctx, streams: streams, opts: opts, within: stream.NewDecoder(nil), lineEnded: true}
	err = s.prepare()
	if s.page != nil {
		defer s.page.Close()
	}
	if err != nil {
		return err
	}
	if s.finished {
		return nil
	}
	defer s.source.Close()
	if s.ui != nil {
		defer s.ui.close()
	}
	why := s.loop()
	if err := s.flush(); err != nil {
		why = err
	}
	if s.opts.Text && streams.OutTerminal && !s.lineEnded {
		fmt.Fprintln(streams.Out) // for the prompt
	}
	err = errors.Join(s.verdict(parent, why), s.closeRest(why))
	if s.ui != nil {
		s.ui.over(why)
		defer func() {
			s.source.Close()
			err = s.ui.stay(parent, err)
		}()
	}
	for _, r := range s.recorders {
		err = errors.Join(err, r.end(s.reason(why)))
	}
	if s.cursor != nil && s.count > 0 && s.source.Position() == (listen.Position{}) {
		s.progress.line(nil, "nothing to keep in %s: the events have no IDs", opts.Cursor)
	}
	stats := s.source.Stats()
	if s.page != nil {
		err = errors.Join(err, wrapWrite("--stats", s.summary.writePage(s.page, opts.Version, s.target(), stats, s.reason(why), time.Now())))
	}
	if s.summary != nil && (opts.Stats != "" || s.streams.ErrTerminal && stats.Connections > 0) {
		ended := s.reason(why)
		if err != nil && opts.Stats != "json" && !errors.Is(err, cli.ErrReported) {
			ended = "" // the error reports it
		}
		s.summary.print(streams, s.progress.colors, opts.Stats, stats, ended)
	}
	return err
}

// prepare turns the options into the parts that the loop works with.
func (s *session) prepare() (err error) {
	if s.opts.As != "" {
		if s.service, err = preset.Find(s.opts.As); err != nil {
			return cli.Usage(err)
		}
	}
	s.progress = progress{w: s.streams.Err, colors: s.streams.ColorsFor(s.opts.Color, s.streams.ErrTerminal)}
	if s.selector, err = newSelector(s.ctx, s.opts, s.service, s.warn); err != nil {
		return cli.Usage(err)
	}
	if err := s.prepareOutput(); err != nil {
		return cli.Usage(err)
	}
	if s.opts.Stats != "" || s.opts.StatsFile != "" || s.streams.ErrTerminal {
		s.summary = newSummary()
	}
	if s.opts.StatsFile != "" {
		// Now, not when the stream is over and its figures would be lost.
		if s.page, err = outfile.Open(s.opts.StatsFile, s.opts.Source, s.opts.Cursor, s.opts.Record, s.opts.SaveHAR); err != nil {
			return cli.Usage(fmt.Errorf("--stats: %w", err))
		}
	}
	if err := s.openSource(); err != nil {
		return err
	}
	if !s.finished {
		s.chooseWay()
	}
	return nil
}

// chooseWay decides how closely to look at the stream: at its bytes, its blocks,
// its events, or the content of each event.
//
//	copies  --format raw into a file or pipe, where nothing is selected, counted,
//	        kept in a cursor or read again after a reconnection
//	all     --format raw otherwise, and --comments: each block is shown
//	inner   --comments with a format that shows what is within a block
//	asks    --jq, --text, a selection, --count, a summary or --cursor: each event
//	        is decided on
//
// Blocks that are no events are read too for all, and for --record and --save-har.
func (s *session) chooseWay() {
	expression := s.opts.JQ != "" || s.opts.Text
	raw := s.format == "raw" && !expression && s.types == nil && s.filter == nil
	s.all = raw || s.opts.Comments && !expression
	s.inner = s.opts.Comments && !expression && s.format != "raw" && s.format != "data"
	s.asks = expression || s.selects() || s.opts.Count > 0 || s.summary != nil || s.cursor != nil || s.rest != nil
	if raw && s.once && !s.streams.OutTerminal && !s.selects() && s.opts.Count == 0 && s.cursor == nil && s.opts.ReconnectOn == nil {
		// Nothing of the stream is left out, repeated, or waited for.
		s.copies, s.all = true, false
		s.show = func(dst []byte, _ *stream.Block, _ time.Time) []byte { return dst }
	}
	s.read = s.source.Next
	if s.all || s.recorders != nil {
		s.read = s.source.Block
	}
}

// prepareOutput chooses the form in which events are shown.
func (s *session) prepareOutput() error {
	terminal := s.streams.OutTerminal
	s.format = s.opts.Format
	if s.format == "auto" {
		s.format = "json"
		if terminal {
			s.format = "text"
		}
	}
	expression, end := s.opts.JQ, "\n"
	if s.opts.Text {
		switch {
		case s.service.Text == "":
			return errors.New("--text needs --as, which knows where the text is")
		case s.opts.JQ != "":
			return errors.New("--text and --jq exclude each other")
		}
		expression, end = s.service.Text, ""
	}
	if expression != "" {
		q, err := s.input.Compile(expression)
		if err != nil {
			return err
		}
		add := func(dst, text []byte) ([]byte, error) {
			dst = append(output.AppendText(dst, text, terminal), end...)
			if len(dst) <= maxPending {
				return dst, nil
			}
			s.pending = dst
			err := s.flush()
			return s.pending, err
		}
		s.show = func(dst []byte, _ *stream.Block, _ time.Time) []byte {
			shown, err := q.Append(s.ctx, dst, add)
			if s.broken == nil {
				s.failure(q, err)
			}
			return shown
		}
		return nil
	}
	options := output.EventOptions{
		Terminal: terminal,
		Colors:   s.streams.ColorsFor(s.opts.Color, terminal),
		Pretty:   s.opts.Pretty,
	}
	if terminal {
		options.Width = s.streams.Width
	}
	s.show = output.EventFormats[s.format](options)
	return nil
}

// copied gets the bytes that were read, and writes them if the output is a copy
// of the input. The error of an earlier write ends the reading in any case.
func (s *session) copied(p []byte) error {
	if s.copies && len(p) > 0 && s.broken == nil {
		_, s.broken = s.streams.Out.Write(p)
	}
	return s.broken
}

// openSource opens the file, or makes ready to connect to the URL.
func (s *session) openSource() error {
	config, err := s.opts.config()
	if err != nil {
		return cli.Usage(err)
	}
	if config.MaxEventSize == 0 {
		config.MaxEventSize = s.service.MaxEventSize
	}
	if isFile(s.opts.Source) {
		if s.opts.Cursor != "" {
			return cli.Usage(errors.New("--cursor needs a URL, not a file"))
		}
		if s.opts.UI.port != nil {
			return cli.Usage(errors.New("--ui needs a URL, not a file"))
		}
		if err := s.opts.checkNoWebSocket(); err != nil {
			return cli.Usage(err)
		}
		s.once = true
		saved, err := openSaved(s.ctx, s.streams, s.opts.Source, config.MaxEventSize, s.flush, s.copied)
		if err != nil {
			return err
		}
		s.source = saved
		return s.openRecorders(nil)
	}
	for _, header := range s.service.Headers {
		s.opts.Curl.Headers = append([]string{header}, s.opts.Curl.Headers...)
	}
	req, err := s.opts.Curl.Request(s.ctx, s.opts.Source)
	if err != nil {
		return cli.Usage(err)
	}
	if config.WebSocket, err = s.webSocket(req); err != nil {
		return cli.Usage(err)
	}
	if config.Client, err = s.opts.Curl.Client(); err != nil {
		return cli.Usage(err)
	}
	if s.rest, err = newRest(s.ctx, s.opts, s.service, req, s.hasEnd(), s.warn); err != nil {
		return cli.Usage(err)
	}
	first := req
	if s.rest != nil {
		config.Continue = s.rest.next
	}
	if s.opts.Cursor != "" {
		position, err := s.openCursor(req)
		if err != nil {
			return cli.Usage(err)
		}
		if s.opts.LastEventID == "" {
			config.Start = position
		}
		if d, ok := s.cursor.Retry(); ok && !s.opts.IgnoreRetry {
			config.Backoff.Delay = d
			if d == 0 {
				config.Backoff.Delay = -1
			}
		}
		if s.rest != nil {
			next, err := s.openRest(req)
			if err != nil || s.finished {
				return err
			}
			if next != nil {
				first, config.Continued = next, true
			}
		}
	}
	if err := s.openRecorders(req); err != nil {
		return err
	}
	if err := s.openUI(config.Client); err != nil {
		return err
	}
	if s.rest != nil && s.cursor != nil && !config.Continued {
		if err := s.cursor.Save(config.Start); err != nil {
			return err
		}
	}
	s.notifies = s.service.Notifies && !isCall(req)
	s.once = config.Reconnect == listen.ReconnectNever || config.Reconnect == listen.ReconnectGET && req.Method != http.MethodGet && config.Continue == nil
	config.BeforeRead = s.flush
	config.OnRead = s.copied
	config.OnChange = s.changed
	s.secrets.URL(first.URL)
	s.secrets.Header(first.Header)
	s.source = listen.New(first, config)
	return nil
}

func (s *session) openCursor(req *http.Request) (position listen.Position, err error) {
	s.cursor, position, err = cursor.Open(s.opts.Cursor, cursorKey(req, s.opts.Curl.UnixSocket))
	return position, err
}

// openRest returns the request for the rest of the answer that an earlier run began,
// nil if there was none. The request for an answer is noted before it is sent: it may
// cost, and is never sent again.
func (s *session) openRest(req *http.Request) (*http.Request, error) {
	kept := s.cursor.Rest()
	switch {
	case kept == nil:
		s.cursor.SetRest(&cursor.Rest{Asked: true}) // saved when all is ready to ask
		return nil, nil
	case kept.Ended == cursor.Complete:
		s.finished = true
		s.progress.line(nil, "the answer is complete, by %s", s.opts.Cursor)
		fmt.Fprintln(s.progress.w, "hint: remove the file to ask again")
		return nil, nil
	case kept.Ended != "":
		return nil, cli.Fail(cli.ExitFailed, fmt.Errorf("the answer failed, by %s", output.Safe(s.opts.Cursor)), "remove the file to ask again")
	}
	next, err := s.rest.restore(kept)
	if err == nil && next == nil && req.Method != http.MethodGet && s.opts.Reconnect != "always" {
		err = cli.Fail(cli.ExitNoRun, fmt.Errorf("%s: the request was sent by an earlier run, and by %s the rest of its answer cannot be fetched", s.target(), output.Safe(s.opts.Cursor)),
			"remove the file to ask again; --reconnect always does without")
	}
	return next, err
}

// saveCursor keeps the position, and what is known of the rest.
func (s *session) saveCursor() error {
	if d, ok := s.source.Retry(); ok {
		s.cursor.SetRetry(d)
	}
	if s.rest != nil {
		s.cursor.SetRest(s.rest.kept())
	}
	return s.cursor.Save(s.source.Position())
}

// closeRest keeps how an answer ended. One that was refused was never begun.
func (s *session) closeRest(why error) error {
	if s.rest == nil || s.cursor == nil {
		return nil
	}
	var refused *listen.ResponseError
	switch begun := s.source.Stats().Connections > 0 || s.rest.continued; {
	case !begun && (errors.As(why, &refused) || isUnsent(why)):
		s.cursor.SetRest(nil)
		return s.cursor.Save(s.source.Position())
	case begun && why == io.EOF && !s.hasEnd():
		s.rest.ended = cursor.Complete
		return s.saveCursor()
	}
	return nil
}

// isUnsent reports whether no request was sent.
func isUnsent(err error) bool {
	var (
		op          *net.OpError
		certificate *tls.CertificateVerificationError
	)
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") || errors.As(err, &certificate)
}

// isCall reports whether a request wants an answer of JSON-RPC, as all do but those
// whose body is a notification or a response
// (https://www.jsonrpc.org/specification#notification).
func isCall(req *http.Request) bool {
	if req.GetBody == nil {
		return true
	}
	body, err := req.GetBody()
	if err != nil {
		return true
	}
	type message struct {
		ID     json.RawMessage `json:"id"`
		Method *string         `json:"method"`
	}
	text, _ := io.ReadAll(body) // from memory
	var one message
	var batch []message
	if json.Unmarshal(text, &one) == nil {
		batch = []message{one}
	} else if json.Unmarshal(text, &batch) != nil {
		return true
	}
	return slices.ContainsFunc(batch, func(m message) bool { return m.Method != nil && m.ID != nil })
}

// cursorKey names a stream in a cursor file by its URL, without secrets. Where that
// leaves something out, or the server chooses the stream by more than its URL, a
// hash keeps apart streams that look alike. Tokens and cookies do not count, as
// they change from run to run.
func cursorKey(req *http.Request, socket string) string {
	shown := redact.URL(req.URL)
	whole := req.URL.String()
	if name, _, ok := req.BasicAuth(); ok {
		whole += "\nuser " + name
	}
	if req.Host != "" && req.Host != req.URL.Host {
		whole += "\nhost " + req.Host
	}
	if socket != "" {
		whole += "\nsocket " + socket
	}
	if req.Method != http.MethodGet {
		whole += "\nmethod " + req.Method
	}
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			text, _ := io.ReadAll(body) // from memory
			whole += "\nbody " + string(text)
		}
	}
	if shown != whole {
		sum := sha256.Sum256([]byte(whole))
		shown += fmt.Sprintf(" sha256:%x", sum[:8])
	}
	return shown
}
