package listen

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/ssectl/ssectl/pkg/stream"
)

// WebSocket configures a stream whose request has a URL of the scheme ws or wss. Each
// text message of the server is an event whose data is the text, with line ends as
// LF. A binary message is an event of the type [BinaryType], in base64.
type WebSocket struct {
	// Send has the texts that are sent after each handshake, while messages are read.
	Send []string

	// Describe returns the ID and the type of the event that a text is, empty if it
	// has none. A reconnection resumes after the last ID. It may be nil.
	Describe func(text []byte) (id, eventType string)

	// ResumeQuery names the parameter of the URL that has the last event ID, where
	// other streams have a header; "lastEventId" if empty.
	ResumeQuery string

	// Compress offers the server to compress its messages
	// (https://www.rfc-editor.org/rfc/rfc7692).
	Compress bool
}

// BinaryType is the type of the event that a binary message of a WebSocket is.
const BinaryType = "binary"

const defaultResumeQuery = "lastEventId"

// closeTime is how long the server may take to answer a close frame.
const closeTime = 500 * time.Millisecond

// A CloseError is the end of a connection by a close frame of the server
// (https://www.rfc-editor.org/rfc/rfc6455#section-7.4).
type CloseError struct {
	Code   int    // 1005 for a frame without a code
	Reason string // as the server gave it
}

func (e *CloseError) Error() string {
	text := "server closed the WebSocket with " + e.meaning()
	if e.Reason != "" {
		text += fmt.Sprintf(": %q", e.Reason)
	}
	return text
}

// meaning returns the code with its name, if it has one.
func (e *CloseError) meaning() string {
	if name, ok := closeNames[e.Code]; ok {
		return fmt.Sprintf("%d (%s)", e.Code, name)
	}
	return fmt.Sprint(e.Code)
}

// closeNames are the codes registered with IANA that a close frame may have, and
// 1005 for one without.
var closeNames = map[int]string{
	1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1005: "no code",
	1007: "invalid data", 1008: "policy violation", 1009: "message too big", 1010: "mandatory extension",
	1011: "internal error", 1012: "service restart", 1013: "try again later", 1014: "bad gateway",
}

// isOrderly reports whether a stream may end so.
func (e *CloseError) isOrderly() bool { return e.Code == 1000 || e.Code == 1001 || e.Code == 1005 }

// A ProtocolError is a message or a frame that no server may send. It ends the stream:
// another connection would bring the same.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return "server broke the WebSocket protocol: " + e.Reason }

// isWebSocket reports whether a request is one for a WebSocket.
func isWebSocket(req *http.Request) bool {
	return req.URL != nil && (req.URL.Scheme == "ws" || req.URL.Scheme == "wss")
}

// checkWebSocket returns the error of a request or of options that cannot be met by
// a WebSocket.
func (o *Options) checkWebSocket(req *http.Request) error {
	switch {
	case req.Method != "" && req.Method != http.MethodGet || req.Body != nil && req.Body != http.NoBody:
		return errors.New("a WebSocket is opened by GET, without a body")
	case o.Resume == ResumeRange:
		return errors.New("a WebSocket has no byte ranges to resume by")
	case slices.ContainsFunc(o.WebSocket.Send, func(text string) bool { return !utf8.ValidString(text) }):
		return errors.New("a text to send is not UTF-8")
	}
	return nil
}

// askByQuery adds to a URL where to resume.
func (o *WebSocket) askByQuery(u *url.URL, id string) {
	name := o.ResumeQuery
	if name == "" {
		name = defaultResumeQuery
	}
	var rest []string // in their order, which url.Values would change
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(key); pair != "" && (err != nil || plain != name) {
			rest = append(rest, pair)
		}
	}
	u.RawQuery = strings.Join(append(rest, url.QueryEscape(name)+"="+url.QueryEscape(id)), "&")
}

// dial opens a WebSocket. Its messages are the body of the response, as an event
// stream.
func (s *Stream) dial(req *http.Request) (*http.Response, error) {
	shake := &handshake{s: s}
	options := &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: shake, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		HTTPHeader: req.Header,
		Host:       req.Host,
		// No pong can go between the bytes of a text; the library would give up the
		// connection if that takes five seconds.
		OnPingReceived: func(context.Context, []byte) bool { return !shake.wire.busy.Load() },
	}
	if offered := strings.Join(req.Header.Values("Sec-WebSocket-Protocol"), ","); offered != "" {
		for name := range strings.SplitSeq(offered, ",") {
			options.Subprotocols = append(options.Subprotocols, strings.TrimSpace(name))
		}
	}
	if s.options.WebSocket.Compress {
		options.CompressionMode = websocket.CompressionContextTakeover
	}
	conn, resp, err := websocket.Dial(req.Context(), req.URL.String(), options)
	switch {
	case shake.err != nil:
		return shake.response, shake.err // without the words of the library
	case resp == nil:
		return nil, err
	case err != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		s.answered = true
		return nil, &ProtocolError{Reason: "handshake: " + reasonOf(err, resp)}
	case err != nil:
		resp.Body = shake.body
		return resp, nil // which accept refuses
	}
	conn.SetReadLimit(-1)
	m := &messages{s: s, conn: conn, wire: shake.wire}
	m.wire.verified = true
	m.sent = make(chan struct{})
	m.wire.busy.Store(len(s.options.WebSocket.Send) > 0)
	go m.send()
	m.release = context.AfterFunc(req.Context(), m.end)
	resp.Body = m
	return resp, nil
}

