//go:build !linux

package socket

import "syscall"

// Unsent returns 0: this system does not report it.
func Unsent(syscall.RawConn) int { return 0 }
