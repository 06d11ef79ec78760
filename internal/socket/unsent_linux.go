package socket

import (
	"syscall"
	"unsafe"
)

// Unsent returns how many bytes the system has not yet handed to the peer of a
// socket, and seen acknowledged (SIOCOUTQ in tcp(7)).
func Unsent(raw syscall.RawConn) int {
	var queued int32
	raw.Control(func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&queued)))
	})
	return int(queued)
}
