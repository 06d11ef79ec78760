//go:build unix

package servecmd

import (
	"os/exec"
	"syscall"
)

// wantFiles is the limit of open files that we ask for: more than one machine
// has use for, and what Linux grants by default to those who may.
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

// asGroup lets command, when its context ends, take with it what it started.
func asGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
}

// killGroup ends what is left of the group of a command.
func killGroup(command *exec.Cmd) {
	if command.Process != nil {
		syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}
