package servecmd_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// TestPrintOnATerminal has two exchanges at once: each line begins with the number of
// its exchange, and no byte of the server controls the terminal.
func TestPrintOnATerminal(t *testing.T) {
	held := make(chan struct{})
	upstream := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, ": comment\n\ndata: first of %s\n\n", r.URL.Path)
		http.NewResponseController(w).Flush()
		<-held
		io.WriteString(w, "event: two\nid: 7\ndata: \x1b[2J\n\n")
	})
	ctx, stop := context.WithCancel(t.Context())
	var out, log cmdtest.Buffer
	code := make(chan int, 1)
	streams := &term.Streams{Out: &out, Err: &log, OutTerminal: true, Width: 100, NoColor: true}
	go func() {
		code <- cmd.Run(ctx, streams, []string{"serve", "--upstream", upstream, "-p", "0", "--print", "--print-url"})
	}()
	out.Await(1)
	url := strings.TrimSpace(out.String())
	var bodies []io.ReadCloser
	for i, path := range []string{"a", "b"} {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, response.Body)
		out.Await(2 + i)
	}
	close(held)
	for _, body := range bodies {
		io.Copy(io.Discard, body)
		body.Close()
	}
	out.Await(5)
	stop()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
	_, text, _ := strings.Cut(out.String(), "\n")
	for _, want := range []string{
		`(?m)^#1 \S+ +message  first of /a$`, `(?m)^#2 \S+ +message  first of /b$`,
		`(?m)^#1 \S+ +\+\S+  two      7  \\x1b\[2J$`, `(?m)^#2 \S+ +\+\S+  two      7  \\x1b\[2J$`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no line %s in\n%s", want, text)
		}
	}
	for _, want := range []string{"#1 GET " + upstream + "/a 200: headers after ", "#2 GET ", " 2 events, ", "whole after "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
	}
}

// TestMaxClientsOfAnUpstream has one client more than there is room for.
func TestMaxClientsOfAnUpstream(t *testing.T) {
	asked, held := make(chan struct{}), make(chan struct{})
	upstream := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-held
		io.WriteString(w, "hi")
	})
	s := cmdtest.Start(t, nil, "--upstream", upstream, "--max-clients", "1", "-H", "X-A: b")
	body := make(chan string, 1)
	get := func() string {
		response, err := http.Get(s.URL)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return fmt.Sprintf("%d %s %s %s", response.StatusCode, response.Header.Get("X-A"), response.Header.Get("Retry-After"), text)
	}
	go func() { body <- get() }()
	<-asked
	if got, want := get(), "503 b 5 Service Unavailable\n"; got != want {
		t.Errorf("the second client got %q, want %q", got, want)
	}
	close(held)
	if got, want := <-body, "200 b  hi"; got != want {
		t.Errorf("the first client got %q, want %q", got, want)
	}
}
