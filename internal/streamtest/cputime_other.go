//go:build !unix

package streamtest

import "time"

var started = time.Now()

// CPUTime returns wall-clock time, where the CPU time of a process is not at hand.
func CPUTime() time.Duration { return time.Since(started) }
