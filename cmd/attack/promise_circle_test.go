//go:build attack

package attack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// The promise: serve reads the output of listen, and gives it back byte for byte.

// randomStream returns a stream of all that the format allows and much that
// nobody should send. It ends where a block ends.
func randomStream(random *rand.Rand) string {
	pieces := []string{"x", " ", ":", "\t", "\x00", "\x1b[2J", "\u0085", "\u2028", "\u202e", "\ufeff", "ü潮🌊", "\xff", "\xe2\x82", `"`, `\`, "{\"a\":1}", "[DONE]", "</script>", "7"}
	value := func() string {
		var text strings.Builder
		for range random.IntN(6) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		return text.String()
	}
	var text strings.Builder
	if random.IntN(8) == 0 {
		text.WriteString("\ufeff")
	}
	for range 1 + random.IntN(6) {
		end := []string{"\n", "\r\n", "\r"}[random.IntN(3)]
		for range random.IntN(7) {
			field := []string{"data", "data", "data", "id", "event", "retry", "", value()}[random.IntN(8)]
			text.WriteString(field + []string{": ", ":", ":  ", ""}[random.IntN(4)] + value())
			if random.IntN(5) == 0 {
				end = []string{"\n", "\r\n", "\r"}[random.IntN(3)] // lines of one block may differ
			}
			text.WriteString(end)
		}
		// In pieces: a lone CR and the LF of the next line would be one line end.
		text.WriteString([]string{"\n", "\r\n", end}[random.IntN(3)])
	}
	return text.String()
}

// streamOf serves one text for each connection.
func streamOf(t *testing.T, text string) string {
	return cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		io.WriteString(w, text)
	})
}

// TestPromiseCircle sends generated streams through listen and serve: a
// recording gives back the bytes, JSON lines give back the same lines.
func TestPromiseCircle(t *testing.T) {
	seed := newSeed(t)
	for i := range cases(t, 150) {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		text := randomStream(random)
		if random.IntN(2) == 0 {
			text += "data: unfinished" + []string{"", "\n", "\r"}[random.IntN(3)]
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) { circle(t, text) })
		if t.Failed() {
			t.Fatalf("SSECTL_TEST_SEED=%d, case %d: %q", seed, i, text)
		}
	}
}

// circle takes a stream through a recording and through JSON lines.
func circle(t *testing.T, text string, flags ...string) {
	code := 0
	if unfinished(text) != "" {
		code = 3
	}
	dir := t.TempDir()
	record, lines := filepath.Join(dir, "record.jsonl"), filepath.Join(dir, "lines.jsonl")
	listen := append([]string{"listen", "--no-reconnect", "--comments"}, flags...)
	printed := cmdtest.Run(t, "", append(listen, streamOf(t, text), "--record", record)...)
	printed.Check(t, code)
	if err := os.WriteFile(lines, []byte(printed.Out), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(cmdtest.Serve(t, append(flags, record)...))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != text {
		t.Errorf("the recording gave %s, %v", difference(string(got), text), err)
	}
	if printed.Out == "" {
		return // a stream of nothing begins with a comment
	}
	// Each malformed byte is U+FFFD in JSON, three bytes.
	again := cmdtest.Run(t, "", "listen", "--no-reconnect", "--comments", "--max-event-size", "48m", cmdtest.Serve(t, append(flags, lines)...))
	if got, want := withoutTimes(again.Out), withoutTimes(printed.Out); got != want {
		t.Errorf("the lines gave %s", difference(got, want))
	}
}

// difference shows where two texts part.
func difference(got, want string) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	part := func(text string) string { return text[max(0, at-40):min(len(text), at+40)] }
	return fmt.Sprintf("%d bytes, want %d; at byte %d: %q, want %q", len(got), len(want), at, part(got), part(want))
}

// TestPromiseCircleOfLargeEvents goes up to the largest event there may be, of
// characters that JSON writes in six bytes, and of bytes that it cannot write.
func TestPromiseCircleOfLargeEvents(t *testing.T) {
	seed := newSeed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	const limit = 1 << 20
	for _, piece := range []string{"x", "\x01", "\xff", "\u2028", "line\ndata: "} {
		for _, size := range []int{limit, limit - 1 - random.IntN(100), limit / 2} {
			t.Run(fmt.Sprintf("%q, %d bytes", piece, size), func(t *testing.T) {
				const before, after = "data: ", "\n\n"
				fill := size - len(before) - len(after)
				data := bytes.Repeat([]byte(piece), fill/len(piece))
				for len(data) < fill {
					data = append(data, 'y')
				}
				circle(t, before+string(data)+after, "--max-event-size", strconv.Itoa(limit))
			})
		}
	}
}

// withoutTimes leaves out of JSON lines when their events came.
func withoutTimes(lines string) string {
	return times.ReplaceAllString(lines, "")
}

var times = regexp.MustCompile(`,?"time":"[^"]*"`)
