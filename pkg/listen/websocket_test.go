package listen_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// socket serves WebSockets by f until the test ends, and returns the URL.
func socket(t *testing.T, f func(ctx context.Context, conn *websocket.Conn, r *http.Request)) string {
	return socketWith(t, nil, f)
}

func socketWith(t *testing.T, options *websocket.AcceptOptions, f func(ctx context.Context, conn *websocket.Conn, r *http.Request)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		f(ctx, conn, r)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// rawSocket serves WebSockets whose bytes are sent as they are, and then, once the
// client has closed or answered, closes the connection.
func rawSocket(t *testing.T, sent string) string {
	t.Helper()
	return socketOf(t, func(conn net.Conn) {
		io.WriteString(conn, sent)
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn)
	})
}

// socketOf serves WebSockets by f, after the handshake.
func socketOf(t *testing.T, f func(conn net.Conn)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shake := &hijacked{ResponseWriter: w}
		if _, err := websocket.Accept(shake, r, nil); err != nil {
			return
		}
		defer shake.conn.Close()
		shake.conn.SetDeadline(time.Now().Add(time.Minute))
		f(shake.conn)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

func (h *hijacked) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *hijacked) Hijack() (conn net.Conn, rw *bufio.ReadWriter, err error) {
	h.conn, rw, err = http.NewResponseController(h.ResponseWriter).Hijack()
	return h.conn, rw, err
}

// serverFrame returns a frame of a server. first is its first byte.
func serverFrame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return string(b) + payload
}

