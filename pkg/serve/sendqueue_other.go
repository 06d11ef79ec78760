//go:build !linux

package serve

import "syscall"

// unsent returns 0: this system does not report it.
func unsent(syscall.RawConn) int { return 0 }
