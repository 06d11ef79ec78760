package relay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A counter is a watcher that counts, and keeps nothing.
type counter struct {
	seen
	events, bytes int64
}

func (c *counter) Event(*record.Record) { c.events++ }
func (c *counter) Body(p []byte)        { c.bytes += int64(len(p)) }

func countAll() (exchange.Watch, chan *counter) {
	all := make(chan *counter, 10)
	return func(r *exchange.Request) exchange.Watcher {
		c := &counter{seen: seen{request: r, ended: make(chan struct{})}}
		all <- c
		return c
	}, all
}

// heapGrowth returns how much memory f makes the heap take.
func heapGrowth(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.HeapSys) - int64(before.HeapSys)
}

// TestBombPasses has a compressed answer that is a thousand times as large when it
// is decoded. It passes; the watcher gets it as far as that is bearable.
func TestBombPasses(t *testing.T) {
	const size = 160 << 20
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range size / len(zeros) {
		z.Write(zeros)
	}
	z.Close()
	for _, contentType := range []string{"application/json", "text/event-stream"} {
		up := rawServer(t, func(conn *net.TCPConn, _ string, _ *bufio.Reader) {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", contentType, bomb.Len())
			conn.Write(bomb.Bytes())
		})
		watch, all := countAll()
		s := start(t, &Relay{Watch: watch}, up.URL)
		s.Start()
		grown := heapGrowth(func() {
			got, err := rawClient(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if _, body, _ := strings.Cut(got, "\r\n\r\n"); body != bomb.String() || err != nil {
				t.Errorf("%s: the client got %d bytes of %d, %v", contentType, len(body), bomb.Len(), err)
			}
		})
		one := <-all
		end := one.wait(t).end
		t.Logf("%s: %d bytes seen, unseen: %v; the heap grew by %d KiB", contentType, one.bytes, end.Unseen, grown>>10)
		if end.How != exchange.Whole || end.Unseen == nil && one.bytes != size {
			t.Errorf("%s: the watcher saw %d bytes, %s, unseen %v", contentType, one.bytes, end, end.Unseen)
		}
		if grown > 128<<20 {
			t.Errorf("%s: the heap grew by %d MiB", contentType, grown>>20)
		}
	}
}

// TestBrokenCodingPasses has content that is not in the coding that its header names.
func TestBrokenCodingPasses(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd", "br", "deflate", "unknown", "gzip, br"} {
		up := rawServer(t, wholeText("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "+coding+"\r\nContent-Length: 9\r\n\r\ndata: a\n\n"))
		watch, all := watchAll()
		s := start(t, &Relay{Watch: watch}, up.URL)
		s.Start()
		got, err := rawClient(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(got, "\r\n\r\ndata: a\n\n") || err != nil {
			t.Errorf("%s: the client got %q, %v", coding, got, err)
		}
		if end := (<-all).wait(t).end; end.How != exchange.Whole || end.Unseen == nil {
			t.Errorf("%s: the watcher saw %s, unseen %v", coding, end, end.Unseen)
		}
	}
}

// TestEndlessLinePasses has an event above the limit for watchers.
func TestEndlessLinePasses(t *testing.T) {
	text := "data: first\n\ndata: " + strings.Repeat("x", 4<<20) + "\n\ndata: last\n\n"
	up := rawServer(t, wholeText("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"+text))
	for _, faults := range [][]string{nil, {"drop@2"}} {
		watch, all := watchAll()
		s := start(t, &Relay{Watch: watch, MaxEventSize: 64 << 10, Faults: parseAll(t, faults...)}, up.URL)
		s.Start()
		response, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != text || err != nil {
			t.Errorf("%v: the client got %d bytes of %d, %v", faults, len(body), len(text), err)
		}
		one := (<-all).wait(t)
		var size *stream.SizeError
		if one.end.How != exchange.Whole || one.end.Events != 1 || !errors.As(one.end.Unseen, &size) {
			t.Errorf("%v: the watcher saw %s, %d events, unseen %v", faults, one.end, one.end.Events, one.end.Unseen)
		}
	}
}

// TestEndlessHeaders has heads that do not end: of the answer, and before it.
func TestEndlessHeaders(t *testing.T) {
	for _, line := range []string{"X-%d: " + strings.Repeat("x", 1000) + "\r\n", "%.0d\r\nHTTP/1.1 103 Early Hints\r\nX-Long: " + strings.Repeat("x", 1000) + "\r\n"} {
		up := rawServer(t, func(conn *net.TCPConn, _ string, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n")
			for i := 0; ; i++ {
				if _, err := fmt.Fprintf(conn, line, i); err != nil {
					return
				}
			}
		})
		s := start(t, &Relay{}, up.URL)
		s.Start()
		response, err := s.Client().Get(s.URL)
		if err != nil {
			t.Logf("the client saw %v", err) // its own limit of responses 1xx
			continue
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadGateway {
			t.Errorf("status %d", response.StatusCode)
		}
	}
}

// TestEndlessStreamIsNotKept passes much, and looks at the memory.
func TestEndlessStreamIsNotKept(t *testing.T) {
	piece := []byte(strings.Repeat("data: "+strings.Repeat("x", 100)+"\n\n", 1000))
	const pieces = 500
	up := rawServer(t, func(conn *net.TCPConn, _ string, _ *bufio.Reader) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
		for range pieces {
			conn.Write(piece)
		}
	})
	watch, all := countAll()
	s := start(t, &Relay{Watch: watch}, up.URL)
	s.Start()
	grown := heapGrowth(func() {
		response, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if n, err := io.Copy(io.Discard, response.Body); n != pieces*int64(len(piece)) || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
	one := <-all
	if one.wait(t); one.events != pieces*1000 || one.end.Events != one.events {
		t.Errorf("%d events, want %d", one.events, pieces*1000)
	}
	if grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}