func closeFrame(code uint16, reason string) string {
	return serverFrame(final|opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

const (
	opText, opBinary, opClose, opPing, opPong = 0x1, 0x2, 0x8, 0x9, 0xa

	final = 0x80
)

// listenTo returns the events of a stream, and how it ended.
func listenTo(t *testing.T, url string, options listen.Options) (events []stream.Event, end error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if options.Backoff.Delay == 0 {
		options.Backoff.Delay = -1
	}
	s := listen.New(req, options)
	defer s.Close()
	for {
		b, err := s.Next()
		if err != nil {
			return events, err
		}
		events = append(events, b.Event())
	}
}

func dataOf(events []stream.Event) []string {
	var data []string
	for _, event := range events {
		data = append(data, event.Data)
	}
	return data
}

// TestWebSocketMessages sends frames of servers, good and bad. The cases are those of
// the Autobahn test suite for clients that send nothing: framing (1), pings (2),
// reserved bits (3), opcodes (4), fragments (5), UTF-8 (6), close frames (7).
func TestWebSocketMessages(t *testing.T) {
	bye := closeFrame(1000, "")
	broken := func(err error) bool { var e *listen.ProtocolError; return errors.As(err, &e) }
	done := func(err error) bool { return err == io.EOF }
	cut := func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }
	closed := func(code int) func(error) bool {
		return func(err error) bool { var e *listen.CloseError; return errors.As(err, &e) && e.Code == code }
	}
	for _, test := range []struct {
		name, sent string
		want       []string
		end        func(error) bool
	}{
		{"1.1.1 empty", serverFrame(final|opText, "") + bye, []string{""}, done},
		{"1.1.2 125 bytes", serverFrame(final|opText, strings.Repeat("*", 125)) + bye, []string{strings.Repeat("*", 125)}, done},
		{"1.1.3 126 bytes", serverFrame(final|opText, strings.Repeat("*", 126)) + bye, []string{strings.Repeat("*", 126)}, done},
		{"1.1.7 65536 bytes", serverFrame(final|opText, strings.Repeat("*", 65536)) + bye, []string{strings.Repeat("*", 65536)}, done},
		{"1.2 binary", serverFrame(final|opBinary, "\x00\xff") + bye, []string{"AP8="}, done},
		{"2.2 ping", serverFrame(final|opPing, "p") + serverFrame(final|opText, "a") + bye, []string{"a"}, done},
		{"2.5 ping of 126 bytes", serverFrame(final|opPing, strings.Repeat("p", 126)), nil, broken},
		{"2.7 pong", serverFrame(final|opPong, "p") + serverFrame(final|opText, "a") + bye, []string{"a"}, done},
		{"3.2 RSV1", serverFrame(final|opText, "a") + serverFrame(final|0x40|opText, "b"), []string{"a"}, broken},
		{"4.1.1 opcode 3", serverFrame(final|3, ""), nil, broken},
		{"4.2.1 opcode 11", serverFrame(final|11, ""), nil, broken},
		{"5.1 ping in fragments", serverFrame(opPing, "a") + serverFrame(final, "b"), nil, broken},
		{"5.4 fragments", serverFrame(opText, "a") + serverFrame(0, "") + serverFrame(final, "b") + bye, []string{"ab"}, done},
		{"5.6 ping between fragments", serverFrame(opText, "a") + serverFrame(final|opPing, "") + serverFrame(final, "b") + bye, []string{"ab"}, done},
		{"5.9 continuation of nothing", serverFrame(final, "b"), nil, broken},
		{"5.18 text within a text", serverFrame(opText, "a") + serverFrame(final|opText, "b"), nil, broken},
		{"6.2.3 UTF-8 in fragments of a byte", serverFrame(opText, "\xc3") + serverFrame(final, "\xa9") + bye, []string{"é"}, done},
		{"6.3.1 not UTF-8", serverFrame(final|opText, "a\xff"), nil, broken},
		{"6.4 not UTF-8 in the second fragment", serverFrame(opText, "a") + serverFrame(final, "\xf4\x90\x80\x80"), nil, broken},
		{"6.8 surrogate", serverFrame(final|opText, "\xed\xa0\x80"), nil, broken},
		{"7.1.2 text after the close frame", bye + serverFrame(final|opText, "a"), nil, done},
		{"7.1.5 close within a message", serverFrame(opText, "a") + bye, nil, func(err error) bool {
			var e *listen.UnfinishedError
			return errors.As(err, &e)
		}},
		{"7.3.1 close without a code", serverFrame(final|opClose, ""), nil, done},
		{"7.3.2 close with half a code", serverFrame(final|opClose, "\x03"), nil, broken},
		{"7.7.2 close with 1001", closeFrame(1001, ""), nil, done},
		{"7.7.8 close with 1011", closeFrame(1011, "oops"), nil, closed(1011)},
		{"7.7.13 close with 4999", closeFrame(4999, ""), nil, closed(4999)},
		{"7.9.1 close with 0", closeFrame(0, ""), nil, broken},
		{"7.9.5 close with 1006", closeFrame(1006, ""), nil, broken},
		{"end without a close frame", serverFrame(final|opText, "a"), []string{"a"}, cut},
		{"end within a header", serverFrame(final|opText, "a") + "\x81", []string{"a"}, cut},
		{"end before a payload", serverFrame(final|opText, "a") + "\x81\x05", []string{"a"}, cut},
		{"end within a payload", serverFrame(final|opText, "a") + "\x81\x05abc", []string{"a"}, cut},
		{"end within a large payload", serverFrame(final|opText, strings.Repeat("x", 1<<20))[:1<<16+10], nil, cut},
		{"end between fragments", serverFrame(opText, strings.Repeat("x", 512)), nil, cut},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, end := listenTo(t, rawSocket(t, test.sent), listen.Options{Reconnect: listen.ReconnectNever})
			if !slices.Equal(dataOf(got), test.want) || !test.end(end) {
				t.Errorf("sent %.60q: got %.60q, %v; want %.60q", test.sent, dataOf(got), end, test.want)
			}
		})
	}
}

