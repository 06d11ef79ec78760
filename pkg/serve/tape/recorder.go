package tape

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

const (
	suffix = ".jsonl"

	// DefaultMaxBody is the size of a body that is kept when
	// [Recorder.MaxBody] is zero.
	DefaultMaxBody = 8 << 20

	flushAfter = 5 * time.Millisecond // of the first line that is not written
	flushSize  = 128 << 10
	pageSize   = 4 << 10
	maxLine    = 1 << 20 // bytes of a body of lines without a line end
	maxEarly   = 1 << 20 // bytes of an answer that wait for the end of the request
	maxName    = 60      // bytes of the path in the name of a file
)

// A Recorder keeps exchanges, each in a file of its own, in the order in which
// their requests came: 0001-POST-v1-chat-completions.jsonl. Its method Watch is an
// [exchange.Watch]. Fields must not change after the first request.
type Recorder struct {
	// Dir is the directory. Files in it stay, and the numbers go on after
	// theirs.
	Dir string

	// Upstream is the URL that requests are passed on to, if not nil: paths on
	// tape are relative to it, as clients have them.
	Upstream *url.URL

	// MaxBody is how many bytes of a body are kept that is no event stream.
	// Zero means [DefaultMaxBody].
	MaxBody int

	// Failed is called with an error of a file, if not nil; the recording of
	// its exchange ends with it.
	Failed func(error)

	secrets redact.Secrets

	// large is held while a large body is written, which takes some copies of it:
	// one at a time, so that many exchanges do not take the memory of all.
	large sync.Mutex

	mu     sync.Mutex // guards the fields below
	number int        // of the file that was made last
	open   map[*tape]struct{}
}

// Open makes the directory, if there is none, looks for the files in it, and reports
// whether files can be made there. Watch does the same, and reports an error to Failed.
func (r *Recorder) Open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return err
	}
	file, err := os.CreateTemp(r.Dir, ".ssectl-")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// start is Open for a caller that holds the lock.
func (r *Recorder) start() error {
	if r.open != nil {
		return nil
	}
	// Recordings may be private.
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		r.number = max(r.number, numberOf(entry.Name()))
	}
	r.open = map[*tape]struct{}{}
	if base := r.Upstream; base != nil {
		var upstream redact.Secrets
		upstream.URL(base)
		r.secrets.Keep(&upstream)
	}
	return nil
}

// Hide keeps the value of a request header off all tapes, wherever it appears: that
// of one which clients do not send, but the upstream gets.
func (r *Recorder) Hide(name, value string) {
	var hidden redact.Secrets
	hidden.Credentials(name, value)
	r.secrets.Keep(&hidden)
}

// numberOf returns the number that the name of a file begins with, 0 if none.
func numberOf(name string) int {
	digits, _, _ := strings.Cut(name, "-")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > 1e9 {
		return 0
	}
	return n
}

// next returns the number of the next file.
func (r *Recorder) next() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return 0, err
	}
	r.number++
	return r.number, nil
}

// create makes the file of a number, or of the next one that is free: another
// process may write to the directory too.
func (r *Recorder) create(number int, name string) (*os.File, error) {
	for {
		path := filepath.Join(r.Dir, fmt.Sprintf("%04d-%s%s", number, name, suffix))
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
		if number, err = r.next(); err != nil {
			return nil, err
		}
	}
}

// fileName returns a name for a request that every file system takes.
func fileName(method, path string) string {
	var b strings.Builder
	for _, c := range []byte(method + "-" + strings.Trim(path, "/")) {
		switch {
		case isAlnum(c), c == '_', c == '.' && b.Len() > 0:
			b.WriteByte(c)
		case b.Len() > 0 && b.String()[b.Len()-1] != '-':
			b.WriteByte('-')
		}
		if b.Len() == maxName {
			break
		}
	}
	return strings.TrimRight(b.String(), "-.")
}

// Watch begins the file of an exchange.
func (r *Recorder) Watch(request *exchange.Request) exchange.Watcher {
	number, err := r.next()
	if err != nil {
		r.failed(err)
		return nil
	}
	t := &tape{recorder: r, request: request, number: number, own: r.secrets.Own(true)}
	t.idle.L = &t.mu
	t.cleaner = cleaner{secrets: &r.secrets, out: t.clean}
	t.own.Header(request.Header) // before anything of it can come back
	t.own.URL(request.URL)
	r.mu.Lock()
	r.open[t] = struct{}{}
	r.mu.Unlock()
	return t
}

