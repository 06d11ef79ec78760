//go:build unix

package servecmd_test

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// TestExecLeavesNobody has commands that do not end by a SIGTERM, and ones
// that end but leave others in the background. Each holds a pipe open.
func TestExecLeavesNobody(t *testing.T) {
	for _, command := range []string{
		`trap "" TERM; exec 3>"$PIPE"; while :; do sleep 1000; done`,
		`exec 3>"$PIPE"; (trap "" TERM; sleep 1000) & exec sleep 1000`,
		`exec 3>"$PIPE"; sleep 1000 & echo done`,
	} {
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PIPE", pipe)
		r := cmdtest.Start(t, nil, "--exec", command)
		f, err := os.Open(pipe) // when the command has opened it
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r.Stop()
		closed := make(chan struct{})
		go func() { io.Copy(io.Discard, f); close(closed) }()
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Errorf("%s: somebody is left a minute after the end", command)
		}
		if code := <-r.Code; code != 0 {
			t.Errorf("%s: exit code %d\n%s", command, code, r.Log)
		}
	}
}
