//go:build attack

package attack

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// The promise: a cut answer never looks whole. Whatever way a connection ends,
// at whatever byte of the request and the response, exit code 0 means that all
// was there that was asked for.

// An answer is a response that a server sends as far as a cut lets it.
type answer struct {
	framing  string // "chunked", "length", "close" or "h2"
	events   int
	marker   bool   // the stream ends with the event [DONE]
	compact  bool   // no space after the colon, CR LF line ends
	wire     string // head and body
	endsAt   []int  // where each event is complete on the wire
	frames   []int  // over HTTP/2, where each frame ends
	bodyFrom int
}

func newAnswer(random *rand.Rand, framing string) *answer {
	a := &answer{framing: framing, events: 1 + random.IntN(4), marker: random.IntN(3) > 0, compact: random.IntN(4) == 0}
	var texts []string
	for i := range a.events {
		data := fmt.Sprintf(`{"choices":[{"delta":{"content":"word %d"}}]}`, i)
		if a.marker && i == a.events-1 {
			data = "[DONE]"
		}
		text := "data: " + data + "\n\n"
		if a.compact {
			text = "data:" + data + "\r\n\r\n"
		}
		texts = append(texts, text)
	}
	if framing == "h2" {
		a.putFrames(texts, random.IntN(2) == 0)
		return a
	}
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	switch a.framing {
	case "chunked":
		head += "Transfer-Encoding: chunked\r\n"
	case "length":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(strings.Join(texts, "")))
	}
	a.wire = head + "\r\n"
	a.bodyFrom = len(a.wire)
	for _, text := range texts {
		if a.framing == "chunked" {
			a.wire += strconv.FormatInt(int64(len(text)), 16) + "\r\n"
		}
		a.wire += text
		a.endsAt = append(a.endsAt, len(a.wire))
		if a.framing == "chunked" {
			a.wire += "\r\n"
		}
	}
	if a.framing == "chunked" {
		a.wire += "0\r\n\r\n"
	}
	return a
}

// putFrames writes the answer as HTTP/2 has it; the end of the stream comes with
// the last event or in a frame of its own.
func (a *answer) putFrames(texts []string, endAlone bool) {
	put := func(kind, flags byte, payload string) {
		a.wire += h2Frame(kind, flags, 1, payload)
		a.frames = append(a.frames, len(a.wire))
	}
	put(h2Headers, h2EndHeaders, "\x88"+"\x00\x0ccontent-type\x11text/event-stream")
	a.bodyFrom = len(a.wire)
	for i, text := range texts {
		flags := byte(0)
		if i == len(texts)-1 && !endAlone {
			flags = h2EndStream
		}
		put(h2Data, flags, text)
		a.endsAt = append(a.endsAt, len(a.wire))
	}
	if endAlone {
		put(h2Data, h2EndStream, "")
	}
}

// A wholeCase is one connection and how it ends.
type wholeCase struct {
	*answer
	transport string // "tcp", "unix", "tls", "proxy" or "h2"
	body      int    // bytes of the request's body, 0 for a GET
	reads     int    // bytes of the request that the server reads before it answers; -1 for all
	cut       int    // bytes of the answer that it sends
	reset     bool   // and then resets the connection; else it closes it
	bare      bool   // over TLS, it closes without a word
	goodbye   string // over HTTP/2, a frame after the last whole one that is sent
	args      []string
}

func newWholeCase(random *rand.Rand) *wholeCase {
	c := &wholeCase{transport: []string{"tcp", "tcp", "unix", "tls", "proxy", "h2"}[random.IntN(6)], reads: -1}
	framing := []string{"chunked", "length", "close"}[random.IntN(3)]
	if c.transport == "h2" {
		framing = "h2"
	}
	c.answer = newAnswer(random, framing)
	c.cut = len(c.wire)
	if random.IntN(8) > 0 {
		c.cut = random.IntN(len(c.wire) + 1)
	}
	if c.transport == "h2" && random.IntN(2) == 0 {
		c.cut = c.frames[random.IntN(len(c.frames))]
		code := string([]byte{0, 0, 0, []byte{0, 1, 2, 5, 7, 8, 11}[random.IntN(7)]}) // NO_ERROR among them
		c.goodbye = h2Frame(h2Reset, 0, 1, code)
		if random.IntN(2) == 0 {
			c.goodbye = h2Frame(h2GoAway, 0, 0, "\x00\x00\x00"+string([]byte{byte(random.IntN(2))})+code)
		}
	}
	c.reset = random.IntN(3) == 0 && c.transport != "unix" // which has no resets
	c.bare = random.IntN(2) == 0
	if random.IntN(2) == 0 {
		c.body = 1 + random.IntN(4000)
		if random.IntN(10) == 0 {
			c.body = 300 << 10
		}
	}
	if random.IntN(5) == 0 {
		c.reads = random.IntN(40) // less than any request
	}
	switch random.IntN(4) {
	case 0:
		c.args = []string{"--as", "openai", "--text"}
	case 1:
		c.args = []string{"--until-data", "[DONE]", "--format", []string{"json", "raw", "data", "text"}[random.IntN(4)]}
	case 2:
		c.args = []string{"-n", strconv.Itoa(c.events), "--jq", ".data"}
	default:
		c.args = []string{"--compressed"}
	}
	return c
}

// mayBeWhole reports whether exit code 0 is honest.
func (c *wholeCase) mayBeWhole() bool {
	if c.args[0] == "--as" || c.args[0] == "--until-data" {
		return c.marker && c.has(c.events-1)
	}
	if c.args[0] == "-n" && c.has(c.events-1) {
		return true
	}
	switch {
	case c.framing != "close":
		return c.cut == len(c.wire)
	case c.reset:
		return false // the end of the body is the end of the connection, and this was none
	}
	for i, end := range c.endsAt {
		if c.cut == end || c.cut == end-1 && c.has(i) {
			return true
		}
	}
	return c.cut == c.bodyFrom
}

