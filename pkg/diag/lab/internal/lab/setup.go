package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Setup is a server, and how it is configured.
type Setup struct {
	Name    string
	Program string // one of programs, or "" for none: the publisher itself
	TLS     bool
	Unseen  bool // it was added after the thresholds of diag were chosen

	// Config is the text of its configuration, or the source of it, in File, or
	// server.conf. In all texts $UPSTREAM and $PORT are addresses of the
	// publisher and its own, and $DIR is a folder.
	Config string
	File   string
	Args   []string // in place of those of the program
	Needs  []string // files without which it is left out; not absolute, packages of npm
	Files  map[string]string

	Proxy  func(upstream string) http.Handler // in place of a program
	Behind *Setup                             // nearer to the publisher, its files in $DIR/behind

	Header   http.Header // of the application
	Fault    Fault
	Resume   Resume // of the application
	Resuming Resume // seen from outside, if not the same
	Stores   bool   // an answer with an end is given again to clients that resume
	Clock    bool   // events say when they were made
	Prelude  bool   // the application writes a comment first
}

// programs are how servers are started. $FILE is the configuration.
var programs = map[string][]string{
	"apache2":          {"apache2", "-f", "$FILE", "-DFOREGROUND"},
	"caddy":            {"caddy", "run", "--adapter", "caddyfile", "--config", "$FILE"},
	"gunicorn":         {"gunicorn", "--bind", "127.0.0.1:$PORT", "--chdir", "$DIR", "app:app"},
	"h2o":              {"h2o", "-c", "$FILE"},
	"haproxy":          {"haproxy", "-db", "-f", "$FILE"},
	"hitch":            {"hitch", "--config=$FILE"},
	"java":             {"java", "-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/*", "--source", "17", "$FILE"},
	"lighttpd":         {"lighttpd", "-D", "-f", "$FILE"},
	"nghttpx":          {"nghttpx", "--conf=$FILE"},
	"nginx":            {"nginx", "-p", "$DIR", "-c", "$FILE"},
	"node":             {"node", "$FILE"},
	"php-fpm8.2":       {"php-fpm8.2", "-F", "-R", "-y", "$FILE"},
	"/usr/bin/python3": {"/usr/bin/python3", "$FILE"},
	"squid":            {"squid", "-N", "-f", "$FILE"},
	"traffic_server":   {"traffic_server"},
	"varnishd":         {"varnishd", "-F", "-j", "none", "-f", "$FILE", "-a", "127.0.0.1:$PORT", "-n", "$DIR/work", "-s", "malloc,32m"},
}

func accel() http.Header { return http.Header{"X-Accel-Buffering": {"no"}} }
func noTransform() http.Header {
	return http.Header{"Cache-Control": {"no-cache, no-transform"}}
}
func noCacheControl() http.Header { return http.Header{"Cache-Control": nil} }

// Setups are the servers that diag is tried on.
var Setups = slices.Concat(
	directSetups, nginxSetups, apacheSetups, haproxySetups, varnishSetups, lighttpdSetups, caddySetups,
	proxySetups, goSetups, nodeSetups, pythonSetups, phpSetups, javaSetups,
)

// directSetups are the publisher alone.
var directSetups = []Setup{
	{Name: "direct"},
	{Name: "direct, gzip without flush", Fault: NoFlush},
	{Name: "direct, flush by timer", Fault: ByTimer},
	{Name: "direct, one behind", Fault: OneBehind},
	{Name: "direct, one behind, with times", Fault: OneBehind, Clock: true},
	{Name: "direct, blank line late", Fault: LateBlank},
	{Name: "direct, with all of the past", Resume: History, Unseen: true},
	{Name: "direct, repeats the event asked with", Resume: Inclusive, Unseen: true},
	{Name: "direct, repeats four events", Resume: Overlap, Unseen: true},
	{Name: "direct, loses two events", Resume: Gap, Unseen: true},
	{Name: "direct, live only", Resume: LiveOnly, Unseen: true},
	{Name: "direct, from the start", Resume: Restarts, Unseen: true},
	{Name: "direct, the last five", Resume: Backlog, Unseen: true},
	{Name: "direct, IDs of each connection", Resume: Unstable, Unseen: true},
	{Name: "direct, refuses Last-Event-ID", Resume: Refused, Unseen: true},
}

