package serve

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// wire is the connection itself: batches go out as they are in the log.
type wire struct {
	conn net.Conn
	head []byte // still to be sent
}

func newWire(conn net.Conn, status int, header http.Header, cuts bool) *wire {
	return &wire{conn: conn, head: headerBlock(status, header, cuts)}
}

func (w *wire) batch(b *batch) error { return w.write(b.wire()) }

func (w *wire) text(text []byte) error {
	if len(text) == 0 {
		return w.write(nil)
	}
	chunk := make([]byte, 0, len(text)+16)
	chunk = append(strconv.AppendInt(chunk, int64(len(text)), 16), crlf...)
	chunk = append(append(chunk, text...), crlf...)
	return w.write(chunk)
}

func (w *wire) write(bytes []byte) error {
	if w.head == nil {
		return w.writeOn(bytes)
	}
	buffers := net.Buffers{w.head, bytes}
	w.head = nil
	_, err := buffers.WriteTo(w.conn)
	return err
}

// writeOn writes at most a segment at once, so that progress can be seen.
func (w *wire) writeOn(bytes []byte) error {
	for len(bytes) > 0 {
		n, err := w.conn.Write(bytes[:min(len(bytes), segmentSize)])
		if err != nil {
			return err
		}
		bytes = bytes[n:]
	}
	return nil
}

func (w *wire) finish() error {
	err := w.write([]byte("0\r\n\r\n"))
	w.conn.Close()
	return err
}

func (w *wire) cut(reset bool) {
	conn := w.conn
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tls.NetConn() // and no word of farewell by TLS
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// response is a response of package net/http, for HTTP/2 and wherever else the
// connection cannot be had.
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	status  int // still to be sent
	timeout time.Duration
}

func newResponse(w http.ResponseWriter, status int, timeout time.Duration) *response {
	return &response{w: w, control: http.NewResponseController(w), status: status, timeout: timeout}
}

func (r *response) batch(b *batch) error {
	r.begin()
	for i := b.from; i < b.to; i++ {
		if _, err := r.w.Write(b.text(i)); err != nil {
			return err
		}
	}
	return r.control.Flush()
}

func (r *response) text(text []byte) error {
	r.begin()
	if _, err := r.w.Write(text); err != nil {
		return err
	}
	return r.control.Flush()
}

func (r *response) begin() {
	if r.timeout > 0 {
		// Not all kinds of ResponseWriter know deadlines; those do without.
		r.control.SetWriteDeadline(time.Now().Add(r.timeout))
	}
	if r.status != 0 {
		r.w.WriteHeader(r.status)
		r.status = 0
	}
}

func (r *response) finish() error {
	r.begin()
	return nil
}

// cut leaves the rest to the handler, which has to panic.
func (r *response) cut(bool) {}
