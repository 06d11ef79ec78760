package listen

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/ssectl/ssectl/pkg/stream"
)

// WebSocket configures a stream whose request has a URL of the scheme ws or wss. Each
// text message of the server is an event whose data is the text, with line ends as
// LF. A binary message is an event of the type [BinaryType], in base64.
type WebSocket struct {
	// Send has the texts that are sent after each handshake.
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
		_, reason, _ := strings.Cut(err.Error(), "protocol violation: ")
		return nil, &ProtocolError{Reason: "handshake: " + reason}
	case err != nil:
		return resp, nil // which accept refuses
	}
	conn.SetReadLimit(-1)
	m := &messages{s: s, conn: conn, wire: shake.wire, code: websocket.StatusNormalClosure}
	m.release = context.AfterFunc(req.Context(), m.end)
	resp.Body = m
	for _, text := range s.options.WebSocket.Send {
		if err := conn.Write(req.Context(), websocket.MessageText, []byte(text)); err != nil {
			m.end()
			return nil, fmt.Errorf("sending a text: %w", m.cause(err))
		}
	}
	return resp, nil
}

// A handshake sends the request of the library with the client of the stream, which
// knows redirects, cookies and proxies.
type handshake struct {
	s        *Stream
	response *http.Response // that came with err
	err      error
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
	}
	return resp, nil
}

// A wire is the connection under a WebSocket.
type wire struct {
	io.ReadWriteCloser
	watch   *watch
	closing atomic.Bool // another goroutine may read now
	err     error       // of a read
}

// errWireEnd is the end of the connection. The library takes io.EOF for the end of a
// message, even within a frame.
var errWireEnd = errors.New("connection closed without a close frame")

func (w *wire) Read(p []byte) (int, error) {
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

// messages are those of a WebSocket, as the body of a response: each is an event of
// an event stream.
type messages struct {
	s       *Stream
	conn    *websocket.Conn
	wire    *wire
	release func() bool // lets go of the context
	ending  sync.Once
	code    websocket.StatusCode // of the close frame that we send

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
	m.out = m.out[n:]
	return n, nil
}

// next reads a message.
func (m *messages) next() {
	limit := m.s.options.MaxEventSize
	if limit == 0 {
		limit = stream.DefaultMaxEventSize
	}
	kind, r, err := m.conn.Reader(context.Background())
	if cap(m.text) > keptSize {
		m.text, m.buf = nil, nil // a huge message is no reason to keep its room
	}
	m.text = m.text[:0]
	for err == nil && len(m.text) <= limit {
		m.text = slices.Grow(m.text, 512)
		var n int
		n, err = r.Read(m.text[len(m.text):cap(m.text)])
		m.text = m.text[:len(m.text)+n]
	}
	start := m.size
	m.size += int64(len(m.text))
	switch {
	case err != nil && err != io.EOF:
		m.err = m.cause(err)
		if len(m.text) > 0 {
			// What has come of a message is an event without its blank line.
			m.encode(stream.Event{Data: string(m.text)})
			m.out = bytes.TrimRight(m.out, "\n")
		}
	case kind == websocket.MessageBinary && base64.StdEncoding.EncodedLen(len(m.text)) <= limit:
		m.encode(stream.Event{Type: BinaryType, Data: base64.StdEncoding.EncodeToString(m.text)})
	case kind == websocket.MessageText && len(m.text)+len("data: ")*countLines(m.text) <= limit:
		if !utf8.Valid(m.text) {
			m.code, m.err = websocket.StatusInvalidFramePayloadData, &ProtocolError{Reason: "a text is not UTF-8"}
			return
		}
		event := stream.Event{Data: string(m.text)}
		if describe := m.s.options.WebSocket.Describe; describe != nil {
			event.ID, event.Type = describe(m.text)
			if strings.ContainsAny(event.ID, "\r\n\x00") || !utf8.ValidString(event.ID) {
				event.ID = "" // which no event stream can have
			}
			if strings.ContainsAny(event.Type, "\r\n\x00") {
				event.Type = ""
			}
		}
		m.encode(event)
	}
	if m.err == nil && (len(m.out) == 0 || len(m.out) > limit) {
		m.out = nil
		m.code, m.err = websocket.StatusMessageTooBig, &stream.SizeError{Offset: start, Limit: limit}
	}
}

// keptSize is the size of a message up to which its room is used again.
const keptSize = 64 << 10

func countLines(text []byte) int {
	return 1 + bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r"))
}

func (m *messages) encode(event stream.Event) {
	m.buf, _ = event.AppendText(m.buf[:0]) // nothing in it can be refused
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
	case m.wire.err == errWireEnd:
		return io.ErrUnexpectedEOF
	case m.wire.err != nil:
		return m.wire.err
	case m.wire.closing.Load():
		return errDisconnected
	}
	text := err.Error()
	for _, words := range []string{"failed to get reader: ", "failed to read: ", "received "} {
		text = strings.TrimPrefix(text, words)
	}
	m.code = websocket.StatusProtocolError
	return &ProtocolError{Reason: text}
}

// counted returns how many bytes of messages have come since the last call.
func (m *messages) counted() (n int64) {
	n, m.told = m.size-m.told, m.size
	return n
}

// end closes the connection with a close frame, at the first call.
func (m *messages) end() {
	m.ending.Do(func() {
		m.wire.closing.Store(true)
		defer time.AfterFunc(closeTime, func() { m.wire.Close() }).Stop()
		m.conn.Close(m.code, "")
		m.wire.Close()
		m.release()
	})
}

// Close implements [io.Closer].
func (m *messages) Close() error {
	m.end()
	return nil
}
