package cmd_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// A recording program that is killed leaves tapes that play what came before, and
// that have no secret, not even one that was coming in pieces.
func TestKilledRecorder(t *testing.T) {
	cases := 5
	if n, err := strconv.Atoi(os.Getenv("SSECTL_TEST_CASES")); err == nil {
		cases = n
	}
	seed := rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("SSECTL_TEST_SEED"), 0, 64); err == nil {
		seed = n
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 4))
	const secret = "hunter2-hunter2-hunter2"
	var sent strings.Builder
	for i := range 5000 {
		at := i % len(secret)
		fmt.Fprintf(&sent, "id: %d\ndata: {\"text\":\"%s\"}\n\n", i, secret[at:at+1])
	}
	upstream := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range strings.SplitAfterSeq(sent.String(), "\n\n") {
			if _, err := io.WriteString(w, event); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done() // it never ends
	})
	for range cases {
		dir := filepath.Join(t.TempDir(), "tape")
		run := exec.Command("ssectl", "serve", "--upstream", upstream, "--record", dir, "-p", "0", "--print-url", "-q")
		out, err := run.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		var url string
		if _, err := fmt.Fscanln(out, &url); err != nil {
			t.Fatal(err)
		}
		request, _ := http.NewRequest("GET", url, nil)
		request.Header.Set("Authorization", "Bearer "+secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(response.Body)
		for range random.IntN(3 * 5000) {
			lines.Scan()
		}
		run.Process.Kill()
		response.Body.Close()
		run.Wait()

		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		if len(files) == 0 {
			continue // killed before anything was written
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		var pieces strings.Builder
		for line := range strings.Lines(string(text)) {
			if _, rest, ok := strings.Cut(line, `{\"text\":\"`); ok {
				piece, _, _ := strings.Cut(rest, `\"`)
				pieces.WriteString(piece)
			}
		}
		if strings.Contains(string(text), secret) || strings.Contains(pieces.String(), secret[:6]) {
			t.Errorf("the secret is on the tape: %s", pieces.String())
		}
		if strings.Count(string(text), "\n") < 2 {
			continue // the answer had not begun
		}
		again := cmdtest.Serve(t, dir, "--pace", "instant", "-q")
		response, err = http.Get(again)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil || response.StatusCode != 200 {
			t.Errorf("the tape plays with status %d, and ends with %v", response.StatusCode, err)
		}
		// Each secret is one placeholder, in the event where it began.
		n := 0
		for event := range strings.SplitAfterSeq(string(got), "\n\n") {
			text := ""
			if n%len(secret) == 0 {
				text = "REDACTED"
			}
			if want := fmt.Sprintf("id: %d\ndata: {\"text\":%q}\n\n", n, text); event != want && event != "" {
				t.Fatalf("event %d is %q, want %q", n, event, want)
			}
			n++
		}
		t.Logf("%d events", n)
	}
}
