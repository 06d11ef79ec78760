//go:build unix

package serve

import (
	"net"
	"syscall"
)

// aliveFunc returns a function that tells, at once, whether the peer of conn is
// still there. What it has sent meanwhile is thrown away. The function is nil
// if only a read that waits can tell.
func aliveFunc(conn net.Conn) func() bool {
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tls.NetConn()
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return func() (alive bool) {
		var b [512]byte
		err := raw.Read(func(fd uintptr) bool {
			n, err := syscall.Read(int(fd), b[:])
			alive = n > 0 || err == syscall.EAGAIN || err == syscall.EINTR
			return true
		})
		return err == nil && alive
	}
}