func (r *Recorder) failed(err error) {
	if r.Failed != nil {
		r.Failed(err)
	}
}

// target returns the path and the query of a request as the client sent it.
func (r *Recorder) target(u *url.URL) (path, query string) {
	path, query = u.EscapedPath(), u.RawQuery
	if u.Opaque != "" {
		path = u.Opaque
	}
	if base := r.Upstream; base != nil {
		path = below(path, base)
		if rest, ok := strings.CutPrefix(query, base.RawQuery); ok {
			query = strings.TrimPrefix(rest, "&")
		}
	}
	return path, query
}

// below returns a path relative to a URL, if it is below that.
func below(path string, base *url.URL) string {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(base.EscapedPath(), "/"))
	switch {
	case !ok || rest != "" && strings.IndexByte("/?#", rest[0]) < 0:
		return path
	case rest == "" || rest[0] != '/':
		return "/" + rest
	}
	return rest
}

// head returns the head of an answer as the tape has it. Locations on the upstream
// become those of whoever plays it.
func (r *Recorder) head(response *exchange.Response) *Response {
	header := response.Header
	for _, name := range []string{"Location", "Content-Location"} {
		base, location := r.Upstream, header.Get(name)
		if base == nil || location == "" {
			continue
		}
		host := base.Scheme + "://" + base.Host
		path, ok := strings.CutPrefix(location, host)
		if ok = ok && (path == "" || path[0] == '/'); ok || strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//") {
			if !ok {
				path = location
			}
			header = header.Clone()
			header.Set(name, below(path, base))
		}
	}
	return cleanResponse(&r.secrets, response.Status, header)
}

// Close ends the recordings whose exchanges have not ended, and waits for all.
func (r *Recorder) Close() error {
	r.mu.Lock()
	var open []*tape
	for t := range r.open {
		open = append(open, t)
	}
	r.mu.Unlock()
	var errs []error
	for _, t := range open {
		t.mu.Lock()
		t.cleaner.end()
		errs = append(errs, t.close())
		t.mu.Unlock()
	}
	return errors.Join(errs...)
}

// A tape writes one exchange. It is an [exchange.Watcher].
type tape struct {
	recorder *Recorder
	request  *exchange.Request
	number   int

	mu      sync.Mutex      // guards the fields below
	own     *redact.Secrets // of the request, until it is written
	needed  []string        // those, after that
	file    *os.File        // nil until the request is written
	closed  bool
	cleaner cleaner
	writer  record.Writer      // escapes once the parts that its lines have in common
	asked   bool               // the request is written
	early   []early            // parts of the answer that came before the request was whole
	waiting int                // bytes of it
	head    *exchange.Response // of an answer that is no stream
	lines   bool               // the body is one of lines
	body    []byte             // of it
	size    int64              // of it, so far
	pending []byte             // lines that are not yet written
	written int64              // bytes of the file
	writing bool               // a goroutine writes some lines to the file
	idle    sync.Cond          // signals that it has
	spare   []byte             // the memory of lines that were written, for pending
	timer   *time.Timer        // writes them
	busy    bool               // there were many lines since it was set
}

// An early is a part of an answer that came before the end of the request.
type early struct {
	head  *exchange.Response
	event *record.Record
	piece []byte
}

func (r *Recorder) maxBody() int {
	if r.MaxBody <= 0 {
		return DefaultMaxBody
	}
	return r.MaxBody
}

// Response notes the head of the answer.
func (t *tape) Response(head *exchange.Response) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waits(early{head: head}, 1024) {
		return
	}
	t.response(head)
}

// Event notes a block of an event stream.
func (t *tape) Event(r *record.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.event(r)
}

// Block implements [exchange.BlockWatcher].
func (t *tape) Block(b *stream.Block, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked && len(t.early) == 0 && t.file != nil && t.cleaner.isCleanBlock(b) {
		t.pending = t.writer.AppendBlock(t.pending, b, at)
		t.writeSoon()
		return
	}
	r := record.FromBlock(b, at)
	t.event(&r)
}

func (t *tape) event(r *record.Record) {
	if !t.asked || len(t.early) > 0 {
		if t.waits(early{event: &newHeld(r, nil).record}, len(r.Data)+len(r.Raw)+512) {
			return
		}
	}
	t.cleaner.event(r)
}

