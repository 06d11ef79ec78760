package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/socket"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// Frames is the form in which a WebSocket gets events, one text message each.
type Frames string

// The choices of [Options.Frames].
const (
	FramesData Frames = "data" // the data alone
	FramesJSON Frames = "json" // the event as a JSON line of package record, without a time
)

// maxMessage bounds a message of a client. Its text has no meaning to us.
const maxMessage = 1 << 20

// A webSocket is the state that only clients of WebSockets have.
type webSocket struct {
	frames  Frames
	pieces  fault.Pieces // in which each message is sent
	garbles bool         // messages that are not UTF-8 are meant so

	code     websocket.StatusCode // of the close frame
	silent   atomic.Bool          // a fault wants nothing at all to be sent
	received atomic.Int64         // messages
}

// isUpgrade reports whether a request asks for a WebSocket.
func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 &&
		httpx.HasToken(r.Header, "Connection", "upgrade") && httpx.HasToken(r.Header, "Upgrade", "websocket")
}

// expectMessages has the client get messages of a WebSocket.
func (c *client) expectMessages(r *http.Request) {
	c.ws = &webSocket{frames: c.h.Frames, code: websocket.StatusNormalClosure}
	switch r.URL.Query().Get("format") { // others may mean something to the API that is faked
	case "data":
		c.ws.frames = FramesData
	case "json", "jsonl":
		c.ws.frames = FramesJSON
	}
	c.faults, c.ws.pieces, c.ws.garbles = c.faults.OfMessages()
}

// allowsOrigin reports whether a page may open a WebSocket: browsers ask nobody else
// (https://www.rfc-editor.org/rfc/rfc6455#section-10.2).
func (h *Handler) allowsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	_, host, _ := strings.Cut(origin, "://")
	return origin == "" || h.CORS == "*" || strings.EqualFold(origin, h.CORS) || strings.EqualFold(host, r.Host)
}

// upgrade answers the handshake of a client that has entered, and sends it the
// events.
func (h *Handler) upgrade(w http.ResponseWriter, r *http.Request, c *client) {
	c.status = http.StatusSwitchingProtocols
	shake := &handshake{ResponseWriter: w, wire: &wire{moved: &c.moved}}
	refuse := func(status int) {
		c.status, c.ended = status, endRefused
		h.leave(c)
	}
	if !h.allowsOrigin(r) {
		h.answer(w, r, http.StatusForbidden)
		refuse(http.StatusForbidden)
		return
	}
	w.Header().Del("Content-Type")
	for _, name := range httpx.ErrorFields {
		w.Header().Del(name)
	}
	options := &websocket.AcceptOptions{
		InsecureSkipVerify: true, // allowsOrigin has looked
	}
	out := &messageWriter{c: c, webSocket: c.ws, wire: shake.wire}
	options.OnPingReceived = out.pinged
	if offered := r.Header.Get("Sec-WebSocket-Protocol"); offered != "" {
		// A browser that offers some wants one of them.
		first, _, _ := strings.Cut(offered, ",")
		options.Subprotocols = []string{strings.TrimSpace(first)}
	}
	conn, err := websocket.Accept(shake, r, options)
	if err != nil {
		refuse(shake.status) // the library has answered
		return
	}
	conn.SetReadLimit(maxMessage)
	c.connect(shake.wire.Conn)
	out.conn = conn
	h.wg.Go(out.read)
	go c.run(c.withFaults(out))
}

