//go:build unix

package servecmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

func TestCommandGivesItsStatus(t *testing.T) {
	for script, want := range map[string]int{
		"exit 0":                         0,
		"exit 7":                         7,
		"kill -KILL $$":                  137,
		`test "$SSECTL_URL" && cat >&2`:  0,
		"curl() { :; }; exec true; no-o": 0,
		"sleep 1000 & exit 3":            3,
		"sleep 1000 & exit 0":            0,
	} {
		r := cmdtest.Run(t, "text of stdin\n", "serve", "--upstream", "http://127.0.0.1:1", "-p", "0", "--", "sh", "-c", script)
		r.Check(t, want)
		if strings.Contains(script, "cat") && !strings.Contains(r.Err, "text of stdin") {
			t.Errorf("%s: stderr %q", script, r.Err)
		}
	}
	cmdtest.Run(t, "", "serve", "--upstream", "http://127.0.0.1:1", "-p", "0", "--", "no-such-command").Check(t, 2)
	cmdtest.Run(t, "", "serve", "--upstream", "http://127.0.0.1:1", "-p", "0", "--").Check(t, 2)
	cmdtest.Run(t, "", "serve", "-p", "0", "--", "true").Check(t, 2)
}

// TestCommandIsAskedToStop stops the server: the command gets a SIGTERM, takes its
// time, and nobody that it started is left.
func TestCommandIsAskedToStop(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PIPE", pipe)
	script := `exec 3>"$PIPE"; trap "echo asked >&3; exit 9" TERM; sleep 1000 & echo ready >&3; wait`
	r := cmdtest.Start(t, nil, "--upstream", "http://127.0.0.1:1", "--", "sh", "-c", script)
	f, err := os.Open(pipe) // when the command has opened it
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.SetReadDeadline(time.Now().Add(time.Minute))
	read := func(want string) {
		b := make([]byte, 100)
		n, err := f.Read(b)
		if string(b[:n]) != want {
			t.Fatalf("read %q, %v; want %q\n%s", b[:n], err, want, r.Log)
		}
	}
	read("ready\n")
	r.Stop()
	read("asked\n")
	if code := <-r.Code; code != 9 {
		t.Errorf("exit code %d, want 9\n%s", code, r.Log)
	}
	read("") // the sleep is gone too
}
