//go:build attack

package attack

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"unicode"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// The promise: nothing that a server sends reaches a terminal, a message or a
// report raw, whatever place of its answer it stands in.

// evil are characters that a terminal, a log or a reader of text obeys.
var evil = []string{"\x00", "\x07", "\x08", "\x1b[2J", "\x1b]0;x\x07", "\x0b", "\x0c", "\x7f", "\u0085", "\u009b31m", "\u009d", "\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\u2028", "\u2029", "\xff\xfe", "\xc2", "::error::x", " ::error::x", "##[error]x", "\t"}

// spoil puts some of them into text; breaks are line ends too.
func spoil(random *rand.Rand, text string, breaks bool) string {
	for range random.IntN(4) {
		i := random.IntN(len(text) + 1)
		text = text[:i] + evil[random.IntN(len(evil))] + text[i:]
	}
	if breaks && random.IntN(4) == 0 {
		i := random.IntN(len(text) + 1)
		text = text[:i] + []string{"\r", "\n", "\r\n"}[random.IntN(3)] + text[i:]
	}
	return text
}

// evilAnswer returns a response with evil characters in any place.
func evilAnswer(random *rand.Rand) string {
	put := func(text string) string { return spoil(random, text, false) }
	status := []string{"200 " + put("OK"), "200 OK", "200 OK", "302 " + put("Found"), "404 " + put("Not Found"), "500 x", put("200") + " OK"}[random.IntN(7)]
	head := "HTTP/1.1 " + status + "\r\n"
	contentType := []string{"text/event-stream", "text/event-stream; charset=" + put("utf-8"), "text/html", "application/json", put("text/plain")}[random.IntN(5)]
	if random.IntN(2) == 0 {
		contentType = "text/event-stream"
	}
	head += "Content-Type: " + contentType + "\r\n"
	for _, name := range []string{"Location", "Server", "Retry-After", "Content-Encoding", "Last-Event-ID", "Cache-Control", "Set-Cookie", "Via", "ETag", "Access-Control-Allow-Origin", "X-" + put("a")} {
		if random.IntN(4) == 0 {
			value := put("value")
			if name == "Location" {
				value = put("http://127.0.0.1:1/" + put("x") + "?a=b")
			}
			head += name + ": " + value + "\r\n"
		}
	}
	var body string
	switch contentType {
	case "text/html":
		body = "<html><title>" + spoil(random, "Sign in", true) + "</title>"
	case "application/json":
		body = `{"error":"` + put("bad") + `"}`
	default:
		for range 1 + random.IntN(4) {
			for _, field := range []string{": ", "event: ", "id: ", "retry: ", put("x") + ": ", "data: "} {
				if random.IntN(2) == 0 {
					body += field + spoil(random, []string{"text", `{"a":"b"}`, "5"}[random.IntN(3)], true) + "\n"
				}
			}
			body += "\n"
		}
	}
	return head + "Connection: close\r\n\r\n" + body
}

// TestPromiseRaw shows generated answers in every form.
func TestPromiseRaw(t *testing.T) {
	seed := newSeed(t)
	for i := range cases(t, 1500) {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		text := evilAnswer(random)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					in := bufio.NewReader(conn)
					for line, err := in.ReadString('\n'); err == nil && line != "\r\n"; line, err = in.ReadString('\n') {
					}
					io.WriteString(conn, text)
					conn.Close()
				}()
			}
		}()
		url := "http://" + l.Addr().String()
		var args []string
		terminal := random.IntN(2) == 0
		switch random.IntN(5) {
		case 0:
			format := []string{"text", "json", "junit", "tap", "github", "markdown"}[random.IntN(6)]
			args = []string{"diag", url, "--quick", "--all", "--format", format}
		case 1:
			args, terminal = []string{"listen", url, "--no-reconnect", "--format", []string{"json", "data", "raw"}[random.IntN(3)], "--comments", "-i"}, true
		case 2:
			args, terminal = []string{"listen", url, "--no-reconnect", "--jq", "., .data, .id, .event"}, true
		case 3:
			args = []string{"listen", url, "--retry", "1", "--retry-delay", "0", "--retry-on", "4xx,5xx", "--format", "text", "--stats", []string{"json", "text"}[random.IntN(2)], "-v", "--fail-if", `.data == "text"`}
		default:
			args = []string{"listen", url, "--no-reconnect", "--format", "text", "--comments", "--pretty", "-i", "--as", []string{"openai", "mcp", "anthropic"}[random.IntN(3)]}
		}
		var out, errs strings.Builder
		cmd.Run(context.Background(), &term.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, OutTerminal: terminal, ErrTerminal: terminal, Width: 100, NoColor: true}, args)
		l.Close()
		for _, shown := range []string{out.String(), errs.String()} {
			if at := firstRaw(shown); at >= 0 {
				t.Fatalf("SSECTL_TEST_SEED=%d, case %d: %q is raw at %d of\n%q\nof the answer\n%q\nssectl %q", seed, i, shown[at:min(len(shown), at+4)], at, shown, text, args)
			}
			for line := range strings.Lines(shown) {
				// https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
				command := strings.Contains(line, "##[") || args[len(args)-1] != "github" && strings.HasPrefix(strings.TrimSpace(line), "::")
				if command && (args[0] == "diag" || shown == errs.String()) {
					t.Fatalf("SSECTL_TEST_SEED=%d, case %d: a command of GitHub Actions: %q", seed, i, line)
				}
			}
		}
	}
}

// firstRaw returns where text has a character that it must not have, -1 if
// nowhere.
func firstRaw(text string) int {
	for i, r := range text {
		switch {
		case r == '\n', r == '\t':
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return i
		case r == unicode.ReplacementChar && !strings.HasPrefix(text[i:], "\ufffd"):
			return i // malformed
		}
	}
	return -1
}
