package cmd_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// TestMain lets the tests run ssectl as a program.
func TestMain(m *testing.M) { cmdtest.Main(m) }

// TestScripts runs the scenarios of testdata/script. Beside the commands of
// testscript they have:
//
//	exits CODE COMMAND ARG...     run it; any other exit code fails the script.
//	                              Compare with stdout, stderr and cmp as after
//	                              exec, and give input with stdin.
//	serving NAME ARG...           start "ssectl serve ARG..." on a free port
//	                              until the script ends; its URL is $NAME, its
//	                              standard error the file NAME.log
//	await FILE REGEXP             wait until FILE matches, 10 seconds at most
//	end NAME [CODE]               end the server, check that it exits with CODE, or 0
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "../testdata/script",
		UpdateScripts: *cmd.Update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   scriptExits,
			"serving": scriptServing,
			"await":   scriptAwait,
			"end":     scriptEnd,
		},
		Condition: func(name string) (bool, error) {
			// [program:curl] is true where it is installed. CI has all of
			// them, so there a missing one is an error, not a skip.
			program, ok := strings.CutPrefix(name, "program:")
			if !ok {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, err := exec.LookPath(program)
			if err != nil && os.Getenv("SSECTL_TEST_ALL") != "" {
				return false, err
			}
			return err == nil, nil
		},
		Setup: func(env *testscript.Env) error {
			streams, err := filepath.Abs("../testdata/streams")
			if err != nil {
				return err
			}
			env.Setenv("STREAMS", streams)
			env.Setenv("NO_COLOR", "")
			env.Values[serversKey{}] = servers{}
			return nil
		},
	})
}

type serversKey struct{}

// servers are those that a script has started, by name.
type servers map[string]*server

type server struct {
	cmd  *exec.Cmd
	done chan error
	once sync.Once
	err  error // how it exited, once ended
}

// end asks the server to stop, the first time, and returns how it exited.
func (s *server) end() error {
	s.once.Do(func() {
		s.cmd.Process.Signal(syscall.SIGTERM)
		limit := time.NewTimer(time.Minute)
		defer limit.Stop()
		select {
		case s.err = <-s.done:
		case <-limit.C:
			s.cmd.Process.Kill()
			<-s.done
			s.err = fmt.Errorf("did not stop in 10 s")
		}
	})
	return s.err
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("exit code %q: %v", args[0], err)
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); asExit(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}

func scriptServing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serving NAME ARG...")
	}
	name := args[0]
	c := exec.Command("ssectl", append([]string{"serve", "--print-url", "--port", "0"}, args[1:]...)...)
	c.Dir = ts.Getenv("WORK")
	c.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"))
	path := strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0]
	c.Path, c.Err = filepath.Join(path, "ssectl"), nil
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	defer log.Close()
	c.Stderr = log
	out, err := c.StdoutPipe()
	ts.Check(err)
	ts.Check(c.Start())

	s := &server{cmd: c, done: make(chan error, 1)}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		c.Wait()
		ts.Fatalf("serve %v printed no URL:\n%s", args[1:], ts.ReadFile(name+".log"))
	}
	url := strings.TrimSuffix(lines.Text(), "/")
	ts.Setenv(name, url)
	ts.Setenv(name+"WS", "ws"+strings.TrimPrefix(url, "http"))
	go func() {
		for lines.Scan() {
		}
		s.done <- c.Wait()
	}()
	ts.Value(serversKey{}).(servers)[name] = s
	ts.Defer(func() { s.end() })
}

func scriptEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: end NAME [CODE]")
	}
	want := "0"
	if len(args) == 2 {
		want = args[1]
	}
	s := ts.Value(serversKey{}).(servers)[args[0]]
	if s == nil {
		ts.Fatalf("no server %q", args[0])
	}
	err, code := s.end(), 0
	var exit *exec.ExitError
	if asExit(err, &exit) {
		code, err = exit.ExitCode(), nil
	}
	if err != nil || strconv.Itoa(code) != want {
		ts.Fatalf("server %s: exit code %d, %v; want %s\n%s", args[0], code, err, want, ts.ReadFile(args[0]+".log"))
	}
}

func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for range 1000 {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && want.Match(text) {
			return
		}
		<-poll.C
	}
	ts.Fatalf("%s does not match %q:\n%s", args[0], args[1], ts.ReadFile(args[0]))
}