// TestWebSocketSamples wants the events of an event stream from the JSON lines of a
// WebSocket, and its data from the data alone.
func TestWebSocketSamples(t *testing.T) {
	files, _ := filepath.Glob("../../testdata/streams/*.sse")
	if len(files) < 13 {
		t.Fatalf("%d samples", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			records, _, err := record.Read(bytes.NewReader(text), record.FormatAuto, 0)
			if err != nil {
				t.Fatal(err)
			}
			history := &serve.History{}
			if err := history.Load(records); err != nil {
				t.Fatal(err)
			}
			url := serving(t, &serve.Handler{History: history})
			never := listen.Options{Reconnect: listen.ReconnectNever}
			want, _ := listenTo(t, url, never)
			ws := "ws" + strings.TrimPrefix(url, "http")
			got, end := listenTo(t, ws, never)
			if !slices.Equal(dataOf(got), dataOf(want)) || end != io.EOF {
				t.Errorf("got %q, %v\nwant %q", dataOf(got), end, dataOf(want))
			}
			got, end = listenTo(t, ws+"?format=jsonl", never)
			for i := range got {
				r, err := record.ParseJSON([]byte(got[i].Data))
				if err != nil {
					t.Fatal(err)
				}
				r.Event.Retry, want[i].Retry = 0, 0
				if r.Event.ID != want[i].ID || r.Event.Type != want[i].Type || r.Event.Data != want[i].Data {
					t.Errorf("event %d: got %+v, want %+v", i, r.Event, want[i])
				}
			}
			if len(got) != len(want) || end != io.EOF {
				t.Errorf("%d events, %v; want %d", len(got), end, len(want))
			}
		})
	}
}

func serving(t *testing.T, h *serve.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		h.Close()
		server.Close()
	})
	return server.URL
}

// idOfLine describes the JSON lines of serve.
func idOfLine(text []byte) (id, eventType string) {
	r, err := record.ParseJSON(text)
	if err != nil {
		return "", ""
	}
	return r.ID, r.Type
}

// TestWebSocketResume draws cuts, and wants each event once.
func TestWebSocketResume(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		events := 1 + random.IntN(30)
		h := &serve.Handler{History: &serve.History{}}
		var want []string
		for i := range events {
			want = append(want, fmt.Sprint(i+1))
			h.History.Append(stream.Event{ID: want[i], Type: "tick", Data: "x"})
		}
		h.History.End()
		kinds := []string{"drop", "reset", "truncate", "close=1012", "close=1001"}
		var faults []string
		for connection := 1; connection <= 3; connection++ {
			text := fmt.Sprintf("%s@%d:#%d", kinds[random.IntN(len(kinds))], 1+random.IntN(events), connection)
			f, err := fault.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			h.Faults, faults = append(h.Faults, f), append(faults, text)
		}
		got, end := listenTo(t, "ws"+strings.TrimPrefix(serving(t, h), "http")+"?format=jsonl", listen.Options{WebSocket: listen.WebSocket{Describe: idOfLine}})
		var ids []string
		for _, event := range got {
			ids = append(ids, event.ID)
			if event.Type != "tick" {
				t.Errorf("type %q", event.Type)
			}
		}
		if !slices.Equal(ids, want) || end != io.EOF { // the last answer is 204
			t.Errorf("faults %q: got %q, %v; want %d events", faults, ids, end, events)
		}
	}
}

