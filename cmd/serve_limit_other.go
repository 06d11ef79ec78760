//go:build !unix

package cmd

import "math"

// raiseFileLimit returns the limit of open files: here is none to speak of.
func raiseFileLimit() int { return math.MaxInt }
