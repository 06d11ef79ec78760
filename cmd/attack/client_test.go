//go:build attack

package attack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/listen"
)

// An abusedServer is a run of "ssectl serve" with a live input, and one client
// that behaves.
type abusedServer struct {
	host string // host:port
	log  cmdtest.Buffer
	stop context.CancelFunc
	code chan int
	good atomic.Int64 // the event that the client got last

	held []net.Conn // connections of attackers that do not go away by themselves
}

func serveAbused(t *testing.T, args ...string) *abusedServer {
	t.Helper()
	s := &abusedServer{code: make(chan int, 1)}
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	input, feed := io.Pipe()
	url, out := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { // the numbers from 1 on, as lines
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				feed.Close()
				return
			}
			if _, err := fmt.Fprintln(feed, n); err != nil {
				return
			}
		}
	})
	wg.Go(func() {
		streams := &term.Streams{In: input, Out: out, Err: &s.log}
		s.code <- cmd.Run(ctx, streams, append([]string{"serve", "-p", "0", "--print-url"}, args...))
		input.Close()
		out.Close()
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	line, err := bufio.NewReader(url).ReadString('\n')
	if err != nil {
		t.Fatalf("serve printed no URL: %s", s.log.String())
	}
	s.host = strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "http://"), "/")
	wg.Go(func() { s.behave(ctx, t) })
	return s
}

// behave is the good client: it must get every number, once, on one connection.
func (s *abusedServer) behave(ctx context.Context, t *testing.T) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.host, nil)
	if err != nil {
		t.Error(err)
		return
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	l := listen.New(req, listen.Options{Client: &http.Client{Transport: transport}, Reconnect: listen.ReconnectNever})
	defer l.Close()
	for {
		b, err := l.Next()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Errorf("the good client was cut behind event %d: %v", s.good.Load(), err)
			return
		}
		n, _ := strconv.ParseInt(string(b.Data()), 10, 64)
		if last := s.good.Load(); n != last+1 && last > 0 || string(b.ID()) != strconv.FormatInt(n, 10) {
			t.Errorf("the good client got %q (id %q) behind %d", b.Data(), b.ID(), last)
			return
		}
		s.good.Store(n)
	}
}

// poll waits until holds does, for half a minute at most.
func poll(holds func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		if holds() {
			return true
		}
	}
	return false
}

// dial connects, for half a minute at most.
func (s *abusedServer) dial(t *testing.T) *net.TCPConn {
	conn, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Error(err)
		return nil
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn.(*net.TCPConn)
}

// TestAbuseHostileClient attacks serve in all the ways that clients have. One
// that behaves must be served on all the while, and the server must end in
// order with the attackers still on the line.
func TestAbuseHostileClient(t *testing.T) {
	before := usageNow()
	big := filepath.Join(t.TempDir(), "big.txt")
	if err := os.WriteFile(big, bytes.Repeat([]byte(strings.Repeat("x", 64<<10)+"\n"), 200), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveAbused(t, "--write-timeout", "1s", "--history", "1000", "--route", "/big="+big, "-")
	for _, attack := range []struct {
		name string
		do   func(*abusedServer, *testing.T)
	}{
		{"connects and drops", (*abusedServer).connectsAndDrops},
		{"slow readers", (*abusedServer).slowReaders},
		{"half requests", (*abusedServer).halfRequests},
		{"strange requests", (*abusedServer).strangeRequests},
		{"bodies without end", (*abusedServer).endlessBodies},
	} {
		began, last := time.Now(), s.good.Load()
		attack.do(s, t)
		during := s.good.Load() - last
		if !poll(func() bool { return s.good.Load() > last+during+20 }) {
			t.Fatalf("%s: the good client is not served any more, %d events during the attack", attack.name, during)
		}
		t.Logf("%s: %v, %d events for the good client meanwhile", attack.name, time.Since(began).Round(time.Millisecond), during)
	}
	peak := usageOf()
	s.stop()
	select {
	case code := <-s.code:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(15 * time.Second):
		t.Error("serve does not end with attackers on the line")
	}
	for _, conn := range s.held {
		conn.Close()
	}
	after := before.awaitNoGrowth()
	t.Logf("before: %v; under attack: %v; after: %v", before, peak, after)
	if after.goroutines > before.goroutines || after.descriptors > before.descriptors {
		t.Errorf("left behind: %v, before %v\n%s", after, before, stacks())
	}
	if log := []byte(s.log.String()); rawOnTerminal(log) >= 0 {
		t.Errorf("raw in the log: %q", log[rawOnTerminal(log):][:20])
	} else if bytes.Contains(log, []byte("panic")) {
		t.Errorf("panic in the log: %s", log)
	}
}

// connectsAndDrops goes away at every point of an exchange, 10,000 times.
func (s *abusedServer) connectsAndDrops(t *testing.T) {
	times := 10_000
	if testing.Short() {
		times = 1000
	}
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for i := worker; i < times && !t.Failed(); i += 20 {
				conn := s.dial(t)
				if conn == nil {
					return
				}
				io.WriteString(conn, request[:i%(len(request)+1)])
				if i%3 == 0 {
					conn.SetLinger(0) // RST
				}
				if i%(len(request)+1) == len(request) && i%2 == 0 {
					conn.Read(make([]byte, 1+i%100))
				}
				conn.Close()
			}
		})
	}
	wg.Wait()
}

