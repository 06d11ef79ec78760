//go:build unix

package cursor

import (
	"os"
	"syscall"
)

// lock keeps other processes from writing cursor files in a folder until
// unlock is called. It locks the folder, as each save replaces the file. Where
// the file system has no locks, there is none.
func lock(folder string) (unlock func()) {
	f, err := os.Open(folder)
	if err != nil {
		return func() {}
	}
	for syscall.Flock(int(f.Fd()), syscall.LOCK_EX) == syscall.EINTR {
	}
	return func() { f.Close() }
}