// TestWebSocketRequest wants subprotocols, the position and texts to be sent.
func TestWebSocketRequest(t *testing.T) {
	type asked struct{ protocol, query, id, accept, text string }
	var mu sync.Mutex
	var got []asked
	url := socketWith(t, &websocket.AcceptOptions{Subprotocols: []string{"b"}}, func(ctx context.Context, conn *websocket.Conn, r *http.Request) {
		_, text, _ := conn.Read(ctx)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, asked{conn.Subprotocol(), r.URL.RawQuery, r.Header.Get("Last-Event-ID"), r.Header.Get("Accept"), string(text)})
		conn.Write(ctx, websocket.MessageText, []byte("a b&c"))
	})
	req, err := http.NewRequest("GET", url+"?z=1&from=0&a=%20", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-WebSocket-Protocol", "a, b")
	var changes []listen.Change
	s := listen.New(req, listen.Options{
		Backoff: listen.Backoff{Delay: -1}, MaxRetries: 1,
		WebSocket: listen.WebSocket{Send: []string{"hello"}, ResumeQuery: "from", Describe: func(text []byte) (string, string) { return string(text), "" }},
		OnChange:  func(c listen.Change) { changes = append(changes, c) },
	})
	defer s.Close()
	for range 2 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	want := []asked{{"b", "z=1&from=0&a=%20", "", "", "hello"}, {"b", "z=1&a=%20&from=a+b%26c", "", "", "hello"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if s.Stats().Bytes != 10 {
		t.Errorf("%d bytes", s.Stats().Bytes)
	}
	dropped, ok := changes[1].(listen.Dropped)
	if connected := changes[0].(listen.Connected); connected.Proto != "WebSocket" || connected.Status != 101 || !ok || dropped.Close != nil || dropped.Err != io.ErrUnexpectedEOF {
		t.Errorf("changes %+v", changes)
	}
}

// TestWebSocketDeflate wants compressed messages, also a small one that stands for
// more than may come.
func TestWebSocketDeflate(t *testing.T) {
	large := strings.Repeat("the same again ", 1<<16)
	url := socketWith(t, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover}, func(ctx context.Context, conn *websocket.Conn, r *http.Request) {
		if r.Header.Get("Sec-WebSocket-Extensions") == "" {
			t.Error("no extension was offered")
		}
		for range 3 {
			conn.Write(ctx, websocket.MessageText, []byte(large))
		}
		conn.Close(websocket.StatusNormalClosure, "")
	})
	compress := listen.Options{Reconnect: listen.ReconnectNever, WebSocket: listen.WebSocket{Compress: true}}
	got, end := listenTo(t, url, compress)
	if !slices.Equal(dataOf(got), []string{large, large, large}) || end != io.EOF {
		t.Errorf("%d events, %v", len(got), end)
	}
	compress.MaxEventSize = len(large) / 2
	var size *stream.SizeError
	if got, end := listenTo(t, url, compress); len(got) != 0 || !errors.As(end, &size) {
		t.Errorf("%d events, %v", len(got), end)
	}
}

// TestWebSocketSize wants an event of nearly 16 MiB to pass, and a larger one to
// take no more memory than that.
func TestWebSocketSize(t *testing.T) {
	text := strings.Repeat("é", (16<<20-8)/2)
	got, end := listenTo(t, rawSocket(t, serverFrame(final|opText, text)+closeFrame(1000, "")), listen.Options{Reconnect: listen.ReconnectNever})
	if len(got) != 1 || got[0].Data != text || end != io.EOF {
		t.Errorf("%d events, %v", len(got), end)
	}
	got = nil
	t.Run("room", func(t *testing.T) { roomOf(t, strings.Repeat(serverFrame(final|opText, text[:8<<20]), 3)) })
	for name, piece := range map[string]string{
		"fragments without end": serverFrame(0, strings.Repeat("x", 1<<16)),
		"line ends":             serverFrame(0, strings.Repeat("\n", 1<<16)),
	} {
		bytes := []byte(piece)
		url := socketOf(t, func(conn net.Conn) {
			io.WriteString(conn, serverFrame(opText, "x"))
			for {
				if _, err := conn.Write(bytes); err != nil {
					return
				}
			}
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var size *stream.SizeError
		if _, end := listenTo(t, url, listen.Options{MaxEventSize: 1 << 20}); !errors.As(end, &size) || size.Limit != 1<<20 {
			t.Errorf("%s: %v", name, end)
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 32<<20 {
			t.Errorf("%s took %d bytes", name, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

// roomOf wants no room of a large message to be kept while the next is awaited, but for
// that of the decoder, which has twice its size.
func roomOf(t *testing.T, sent string) {
	req, _ := http.NewRequest("GET", "ws://fake/", nil)
	s := listen.New(req, listen.Options{Client: &http.Client{Transport: &wireFake{sent: sent}}, Reconnect: listen.ReconnectNever})
	defer s.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 3 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if int64(after.HeapAlloc-before.HeapAlloc) > 20<<20 {
		t.Errorf("%d MiB are kept after a message of 8 MiB", (after.HeapAlloc-before.HeapAlloc)>>20)
	}
	runtime.KeepAlive(sent)
	runtime.KeepAlive(s)
}

// TestWebSocketSilence wants pings to count as bytes, and not as events.
func TestWebSocketSilence(t *testing.T) {
	pinging := func(conn net.Conn) {
		go io.Copy(io.Discard, conn)
		ticks := time.NewTicker(2 * time.Millisecond)
		defer ticks.Stop()
		for range ticks.C {
			if _, err := io.WriteString(conn, serverFrame(final|opPing, "")); err != nil {
				return
			}
		}
	}
	silent := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	for _, test := range []struct {
		name    string
		server  func(net.Conn)
		options listen.Options
		event   bool
	}{
		{"no event", pinging, listen.Options{IdleTimeout: 30 * time.Second, EventTimeout: 50 * time.Millisecond}, true},
		{"no byte", silent, listen.Options{IdleTimeout: 50 * time.Millisecond, EventTimeout: 30 * time.Second}, false},
	} {
		test.options.Reconnect = listen.ReconnectNever
		var timeout *listen.TimeoutError
		if _, end := listenTo(t, socketOf(t, test.server), test.options); !errors.As(end, &timeout) || timeout.Event != test.event {
			t.Errorf("%s: %v", test.name, end)
		}
	}
}

// TestWebSocketGoodbye wants the server to be told when the caller has enough, and
// when its context ends.
func TestWebSocketGoodbye(t *testing.T) {
	for _, name := range []string{"close", "context"} {
		said := make(chan websocket.StatusCode, 1)
		url := socket(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
			conn.Write(ctx, websocket.MessageText, []byte("x"))
			_, _, err := conn.Read(ctx)
			said <- websocket.CloseStatus(err)
		})
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		s := listen.New(req, listen.Options{})
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		if name == "close" {
			s.Close()
		} else {
			cancel()
			if _, err := s.Next(); err != context.Canceled {
				t.Errorf("got %v", err)
			}
		}
		if code := <-said; code != websocket.StatusNormalClosure {
			t.Errorf("%s: code %v", name, code)
		}
		cancel()
		s.Close()
	}
}

// TestWebSocketRefused wants the answers that are no WebSocket.
func TestWebSocketRefused(t *testing.T) {
	answer := func(status int, header ...string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			if status != 101 {
				io.WriteString(w, "why")
			}
		}))
		t.Cleanup(server.Close)
		return "ws" + strings.TrimPrefix(server.URL, "http")
	}
	for _, status := range []int{200, 403, 426, 302} {
		var refused *listen.ResponseError
		if _, end := listenTo(t, answer(status), listen.Options{}); !errors.As(end, &refused) || refused.Status != status || string(refused.Body) != "why" {
			t.Errorf("%d: %v", status, end)
		}
	}
	if _, end := listenTo(t, answer(204), listen.Options{}); end != io.EOF {
		t.Errorf("204: %v", end)
	}
	var protocol *listen.ProtocolError
	if _, end := listenTo(t, answer(101, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Accept", "wrong"), listen.Options{}); !errors.As(end, &protocol) {
		t.Errorf("wrong key: %v", end)
	}
	// Redirects are the client's affair.
	target := socket(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
		conn.Write(ctx, websocket.MessageText, []byte("x"))
		conn.Close(websocket.StatusNormalClosure, "")
	})
	got, end := listenTo(t, answer(307, "Location", "http"+strings.TrimPrefix(target, "ws")), listen.Options{Reconnect: listen.ReconnectNever})
	if len(got) != 1 || end != io.EOF {
		t.Errorf("redirected: %v, %v", got, end)
	}
	refusing := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("no redirects") }}
	if _, end := listenTo(t, answer(307, "Location", "/"), listen.Options{Client: refusing}); end == nil || end.Error() != "no redirects" {
		t.Errorf("redirect refused: %v", end)
	}
}

func TestWebSocketOptions(t *testing.T) {
	for _, method := range []string{"POST", "GET"} {
		req, _ := http.NewRequest(method, "ws://localhost/", nil)
		s := listen.New(req, listen.Options{Resume: listen.ResumeRange})
		if _, err := s.Next(); err == nil || !strings.Contains(err.Error(), "WebSocket") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// A wireFake is a transport of one WebSocket, and of a 204 for each later request. It has
// no network, so that time can be faked.
type wireFake struct {
	status   int // 101 if 0
	header   http.Header
	sent     string
	stays    bool                 // the connection stays open after sent
	write    func(p []byte) error // of a frame; nil takes everything
	blocks   bool                 // writes take nothing until the end
	requests atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (f *wireFake) RoundTrip(req *http.Request) (*http.Response, error) {
	if f.requests.Add(1) > 1 {
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: req}, nil
	}
	body := &wireBody{fake: f, rest: strings.NewReader(f.sent), closed: make(chan struct{})}
	context.AfterFunc(req.Context(), func() { body.Close() })
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])}}
	maps.Copy(header, f.header)
	return &http.Response{StatusCode: cmp.Or(f.status, 101), Header: header, Body: body, Request: req}, nil
}

