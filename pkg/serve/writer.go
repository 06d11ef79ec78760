package serve

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/internal/socket"
)

// smallWrite is how much is written at once where a client takes less than there
// is, so that each write it makes possible is seen as progress.
const smallWrite = 16 << 10

// A connWriter is the connection itself: batches go out as they are in the log.
type connWriter struct {
	conn   net.Conn
	socket syscall.RawConn // nil if bytes cannot be written to it directly
	head   []byte          // still to be sent
	moved  *atomic.Int64   // counts the bytes that conn took
}

func newConnWriter(c *client, header http.Header) *connWriter {
	return &connWriter{conn: c.conn, socket: rawOf(c.conn), head: headerBlock(c.status, header, c.faults.Cuts()), moved: &c.moved}
}

func (w *connWriter) batch(b *batch) error { return w.write(b.chunks()) }

func (w *connWriter) text(text []byte) error {
	if len(text) == 0 {
		return w.write(nil)
	}
	chunk := make([]byte, 0, len(text)+16)
	chunk = append(strconv.AppendInt(chunk, int64(len(text)), 16), crlf...)
	chunk = append(append(chunk, text...), crlf...)
	return w.write(chunk)
}

func (w *connWriter) write(bytes []byte) error {
	if w.head == nil {
		return w.writeOn(bytes)
	}
	buffers := net.Buffers{w.head, bytes[:min(len(bytes), smallWrite)]}
	w.head = nil
	n, err := buffers.WriteTo(w.conn)
	w.moved.Add(n)
	if err != nil {
		return err
	}
	return w.writeOn(bytes[min(len(bytes), smallWrite):])
}

// writeOn writes all that the connection takes at once, and a little of the
// rest when it takes more: a client that is slow but reads is not stuck.
func (w *connWriter) writeOn(bytes []byte) error {
	for len(bytes) > 0 {
		n, err := w.try(bytes)
		if n == 0 && err == nil {
			n, err = w.conn.Write(bytes[:min(len(bytes), smallWrite)])
		}
		w.moved.Add(int64(n))
		if err != nil {
			return err
		}
		bytes = bytes[n:]
	}
	return nil
}

// try writes as much as the socket has room for.
func (w *connWriter) try(bytes []byte) (n int, err error) {
	if w.socket == nil {
		return 0, nil
	}
	rawErr := w.socket.Write(func(fd uintptr) bool {
		n, err = tryWrite(fd, bytes)
		return true
	})
	if errors.Is(err, syscall.EAGAIN) {
		return 0, nil
	}
	return max(n, 0), cmp.Or(err, rawErr)
}

func (w *connWriter) finish() error {
	err := w.write([]byte("0\r\n\r\n"))
	w.conn.Close()
	return err
}

func (w *connWriter) cut(reset bool) { socket.Cut(w.conn, reset) }

func (w *connWriter) timeOut(header http.Header) bool {
	if w.head == nil {
		return false
	}
	w.head = headerBlock(http.StatusGatewayTimeout, header, false)
	if w.text([]byte(timeOutBody)) == nil {
		w.finish()
	}
	w.conn.Close()
	return true
}

// timeOutBody is the answer of a proxy that has waited long enough.
var timeOutBody = http.StatusText(http.StatusGatewayTimeout) + "\n"

// An httpWriter is a response of package net/http, for HTTP/2 and where else the
// connection cannot be taken over.
type httpWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	status  int // still to be sent
	timeout time.Duration
	moved   *atomic.Int64 // counts the bytes that w took
}

func newHTTPWriter(w http.ResponseWriter, c *client) *httpWriter {
	return &httpWriter{w: w, control: http.NewResponseController(w), status: c.status, timeout: c.h.writeTimeout(), moved: &c.moved}
}

func (r *httpWriter) batch(b *batch) error {
	for i := b.from; i < b.to; i++ {
		if err := r.write(b.text(i)); err != nil {
			return err
		}
	}
	return r.control.Flush()
}

func (r *httpWriter) text(text []byte) error {
	if err := r.write(text); err != nil {
		return err
	}
	return r.control.Flush()
}

// write writes in small pieces, each with a deadline of its own.
func (r *httpWriter) write(text []byte) error {
	for {
		r.begin()
		n, err := r.w.Write(text[:min(len(text), smallWrite)])
		r.moved.Add(int64(n))
		if text = text[n:]; err != nil || len(text) == 0 {
			return err
		}
	}
}

func (r *httpWriter) begin() {
	if r.timeout > 0 {
		// Not all kinds of ResponseWriter know deadlines; those do without.
		r.control.SetWriteDeadline(time.Now().Add(r.timeout))
	}
	if r.status != 0 {
		r.w.WriteHeader(r.status)
		r.status = 0
	}
}

func (r *httpWriter) finish() error {
	if r.status != 0 {
		r.begin()
	}
	return nil
}

// cut leaves the rest to the handler, which has to panic.
func (r *httpWriter) cut(bool) {}

func (r *httpWriter) timeOut(header http.Header) bool {
	if r.status == 0 {
		return false
	}
	clear(r.w.Header())
	maps.Copy(r.w.Header(), header)
	r.status = http.StatusGatewayTimeout
	r.write([]byte(timeOutBody))
	return true
}