// reasonOf returns why the library refused a handshake.
func reasonOf(err error, resp *http.Response) string {
	if extensions := resp.Header.Values("Sec-WebSocket-Extensions"); strings.Contains(err.Error(), "unsupported ") && len(extensions) > 0 {
		return fmt.Sprintf("the server chose the extension %q, which was not offered", strings.Join(extensions, ", "))
	}
	reason := strings.TrimPrefix(err.Error(), "failed to WebSocket dial: ")
	return strings.TrimPrefix(reason, "WebSocket protocol violation: ")
}

// A handshake sends the request of the library with the client of the stream, which
// knows redirects, cookies and proxies.
type handshake struct {
	s        *Stream
	response *http.Response // that came with err
	err      error
	body     io.ReadCloser // of an answer that is no WebSocket
	wire     *wire
}

// RoundTrip implements [http.RoundTripper].
func (h *handshake) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := h.s.options.Client.Do(req)
	if err != nil {
		h.response, h.err = resp, err
		return nil, err
	}
	if body, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		h.wire = &wire{ReadWriteCloser: body, watch: &h.s.watch}
		resp.Body = h.wire
	} else {
		h.body, resp.Body = resp.Body, http.NoBody // the library would wait for some of it
	}
	return resp, nil
}

// A wire is the connection under a WebSocket.
type wire struct {
	io.ReadWriteCloser
	watch    *watch
	verified bool                  // the handshake is over
	closing  atomic.Bool           // another goroutine may read now
	err      error                 // of a read
	busy     atomic.Bool           // a text is sent
	failed   atomic.Pointer[error] // of the first write that failed
}

// errWireEnd is the end of the connection. The library takes io.EOF for the end of a
// message, even within a frame.
var errWireEnd = errors.New("connection closed without a close frame")

func (w *wire) Read(p []byte) (int, error) {
	if !w.verified {
		return 0, io.EOF // the library would wait for a body to a handshake that it refused
	}
	n, err := w.ReadWriteCloser.Read(p)
	if w.closing.Load() {
		return n, err
	}
	if n > 0 {
		w.watch.alive() // a ping is a sign of life, and a piece of a message too
	}
	if err == io.EOF {
		err = errWireEnd
	}
	w.err = err
	return n, err
}

// Write takes everything, also what cannot be written: a pong that the server no longer
// takes would keep the library from the messages that it sent before. The end of
// reading is the end of the connection.
func (w *wire) Write(p []byte) (int, error) {
	if w.failed.Load() == nil {
		if _, err := w.ReadWriteCloser.Write(p); err != nil && !w.closing.Load() {
			w.failed.CompareAndSwap(nil, &err)
		}
	}
	return len(p), nil
}

// messages are those of a WebSocket, as the body of a response: each is an event of
// an event stream.
type messages struct {
	s       *Stream
	conn    *websocket.Conn
	wire    *wire
	release func() bool   // lets go of the context
	sent    chan struct{} // closed once all texts are sent, or cannot be
	ending  sync.Once
	code    atomic.Int64 // of the close frame that we send; 0 is normal

	text   []byte // the message that is read
	out    []byte // the event, as far as it was not read
	buf    []byte // of out
	err    error  // after out
	closed *CloseError
	size   int64 // bytes of messages
	told   int64 // those of them that were counted
}

func (m *messages) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		m.next()
	}
	n := copy(p, m.out)
	if m.out = m.out[n:]; len(m.out) == 0 && cap(m.buf) > keptSize {
		m.out, m.buf = nil, nil // a huge message is no reason to keep its room
	}
	return n, nil
}

// send sends the texts of the options.
func (m *messages) send() {
	defer close(m.sent)
	defer m.wire.busy.Store(false)
	for _, text := range m.s.options.WebSocket.Send {
		if m.conn.Write(context.Background(), websocket.MessageText, []byte(text)) != nil || m.wire.failed.Load() != nil {
			return // reading ends too, and has the cause
		}
	}
}

