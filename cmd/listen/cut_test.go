package listencmd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// TestFailedPost sends a body to a server that reads a few bytes and
// closes the connection. The write fails with EPIPE, as a write to a closed
// standard output does, but the run must not end as if its reader had left.
func TestFailedPost(t *testing.T) {
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
		r := cmdtest.Run(t, body, "listen", "http://h/", "--unix-socket", socket, "--data-binary", "@-", "--as", "openai", "--text")
		if r.Check(t, 3); !strings.Contains(r.Err, "ssectl: ") {
			t.Fatalf("no error in %q", r.Err)
		}
	}
}

// TestKeepsTheOldRecording where a server refuses.
func TestKeepsTheOldRecording(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old"), filepath.Join(dir, "fresh")
	if err := os.WriteFile(old, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmdtest.Run(t, "", "listen", url, "--record", old, "--save-har", fresh).Check(t, 4)
	cmdtest.Run(t, "", "listen", url, "--record", fresh, "--save-har", old).Check(t, 4)
	if text, err := os.ReadFile(old); err != nil || string(text) != "kept" {
		t.Errorf("the old file holds %q, %v", text, err)
	}
	if _, err := os.Stat(fresh); err == nil {
		t.Error("a recording of nothing was left")
	}
	cmdtest.Run(t, "", "listen", streaming(t, "data: x\n\n"), "--no-reconnect", "--record", old, "--save-har", fresh).Check(t, 0)
	for _, file := range []string{old, fresh} {
		text, _ := os.ReadFile(file)
		if info, err := os.Stat(file); err != nil || !bytes.HasPrefix(text, []byte("{")) || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			t.Errorf("%s: %v, %v, %.40q", file, info.Mode(), err, text)
		}
	}
}

// TestRefusesHeaders that cannot be sent as they were given.
func TestRefusesHeaders(t *testing.T) {
	for _, args := range [][]string{
		{"-A", "a\r\nX: y"}, {"-b", "a=1\r\nX: y"}, {"--oauth2-bearer", "a\nb"}, {"-u", "a\x00:b", "-A", "\x01"},
		{"-H", "X: a\rb"}, {"-H", "Content-Length: 5"}, {"-H", "Transfer-Encoding: gzip"}, {"-d", "abc", "-H", "Content-Length: 5"},
	} {
		r := cmdtest.Run(t, "", append([]string{"listen", "localhost:1"}, args...)...)
		if r.Code != 2 || !strings.Contains(r.Err, "header ") {
			t.Errorf("%q: %+v", args, r)
		}
	}
	for _, header := range []string{"Transfer-Encoding:", "Content-Length:", "Expect:"} { // lines of curl have them
		cmdtest.Run(t, "", "listen", streaming(t, "data: x\n\n"), "--no-reconnect", "-H", header).Check(t, 0)
	}
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %v %d", body, r.TransferEncoding, r.ContentLength)
	})
	for _, test := range []struct {
		header, want string
	}{{"Content-Length: 3", `"\x80bc" [] 3`}, {"Transfer-Encoding: chunked", `"\x80bc" [chunked] -1`}} {
		r := cmdtest.Run(t, "\x80b\r\nc\x00", "listen", url, "-d", "@-", "-H", test.header)
		if !strings.Contains(r.Err, test.want) {
			t.Errorf("%s: %+v", test.header, r)
		}
	}
}

// TestExpiredCookies of a cookie file are not sent.
func TestExpiredCookies(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Cookie")) })
	file := filepath.Join(t.TempDir(), "cookies")
	line := func(expires, name string) string {
		return "127.0.0.1\tFALSE\t/\tFALSE\t" + expires + "\t" + name + "\t1\n"
	}
	if err := os.WriteFile(file, []byte(line("1", "old")+line("0", "session")+line("99999999999", "new")), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := cmdtest.Run(t, "", "listen", url, "-b", file); strings.Contains(r.Err, "old") || !strings.Contains(r.Err, "session=1; new=1") {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(file, []byte(line("soon", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := cmdtest.Run(t, "", "listen", url, "-b", file); r.Code != 2 {
		t.Errorf("%+v", r)
	}
}

// TestEscapesNotes has a server put control characters into every place
// that a note, an error or the summary may show.
func TestEscapesNotes(t *testing.T) {
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
			r := cmdtest.Run(t, "", append([]string{"listen", "http://" + l.Addr().String(), "-L", "--last-event-id", "1", "-n", "1"}, more...)...)
			for _, c := range r.Err {
				if c != '\n' && c != '\t' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' || c == '\u2029') {
					t.Fatalf("%q is raw in %q", c, r.Err)
				}
			}
		}
	}
	r := cmdtest.Run(t, "", "diag", "http://"+l.Addr().String(), "--quick", "--only", "connect")
	if strings.ContainsAny(r.Err+r.Out, "\u009b\u202e\u2028") {
		t.Fatalf("raw: %q %q", r.Out, r.Err)
	}
}
