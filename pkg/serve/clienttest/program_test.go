// Package clienttest runs the JavaScript clients of well-known services against
// "ssectl serve": directly, through it while it records, from the recording, and
// with faults. What a client makes of an answer must be the same everywhere, and of
// a broken one it is in testdata. The clients are in package.json; "npm ci
// --ignore-scripts" gets them.
package clienttest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
)

// limit is the time that only a program that hangs takes.
const limit = 5 * time.Minute

// asProgram makes this binary the program ssectl.
const asProgram = "SSECTL_CLIENTTEST"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		os.Exit(cmd.Main())
	}
	os.Exit(m.Run())
}

// ssectl returns a command of the program.
func ssectl(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, args...)
	command.Env = append(command.Environ(), asProgram+"=1")
	return command
}

// A server is a run of "ssectl serve".
type server struct {
	url  string
	stop func() // waits until it has ended
}

// serve starts "ssectl serve" on a free port, until the test ends.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	command := ssectl(t, append([]string{"serve", "--print-url", "-p", "0"}, args...)...)
	var log bytes.Buffer
	command.Stderr = &log
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &server{stop: sync.OnceFunc(func() {
		command.Process.Signal(syscall.SIGTERM)
		killed := time.AfterFunc(limit, func() { command.Process.Kill() })
		defer killed.Stop()
		if err := command.Wait(); err != nil {
			t.Errorf("ssectl serve %q: %v\n%s", args, err, log.String())
		}
	})}
	t.Cleanup(s.stop)
	if _, err := fmt.Fscanln(out, &s.url); err != nil {
		s.stop()
		t.Fatalf("ssectl serve %q printed no URL: %v\n%s", args, err, log.String())
	}
	s.url = strings.TrimSuffix(s.url, "/")
	go io.Copy(io.Discard, out)
	return s
}

// wantNode skips the test where there is no Node.js, or no clients.
func wantNode(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat("node_modules/.package-lock.json")
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w (npm ci --ignore-scripts)", err)
		}
	}
	switch {
	case err == nil:
	case os.Getenv("SSECTL_TEST_ALL") != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// An app is a process of Node.js that runs scenarios with a client.
type app struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

// startApp starts the script of a client, until the test ends.
func startApp(t *testing.T, script string) *app {
	t.Helper()
	for _, file := range []string{script, "run.mjs", "package-lock.json"} {
		if _, err := os.ReadFile(file); err != nil { // so that a cached result is one of these files
			t.Fatal(err)
		}
	}
	command := exec.Command("node", script)
	var log bytes.Buffer
	command.Stderr = &log
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	killed := time.AfterFunc(limit, func() { command.Process.Kill() })
	t.Cleanup(func() {
		in.Close()
		err := command.Wait()
		killed.Stop()
		if err != nil {
			t.Errorf("node %s: %v\n%s", script, err, log.String())
		}
	})
	return &app{t: t, in: in, out: bufio.NewReader(out)}
}
