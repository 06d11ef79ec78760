package listencmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestFullDisk wants the error of a failed write, whenever it shows: also
// when the stream ends in the same read.
func TestFullDisk(t *testing.T) {
	for _, format := range []string{"json", "raw", "text", "data"} {
		var errs bytes.Buffer
		streams := &term.Streams{In: strings.NewReader(""), Out: fullDisk{}, Err: &errs}
		for _, source := range []string{streaming(t, "data: a\n\n"), "../../testdata/streams/corners.sse"} {
			code := cmd.Run(t.Context(), streams, []string{"listen", source, "--format", format, "--no-reconnect"})
			if code != 3 || !strings.Contains(errs.String(), "no space left") {
				t.Errorf("%s of %s: exit code %d, %s", format, source, code, errs.String())
			}
			errs.Reset()
		}
	}
}

// A headers-only answer is output too.
func TestFullDiskForHeaders(t *testing.T) {
	streams := &term.Streams{In: strings.NewReader(""), Out: fullDisk{}, Err: io.Discard}
	if code := cmd.Run(t.Context(), streams, []string{"listen", streaming(t, ""), "-i", "--format", "raw", "--no-reconnect"}); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

// A canceller collects the output, and ends the run with the nth write.
type canceller struct {
	bytes.Buffer
	n      int
	cancel func()
}

func (c *canceller) Write(p []byte) (int, error) {
	if c.n--; c.n == 0 {
		c.cancel()
	}
	return c.Buffer.Write(p)
}

// TestStopsBetweenEvents interrupts a run that has read hundreds of events
// at once: events that were not printed must not be kept as printed.
func TestStopsBetweenEvents(t *testing.T) {
	var text strings.Builder
	for n := range 500 {
		fmt.Fprintf(&text, "id: %d\ndata: %d\n\n", n+1, n+1)
	}
	url := streaming(t, text.String())
	for _, flags := range []string{"--jq .data", "--format data", "--format data --filter .json>0"} {
		t.Run(flags, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cursor.json")
			ctx, cancel := context.WithCancel(t.Context())
			out := &canceller{n: 3, cancel: cancel}
			var errs bytes.Buffer
			code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: out, Err: &errs}, append([]string{"listen", url, "--cursor", file}, strings.Fields(flags)...))
			kept, _ := os.ReadFile(file)
			if code != 130 || out.String() != "1\n2\n3\n" || !bytes.Contains(kept, []byte(`"last_event_id": "2"`)) && !bytes.Contains(kept, []byte(`"last_event_id": "3"`)) {
				t.Errorf("exit code %d, printed %.40q, kept %s", code, out.String(), kept)
			}
			if strings.Contains(errs.String(), "expression") {
				t.Errorf("stderr %s", errs.String())
			}
		})
	}
}

// TestStopsInFile interrupts a run on a regular file, which nothing but
// its end would stop.
func TestStopsInFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "long.sse")
	text := strings.Repeat("data: x\n\n", 1<<20)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"raw", "json"} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &canceller{n: 1, cancel: cancel}
		code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: out, Err: io.Discard}, []string{"listen", file, "--format", format})
		if code != 130 || out.Len() > len(text)/2 {
			t.Errorf("%s: exit code %d after %d bytes", format, code, out.Len())
		}
	}
}

// TestRaw wants each block once over a reconnection, and every byte where
// there is none.
func TestRaw(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Last-Event-ID") {
		case "":
			w.Header().Set("Content-Type", stream.ContentType)
			io.WriteString(w, ": hi\nretry: 0\n\nid: 1\ndata: a\n\nid: 2\ndata: b")
			reset(w)
		case "1":
			w.Header().Set("Content-Type", stream.ContentType)
			io.WriteString(w, "id: 2\nevent: bye\ndata: b\n\nid: 3\ndata: c\n\n")
		case "2":
			w.Header().Set("Content-Type", stream.ContentType)
			io.WriteString(w, "id: 3\ndata: c\n\n")
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	const begin, rest = ": hi\nretry: 0\n\nid: 1\ndata: a\n\n", "id: 2\nevent: bye\ndata: b\n\nid: 3\ndata: c\n\n"
	for flags, want := range map[string]string{
		"":                           begin + rest,
		"--reconnect-on bye":         begin + rest,
		"--no-reconnect":             begin + "id: 2\ndata: b",
		"--no-reconnect --event bye": "",
		"-d x":                       begin + "id: 2\ndata: b",
		"-n 1":                       begin,
		"-n 1 --comments":            begin,
	} {
		r := cmdtest.Run(t, "", append([]string{"listen", url, "--format", "raw"}, strings.Fields(flags)...)...)
		if r.Out != want {
			t.Errorf("%s: printed %q, want %q\n%s", flags, r.Out, want, r.Err)
		}
	}
}

// TestTextEndsLine wants the prompt of a terminal on a line of its own.
func TestTextEndsLine(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		url := streaming(t, `data: {"choices":[{"delta":{"content":"Hello"}}]}`+"\n\ndata: [DONE]\n\n")
		cmd.Run(t.Context(), &term.Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard, OutTerminal: terminal}, []string{"listen", url, "--as", "openai", "--text"})
		want := "Hello"
		if terminal {
			want += "\n"
		}
		if out.String() != want {
			t.Errorf("terminal %v: %q, want %q", terminal, out.String(), want)
		}
	}
}
