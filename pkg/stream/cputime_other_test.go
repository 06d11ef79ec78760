//go:build !unix

package stream_test

import "time"

var started = time.Now()

// cpuTime is wall-clock time, where the CPU time of a process is not at hand.
func cpuTime() time.Duration { return time.Since(started) }