type wireBody struct {
	fake   *wireFake
	rest   io.Reader
	once   sync.Once
	closed chan struct{}
}

func (b *wireBody) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	if err == io.EOF && b.fake.stays {
		<-b.closed
		err = net.ErrClosed
	}
	return n, err
}

func (b *wireBody) Write(p []byte) (int, error) {
	if b.fake.blocks {
		<-b.closed
		return 0, net.ErrClosed
	}
	if b.fake.write != nil {
		if err := b.fake.write(p); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (b *wireBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// TestWebSocketUntaken wants a server that takes nothing to lose neither the messages
// that it sent nor, by that, the stream: the connection is made again.
func TestWebSocketUntaken(t *testing.T) {
	text, pings := serverFrame(final|opText, "a"), strings.Repeat(serverFrame(final|opPing, "p"), 35)
	fails := func(err error) func([]byte) error { return func([]byte) error { return err } }
	for _, test := range []struct {
		name string
		fake *wireFake
		want error  // of the connection
		text string // in it, if it has no value
	}{
		{"cut", &wireFake{sent: pings + text, write: fails(syscall.EPIPE)}, io.ErrUnexpectedEOF, ""},
		{"reset", &wireFake{sent: pings + text, write: fails(syscall.ECONNRESET)}, syscall.ECONNRESET, ""},
		{"close frame", &wireFake{sent: pings + text + closeFrame(1012, ""), write: fails(syscall.EPIPE)}, nil, "1012"},
		{"no reading", &wireFake{sent: text + pings, stays: true, blocks: true}, nil, "did not take a pong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dropped error
				got, end := listenTo(t, "ws://fake/", listen.Options{
					Client: &http.Client{Transport: test.fake},
					OnChange: func(c listen.Change) {
						if d, ok := c.(listen.Dropped); ok && dropped == nil {
							dropped = d.Err
						}
					},
				})
				var protocol *listen.ProtocolError
				isWanted := errors.Is(dropped, test.want) || test.want == nil && strings.Contains(fmt.Sprint(dropped), test.text)
				if !slices.Equal(dataOf(got), []string{"a"}) || !isWanted || errors.As(end, &protocol) || test.fake.requests.Load() != 2 {
					t.Errorf("got %q, %v, at last %v, %d connections", dataOf(got), dropped, end, test.fake.requests.Load())
				}
			})
		})
	}
}