// Body notes a piece of another body.
func (t *tape) Body(piece []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.asked || len(t.early) > 0 {
		if t.waits(early{piece: append([]byte(nil), piece...)}, len(piece)) {
			return
		}
	}
	t.piece(piece)
}

// waits keeps a part of the answer while the request is not whole: its secrets
// may be in the rest of it. It reports whether the part is kept.
func (t *tape) waits(part early, size int) bool {
	if t.asked {
		return false
	}
	if body := t.request.Body(); !body.Whole && t.waiting < maxEarly {
		t.early, t.waiting = append(t.early, part), t.waiting+size
		return true
	}
	t.ask()
	return false
}

// ask writes the request, and the parts of the answer that came before it was whole.
func (t *tape) ask() {
	t.asked = true
	request := t.request
	body := request.Body()
	text := body.Bytes
	if text == nil && body.Size == 0 && hasBody(request.Method) {
		text = []byte{}
	}
	size := body.Size
	if !body.Whole {
		size = max(size, int64(len(text))+1) // at least
	}
	if t.closed {
		return
	}
	path, query := t.recorder.target(request.URL)
	kept := cleanRequest(t.own, request.Method, path, query, request.Header, text, size)
	t.needed, t.own = t.own.Taught(), nil // an idle stream has no use for it
	var err error
	if t.file, err = t.recorder.create(t.number, fileName(request.Method, kept.Path)); err != nil {
		t.recorder.failed(err)
		t.close()
		return
	}
	t.meta(request.Time, `{"request":`, kept.appendTo, "}")
	for _, part := range t.early {
		switch {
		case part.head != nil:
			t.response(part.head)
		case part.event != nil:
			t.cleaner.event(part.event)
		default:
			t.piece(part.piece)
		}
	}
	t.early = nil
}

// hasBody reports whether a request of the method has a body, if only an empty
// one.
func hasBody(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions && method != http.MethodDelete
}

func (t *tape) response(head *exchange.Response) {
	if t.lines = isLines(head.Header.Get("Content-Type")); !head.Stream && !t.lines {
		t.head = head
		return
	}
	kept := t.recorder.head(head)
	end := ending{How: unknown}
	t.meta(head.Time, `{"response":`, kept.appendTo, `,"end":`, end.appendTo, "}")
}

// isLines reports whether a body is one of lines that come one after the other, as
// the events of a stream do.
func isLines(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	return slices.Contains(lineTypes, strings.TrimSpace(kind))
}

var lineTypes = []string{
	"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json-seq",
	"application/stream+json",
}

func (t *tape) piece(piece []byte) {
	if t.lines {
		t.body = append(t.body, piece...)
		for len(t.body) > 0 {
			end := bytes.IndexByte(t.body, '\n') + 1
			if end == 0 {
				if len(t.body) < maxLine {
					return
				}
				end = len(t.body)
			}
			t.bodyLine(end)
		}
		return
	}
	t.size += int64(len(piece))
	if room := t.recorder.maxBody() - len(t.body); room > 0 {
		t.body = append(t.body, piece[:min(room, len(piece))]...)
	}
}

// bodyLine takes the next n bytes of a body of lines.
func (t *tape) bodyLine(n int) {
	t.cleaner.event(&record.Record{IsEvent: true, Event: stream.Event{Data: string(t.body[:n])}, Time: time.Now()})
	t.body = t.body[n:]
}

// End writes the rest, and closes the file.
func (t *tape) End(end exchange.End) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.asked {
		t.ask()
	}
	if t.closed {
		return
	}
	if t.lines && len(t.body) > 0 {
		t.bodyLine(len(t.body))
	}
	t.cleaner.end()
	secrets := &t.recorder.secrets
	ending := ending{How: end.How, Events: end.Events, Bytes: end.Bytes}
	if len(end.Trailer) > 0 {
		ending.Trailer = cleanHeader(secrets, end.Trailer)
	}
	switch {
	case end.Unseen != nil:
		ending.Note = secrets.Clean(end.Unseen.Error())
		if end.How == exchange.Whole {
			ending.How = unknown // it cannot be played as a whole one
		}
	case end.How == exchange.Refused && end.Err != nil:
		ending.Note = secrets.Clean(redact.WithoutSecrets(httpx.WithoutURL(end.Err).Error()))
	}
	if head := t.head; head != nil {
		const large = 1 << 20
		if len(t.body) > large {
			t.recorder.large.Lock()
			defer t.recorder.large.Unlock()
		}
		kept := t.recorder.head(head)
		if t.request.Method == http.MethodHead {
			if length := head.Header.Get("Content-Length"); length != "" {
				kept.Header.Set("Content-Length", length)
			}
		} else if t.size > 0 || hasContent(head.Status) {
			n := len(t.body)
			text := string(t.body)
			t.body = nil
			clean := cleanBody(secrets, head.Header.Get("Content-Type"), text, false)
			kept.Body = bodyOf([]byte(clean), 0)
			if t.size > int64(n) {
				kept.Body.JSON, kept.Body.Size = nil, t.size
				ending.Note = fmt.Sprintf("the tape has %d of %d bytes", n, t.size)
				if ending.How == exchange.Whole {
					ending.How = unknown
				}
			}
		}
		t.meta(head.Time, `{"response":`, kept.appendTo, "}")
	}
	t.meta(end.Time, `{"end":`, ending.appendTo, "}")
	if err := t.close(); err != nil {
		t.recorder.failed(err)
	}
}