// slowReaders ask for much and take nothing; the server gets rid of them.
func (s *abusedServer) slowReaders(t *testing.T) {
	for range 100 {
		if conn := s.dial(t); conn != nil {
			s.held = append(s.held, conn)
			conn.SetReadBuffer(4096)
			io.WriteString(conn, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	}
	clients := 0
	if !poll(func() bool { clients = s.clients(t); return clients <= 1 }) {
		t.Errorf("%d clients are left, want the good one alone", clients)
	}
	if stuck := strings.Count(s.log.String(), "client took no data"); stuck != 100 {
		t.Errorf("%d clients were cut for taking nothing, want 100", stuck)
	}
}

// clients returns the number of clients that serve counts.
func (s *abusedServer) clients(t *testing.T) int {
	resp, err := http.Get("http://" + s.host + "/.ssectl/stats")
	if err != nil {
		t.Error(err)
		return -1
	}
	defer resp.Body.Close()
	var stats struct {
		Count int `json:"client_count"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		t.Error(err)
	}
	return stats.Count
}

// halfRequests begin and do not go on, to the end of the test.
func (s *abusedServer) halfRequests(t *testing.T) {
	for i, text := range []string{"", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX: ", "\x16\x03\x01"} {
		for range 50 {
			if conn := s.dial(t); conn != nil {
				s.held = append(s.held, conn)
				if _, err := io.WriteString(conn, text); err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
		}
	}
}

// endlessBodies send requests whose body does not end, some as fast as they
// can, some not at all, to the end of the test.
func (s *abusedServer) endlessBodies(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 60 {
		conn := s.dial(t)
		if conn == nil {
			return
		}
		s.held = append(s.held, conn)
		framing := "Content-Length: 99999999999\r\n\r\nx"
		if i%2 == 0 {
			framing = "Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\nx"
		}
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+framing)
		if i < 4 {
			wg.Go(func() {
				conn.SetWriteDeadline(time.Now().Add(3 * time.Second)) // the server stops reading at some point
				piece := bytes.Repeat([]byte("x"), 64<<10)
				for range 80 << 20 / len(piece) {
					if _, err := conn.Write(piece); err != nil {
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// strangeRequests are whole, and each is answered in a way that does no harm.
func (s *abusedServer) strangeRequests(t *testing.T) {
	get := func(target string, headers ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(headers, "\r\n"), "\r\n")
	}
	requests := []string{
		get("/", "X-Long: "+strings.Repeat("x", 2<<20)),
		get("/", strings.Repeat("X-More: more\r\n", 100_000)+"X: x"),
		get("/" + strings.Repeat("x", 2<<20)),
		get("/?" + strings.Repeat("lastEventId=x&", 10_000)),
		get("/", "Range: bytes=99999999999999999999-"), get("/big", "Range: bytes=5-", `If-Range: "x"`), get("/big", "Range: bytes=-1-"),
		get("/", "Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n", get("/", "Content-Length: -1"), get("/", "Expect: 200-maybe"),
		get("/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"), get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\r\n\r\n",
		"\x00\xff\x1b[2J HTTP\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
		"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x1b[2J / HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /.ssectl/drop HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n",
		"POST /.ssectl/drop HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nclient=%zz",
		"GET /.ssectl/stats?client=" + strings.Repeat("%00", 1000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	for _, target := range []string{
		"/../../../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/.ssectl/../../etc/passwd",
		"/.ssectl/inspector.js/../../../handler.go", "/.ssectl/", "/%00", "/%1b%5b2J%e2%80%ae", "/\x1b[2J", "http://127.0.0.1:1/", "//127.0.0.1:1/x",
		"/%zz", "*", "", "/?%zz=%zz", "/?ssectl_client=%1b%5b2J", "/?lastEventId=1%0d%0aX-Injected:%20yes", "/?last_event_id=%00", "/?lastEventId=%ff%fe",
	} {
		requests = append(requests, get(target))
	}
	for _, id := range []string{"\x1b[2J", "\xff\xc3", strings.Repeat("x", 500<<10), "-1", "99999999999999999999", "潮", " ", "1\r\nX-Injected: no", "earliest"} {
		requests = append(requests, get("/", "Last-Event-ID: "+id))
	}
	for _, request := range requests {
		conn := s.dial(t)
		if conn == nil {
			return
		}
		io.WriteString(conn, request) // the server may have seen enough before all is sent
		answer := make([]byte, 16<<10)
		n, _ := conn.Read(answer)
		head, _, _ := strings.Cut(string(answer[:n]), "\r\n\r\n")
		if n > 0 && !strings.HasPrefix(head, "HTTP/1.") || strings.Contains(head, "X-Injected") || strings.Contains(string(answer[:n]), "root:") {
			t.Errorf("request %.80q: answer %.300q", request, answer[:n])
		}
		conn.Close()
	}
}
