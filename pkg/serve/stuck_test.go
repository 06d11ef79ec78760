package serve_test

import (
	"bufio"
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
		h := &serve.Handler{History: history, Options: serve.Options{WriteTimeout: -1, Heartbeat: -1, Closed: func(c serve.Connection) { ended <- c }}}
		if version == "2" {
			response, err := newTLS(t, h).Client().Get(newTLS(t, h).URL)
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
