//go:build unix

package servecmd

import (
	"os"
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

// terminate asks a command to end.
const terminate = syscall.SIGTERM

// passedSignals are those that a command gets when we get them.
var passedSignals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// isKey reports whether the terminal sends a signal to all of the group when a key
// is pressed.
func isKey(s os.Signal) bool { return s == syscall.SIGINT || s == syscall.SIGQUIT }

// signal sends a signal to the command, and to its group if that is its own.
func (a *app) signal(s os.Signal) {
	pid := a.command.Process.Pid
	if a.own {
		pid = -pid
	}
	if number, ok := s.(syscall.Signal); ok {
		syscall.Kill(pid, number)
	}
}

// exitStatus returns the status of a process that has ended, as a shell has it: 128
// and the number of the signal that ended it.
func exitStatus(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
