package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// peakFile is the variable that asks the program to write down what memory it
// took. What the system knows of a child counts from the memory of its parent.
const peakFile = "SSECTL_TEST_PEAK"

// watchPeak returns a function that returns, when run is over, how many bytes of
// memory it took; 0 where the system does not know.
func watchPeak(t *testing.T, run *exec.Cmd) (peak func() int) {
	file := filepath.Join(t.TempDir(), "peak")
	run.Env = append(os.Environ(), peakFile+"="+file)
	return func() int {
		var kilobytes int
		status, _ := os.ReadFile(file)
		_, text, _ := strings.Cut(string(status), "VmHWM:")
		fmt.Sscan(text, &kilobytes)
		return kilobytes << 10
	}
}

// tellPeak is the other side of watchPeak, in the program.
func tellPeak() {
	if file := os.Getenv(peakFile); file != "" {
		status, _ := os.ReadFile("/proc/self/status")
		os.WriteFile(file, status, 0o600)
	}
}
