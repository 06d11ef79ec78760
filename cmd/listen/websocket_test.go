package listencmd_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// echoing answers a WebSocket with the fields of its handshake, and the text sent.
func echoing(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"p"}})
	if err != nil {
		return
	}
	_, sent, _ := conn.Read(r.Context())
	for _, text := range []string{
		r.Method + " " + r.URL.RequestURI(), r.Host, r.Header.Get("Authorization"), r.Header.Get("Cookie"), conn.Subprotocol(), string(sent),
	} {
		conn.Write(r.Context(), websocket.MessageText, []byte(text))
	}
	conn.Close(websocket.StatusNormalClosure, "\x1b[31mbye")
}

const echoed = "GET /feed?a=1\nexample.test:%\nBearer t\nc=1\np\nhello\n"

// TestWebSocketFlags reaches a WebSocket by the flags of curl: over TLS, through a
// proxy, over a Unix socket, by another address.
func TestWebSocketFlags(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(echoing))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(echoing))
	defer secure.Close()
	connects := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connects++
		to, err := net.Dial("tcp", secure.Listener.Addr().String())
		if err != nil || r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(to, conn)
			to.Close()
		}()
		io.Copy(conn, to)
		conn.Close()
	}))
	defer proxy.Close()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	local := &http.Server{Handler: http.HandlerFunc(echoing)}
	go local.Serve(listener)
	defer local.Close()

	port := func(s *httptest.Server) string {
		_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
		return port
	}
	for _, test := range []struct{ url, port, flags string }{
		{"ws://example.test:%/feed?a=1", port(plain), "--resolve example.test:%:127.0.0.1"},
		{"wss://example.test:%/feed?a=1", port(secure), "-k --connect-to ::127.0.0.1:%"},
		{"wss://example.test:%/feed?a=1", "1", "-k -x " + proxy.URL},
		{"ws://example.test:%/feed?a=1", "1", "--compressed --unix-socket " + path},
	} {
		line := strings.Fields("listen --no-reconnect --format data -b c=1 --oauth2-bearer t --send hello " + strings.ReplaceAll(test.flags, "%", test.port))
		line = append(line, "-H", "Sec-WebSocket-Protocol: p, q", "-v", strings.ReplaceAll(test.url, "%", test.port))
		r := cmdtest.Run(t, "", line...)
		r.Check(t, 0)
		if want := strings.ReplaceAll(echoed, "%", test.port); r.Out != want {
			t.Errorf("%q: got %q, want %q", line, r.Out, want)
		}
		if !strings.Contains(r.Err, `1000 (normal closure): "`) || strings.Contains(r.Err, "\x1b") || strings.Contains(r.Err, "Bearer t") {
			t.Errorf("%q: stderr %q", line, r.Err)
		}
	}
	if connects != 1 {
		t.Errorf("%d requests to the proxy", connects)
	}
}

// TestWebSocketEscapes wants nothing of a server to reach a terminal raw.
func TestWebSocketEscapes(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Write(r.Context(), websocket.MessageText, []byte("\x1b]0;x\a\u009b"))
		conn.Close(4000, "\x1b[2J\u202e")
	})
	r := cmdtest.Run(t, "", "listen", "ws"+strings.TrimPrefix(url, "http"), "--no-reconnect", "--format", "text")
	r.Check(t, 3)
	for _, raw := range []string{"\x1b[2J", "\u202e"} {
		if strings.Contains(r.Err, raw) {
			t.Errorf("stderr has %q: %q", raw, r.Err)
		}
	}
	if !strings.Contains(r.Err, "connection lost: server closed the WebSocket with 4000") {
		t.Errorf("stderr %q", r.Err)
	}
}

// TestWebSocketHints wants remedies that are of WebSockets.
func TestWebSocketHints(t *testing.T) {
	stream := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: a\n\n")
	})
	r := cmdtest.Run(t, "", "listen", "WS"+strings.TrimPrefix(stream, "http"))
	r.Check(t, 4)
	if want := "hint: this is no WebSocket; try http:// or https://\n"; !strings.HasSuffix(r.Err, want) {
		t.Errorf("stderr %q, want %q", r.Err, want)
	}
	connections := 0
	ending := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		if connections++; connections > 1 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Write(r.Context(), websocket.MessageText, []byte("a"))
		conn.Close(websocket.StatusNormalClosure, "")
	})
	r = cmdtest.Run(t, "", "listen", "ws"+strings.TrimPrefix(ending, "http"), "--retry-delay", "0.001")
	r.Check(t, 0)
	if !strings.Contains(r.Err, "--id-from finds them in messages") {
		t.Errorf("stderr %q", r.Err)
	}
}

// TestWebSocketSecrets wants no secret of the request in what is told of its end, where
// the server repeats it.
func TestWebSocketSecrets(t *testing.T) {
	const key, token = "k3y-abcdefgh12345678ZYXW", "t0ken-abcdefgh12345678ZYX"
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Close(4001, r.URL.Query().Get("api_key")+" "+r.Header.Get("Authorization"))
	})
	file := filepath.Join(t.TempDir(), "recorded.jsonl")
	r := cmdtest.Run(t, "", "listen", "ws"+strings.TrimPrefix(url, "http")+"?api_key="+key, "-H", "Authorization: Bearer "+token, "--no-reconnect", "--stats=json", "--record", file)
	r.Check(t, 3)
	recorded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{r.Out, r.Err, string(recorded)} {
		if strings.Contains(text, key) || strings.Contains(text, token) {
			t.Errorf("a secret is in %q", text)
		}
	}
	if !strings.Contains(r.Err, "4001") {
		t.Errorf("stderr %q", r.Err)
	}
}