// has reports whether event i was sent whole. A lone CR ends a line too, but of
// a frame of HTTP/2 nothing counts before its last byte.
func (c *wholeCase) has(i int) bool {
	return c.cut >= c.endsAt[i] || c.compact && c.framing != "h2" && c.cut == c.endsAt[i]-1
}

// mustBeWhole reports whether no other exit code than 0 is.
func (c *wholeCase) mustBeWhole() bool {
	return c.mayBeWhole() && !c.reset && c.goodbye == "" && c.reads < 0 && (c.framing != "close" || c.cut == len(c.wire))
}

func (c *wholeCase) String() string {
	return fmt.Sprintf("%s %s, body %d, %d bytes of the request read, %d of %d bytes sent (%q), then %q, reset %v, bare %v, ssectl listen %q",
		c.transport, c.framing, c.body, c.reads, c.cut, len(c.wire), c.wire[:c.cut], c.goodbye, c.reset, c.bare, c.args)
}

// serve answers one connection.
func (c *wholeCase) serve(raw net.Conn, config *tls.Config) {
	conn := raw
	in := bufio.NewReader(raw)
	if c.transport == "proxy" {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				raw.Close()
				return
			}
			if line == "\r\n" {
				break
			}
		}
		io.WriteString(raw, "HTTP/1.1 200 OK\r\n\r\n")
	}
	if c.transport == "tls" || c.transport == "proxy" || c.transport == "h2" {
		config = config.Clone()
		if c.transport == "h2" {
			config.NextProtos = []string{"h2"}
		}
		conn = tls.Server(raw, config)
		in = bufio.NewReader(conn)
	}
	switch {
	case c.reads >= 0:
		io.ReadFull(in, make([]byte, c.reads))
	case c.transport == "h2":
		io.WriteString(conn, h2Frame(h2Settings, 0, 0, "\x00\x04\x00\x10\x00\x00")+h2Frame(h2WindowUpdate, 0, 0, "\x00\x10\x00\x00"))
		readH2Request(in)
	default:
		readRequest(in)
	}
	io.WriteString(conn, c.wire[:c.cut]+c.goodbye)
	if c.reset {
		if tcp, ok := raw.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		raw.Close()
		return
	}
	if c.bare {
		raw.Close()
		return
	}
	conn.Close()
}

// Frames of HTTP/2 (https://www.rfc-editor.org/rfc/rfc9113#section-6) and their
// flags.
const (
	h2Data, h2Headers, h2Reset, h2Settings, h2GoAway, h2WindowUpdate = 0, 1, 3, 4, 7, 8

	h2EndStream, h2EndHeaders = 1, 4
)

func h2Frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return string(binary.BigEndian.AppendUint32(append(head, flags), stream)) + payload
}

// readH2Request reads frames up to the end of the first stream.
func readH2Request(in *bufio.Reader) {
	io.CopyN(io.Discard, in, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		io.CopyN(io.Discard, in, int64(binary.BigEndian.Uint32(head)>>8))
		if kind := head[3]; (kind == h2Data || kind == h2Headers) && head[4]&h2EndStream != 0 {
			return
		}
	}
}

// readRequest reads a request with its body.
func readRequest(in *bufio.Reader) {
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == "\r\n" {
			break
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Content-Length") {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	io.CopyN(io.Discard, in, int64(length))
}

// TestPromiseWhole compares exit code 0 with the bytes that were sent.
func TestPromiseWhole(t *testing.T) {
	seed, n := newSeed(t), cases(t, 4000)
	plain := httptest.NewTLSServer(nil)
	config := &tls.Config{Certificates: plain.TLS.Certificates}
	plain.Close()
	const workers = 4
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < n && !t.Failed(); i += workers {
				wholeOnce(t, newWholeCase(rand.New(rand.NewPCG(seed, uint64(i)))), config, fmt.Sprintf("SSECTL_TEST_SEED=%d, case %d", seed, i))
			}
		})
	}
	all.Wait()
}

func wholeOnce(t *testing.T, c *wholeCase, config *tls.Config, name string) {
	network, address := "tcp", "127.0.0.1:0"
	if c.transport == "unix" {
		network, address = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Error(err)
		return
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err == nil {
			c.serve(conn, config)
		}
	}()
	args := append([]string{"listen", "--no-reconnect"}, c.args...)
	switch c.transport {
	case "tcp":
		args = append(args, "http://"+l.Addr().String())
	case "unix":
		args = append(args, "http://h/", "--unix-socket", address)
	case "tls", "h2":
		args = append(args, "https://"+l.Addr().String(), "-k")
	case "proxy":
		args = append(args, "https://host.invalid/", "-k", "-x", "http://"+l.Addr().String())
	}
	if c.body > 0 {
		args = append(args, "--data-binary", "@-")
	}
	var out, errs strings.Builder
	code := cmd.Run(context.Background(), &term.Streams{In: strings.NewReader(strings.Repeat("x", c.body)), Out: &out, Err: &errs}, args)
	l.Close()
	<-served
	if code == 0 && !c.mayBeWhole() || code != 0 && c.mustBeWhole() {
		t.Errorf("%s: exit code %d\n%v\nstdout %q\nstderr %s", name, code, c, out.String(), errs.String())
	}
	if code != 0 && !strings.Contains(errs.String(), "ssectl: ") {
		t.Errorf("%s: exit code %d without a word\n%v", name, code, c)
	}
}