// TestWebSocketSend wants messages to be read while texts are sent to a server that
// takes them slowly, and pings then not to end the connection.
func TestWebSocketSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := strings.Repeat(serverFrame(final|opPing, "p"), 3) + serverFrame(final|opText, "a")
		fake := &wireFake{sent: sent, stays: true, blocks: true}
		begin := time.Now()
		got, end := listenTo(t, "ws://fake/", listen.Options{
			Client: &http.Client{Transport: fake}, Reconnect: listen.ReconnectNever, IdleTimeout: time.Minute - time.Second,
			WebSocket: listen.WebSocket{Send: []string{strings.Repeat("x", 1<<20), "y"}},
		})
		var timeout *listen.TimeoutError
		if !slices.Equal(dataOf(got), []string{"a"}) || !errors.As(end, &timeout) {
			t.Errorf("got %q, %v after %v", dataOf(got), end, time.Since(begin))
		}
	})
	// A reset is that of the server, also where a text meets it.
	sending := make(chan struct{})
	fake := &wireFake{write: func([]byte) error { close(sending); return syscall.ECONNRESET }}
	_, end := listenTo(t, "ws://fake/", listen.Options{
		Client: &http.Client{Transport: delayed{fake, sending}}, Reconnect: listen.ReconnectNever,
		WebSocket: listen.WebSocket{Send: []string{"x"}},
	})
	if !errors.Is(end, syscall.ECONNRESET) {
		t.Errorf("reset: %v", end)
	}
}

