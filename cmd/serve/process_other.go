//go:build !unix

package servecmd

import (
	"math"
	"os/exec"
)

// raiseFileLimit returns the limit of open files: here is none to speak of.
func raiseFileLimit() int { return math.MaxInt }

// asGroup leaves command as it is: here, it is ended alone.
func asGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) {}