// resumes is the verdict on Last-Event-ID that is right, "" where events have
// no ID.
func (s *Setup) resumes(t Traffic) Resume {
	verdict := s.Resume
	if s.Resuming != "" {
		verdict = s.Resuming
	}
	own, _, _ := t.own()
	switch {
	case t == Chat, t == Silent, t == Plain, t == Timed, t == Same:
		return ""
	case own > 0 && (s.Stores || verdict != "" && verdict != History && verdict != Refused):
		return Restarts // whoever does not resume starts a job anew
	case verdict == "", verdict == History:
		return Exact
	}
	return verdict
}

// Available reports whether the programs of a set-up are installed.
func (s *Setup) Available() bool {
	if s.Behind != nil && !s.Behind.Available() {
		return false
	}
	for _, need := range s.Needs {
		if !filepath.IsAbs(need) {
			need = filepath.Join(nodeModules(), need)
		}
		if _, err := os.Stat(need); err != nil {
			return false
		}
	}
	if s.Program == "" {
		return true
	}
	_, err := exec.LookPath(programs[s.Program][0])
	return err == nil
}

// nodeModules is the folder where npm installed the packages of the set-ups of
// node.
func nodeModules() string { return filepath.Join(os.Getenv("SSECTL_LAB_NODE"), "node_modules") }

// Start runs the server before an upstream. Stop it by ending the context, and
// wait.
func (s *Setup) Start(ctx context.Context, upstream string, dir string) (url string, wait func(), err error) {
	wait = func() {}
	if s.Behind != nil {
		inner := filepath.Join(dir, "behind")
		if err := os.Mkdir(inner, 0o755); err != nil {
			return "", wait, err
		}
		var at string
		if at, wait, err = s.Behind.Start(ctx, upstream, inner); err != nil {
			return "", wait, err
		}
		upstream = strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/events")
	}
	switch {
	case s.Proxy != nil:
		server := httptest.NewServer(s.Proxy(upstream))
		behind := wait
		return server.URL + "/events", func() { server.CloseClientConnections(); server.Close(); behind() }, nil
	case s.Program == "":
		return "http://" + upstream + "/events", wait, nil
	}
	port, err := freePort()
	if err != nil {
		return "", wait, err
	}
	command, err := s.command(ctx, upstream, dir, port)
	if err != nil {
		return "", wait, err
	}
	done, err := s.run(command, dir)
	if err != nil {
		return "", wait, err
	}
	behind := wait
	wait = func() { <-done; behind() }
	if err := awaitPort(ctx, port, done); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		return "", wait, fmt.Errorf("%s: %w: %s", s.Name, err, text)
	}
	scheme := "http"
	if s.TLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d/events", scheme, port), wait, nil
}

// command writes the files of a set-up, and returns the command that runs it.
func (s *Setup) command(ctx context.Context, upstream, dir string, port int) (*exec.Cmd, error) {
	if s.TLS {
		if err := writeCertificate(dir); err != nil {
			return nil, err
		}
	}
	name := s.File
	if name == "" {
		name = "server.conf"
	}
	_, upstreamPort, _ := net.SplitHostPort(upstream)
	words := strings.NewReplacer("$UPSTREAMPORT", upstreamPort, "$UPSTREAM", upstream, "$PORT", strconv.Itoa(port), "$DIR", dir, "$FILE", filepath.Join(dir, name))
	write := func(name, text string) error {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(words.Replace(text)), 0o644)
	}
	if err := write(name, s.Config); err != nil {
		return nil, err
	}
	for name, text := range s.Files {
		if err := write(name, text); err != nil {
			return nil, err
		}
	}
	args := slices.Clone(programs[s.Program])
	if s.Args != nil {
		args = slices.Clone(s.Args)
	}
	for i := range args {
		args[i] = words.Replace(args[i])
	}
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir = dir
	command.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "TS_RUNROOT="+dir, "NODE_PATH="+nodeModules())
	// Servers that give up their rights must still reach their files.
	return command, os.Chmod(dir, 0o777)
}

// run starts a server. The channel is closed when it has ended.
func (s *Setup) run(command *exec.Cmd, dir string) (<-chan struct{}, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	if err := command.Start(); err != nil {
		log.Close()
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer log.Close()
		command.Wait()
	}()
	return done, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitPort waits until the server accepts connections.
func awaitPort(ctx context.Context, port int, done <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-done:
			return fmt.Errorf("the server ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("no connection in 10 s")
}
