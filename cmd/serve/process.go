//go:build unix

package servecmd

import (
	"os/exec"
	"syscall"
)

// wantFiles is the limit of open files that we ask for: more than one machine
// has use for, and the default hard limit of Linux.
const wantFiles = 1 << 20

// raiseFileLimit raises the limit of open files as far as allowed, and returns
// it. A Go program has already raised it to the hard limit when main starts.
func raiseFileLimit() int {
	var limit syscall.Rlimit
	raised := syscall.Rlimit{Cur: wantFiles, Max: wantFiles}
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return wantFiles
	}
	if limit.Cur < wantFiles && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
		return wantFiles
	}
	return int(min(limit.Cur, wantFiles))
}

// asGroup makes command end, with its context, the processes that it started too.
func asGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
}

// killGroup ends the processes that are left of the group of a command.
func killGroup(command *exec.Cmd) {
	if command.Process != nil {
		syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}
