package relay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/ssectl/ssectl/internal/socket"
	"github.com/ssectl/ssectl/internal/streamtest"
	"github.com/ssectl/ssectl/pkg/exchange"
)

// A streamCase is one answer of an upstream.
type streamCase struct {
	framing string // chunked, length, close, h2
	coding  string
	ending  string // whole, truncated, reset, timeout
	client  string // h1, h2
	text    string
	splits  int64 // seed of where writes end
}

var (
	framings = []string{"chunked", "length", "close", "h2"}
	codings  = []string{"", "gzip", "deflate", "br", "zstd"}
	endings  = []string{"whole", "truncated", "reset", "timeout"}
)

// encode returns a text in a content coding, flushed now and then.
func encode(t *testing.T, coding, text string, r *rand.Rand) []byte {
	var b bytes.Buffer
	var w interface {
		io.WriteCloser
		Flush() error
	}
	switch coding {
	case "":
		return []byte(text)
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	for len(text) > 0 {
		n := min(len(text), 1+r.IntN(300))
		io.WriteString(w, text[:n])
		w.Flush()
		text = text[n:]
	}
	w.Close()
	return b.Bytes()
}

// pieces splits bytes at random.
func pieces(body []byte, r *rand.Rand) (all [][]byte) {
	for len(body) > 0 {
		n := min(len(body), 1+r.IntN(1+min(len(body), 2000)))
		all = append(all, body[:n])
		body = body[n:]
	}
	return all
}

// TestAllEndings has answers of every framing, coding and ending, to clients of
// HTTP/1.1 and HTTP/2. Bytes are the same, and so is the end.
func TestAllEndings(t *testing.T) {
	t.Chdir("..") // where the samples are found from
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var cases []streamCase
	for _, sample := range streamtest.Samples(t) {
		for _, ending := range endings {
			cases = append(cases, streamCase{text: sample.Text, ending: ending})
		}
	}
	for range 200 {
		cases = append(cases, streamCase{text: randomStream(r), ending: endings[r.IntN(len(endings))]})
	}
	work := make(chan streamCase)
	var wg sync.WaitGroup
	for range 8 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for c := range work {
				c.run(t)
			}
		})
	}
	for i, c := range cases {
		c.framing = framings[i%len(framings)]
		c.coding = codings[r.IntN(len(codings))]
		c.client = []string{"h1", "h2"}[r.IntN(2)]
		c.splits = r.Int64()
		work <- c
	}
	close(work)
	wg.Wait()
}

// randomStream returns a stream with all kinds of blocks and line ends.
func randomStream(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(10) == 0 {
		b.WriteString("\ufeff")
	}
	for range r.IntN(40) {
		eol := []string{"\n", "\n", "\r\n", "\r"}[r.IntN(4)]
		switch r.IntN(8) {
		case 0:
			b.WriteString(": comment" + eol)
		case 1:
			b.WriteString("id: 7" + eol + eol)
		case 2:
			b.WriteString("retry: 100" + eol)
		case 3:
			b.WriteString("data: " + strings.Repeat("long ü\xff", r.IntN(5000)) + eol + eol)
		default:
			fmt.Fprintf(&b, "event: e%sid: %d%sdata: a%sdata:%d%s%s", eol, r.IntN(100), eol, eol, r.IntN(100), eol, eol)
		}
	}
	return b.String()
}