// next reads a message.
func (m *messages) next() {
	limit := m.s.options.MaxEventSize
	if limit == 0 {
		limit = stream.DefaultMaxEventSize
	}
	kind, r, err := m.conn.Reader(context.Background())
	m.text = m.text[:0]
	for err == nil && len(m.text) <= limit {
		m.text = slices.Grow(m.text, 512)
		var n int
		n, err = r.Read(m.text[len(m.text):cap(m.text)])
		m.text = m.text[:len(m.text)+n]
	}
	if m.wire.closing.Load() {
		// Closing reads too: what came since may be the end of a message without
		// its beginning.
		m.text, m.err = nil, m.cause(err)
		return
	}
	start := m.size
	m.size += int64(len(m.text))
	switch {
	case err != nil && err != io.EOF:
		m.err = m.cause(err)
		if len(m.text) > 0 {
			// What has come of a message is an event without its blank line.
			m.encode("", "", m.text)
			m.out = bytes.TrimRight(m.out, "\n")
		}
	case kind == websocket.MessageBinary && base64.StdEncoding.EncodedLen(len(m.text)) <= limit:
		m.buf = append(m.buf[:0], "event: "+BinaryType+"\ndata: "...)
		m.buf = append(base64.StdEncoding.AppendEncode(m.buf, m.text), "\n\n"...)
		m.out = m.buf
	case kind == websocket.MessageText && len(m.text)+len("data: ")*countLines(m.text) <= limit:
		if !utf8.Valid(m.text) {
			m.fail(websocket.StatusInvalidFramePayloadData, &ProtocolError{Reason: "a text is not UTF-8"})
			return
		}
		var id, eventType string
		if describe := m.s.options.WebSocket.Describe; describe != nil {
			id, eventType = describe(m.text)
			if strings.ContainsAny(id, "\r\n\x00") || !utf8.ValidString(id) {
				id = "" // which no event stream can have
			}
			if strings.ContainsAny(eventType, "\r\n\x00") {
				eventType = ""
			}
		}
		m.encode(id, eventType, m.text)
	}
	if cap(m.text) > keptSize {
		m.text = nil
	}
	if m.err == nil && (len(m.out) == 0 || len(m.out) > limit) {
		m.out = nil
		m.fail(websocket.StatusMessageTooBig, &stream.SizeError{Offset: start, Limit: limit})
	}
}

// fail ends the messages with an error, and a close frame with a code.
func (m *messages) fail(code websocket.StatusCode, err error) {
	m.code.Store(int64(code)) // which the end of the context may read at once
	m.err = err
}

// keptSize is the size of a message up to which its room is used again.
const keptSize = 64 << 10

func countLines(text []byte) int {
	return 1 + bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r"))
}

// encode makes an event of a text, which may be too large to copy for it.
func (m *messages) encode(id, eventType string, text []byte) {
	head := stream.Event{ID: id, Type: eventType}
	m.buf, _ = head.AppendText(slices.Grow(m.buf[:0], len(text)+64)) // nothing in it can be refused
	m.buf = bytes.TrimSuffix(m.buf, []byte("data: \n\n"))
	for more := true; more; {
		line := text
		i := bytes.IndexAny(text, "\r\n")
		if more = i >= 0; more {
			line = text[:i]
			if bytes.HasPrefix(text[i:], []byte("\r\n")) {
				i++
			}
			text = text[i+1:]
		}
		m.buf = append(append(append(m.buf, "data: "...), line...), '\n')
	}
	m.buf = append(m.buf, '\n')
	m.out = m.buf
}

// cause returns the error of a connection of which the library has one. An orderly
// end is io.EOF.
func (m *messages) cause(err error) error {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		m.closed = &CloseError{Code: int(closed.Code), Reason: string(stream.AppendValid(nil, []byte(closed.Reason)))}
		if m.closed.isOrderly() {
			return io.EOF
		}
		return m.closed
	case m.wire.closing.Load():
		return errDisconnected
	case m.wire.err != nil && m.wire.err != errWireEnd:
		return m.wire.err
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		return errNotTaken // the library closed the connection
	case m.wire.err == errWireEnd:
		// The system reports a reset once, here to a write.
		if failed := m.wire.failed.Load(); failed != nil && errors.Is(*failed, syscall.ECONNRESET) {
			return *failed
		}
		return io.ErrUnexpectedEOF
	}
	text := err.Error()
	for _, words := range []string{"failed to get reader: ", "failed to read: ", "received "} {
		text = strings.TrimPrefix(text, words)
	}
	m.code.Store(int64(websocket.StatusProtocolError))
	return &ProtocolError{Reason: text}
}

// errNotTaken is the end that the library makes of a connection whose server takes no
// pong.
var errNotTaken = errors.New("server did not take a pong within 5 seconds")

// counted returns how many bytes of messages have come since the last call.
func (m *messages) counted() (n int64) {
	n, m.told = m.size-m.told, m.size
	return n
}

// end closes the connection with a close frame, at the first call.
func (m *messages) end() {
	m.ending.Do(func() {
		select {
		case <-m.sent: // also if the caller has enough before
		case <-time.After(closeTime):
		}
		m.wire.closing.Store(true)
		defer time.AfterFunc(closeTime, func() { m.wire.Close() }).Stop()
		m.conn.Close(websocket.StatusCode(cmp.Or(m.code.Load(), int64(websocket.StatusNormalClosure))), "")
		m.wire.Close()
		<-m.sent
	})
}

// Close implements [io.Closer].
func (m *messages) Close() error {
	m.release()
	m.end()
	return nil
}