// A handshake is a response to the library. The head of a 101 stays in the wire, to
// go out with the first bytes of the stream, when that is due.
type handshake struct {
	http.ResponseWriter
	wire   *wire
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (s *handshake) WriteHeader(status int) {
	s.status = status
	if status != http.StatusSwitchingProtocols {
		s.ResponseWriter.WriteHeader(status)
		return
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	s.Header().Write(&b)
	b.WriteString("\r\n")
	s.wire.head = b.Bytes()
}

// wireBuffer is the size of each buffer of a connection: a control frame fits in. Data
// is written past it.
const wireBuffer = 256

// Hijack implements [http.Hijacker].
func (s *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, read, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	conn.SetDeadline(time.Time{})
	s.wire.Conn = conn
	early, _ := read.Reader.Peek(read.Reader.Buffered())
	s.wire.early = bytes.Clone(early)
	// The buffers of package net/http take 8 KiB, of which nothing is needed.
	return s.wire, bufio.NewReadWriter(bufio.NewReaderSize(s.wire, wireBuffer), bufio.NewWriterSize(s.wire, wireBuffer)), nil
}

// A wire is the connection of a WebSocket, to the library.
type wire struct {
	net.Conn
	early []byte        // was read with the request
	moved *atomic.Int64 // counts the bytes that Conn took
	lost  atomic.Bool   // reading failed

	mu   sync.Mutex // held for each write, of a control frame or of data
	head []byte     // of the response, still to be sent
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.early) > 0 {
		n := copy(p, w.early)
		w.early = w.early[n:]
		return n, nil
	}
	n, err := w.Conn.Read(p)
	if err != nil {
		w.lost.Store(true)
	}
	return n, err
}

// Write writes in small pieces, so that a client that is slow but reads is not stuck.
func (w *wire) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.head)
	if before > 0 {
		p = append(w.head, p...)
		w.head = nil
	}
	for n < len(p) && err == nil {
		var moved int
		moved, err = w.Conn.Write(p[n:min(n+smallWrite, len(p))])
		w.moved.Add(int64(moved))
		n += moved
	}
	return max(n-before, 0), err
}

// A messageWriter sends each event as a message of a WebSocket.
type messageWriter struct {
	c *client
	*webSocket
	conn  *websocket.Conn
	wire  *wire
	begun []byte // a block of the stream, of which a fault holds the rest back
	buf   []byte

	sending sync.Mutex             // held while a message, or a pong, is sent
	owed    atomic.Pointer[[]byte] // the payload of the latest ping without a pong
}

// read counts and discards the messages of the client until the connection ends.
// The library answers the close frame.
func (w *messageWriter) read() {
	defer w.c.end(EndedClient)
	for {
		kind, message, err := w.conn.Reader(context.Background())
		text := &utf8Checker{}
		if err == nil {
			_, err = io.Copy(text, message)
		}
		code := websocket.StatusProtocolError // unless the library has sent another one
		switch {
		case err == nil && kind == websocket.MessageText && !text.isWhole():
			code = websocket.StatusInvalidFramePayloadData
		case err == nil:
			w.received.Add(1)
			continue
		case websocket.CloseStatus(err) != -1, w.wire.lost.Load(), w.silent.Load():
			return
		}
		// The library takes what comes until the close frame of the client: bytes that
		// are not read at the end would be a reset, which overtakes our frame.
		defer time.AfterFunc(closeFrameTime, func() { w.wire.Conn.Close() }).Stop()
		w.conn.Close(code, "")
		return
	}
}

// A utf8Checker finds bytes that are not UTF-8 in a text that comes in pieces.
type utf8Checker struct {
	rest   []byte // of a character that has begun
	broken bool
}

func (c *utf8Checker) Write(p []byte) (int, error) {
	text := append(c.rest, p...)
	end := len(text)
	for i := max(0, end-utf8.UTFMax+1); i < end; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			end = i
		}
	}
	c.broken = c.broken || !utf8.Valid(text[:end])
	c.rest = append(c.rest[:0], text[end:]...)
	return len(p), nil
}

func (c *utf8Checker) isWhole() bool { return !c.broken && len(c.rest) == 0 }

// pinged owes the client a pong. The library would wait for the end of a message that the
// client takes slowly, and give up the connection after five seconds.
func (w *messageWriter) pinged(_ context.Context, payload []byte) bool {
	if !w.silent.Load() {
		payload = bytes.Clone(payload)
		w.owed.Store(&payload)
		w.pong()
	}
	return false
}

// pong sends the pong that is owed, unless a message is sent: it comes after that.
func (w *messageWriter) pong() {
	for w.owed.Load() != nil && w.sending.TryLock() {
		if payload := w.owed.Swap(nil); payload != nil {
			w.wire.Write(append([]byte{0x8a, byte(len(*payload))}, *payload...))
		}
		w.sending.Unlock()
	}
}

func (w *messageWriter) batch(b *batch) (err error) {
	for i := b.from; i < b.to && err == nil; i++ {
		if b.entries[i].flags&entryIsEvent == 0 {
			continue
		}
		decoding(b.text(i), func(d *stream.Decoder) {
			if block, failed := d.Next(); failed == nil {
				err = w.event(block)
			}
		})
	}
	return err
}