func (c streamCase) run(t *testing.T) {
	name := fmt.Sprintf("%s %q %s to %s, %d bytes, splits %d", c.framing, c.coding, c.ending, c.client, len(c.text), c.splits)
	r := rand.New(rand.NewPCG(uint64(c.splits), 1))
	body := encode(t, c.coding, c.text, r)
	sent := body
	if c.ending != "whole" {
		sent = body[:r.IntN(len(body)+1)]
		if c.framing == "length" && len(body) == 0 {
			return
		}
		if len(sent) == len(body) && c.framing == "length" {
			sent = body[:len(body)-1]
		}
	}
	split := pieces(sent, r)
	var upstream string
	transport := newTransport()
	if c.framing == "h2" {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.answerH2(w, r, split) }))
		s.EnableHTTP2 = true
		s.StartTLS()
		defer s.Close()
		upstream = s.URL
		transport.TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	} else {
		upstream = rawServer(t, func(conn *net.TCPConn, _ string, r *bufio.Reader) { c.answer(conn, r, split, len(body)) }).URL
	}
	u, _ := url.Parse(upstream)
	watch, all := watchAll()
	h := &Relay{Upstream: u, Transport: transport, Watch: watch}
	if c.ending == "timeout" {
		h.IdleTimeout = time.Second
	}
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	if c.client == "h2" {
		s.StartTLS()
	} else {
		s.Start()
	}
	defer s.Close()
	defer s.CloseClientConnections()
	client := s.Client()
	if t, ok := client.Transport.(*http.Transport); ok {
		t.DisableCompression = true
	}
	response, err := client.Get(s.URL)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if c.ending == "timeout" && bytes.HasPrefix(sent, got) {
		sent = got // a busy machine may have been too slow for the limit
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%s: the client got %d bytes, the upstream sent %d", name, len(got), len(sent))
	}
	wantClient, wantHow := c.want()
	if ended := cutOf(err); ended != wantClient {
		t.Errorf("%s: the client saw the end %q (%v), want %q", name, ended, err, wantClient)
	}
	one := (<-all).wait(t)
	if one.end.How != wantHow || one.end.Bytes != int64(len(sent)) || one.end.Unseen != nil && !c.losesCoding() {
		t.Errorf("%s: the watcher saw the end %s, %d bytes, unseen %v; want %s", name, one.end, one.end.Bytes, one.end.Unseen, wantHow)
	}
	seen := one.text(t)
	switch {
	case !one.response.Stream:
		t.Errorf("%s: no stream to the watcher", name)
	case c.coding == "" && seen != string(sent):
		t.Errorf("%s: the watcher saw %d bytes of %d: %.300q", name, len(seen), len(sent), seen)
	case c.ending == "whole" && seen != c.text, !strings.HasPrefix(c.text, seen):
		t.Errorf("%s: the watcher saw %d bytes of %d", name, len(seen), len(c.text))
	}
}

// want returns how the client and the watcher are to see the end.
func (c *streamCase) want() (client string, how exchange.How) {
	switch {
	case c.ending == "whole", c.framing == "close" && c.ending == "truncated": // which shows no difference
		return "whole", exchange.Whole
	case c.ending == "timeout":
		client, how = "truncated", exchange.TimedOut
	case c.ending == "reset", c.framing == "h2":
		client, how = "reset", exchange.Reset
	default:
		client, how = "truncated", exchange.Truncated
	}
	if c.client == "h2" {
		client = "reset" // the one way to cut a stream
	}
	return client, how
}

// losesCoding reports whether the end of the content alone shows that it is not
// whole.
func (c *streamCase) losesCoding() bool {
	return c.coding != "" && c.framing == "close" && c.ending == "truncated"
}

func (c *streamCase) head(size int) string {
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
	if c.coding != "" {
		head += "Content-Encoding: " + c.coding + "\r\n"
	}
	switch c.framing {
	case "chunked":
		head += "Transfer-Encoding: chunked\r\n"
	case "length":
		head += fmt.Sprintf("Content-Length: %d\r\n", size)
	}
	return head + "Connection: close\r\n\r\n"
}

func (c *streamCase) answer(conn *net.TCPConn, r *bufio.Reader, split [][]byte, size int) {
	io.WriteString(conn, c.head(size))
	for _, p := range split {
		if c.framing == "chunked" {
			fmt.Fprintf(conn, "%x\r\n%s\r\n", len(p), p)
		} else {
			conn.Write(p)
		}
	}
	switch {
	case c.ending == "whole" && c.framing == "chunked":
		io.WriteString(conn, "0\r\n\r\n")
	case c.ending == "reset":
		for raw := socket.Raw(conn); socket.Unsent(raw) > 0; {
			time.Sleep(time.Millisecond)
		}
		conn.SetLinger(0)
	case c.ending == "timeout":
		r.ReadByte() // until the relay leaves
	}
}

func (c *streamCase) answerH2(w http.ResponseWriter, r *http.Request, split [][]byte) {
	w.Header().Set("Content-Type", "text/event-stream")
	if c.coding != "" {
		w.Header().Set("Content-Encoding", c.coding)
	}
	control := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	control.Flush()
	for _, p := range split {
		w.Write(p)
		control.Flush()
	}
	switch c.ending {
	case "truncated", "reset":
		panic(http.ErrAbortHandler)
	case "timeout":
		<-r.Context().Done()
	}
}
