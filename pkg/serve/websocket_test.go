package serve_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// hang returns a context that only a hang outlasts.
func hang(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A strict transport has the library see the end of a connection as an error. It
// takes a message for whole that ends with the connection within a frame.
type strict struct{}

func (strict) RoundTrip(req *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body = strictBody{response.Body.(io.ReadWriteCloser)}
	}
	return response, err
}

type strictBody struct{ io.ReadWriteCloser }

func (b strictBody) Read(p []byte) (n int, err error) {
	if n, err = b.ReadWriteCloser.Read(p); err == io.EOF {
		err = errCut
	}
	return n, err
}

var strictClient = &http.Client{Transport: strict{}}

// open opens a WebSocket with the given header fields.
func open(t *testing.T, url string, header ...string) *websocket.Conn {
	t.Helper()
	options := &websocket.DialOptions{HTTPClient: strictClient, HTTPHeader: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		options.HTTPHeader.Set(header[i], header[i+1])
	}
	conn, _, err := websocket.Dial(hang(t), url, options)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// messages reads all messages, and returns how the connection ended.
func messages(t *testing.T, conn *websocket.Conn) (texts []string, end error) {
	t.Helper()
	ctx := hang(t)
	for {
		kind, text, err := conn.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				t.Fatalf("no end after %d messages", len(texts))
			}
			return texts, err
		}
		if kind != websocket.MessageText {
			t.Errorf("message of kind %v", kind)
		}
		texts = append(texts, string(text))
	}
}

// events returns the events of an event stream.
func events(t *testing.T, url string) []stream.Event {
	t.Helper()
	_, body := get(t, url)
	var all []stream.Event
	for event, err := range stream.NewDecoder(strings.NewReader(body)).Events() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, event)
	}
	return all
}

// TestWebSocketSamples wants the texts of an event stream over a WebSocket.
func TestWebSocketSamples(t *testing.T) {
	files, _ := filepath.Glob("../../testdata/streams/*.sse")
	if len(files) < 13 {
		t.Fatalf("%d samples", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			url := start(t, &serve.Handler{History: load(t, file, record.IDsKeep)})
			var data, lines []string
			for _, event := range events(t, url) {
				data = append(data, event.Data)
				r := record.Record{Event: event, IsEvent: true}
				lines = append(lines, strings.TrimSuffix(string(r.AppendJSON(nil)), "\n"))
			}
			got, end := messages(t, open(t, url))
			if !slices.Equal(got, data) || websocket.CloseStatus(end) != websocket.StatusNormalClosure {
				t.Errorf("data: got %q, %v\nwant %q", got, end, data)
			}
			got, end = messages(t, open(t, url+"?format=jsonl"))
			if !slices.Equal(got, lines) || websocket.CloseStatus(end) != websocket.StatusNormalClosure {
				t.Errorf("JSON lines: got %q, %v\nwant %q", got, end, lines)
			}
		})
	}
}

func TestWebSocketFaults(t *testing.T) {
	const code = 4242
	for _, test := range []struct {
		faults string
		want   string // the messages
		end    func(error) bool
	}{
		{"", "event 1, event 2, event 3", closedWith(1000)},
		{"drop@2", "event 1, event 2", isCut},
		{"reset@2", "event 1, event 2", isReset},
		{"truncate@2", "event 1", isCut},
		{"close=1011@2", "event 1, event 2", closedWith(1011)},
		{fmt.Sprintf("close=%d@2", code), "event 1, event 2", closedWith(code)},
		{"stall@1=20ms", "event 1, event 2, event 3", closedWith(1000)},
		{"delay=20ms", "event 1, event 2, event 3", closedWith(1000)},
		{"duplicate@2", "event 1, event 2, event 2, event 3", closedWith(1000)},
		{"buffer=16k", "event 1, event 2, event 3", closedWith(1000)},
		{"buffer=7", "event 1, event 2, event 3", closedWith(1000)},
		{"chunk=1", "event 1, event 2, event 3", closedWith(1000)},
		{"split-utf8", "event 1, event 2, event 3", closedWith(1000)},
		{"eol=cr", "event 1, event 2, event 3", closedWith(1000)},
		{"bom", "event 1, event 2, event 3", closedWith(1000)},
		{"gzip", "event 1, event 2, event 3", closedWith(1000)},
		{"type=text/plain", "event 1, event 2, event 3", closedWith(1000)},
		{"big@2=5", "event 1, xxxxx, event 2, event 3", closedWith(1000)},
	} {
		t.Run(test.faults, func(t *testing.T) {
			url := faulty(t, numbered(3), strings.Fields(test.faults)...)
			got, end := messages(t, open(t, url))
			if strings.Join(got, ", ") != test.want || !test.end(end) {
				t.Errorf("got %q, %v; want %s", got, end, test.want)
			}
		})
	}
}

