//go:build unix

package serve

import "syscall"

// canTry is whether sockets can be read and written without waiting.
const canTry = true

// tryWrite writes as much as the socket takes at once.
func tryWrite(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// isAlive reports whether the peer of a socket is still there. The bytes it
// has sent meanwhile are discarded.
func isAlive(raw syscall.RawConn) (alive bool) {
	var b [512]byte
	err := raw.Read(func(fd uintptr) bool {
		n, err := syscall.Read(int(fd), b[:])
		alive = n > 0 || err == syscall.EAGAIN || err == syscall.EINTR
		return true
	})
	return err == nil && alive
}
