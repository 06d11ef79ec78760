package cmd_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// TestListenFailedPost sends a body to a server that reads a few bytes and
// closes the connection. The write fails with EPIPE, as a write to a closed
// standard output does, but the run must not end as if its reader had left.
func TestListenFailedPost(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip("no Unix sockets: ", err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.ReadFull(conn, make([]byte, 10))
			conn.Close()
		}
	}()
	body := strings.Repeat("x", 300<<10)
	for range 20 {
		r := ssectl(t, body, "listen", "http://h/", "--unix-socket", socket, "--data-binary", "@-", "--as", "openai", "--text")
		if r.check(t, 3); !strings.Contains(r.err, "ssectl: ") {
			t.Fatalf("no error in %q", r.err)
		}
	}
}

// TestListenEscapesNotes has a server put control characters into every place
// that a note, an error or the summary may show.
func TestListenEscapesNotes(t *testing.T) {
	const evil = "a\u009bb\u202e\u2028c"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var answers []string
	for _, answer := range []string{
		"HTTP/1.1 302 Found\r\nLocation: http://" + evil + "/\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: " + evil + "://x/\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 500 " + evil + "\r\nContent-Type: " + evil + "\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: " + evil + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nLast-Event-ID: " + evil + "\r\n\r\nid: " + evil + "\ndata: x\n\n",
		"HTTP/1.1 " + evil + "\r\n\r\n",
	} {
		answers = append(answers, answer, answer)
	}
	go func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, answers[i%len(answers)])
			conn.Close()
		}
	}()
	for range answers {
		for _, more := range [][]string{{"--stats", "json"}, {"--stats", "text", "-v", "-i"}, {"--retry-on", "5xx", "--retry", "1", "--retry-delay", "0"}} {
			r := ssectl(t, "", append([]string{"listen", "http://" + l.Addr().String(), "-L", "--last-event-id", "1", "-n", "1"}, more...)...)
			for _, c := range r.err {
				if c != '\n' && c != '\t' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' || c == '\u2029') {
					t.Fatalf("%q is raw in %q", c, r.err)
				}
			}
		}
	}
	r := ssectl(t, "", "diag", "http://"+l.Addr().String(), "--quick", "--only", "connect")
	if strings.ContainsAny(r.err+r.out, "\u009b\u202e\u2028") {
		t.Fatalf("raw: %q %q", r.out, r.err)
	}
}