func hasContent(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// meta adds a meta line. Parts are texts, and functions that append one.
func (t *tape) meta(at time.Time, parts ...any) {
	var object []byte
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			object = append(object, part...)
		case func([]byte) []byte:
			object = part(object)
		}
	}
	t.line(&record.Record{Time: at, Meta: object})
}

// clean adds an event, or a line of a body, without its secrets.
func (t *tape) clean(r *record.Record) {
	if !t.lines {
		t.line(r)
		return
	}
	t.line(&record.Record{Time: r.Time, Meta: append(appendBytes([]byte{'{'}, []byte(r.Data)), '}')})
}

// line adds a line to the file, which is written soon.
func (t *tape) line(r *record.Record) {
	if t.file == nil {
		return
	}
	t.pending = t.writer.AppendRecord(t.pending, r)
	t.writeSoon()
}

// writeSoon writes the pending lines if there are many, or in a few milliseconds.
func (t *tape) writeSoon() {
	switch {
	case len(t.pending) >= flushSize:
		t.busy = true
		t.writeBeside()
	case t.timer == nil:
		t.timer = time.AfterFunc(flushAfter, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.timer = nil
			small := len(t.pending) < cap(t.pending)/8
			t.flush()
			if !t.busy { // an idle stream has no buffer
				if t.spare = nil; small {
					t.pending = nil
				}
			}
			t.busy = false
		})
	}
}

// writeBeside writes the pending lines as others are added. Of the last page of the
// file it leaves what is not whole: writing a part costs the kernel a copy more.
func (t *tape) writeBeside() {
	t.wait()
	if t.file == nil || len(t.pending) < flushSize { // the timer was first
		return
	}
	lines, file := t.pending, t.file
	n := len(lines) - int((t.written+int64(len(lines)))%pageSize)
	t.pending, t.spare, t.writing = append(t.spare, lines[n:]...), nil, true
	go func() {
		_, err := file.Write(lines[:n])
		t.mu.Lock()
		defer t.mu.Unlock()
		t.writing = false
		t.idle.Broadcast()
		if cap(lines) <= 2*flushSize {
			t.spare = lines[:0]
		}
		t.wrote(n, err)
	}()
}

// wait waits for the lines that are written beside.
func (t *tape) wait() {
	for t.writing {
		t.idle.Wait()
	}
}

// flush writes the pending lines.
func (t *tape) flush() {
	t.wait()
	if t.file == nil || len(t.pending) == 0 {
		return
	}
	n, err := t.file.Write(t.pending)
	if t.pending = t.pending[:0]; cap(t.pending) > 2*flushSize {
		t.pending = nil
	}
	t.wrote(n, err)
}

// wrote counts bytes that were written, and ends the recording where they were not.
func (t *tape) wrote(n int, err error) {
	t.written += int64(n)
	if err != nil {
		t.recorder.failed(fmt.Errorf("recording: %w", err))
		t.close()
	}
}

// close closes the file.
func (t *tape) close() (err error) {
	t.wait()
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.file != nil {
		if len(t.pending) > 0 {
			_, err = t.file.Write(t.pending)
		}
		if closing := t.file.Close(); err == nil {
			err = closing
		}
	}
	t.file, t.pending, t.closed = nil, nil, true
	if t.own != nil {
		t.needed, t.own = t.own.Taught(), nil
	}
	t.recorder.secrets.Release(t.needed)
	t.needed = nil
	t.recorder.mu.Lock()
	delete(t.recorder.open, t)
	t.recorder.mu.Unlock()
	return err
}