// ping is a ping without a payload. That of the library waits for the pong.
var ping = []byte{0x89, 0}

// text sends the events of other bytes of the stream, and a ping for a heartbeat.
func (w *messageWriter) text(text []byte) (err error) {
	if len(text) == 0 {
		_, err = w.wire.Write(nil)
		return err
	}
	from := max(len(w.begun)-1, 0)
	w.begun = append(w.begun, text...)
	if fresh := w.begun[from:]; !bytes.Contains(fresh, []byte("\n\n")) && bytes.IndexByte(fresh, '\r') < 0 {
		return nil // no block ends
	}
	var done int64
	decoding(w.begun, func(d *stream.Decoder) {
		for b := range d.Blocks() {
			if b.Incomplete() || err != nil {
				break
			}
			done = d.InputOffset()
			if comment, ok := b.Comment(); ok && string(comment) == heartbeatComment {
				_, err = w.wire.Write(ping)
			} else if b.IsEvent() {
				err = w.event(b)
			}
		}
	})
	w.begun = w.begun[:copy(w.begun, w.begun[done:])]
	return err
}

// event sends one event.
func (w *messageWriter) event(b *stream.Block) error {
	message := b.Data()
	switch {
	case w.frames == FramesJSON:
		r := record.FromBlock(b, time.Time{})
		r.Raw = nil
		w.buf = r.AppendJSON(w.buf[:0])
		message = w.buf[:len(w.buf)-1] // the line feed
	case !w.garbles && !utf8.Valid(message):
		// A client has to fail the connection otherwise
		// (https://www.rfc-editor.org/rfc/rfc6455#section-8.1).
		w.buf = stream.AppendValid(w.buf[:0], message)
		message = w.buf
	}
	err := w.send(message)
	if err == nil {
		w.c.bytes.Add(int64(len(message)))
	}
	if cap(w.buf) > smallWrite {
		w.buf = nil // a large event is no reason to keep its room
	}
	return err
}

// send sends a message, in frames of the size that the faults want.
func (w *messageWriter) send(message []byte) error {
	defer w.pong()
	w.sending.Lock()
	defer w.sending.Unlock()
	if n := w.pieces.Next(message); n == len(message) {
		return w.conn.Write(context.Background(), websocket.MessageText, message)
	}
	out, err := w.conn.Writer(context.Background(), websocket.MessageText)
	for err == nil && len(message) > 0 {
		n := w.pieces.Next(message)
		_, err = out.Write(message[:n])
		message = message[n:]
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// closeFrameTime is how long a client may take to answer a close frame. The library
// grants five seconds.
const closeFrameTime = 2 * time.Second

// finish ends the connection with a close frame, and waits for that of the client.
func (w *messageWriter) finish() error {
	if cause := w.c.cause.Load(); cause != nil && *cause == EndedServer {
		w.code = websocket.StatusGoingAway
	}
	defer time.AfterFunc(closeFrameTime, func() { w.wire.Conn.Close() }).Stop()
	return w.conn.Close(w.code, "")
}

// cut ends the connection without a close frame. An event that has begun is begun
// as a frame too.
func (w *messageWriter) cut(reset bool) {
	if len(w.begun) > 0 {
		w.c.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
		decoding(append(w.begun, "\n\n"...), func(d *stream.Decoder) {
			var data []byte
			if b, err := d.Next(); err == nil {
				data = b.Data()
			}
			size := max(2*len(data), 1<<16) // as the header of the frame claims
			w.wire.Write(append(binary.BigEndian.AppendUint64([]byte{0x81, 127}, uint64(size)), data...))
		})
	}
	socket.Cut(w.c.conn, reset)
	w.conn.CloseNow()
}

func (w *messageWriter) timeOut(header http.Header) bool {
	w.wire.mu.Lock()
	unsent := w.wire.head != nil
	w.wire.head = nil
	w.wire.mu.Unlock()
	if !unsent {
		return false
	}
	out := &connWriter{conn: w.c.conn, head: headerBlock(http.StatusGatewayTimeout, header, false), moved: w.wire.moved}
	if out.text([]byte(timeOutBody)) == nil {
		out.finish()
	}
	w.conn.CloseNow()
	return true
}
