//go:build linux

package serve

import (
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ssectl/ssectl/internal/socket"
)

// TestSlowReaderFreesTheSendQueue has a write that waits for room, and a peer that
// reads too little for the system to wake the writer. What leaves the queue of
// the socket has to count as progress; silence must not.
func TestSlowReaderFreesTheSendQueue(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	h := &Handler{}
	h.init()
	c := &client{h: h, conn: conn, socket: rawOf(conn), faults: h.faults.Uncounted(httptest.NewRequest("GET", "/", nil)), signal: make(chan struct{}, 1)}
	full := func() (n int) { // writes until the connection takes no more
		conn.SetWriteDeadline(time.Now().Add(time.Minute))
		for failed := error(nil); failed == nil; {
			c.socket.Write(func(fd uintptr) bool {
				var k int
				k, failed = tryWrite(fd, make([]byte, 64<<10))
				n += max(k, 0)
				return true
			})
		}
		return n
	}
	c.moved.Add(int64(full()))
	c.busy.Store(true)
	now := time.Now()
	h.lookAfter(c, now, false)
	before, read := socket.Unsent(c.socket), 0
	for piece := make([]byte, 64<<10); socket.Unsent(c.socket) >= before; {
		n, err := near.Read(piece)
		if err != nil {
			t.Fatalf("after %d bytes: %v", read, err)
		}
		read += n
	}
	now = now.Add(h.writeTimeout() + time.Second)
	h.lookAfter(c, now, false)
	if cause := c.cause.Load(); cause != nil {
		t.Fatalf("a client that read %d bytes was cut: %s", read, *cause)
	}
	h.lookAfter(c, now.Add(time.Second), false) // the queue may have moved on once more
	h.lookAfter(c, now.Add(h.writeTimeout()+2*time.Second), false)
	if c.cause.Load() == nil {
		t.Error("a client that reads nothing was not cut")
	}
}
