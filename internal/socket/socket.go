// Package socket cuts TCP connections without losing the bytes that were sent
// before.
package socket

import (
	"net"
	"syscall"
	"time"
)

// How long the peer has to read the stream before a reset, which discards the
// bytes that wait on either side. The first is for its system, the second for the
// program: Node.js takes a reset that comes with the last data for an end.
const (
	drainTime  = 500 * time.Millisecond
	drainPoll  = 5 * time.Millisecond
	settleTime = 100 * time.Millisecond
)

// Drain waits until the peer of a socket has had the time to read all that was
// sent. It waits by sleep, and returns when that returns an error. The socket may
// be nil.
func Drain(socket syscall.RawConn, sleep func(time.Duration) error) {
	for waited := time.Duration(0); socket != nil && waited < drainTime && Unsent(socket) > 0; waited += drainPoll {
		if sleep(drainPoll) != nil {
			return
		}
	}
	sleep(settleTime)
}

// Under returns the connection that carries conn: that of TLS, or conn itself.
func Under(conn net.Conn) net.Conn {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return secure.NetConn()
	}
	return conn
}

// Raw returns access to the socket of a connection, that under TLS included; nil
// if there is none.
func Raw(conn net.Conn) syscall.RawConn {
	if sc, ok := Under(conn).(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// Cut closes a connection without a close_notify of TLS, by a reset if wanted.
func Cut(conn net.Conn, reset bool) error {
	conn = Under(conn)
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0)
	}
	return conn.Close()
}
