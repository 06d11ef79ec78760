package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

// TestCloseWithStuckClients wants Close to end, though clients of all versions of
// HTTP take nothing and no write has a time limit.
func TestCloseWithStuckClients(t *testing.T) {
	for _, version := range []string{"1.0", "1.1", "2"} {
		history := &serve.History{}
		ended := make(chan serve.Connection, 1)
		h := &serve.Handler{History: history, WriteTimeout: -1, Heartbeat: -1, Closed: func(c serve.Connection) { ended <- c }}
		if version == "2" {
			server := newTLS(t, h)
			response, err := server.Client().Get(server.URL)
			if err != nil || response.ProtoMajor != 2 {
				t.Fatal(err)
			}
			defer response.Body.Close()
		} else {
			conn, err := net.Dial("tcp", strings.TrimPrefix(start(t, h), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET / HTTP/%s\r\nHost: x\r\n\r\n", version)
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		for range 64 { // more than all buffers between the two hold
			history.Append(stream.Event{Data: strings.Repeat("x", 1<<20)})
		}
		closed := make(chan struct{})
		go func() { h.Close(); close(closed) }()
		select {
		case <-closed:
			if c := <-ended; c.End != serve.EndedServer {
				t.Errorf("HTTP/%s: the connection ended with %q", version, c.End)
			}
		case <-time.After(time.Minute):
			t.Fatalf("HTTP/%s: Close did not end within a minute", version)
		}
	}
}

// TestSlowReaderIsNotStuck has a client that takes a little all the time, and
// less in the write timeout than is written at once.
func TestSlowReaderIsNotStuck(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		synctest.Test(t, func(t *testing.T) {
			const size = 2 << 20
			history := &serve.History{}
			for range 8 {
				history.Append(stream.Event{Data: strings.Repeat("x", size/8)})
			}
			history.End()
			h := &serve.Handler{History: history}
			listener := make(pipes)
			server := &http.Server{Handler: h}
			done := make(chan struct{})
			go func() { server.Serve(listener); close(done) }()
			near, far := net.Pipe()
			listener <- far
			go fmt.Fprintf(near, "GET / HTTP/%s\r\nHost: localhost\r\n\r\n", version)
			read := 0
			for piece := make([]byte, 1<<10); ; time.Sleep(time.Second) { // a tenth of a batch in the timeout
				n, err := io.ReadFull(near, piece)
				if read += n; err != nil {
					break
				}
			}
			if read < size {
				t.Errorf("HTTP/%s: the client was cut after %d of %d bytes", version, read, size)
			}
			h.Close()
			server.Close()
			<-done
		})
	}
}

// A stuckConn is a connection that stops reading when its budget is used up.
type stuckConn struct {
	net.Conn
	budget int
	closed chan struct{}
}

func (c *stuckConn) Read(p []byte) (int, error) {
	if c.budget <= 0 {
		<-c.closed
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p[:min(len(p), c.budget)])
	c.budget -= n
	return n, err
}

// TestCloseWithAStuckConnection has a client of HTTP/2 that takes nothing from the
// whole connection, so that not even a reset of its stream can be sent. The
// connection belongs to the server: Close must not wait for it, and say so.
func TestCloseWithAStuckConnection(t *testing.T) {
	history := &serve.History{}
	h := &serve.Handler{History: history, WriteTimeout: -1, Heartbeat: -1}
	server := newTLS(t, h)
	t.Cleanup(server.CloseClientConnections) // before the server is closed
	closed := make(chan struct{})
	defer close(closed)
	transport := server.Client().Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn.(*net.TCPConn).SetReadBuffer(4 << 10) // less than HTTP/2 lets a server send
		return &stuckConn{conn, 8 << 10, closed}, nil
	}
	history.Append(stream.Event{Data: "first"})
	response, err := server.Client().Get(server.URL)
	if err != nil || response.ProtoMajor != 2 {
		t.Fatal(response, err)
	}
	for range 64 {
		history.Append(stream.Event{Data: strings.Repeat("x", 1<<20)})
	}
	result := make(chan error, 1)
	go func() { result <- h.Close() }()
	select {
	case err := <-result:
		if err == nil {
			t.Error("Close reports no error: the connection was not stuck")
		}
	case <-time.After(time.Minute):
		t.Fatal("Close did not end within a minute")
	}
}
