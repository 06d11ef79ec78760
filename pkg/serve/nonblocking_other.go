//go:build !unix

package serve

import (
	"errors"
	"syscall"
)

// canTry is false: sockets are read and written by waiting only.
const canTry = false

func tryWrite(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

func isAlive(syscall.RawConn) bool { return true }
