package diagcmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// A target is a server that can go away and come back at its address.
type target struct {
	addr   string
	server *http.Server
}

func (a *target) start(t *testing.T) {
	t.Helper()
	var listener net.Listener
	until(t, "a listener at "+a.addr, func() (done bool) {
		var err error
		listener, err = net.Listen("tcp", a.addr)
		return err == nil
	})
	a.addr = listener.Addr().String()
	a.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache, no-transform, private")
		io.WriteString(w, "id: 1\ndata: x\n\n")
	})}
	go a.server.Serve(listener)
	t.Cleanup(func() { a.server.Close() })
}

// until waits for a condition; only a hang reaches the limit.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for range 6000 {
		if done() {
			return
		}
		<-poll.C
	}
	t.Fatalf("%s did not come", what)
}

// openFiles counts the descriptors of this process; 0 where the system does not tell.
func openFiles() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

// TestWatch watches a target that goes away and comes back, asks for its metrics all
// the while, and interrupts.
func TestWatch(t *testing.T) {
	a := &target{addr: "127.0.0.1:0"}
	a.start(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out, errs cmdtest.Buffer
	code := make(chan int, 1)
	report := filepath.Join(t.TempDir(), "last.json")
	go func() {
		code <- cmd.Run(ctx, &term.Streams{Out: &out, Err: &errs}, []string{"diag", "--watch", "10ms", "--metrics", ":0", "--quick", "--format", "json",
			"--report", "json=" + report, "-H", "Authorization: Bearer hunter2", "http://user:hunter2@" + a.addr + "/e?access_token=hunter2"})
	}()
	errs.Await(1)
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(errs.String())
	if url == "" {
		t.Fatalf("no address of the metrics:\n%s", errs.String())
	}
	var text string
	metric := func(sample string) func() bool {
		return func() bool {
			response, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v", response.Status, err)
			}
			text = string(body)
			return strings.Contains(text, "\n"+sample+"\n")
		}
	}
	until(t, "the third round", metric(`ssectl_diag_rounds_total{outcome="pass"} 3`))
	files := openFiles()
	if !metric(`ssectl_diag_check{check="content-type",group="headers",status="pass"} 1`)() || !metric("ssectl_diag_up 1")() {
		t.Errorf("metrics:\n%s", text)
	}
	a.server.Close()
	until(t, "a round without a target", metric("ssectl_diag_up 0"))
	a.start(t)
	until(t, "the target", metric("ssectl_diag_up 1"))
	until(t, "the ninth round", metric(`ssectl_diag_rounds_total{outcome="pass"} 9`))
	http.DefaultClient.CloseIdleConnections()
	until(t, fmt.Sprintf("a round with no more than %d open files", files), func() bool { return openFiles() <= files })
	response, err := http.Post(url, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", response.Status)
	}
	interrupt()
	if got := <-code; got != cli.ExitOK {
		t.Errorf("interrupted: exit %d: %s", got, errs.String())
	}
	if _, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")); err == nil {
		t.Error("the metrics are still served")
	}
	var kinds []string
	for row := range strings.Lines(out.String()) {
		var l struct{ Kind, Phase, URL string }
		if err := json.Unmarshal([]byte(row), &l); err != nil {
			t.Errorf("%v: %q", err, row)
		}
		if l.Kind == "untested" && l.Phase != "tcp" {
			continue // a round that had begun when the target went
		}
		kinds = append(kinds, l.Kind)
	}
	got := strings.Join(kinds, " ")
	if !strings.HasPrefix(got, "round ") || strings.Count(got, "untested") != 1 || strings.Count(got, "round") < 2 {
		t.Errorf("told %s", got)
	}
	var last diag.Report
	written, err := os.ReadFile(report)
	if err != nil || json.Unmarshal(written, &last) != nil || last.Error != nil {
		t.Errorf("the report of the last round: %v, %s", err, written)
	}
	if all := out.String() + errs.String() + text + string(written); strings.Contains(all, "hunter2") {
		t.Errorf("a secret is in\n%s", all)
	}
}

// TestWatchPortInUse cannot serve metrics, and makes no round.
func TestWatchPortInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := cmdtest.Run(t, "", "diag", "--watch", "1s", "--metrics", listener.Addr().String(), "http://127.0.0.1:1/")
	r.Check(t, cli.ExitNoRun)
	if r.Out != "" || !strings.Contains(r.Err, "already in use") {
		t.Errorf("stdout %q, stderr %q", r.Out, r.Err)
	}
}

// TestWatchUntilFail ends with the first round that fails, and writes its report.
func TestWatchUntilFail(t *testing.T) {
	var asked atomic.Int64
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if r.Method == http.MethodGet && asked.Add(1) > 1 {
			w.Header().Set("Content-Type", "text/html")
		}
		io.WriteString(w, "data: x\n\n")
	})
	report := filepath.Join(t.TempDir(), "report.xml")
	r := cmdtest.Run(t, "", "diag", "--watch", "1ms", "--until-fail", "--quick", "--only", "content-type", "--report", "junit="+report, url)
	r.Check(t, cli.ExitFailed)
	if !strings.Contains(r.Out, "content-type  pass → fail") || strings.Contains(r.Err, "ssectl:") {
		t.Errorf("stdout %q, stderr %q", r.Out, r.Err)
	}
	if text, err := os.ReadFile(report); err != nil || !strings.Contains(string(text), `<failure`) {
		t.Errorf("the report of the failing round: %v, %s", err, text)
	}
}
