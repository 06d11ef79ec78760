package listencmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A process is ssectl run as a program.
type process struct {
	*exec.Cmd
	out  io.ReadCloser
	errs bytes.Buffer // complete after Wait
}

// start runs ssectl as a program. It may wait for an event that never comes: it is killed
// with the test, or after a minute.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, "ssectl", args...)}
	p.Stderr = &p.errs
	var err error
	if p.out, err = p.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAfterKill kills the real program again and again: the position in its
// cursor file may lag one event after its output, and is never ahead.
func TestAfterKill(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 10
	}
	const step = 200 * time.Microsecond
	dir := t.TempDir()
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", stream.ContentType)
		for tick := time.NewTicker(step); ; {
			n++
			fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
			w.(http.Flusher).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				tick.Stop()
				return
			}
		}
	})
	last, repeated := 0, 0
	for kill := range kills {
		run := start(t, "listen", url, "--format", "data", "--cursor", filepath.Join(dir, "cursor.json"))
		var printed []byte
		buf := make([]byte, 4096)
		for enough := 10 + kill*13; len(printed) < enough; { // some place in the middle of things
			n, err := run.out.Read(buf)
			if err != nil {
				t.Fatalf("run %d: %v after %q", kill, err, printed)
			}
			printed = append(printed, buf[:n]...)
		}
		run.Process.Kill()
		rest, _ := io.ReadAll(run.out)
		run.Wait()
		printed = append(printed, rest...)

		for i, field := range strings.Fields(string(printed)) {
			n, _ := strconv.Atoi(field)
			if i == 0 && n == last && last > 0 {
				repeated++
			} else if n != last+1 {
				t.Fatalf("run %d: event %d behind %d", kill, n, last)
			}
			last = n
		}
	}
	t.Logf("%d events, %d printed twice in %d kills", last, repeated, kills)
}

// TestSignals runs the real program: SIGINT ends it at once, with the
// summary and 130, and all that came is printed.
func TestSignals(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "data: a\n\ndata: b\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	run := start(t, "listen", url, "--format", "data", "--stats=json")
	got := make([]byte, 4)
	if _, err := io.ReadFull(run.out, got); err != nil || string(got) != "a\nb\n" {
		t.Fatalf("%q, %v", got, err)
	}
	run.Process.Signal(os.Interrupt)
	io.Copy(io.Discard, run.out)
	run.Wait()
	if code := run.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, run.errs.String())
	}
	lines := strings.Split(strings.TrimSpace(run.errs.String()), "\n")
	var stats struct {
		Events int
		Ended  string
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &stats); err != nil || stats.Events != 2 || stats.Ended != "interrupted" {
		t.Errorf("summary %+v, %v\n%s", stats, err, run.errs.String())
	}
}

// TestStopsInWrite has nobody read the output: a write that no signal
// ends must not keep the program.
func TestStopsInWrite(t *testing.T) {
	stuck := make(chan struct{})
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		event := []byte("data: " + strings.Repeat("x", 64<<10) + "\n\n")
		control := http.NewResponseController(w)
		for n := 0; ; n++ {
			control.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := w.Write(event); err != nil { // all buffers on the way are full
				close(stuck)
				return
			}
		}
	})
	run := start(t, "listen", url, "--format", "data")
	<-stuck
	run.Process.Signal(os.Interrupt)
	state, err := run.Process.Wait()
	if err != nil || state.ExitCode() != 130 {
		t.Errorf("%v, %v", state, err)
	}
}

// TestClosedPipe runs the real program with a reader that has seen enough.
func TestClosedPipe(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "data: x\n\n"); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	run := start(t, "listen", url, "--format", "data")
	io.ReadFull(run.out, make([]byte, 6))
	run.out.Close()
	run.Wait()
	if code := run.ProcessState.ExitCode(); code != 0 || strings.Contains(run.errs.String(), "pipe") {
		t.Errorf("exit code %d, want 0 in silence\n%s", code, run.errs.String())
	}
}

// TestPrintsAtOnce has a server that sends each event only when the one
// before was printed: anything held back would stop it.
func TestPrintsAtOnce(t *testing.T) {
	for _, format := range []string{"text", "json", "data", "raw", "jq"} {
		t.Run(format, func(t *testing.T) {
			next := make(chan struct{}, 1)
			url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", stream.ContentType)
				for n := range 5 {
					fmt.Fprintf(w, "data: event %d\n\n", n)
					w.(http.Flusher).Flush()
					select {
					case <-next:
					case <-r.Context().Done():
						return
					}
				}
			})
			args := []string{"listen", url, "--no-reconnect", "--format", format}
			if format == "jq" {
				args = []string{"listen", url, "--no-reconnect", "--jq", ".data"}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r, w := io.Pipe()
			done := make(chan int)
			go func() {
				code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: w, Err: io.Discard}, args)
				w.Close()
				done <- code
			}()
			var all []byte
			buf := make([]byte, 4096)
			for n := 0; ; {
				k, err := r.Read(buf)
				if err != nil {
					break
				}
				all = append(all, buf[:k]...)
				if seen := bytes.Count(all, []byte("event ")); seen > n {
					n = seen
					next <- struct{}{}
				}
			}
			if code := <-done; code != 0 || bytes.Count(all, []byte("event ")) != 5 {
				t.Errorf("exit code %d, %q", code, all)
			}
		})
	}
}

// TestCopiesAtOnce wants --format raw to behave as curl -N: the first part of
// an event is out before the rest has come.
func TestCopiesAtOnce(t *testing.T) {
	const first, rest = "data: half an", " event\n\n"
	printed := make(chan struct{})
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, first)
		w.(http.Flusher).Flush()
		select {
		case <-printed:
			io.WriteString(w, rest)
		case <-r.Context().Done():
		}
	})
	run := start(t, "listen", url, "--no-reconnect", "--format", "raw")
	got := make([]byte, len(first))
	if _, err := io.ReadFull(run.out, got); err != nil || string(got) != first {
		t.Fatalf("%q, %v", got, err)
	}
	close(printed)
	more, _ := io.ReadAll(run.out)
	run.Wait()
	if code := run.ProcessState.ExitCode(); code != 0 || string(more) != rest {
		t.Errorf("exit code %d, %q\n%s", code, more, run.errs.String())
	}
}