func closedWith(code websocket.StatusCode) func(error) bool {
	return func(err error) bool { return websocket.CloseStatus(err) == code }
}

func isCut(err error) bool {
	return websocket.CloseStatus(err) == -1 && errors.Is(err, errCut)
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// A frame is one of RFC 6455, as it was sent.
type frame struct {
	opcode  byte
	fin     bool
	payload string
}

// A rawSocket is a WebSocket whose frames the test writes itself.
type rawSocket struct {
	net.Conn
	in *bufio.Reader
}

func openRaw(t *testing.T, url string) *rawSocket {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	s := &rawSocket{conn, bufio.NewReader(conn)}
	response, err := http.ReadResponse(s.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The example of https://www.rfc-editor.org/rfc/rfc6455#section-1.3.
	if got := response.Header.Get("Sec-WebSocket-Accept"); response.StatusCode != 101 || got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("handshake: %d, %q", response.StatusCode, got)
	}
	return s
}

// read reads a frame.
func (s *rawSocket) read() (f frame, err error) {
	var head [2]byte
	if _, err = io.ReadFull(s.in, head[:]); err != nil {
		return f, err
	}
	f.fin, f.opcode = head[0]&0x80 != 0, head[0]&0x7f
	size := int64(head[1]) // not masked, or it would be too large
	switch size {
	case 126:
		var n uint16
		err = binary.Read(s.in, binary.BigEndian, &n)
		size = int64(n)
	case 127:
		err = binary.Read(s.in, binary.BigEndian, &size)
	}
	payload := make([]byte, size)
	n, failed := io.ReadFull(s.in, payload)
	f.payload = string(payload[:n])
	return f, errors.Join(err, failed)
}

// client returns a frame of a client, masked. first is its first byte.
func clientFrame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := []byte{1, 2, 3, 4}
	b = append(b, mask...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

func closePayload(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

const (
	opText, opBinary, opClose, opPing, opPong = 0x1, 0x2, 0x8, 0x9, 0xa

	final = 0x80
)

// TestWebSocketFrames sends frames of clients, good and bad. The cases are those of
// the Autobahn test suite for servers that get no text: framing (1), pings (2),
// reserved bits (3), opcodes (4), fragments (5), close frames (7), limits (9).
func TestWebSocketFrames(t *testing.T) {
	for _, test := range []struct {
		name, sent string
		want       []frame // the payload of a close frame is its code
	}{
		{"1.1.1 empty text", clientFrame(final|opText, ""), nil},
		{"1.1.6 text of 64 KiB", clientFrame(final|opText, strings.Repeat("*", 1<<16)), nil},
		{"1.2.1 empty binary", clientFrame(final|opBinary, ""), nil},
		{"2.1 ping", clientFrame(final|opPing, ""), []frame{{opPong, true, ""}}},
		{"2.2 ping with a payload", clientFrame(final|opPing, "Hello"), []frame{{opPong, true, "Hello"}}},
		{"2.3 ping with a binary payload", clientFrame(final|opPing, "\x00\xff\xfe"), []frame{{opPong, true, "\x00\xff\xfe"}}},
		{"2.4 ping of 125 bytes", clientFrame(final|opPing, strings.Repeat("p", 125)), []frame{{opPong, true, strings.Repeat("p", 125)}}},
		{"2.5 ping of 126 bytes", clientFrame(final|opPing, strings.Repeat("p", 126)), []frame{{opClose, true, "1002"}}},
		{"2.7 pong that nobody asked for", clientFrame(final|opPong, "x"), nil},
		{"2.10 ten pings", strings.Repeat(clientFrame(final|opPing, "a"), 10), slices.Repeat([]frame{{opPong, true, "a"}}, 10)},
		{"3.1 RSV3", clientFrame(final|0x10|opText, "x"), []frame{{opClose, true, "1002"}}},
		{"3.4 RSV1 without an extension", clientFrame(final|0x40|opText, "x"), []frame{{opClose, true, "1002"}}},
		{"4.1.1 opcode 3", clientFrame(final|3, ""), []frame{{opClose, true, "1002"}}},
		{"4.2.1 opcode 11", clientFrame(final|11, ""), []frame{{opClose, true, "1002"}}},
		{"5.1 ping in fragments", clientFrame(opPing, "a") + clientFrame(final, "b"), []frame{{opClose, true, "1002"}}},
		{"5.3 text in fragments", clientFrame(opText, "a") + clientFrame(final, "b"), nil},
		{"5.6 ping between fragments", clientFrame(opText, "a") + clientFrame(final|opPing, "!") + clientFrame(final, "b"), []frame{{opPong, true, "!"}}},
		{"5.9 continuation of nothing", clientFrame(final, "b"), []frame{{opClose, true, "1002"}}},
		{"5.18 text within a text", clientFrame(opText, "a") + clientFrame(final|opText, "b"), []frame{{opClose, true, "1002"}}},
		{"6.2.3 UTF-8 in fragments of a byte", clientFrame(opText, "\xc3") + clientFrame(final, "\xa9"), nil},
		{"6.3.1 text that is not UTF-8", clientFrame(final|opText, "a\xffb"), []frame{{opClose, true, "1007"}}},
		{"6.4 not UTF-8 in the second fragment", clientFrame(opText, "a") + clientFrame(final, "\xf4\x90\x80\x80"), []frame{{opClose, true, "1007"}}},
		{"6.6 half a character", clientFrame(final|opText, "a\xe6\xbd"), []frame{{opClose, true, "1007"}}},
		{"6.8 binary that is not UTF-8", clientFrame(final|opBinary, "\xff"), nil},
		{"7.1.1 close with a code", clientFrame(final|opClose, closePayload(1000, "")), []frame{{opClose, true, "1000"}}},
		{"7.3.1 close without a code", clientFrame(final|opClose, ""), []frame{{opClose, true, ""}}},
		{"7.3.2 close with half a code", clientFrame(final|opClose, "\x03"), []frame{{opClose, true, "1002"}}},
		{"7.3.4 close with a reason", clientFrame(final|opClose, closePayload(1001, "bye")), []frame{{opClose, true, "1001"}}},
		{"7.7.13 close with a code of an application", clientFrame(final|opClose, closePayload(4999, "")), []frame{{opClose, true, "4999"}}},
		{"7.9.1 close with the code 0", clientFrame(final|opClose, closePayload(0, "")), []frame{{opClose, true, "1002"}}},
		{"7.9.4 close with the code 1005", clientFrame(final|opClose, closePayload(1005, "")), []frame{{opClose, true, "1002"}}},
		{"9 a length beyond 2^63", string([]byte{final | opText, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), []frame{{opClose, true, "1002"}}},
		{"9 text of twice the limit", clientFrame(final|opText, strings.Repeat("x", 2<<20)), []frame{{opClose, true, "1009"}}},
		{"9 text beyond the limit", clientFrame(final|opText, strings.Repeat("x", 1<<20+1)), []frame{{opClose, true, "1009"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			history := &serve.History{}
			s := openRaw(t, start(t, &serve.Handler{History: history}))
			go io.WriteString(s, test.sent) // the answer may come before its end
			for _, want := range test.want {
				got, err := s.read()
				if err == nil && got.opcode == opClose && len(got.payload) >= 2 {
					got.payload = fmt.Sprint(binary.BigEndian.Uint16([]byte(got.payload)))
				}
				if err != nil || got != want {
					t.Fatalf("got %v, %v; want %v", got, err, want)
				}
				if want.opcode == opClose {
					return
				}
			}
			// It goes on, and the events come.
			io.WriteString(s, clientFrame(final|opPing, "alive"))
			if got, err := s.read(); err != nil || got != (frame{opPong, true, "alive"}) {
				t.Fatalf("got %v, %v; want a pong", got, err)
			}
			history.Append(stream.Event{Data: "x"})
			if got, err := s.read(); err != nil || got != (frame{opText, true, "x"}) {
				t.Fatalf("got %v, %v; want the event", got, err)
			}
		})
	}
}

// TestWebSocketUnmasked wants the connection to end at a frame that no client may
// send.
func TestWebSocketUnmasked(t *testing.T) {
	s := openRaw(t, start(t, &serve.Handler{History: &serve.History{}}))
	s.Write([]byte{final | opText, 1, 'x'})
	if got, err := s.read(); err != nil || got != (frame{opClose, true, closePayload(1002, "")}) {
		t.Errorf("got %v, %v; want a close frame", got, err)
	}
}

// TestWebSocketSlowWithPings wants a client that pings to be read from while it takes a
// message slowly, and to stay: --write-timeout alone decides.
func TestWebSocketSlowWithPings(t *testing.T) {
	history := &serve.History{}
	large := strings.Repeat("x", 8<<20)
	s := openRaw(t, start(t, &serve.Handler{History: history, Options: serve.Options{WriteTimeout: -1}}))
	for range 4 {
		history.Append(stream.Event{Data: large})
	}
	io.WriteString(s, clientFrame(final|opPing, "a")+clientFrame(final|opPing, "b"))
	text := clientFrame(final|opText, strings.Repeat("x", 1<<20))
	for range 32 { // more than the buffers of a connection hold
		if _, err := io.WriteString(s, text); err != nil {
			t.Fatal(err)
		}
	}
	for texts, pongs := 0, 0; texts < 4 || pongs == 0; {
		switch got, err := s.read(); {
		case err != nil:
			t.Fatalf("after %d texts and %d pongs: %v", texts, pongs, err)
		case got == frame{opText, true, large}:
			texts++
		case got == frame{opPong, true, "b"}:
			pongs++
		}
	}
}

func TestWebSocketHeartbeat(t *testing.T) {
	s := openRaw(t, start(t, &serve.Handler{History: &serve.History{}, Options: serve.Options{Heartbeat: 10 * time.Millisecond}}))
	for range 3 {
		if got, err := s.read(); err != nil || got != (frame{opPing, true, ""}) {
			t.Fatalf("got %v, %v; want a ping", got, err)
		}
	}
}

// TestWebSocketPieces wants a message in several frames, of which each but the last
// may end within a character.
func TestWebSocketPieces(t *testing.T) {
	history := &serve.History{}
	history.Append(stream.Event{Data: "aéz"})
	history.End()
	for kind, want := range map[string][]string{
		"chunk=2":    {"a\xc3", "\xa9z", ""},
		"split-utf8": {"a\xc3", "\xa9z", ""},
		"garble":     {"a\xff\xffz"},
	} {
		s := openRaw(t, faulty(t, history, kind))
		for i, payload := range want {
			wanted := frame{opcode: 0, fin: i == len(want)-1, payload: payload}
			if i == 0 {
				wanted.opcode = opText
			}
			if got, err := s.read(); err != nil || got != wanted {
				t.Errorf("%s: got %+v, %v; want %+v", kind, got, err, wanted)
				break
			}
		}
	}
}

// TestWebSocketTruncated wants an event to end within its frame.
func TestWebSocketTruncated(t *testing.T) {
	s := openRaw(t, faulty(t, numbered(1), "truncate@1"))
	got, err := s.read()
	if err == nil || got.opcode != opText || !strings.HasPrefix("event 1", got.payload) {
		t.Errorf("got %+v, %v; want the beginning of a frame", got, err)
	}
}

func TestWebSocketHandshake(t *testing.T) {
	h := &serve.Handler{History: &serve.History{}, Options: serve.Options{CORS: "https://app.example", MaxClients: 2, Header: http.Header{"X-Own": {"1"}}}}
	url := start(t, h)
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for _, test := range []struct {
		header []string
		want   int
	}{
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-WebSocket-Version", "8"}, 400},
		{[]string{"Sec-WebSocket-Key", "short"}, 400},
	} {
		if response, body := get(t, url, append(slices.Clone(upgrade), test.header...)...); response.StatusCode != test.want {
			t.Errorf("%q: got %d, %q; want %d", test.header, response.StatusCode, body, test.want)
		}
	}
	for _, origin := range []string{"https://app.example", url} {
		conn, response, err := websocket.Dial(hang(t), url, &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {origin}}, Subprotocols: []string{"graphql-transport-ws", "other"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if got := conn.Subprotocol(); got != "graphql-transport-ws" || response.Header.Get("X-Own") != "1" || response.Header.Get("Content-Type") != "" {
			t.Errorf("subprotocol %q, header %v", got, response.Header)
		}
	}
	if _, response, err := websocket.Dial(hang(t), url, nil); err == nil || response.StatusCode != 503 {
		t.Errorf("a third client got %v, %v", response, err)
	}
}

// TestWebSocketResume draws cuts, and wants each event once.
func TestWebSocketResume(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		events := 1 + random.IntN(30)
		kinds := []string{"drop", "reset", "truncate", "close=1012"}
		var faults []string
		for connection := 1; connection <= 3; connection++ {
			faults = append(faults, fmt.Sprintf("%s@%d:#%d", kinds[random.IntN(len(kinds))], 1+random.IntN(events), connection))
		}
		url := faulty(t, numbered(events), faults...)
		var ids []string
		for query := "?format=jsonl"; ; {
			conn, response, err := websocket.Dial(hang(t), url+query, &websocket.DialOptions{HTTPClient: strictClient})
			if err != nil && response != nil && response.StatusCode == http.StatusNoContent {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			texts, end := messages(t, conn)
			for _, text := range texts {
				r, err := record.ParseJSON([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, r.ID)
				query = "?format=jsonl&lastEventId=" + r.ID
			}
			if websocket.CloseStatus(end) == websocket.StatusNormalClosure {
				break
			}
		}
		var want []string
		for i := range events {
			want = append(want, fmt.Sprint(i+1))
		}
		if !slices.Equal(ids, want) {
			t.Errorf("faults %q: got %q, want %d events", faults, ids, events)
		}
	}
}

// TestWebSocketStatus wants the answers to a handshake that an event stream has.
func TestWebSocketStatus(t *testing.T) {
	for _, test := range []struct {
		fault   string
		query   string
		options serve.Options
		want    int
	}{
		{"status=503", "", serve.Options{}, 503},
		{"", "?lastEventId=3", serve.Options{}, 204},
		{"", "?lastEventId=9", serve.Options{OnUnknownID: serve.UnknownConflict}, 409},
		{"cut=20ms delay=1h", "", serve.Options{}, 504},
	} {
		h := &serve.Handler{History: numbered(3), Options: test.options}
		for _, text := range strings.Fields(test.fault) {
			f, err := fault.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			h.Faults = append(h.Faults, f)
		}
		conn, response, err := websocket.Dial(hang(t), start(t, h)+test.query, nil)
		if response == nil || response.StatusCode != test.want {
			t.Errorf("%s%s: got %v, %v; want %d", test.fault, test.query, response, err, test.want)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

// TestWebSocketEnds wants the log to know how connections ended, and that they were WebSockets.
func TestWebSocketEnds(t *testing.T) {
	ended := make(chan serve.Connection, 1)
	h := &serve.Handler{History: &serve.History{}, Options: serve.Options{Closed: func(c serve.Connection) { ended <- c }}}
	url := start(t, h)
	h.History.Append(stream.Event{Data: "größe"})
	wants := func(end string, received int64) {
		t.Helper()
		c := <-ended
		if !c.WebSocket || c.Status != 101 || !c.Streamed() || c.End != end || c.Events != 1 || c.Bytes != 7 || c.Received != received {
			t.Errorf("got %+v; want the end %q", c, end)
		}
	}
	first := func() *websocket.Conn {
		t.Helper()
		conn := open(t, url)
		if _, text, err := conn.Read(hang(t)); err != nil || string(text) != "größe" {
			t.Fatalf("%q, %v", text, err)
		}
		return conn
	}
	conn := first()
	conn.Write(hang(t), websocket.MessageText, []byte("subscribe"))
	conn.Write(hang(t), websocket.MessageBinary, []byte{1})
	conn.Close(websocket.StatusNormalClosure, "")
	wants(serve.EndedClient, 2)

	first().CloseNow()
	wants(serve.EndedClient, 0)

	conn = first()
	for c := range h.Clients() {
		if !c.WebSocket {
			t.Errorf("client %+v", c)
		}
		h.Drop(c.ID)
	}
	if _, end := messages(t, conn); !isCut(end) && !isReset(end) {
		t.Errorf("dropped: %v", end)
	}
	wants(serve.EndedDropped, 0)

	conn = first()
	done := make(chan error)
	go func() { done <- h.Close() }()
	if _, end := messages(t, conn); websocket.CloseStatus(end) != websocket.StatusGoingAway {
		t.Errorf("closed by the server: %v", end)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wants(serve.EndedServer, 0)
}

// TestWebSocketStuck wants a client that reads nothing to be disconnected, and
// a Close of the server not to wait for one that answers no close frame.
func TestWebSocketStuck(t *testing.T) {
	ended := make(chan serve.Connection, 1)
	history := &serve.History{}
	h := &serve.Handler{History: history, Options: serve.Options{
		WriteTimeout: 50 * time.Millisecond, Closed: func(c serve.Connection) { ended <- c },
	}}
	url := start(t, h)
	openRaw(t, url)
	for range 4 {
		history.Append(stream.Event{Data: strings.Repeat("x", 8<<20)})
	}
	if c := <-ended; c.End != serve.EndedStuck {
		t.Errorf("got %q", c.End)
	}
	history = &serve.History{}
	h = &serve.Handler{History: history}
	openRaw(t, start(t, h))
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// TestWebSocketLarge wants an event of 16 MiB to pass, and malformed UTF-8 to be
// replaced in it.
func TestWebSocketLarge(t *testing.T) {
	history := &serve.History{}
	text := strings.Repeat("é", 8<<20)
	history.Append(stream.Event{Data: text})
	bad := record.Record{Event: stream.Event{Data: "a\ufffdb"}, IsEvent: true, Raw: []byte("data: a\xffb\n\n")}
	if err := history.AppendRecord(&bad); err != nil {
		t.Fatal(err)
	}
	history.End()
	got, end := messages(t, open(t, start(t, &serve.Handler{History: history})))
	if len(got) != 2 || got[0] != text || got[1] != "a\ufffdb" || !utf8.ValidString(got[1]) || !closedWith(1000)(end) {
		t.Errorf("%d messages, %v", len(got), end)
	}
}

// TestWebSocketShared wants clients of a shared clock to get the same at once.
func TestWebSocketShared(t *testing.T) {
	h := &serve.Handler{History: numbered(3), Options: serve.Options{Pace: serve.Pace{Every: time.Millisecond}}}
	replay := h.Share(10)
	url := start(t, h)
	first, second := open(t, url), open(t, url)
	if err := replay(hang(t)); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []*websocket.Conn{first, second, open(t, url)} {
		if got, end := messages(t, conn); len(got) != 3 || !closedWith(1000)(end) {
			t.Errorf("got %q, %v", got, end)
		}
	}
}
