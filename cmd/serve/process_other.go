//go:build !unix

package servecmd

import (
	"math"
	"os"
	"os/exec"
)

// raiseFileLimit returns the limit of open files: here is none to speak of.
func raiseFileLimit() int { return math.MaxInt }

// asGroup leaves command as it is: here, it is ended alone.
func asGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) {}

// terminate ends a command.
var terminate = os.Kill

// passedSignals are those that a command gets when we get them.
var passedSignals = []os.Signal{os.Interrupt}

// isKey reports whether the terminal has sent the signal to the command too.
func isKey(os.Signal) bool { return true }

// signal sends a signal to the command: here, the one to end it.
func (a *app) signal(s os.Signal) {
	if s == terminate {
		a.command.Process.Kill()
	}
}

func exitStatus(state *os.ProcessState) int { return state.ExitCode() }
