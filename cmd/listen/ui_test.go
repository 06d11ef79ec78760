package listencmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/exchange/window"
)

// A watched is a run of listen with --ui.
type watched struct {
	t    *testing.T
	url  string
	log  *cmdtest.Buffer
	out  *cmdtest.Buffer
	stop context.CancelFunc
	code chan int
}

// startUI runs listen --ui in this process.
func startUI(t *testing.T, terminal bool, args ...string) *watched {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &watched{t: t, log: new(cmdtest.Buffer), out: new(cmdtest.Buffer), stop: stop, code: make(chan int, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.code <- cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: w.out, Err: w.log, ErrTerminal: terminal, NoColor: true}, append([]string{"listen", "--ui"}, args...))
	}()
	t.Cleanup(func() { stop(); <-done })
	w.log.Await(1)
	line, _, _ := strings.Cut(w.log.String(), "\n")
	at := strings.Index(line, "http://127.0.0.1:")
	if at < 0 {
		t.Fatalf("no URL in %q", line)
	}
	w.url = line[at:]
	return w
}

// awaitStay waits until the page is all that is left.
func (w *watched) awaitStay() {
	for n := 1; !strings.Contains(w.log.String(), "the page stays"); n++ {
		w.log.Await(n)
	}
}

func (w *watched) exchanges() (all []window.Summary) {
	w.t.Helper()
	response, err := http.Get(w.url + ".ssectl/exchanges")
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	var changes window.Changes
	if err := json.NewDecoder(response.Body).Decode(&changes); err != nil {
		w.t.Fatal(err)
	}
	return changes.Exchanges
}

func TestUIShowsEachConnection(t *testing.T) {
	url := cmdtest.Handle(t, cmdtest.Numbered(6, func(w http.ResponseWriter, n int) bool {
		if n == 3 {
			reset(w)
		}
		return n == 3
	}))
	w := startUI(t, false, url+"/events", "--format", "data")
	w.awaitStay()
	want := []string{
		"200 3 events, the upstream reset it after event 3",
		"200 3 events, whole",
		"204 0 events, whole",
	}
	for i, s := range w.exchanges() {
		if got := fmt.Sprintf("%d %d events, %s", s.Status, s.Events, s.Ended); i >= len(want) || got != want[i] || s.URL != url+"/events" || s.Number != int64(i+1) {
			t.Errorf("exchange %d is %s of %s, want %q", i+1, got, s.URL, want)
		}
	}
	response, err := http.Get(w.url + ".ssectl/exchanges/2")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(text), `["Last-Event-Id","3"]`) {
		t.Errorf("the second request has no ID in %s", text)
	}
	w.stop()
	if code := <-w.code; code != 0 {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
	if got := w.out.String(); got != "1\n2\n3\n4\n5\n6\n" {
		t.Errorf("printed %q", got)
	}
	if _, err := http.Get(w.url); err == nil {
		t.Error("the page is there after the end")
	}
}

// The result of the run is reported when the stream ends, and is the exit code.
func TestUIKeepsTheResult(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no such model", http.StatusNotFound)
	})
	w := startUI(t, false, url, "-d", `{"model":"x"}`)
	w.awaitStay()
	all := w.exchanges()
	if len(all) != 1 || all[0].Status != 404 || all[0].Method != "POST" || all[0].How != "whole" {
		t.Errorf("got %+v", all)
	}
	w.stop()
	if code := <-w.code; code != 4 || strings.Count(w.log.String(), "404") != 1 {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
}

func TestUIOfNoServer(t *testing.T) {
	w := startUI(t, false, "http://127.0.0.1:1/")
	w.awaitStay()
	all := w.exchanges()
	if len(all) != 1 || all[0].How != "refused" || !strings.Contains(all[0].Ended, "refused") {
		t.Errorf("got %+v", all)
	}
	w.stop()
	if code := <-w.code; code != 3 {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
}

func TestUIUsage(t *testing.T) {
	for _, test := range []struct{ arg, source, want string }{
		{"--ui=x", "http://127.0.0.1:1/", "want a port"},
		{"--ui=70000", "http://127.0.0.1:1/", "want a port"},
		{"--ui", "-", "--ui needs a URL"},
	} {
		r := cmdtest.Run(t, "", "listen", test.arg, test.source)
		if r.Code != 2 || !strings.Contains(r.Err, test.want) {
			t.Errorf("%s %s: exit code %d, %s", test.arg, test.source, r.Code, r.Err)
		}
	}
}