// delayed reads nothing before a channel is closed.
type delayed struct {
	*wireFake
	until chan struct{}
}

func (d delayed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.wireFake.RoundTrip(req)
	body := resp.Body.(*wireBody)
	resp.Body = &delayedBody{body, d.until}
	return resp, err
}

type delayedBody struct {
	*wireBody
	until chan struct{}
}

func (d *delayedBody) Read(p []byte) (int, error) {
	<-d.until
	return d.wireBody.Read(p)
}

// TestWebSocketHandshake wants a reason for each handshake that is refused, and no
// wait for a body that a 101 does not have, nor more of one than over HTTP.
func TestWebSocketHandshake(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		header string
		value  string
		want   string
		wait   time.Duration
	}{
		{"extension", 101, "Sec-Websocket-Extensions", "foo", `"foo"`, 0},
		{"parameter", 101, "Sec-Websocket-Extensions", "permessage-deflate; client_max_window_bits=15", "client_max_window_bits=15", 0},
		{"subprotocol", 101, "Sec-Websocket-Protocol", "foo", `handshake: unexpected Sec-WebSocket-Protocol from server: "foo"`, 0},
		{"key", 101, "Sec-Websocket-Accept", "foo", "handshake: invalid Sec-WebSocket-Accept", 0},
		{"upgrade", 101, "Upgrade", "h2c", "handshake: Upgrade header", 0},
		{"body", 500, "Content-Type", "text/plain", "500", 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &wireFake{status: test.status, header: http.Header{test.header: {test.value}}, stays: true}
				begin := time.Now()
				_, end := listenTo(t, "ws://fake/", listen.Options{Client: &http.Client{Transport: fake}, WebSocket: listen.WebSocket{Compress: true}})
				var protocol *listen.ProtocolError
				if errors.As(end, &protocol) != (test.status == 101) || !strings.Contains(end.Error(), test.want) || time.Since(begin) != test.wait {
					t.Errorf("got %v after %v, want %q after %v", end, time.Since(begin), test.want, test.wait)
				}
			})
		})
	}
}

// TestWebSocketEndAtOnce ends the context while a message is refused. No part of the
// message may become an event.
func TestWebSocketEndAtOnce(t *testing.T) {
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", "ws://fake/", nil)
		s := listen.New(req, listen.Options{Client: &http.Client{Transport: &wireFake{sent: serverFrame(final|opText, "\xff")}}, Reconnect: listen.ReconnectNever})
		go cancel()
		if b, err := s.Next(); err == nil {
			t.Errorf("got %q", b.Raw())
		}
		s.Close()
	}
}
