package relay

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
)

// TestSilenceIsNotStuck has a stream that is silent for longer than a client may take
// no data. HTTP/2 ends a stream at its deadline, whether somebody writes or not.
func TestSilenceIsNotStuck(t *testing.T) {
	const text = "data: a\n\ndata: b\n\n"
	up := rawServer(t, func(conn *net.TCPConn, _ string, _ *bufio.Reader) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"+text[:9])
		time.Sleep(2500 * time.Millisecond) // longer than the limit: nothing to wait for
		io.WriteString(conn, text[9:])
	})
	for _, secure := range []bool{false, true} {
		s := start(t, &Relay{WriteTimeout: 2 * time.Second}, up.URL)
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		response, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != text || err != nil {
			t.Errorf("TLS %v: %q, %v", secure, body, err)
		}
	}
}
