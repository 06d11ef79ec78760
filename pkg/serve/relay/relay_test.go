package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
)

// limit is the time that only a test that hangs takes.
const limit = time.Minute

// start serves a relay to the URL until the test ends.
func start(t *testing.T, h *Relay, upstream string) *httptest.Server {
	t.Helper()
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	h.Upstream = u
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	t.Cleanup(func() {
		h.Close()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// A seen is a watcher that keeps everything.
type seen struct {
	request  *exchange.Request
	response *exchange.Response
	events   []record.Record
	body     bytes.Buffer
	end      exchange.End
	ended    chan struct{}
}

func (s *seen) Response(r *exchange.Response) { s.response = r }
func (s *seen) Event(r *record.Record)        { s.events = append(s.events, *r) }
func (s *seen) Body(p []byte)                 { s.body.Write(p) }
func (s *seen) End(e exchange.End)            { s.end = e; close(s.ended) }

// wait waits for the end of the exchange.
func (s *seen) wait(t *testing.T) *seen {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(limit):
		t.Fatal("the exchange does not end")
	}
	return s
}

// text returns the events as they were on the wire.
func (s *seen) text(t *testing.T) string {
	t.Helper()
	var text []byte
	var err error
	for i := range s.events {
		if text, err = s.events[i].AppendText(text); err != nil {
			t.Fatal(err)
		}
	}
	return string(text)
}

// watchAll returns a Watch that sends its watchers on a channel.
func watchAll() (exchange.Watch, chan *seen) {
	all := make(chan *seen, 1000)
	return func(r *exchange.Request) exchange.Watcher {
		s := &seen{request: r, ended: make(chan struct{})}
		all <- s
		return s
	}, all
}

// An upstream is a server that answers each request with bytes of its own.
type rawUpstream struct {
	URL      string
	requests chan string // what came, up to the end of the body as far as it is known
}

// rawServer starts an upstream. It reads the head of each request, and then calls
// answer, which closes the connection.
func rawServer(t *testing.T, answer func(conn *net.TCPConn, head string, rest *bufio.Reader)) *rawUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rawUpstream{URL: "http://" + l.Addr().String(), requests: make(chan string, 1000)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				stop := context.AfterFunc(t.Context(), func() { conn.Close() })
				defer stop()
				r := bufio.NewReader(conn)
				head := ""
				for !strings.HasSuffix(head, "\r\n\r\n") {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					head += line
				}
				u.requests <- head
				answer(conn.(*net.TCPConn), head, r)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return u
}

// wholeText answers with the text, and ends in order.
func wholeText(text string) func(*net.TCPConn, string, *bufio.Reader) {
	return func(conn *net.TCPConn, _ string, _ *bufio.Reader) { io.WriteString(conn, text) }
}

// rawClient sends a request as it is, and returns all that comes back, and how
// that ended.
func rawClient(t *testing.T, s *httptest.Server, request string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	io.WriteString(conn, request)
	got, err := io.ReadAll(conn)
	return string(got), err
}

// TestRequestsArriveUnchanged compares the bytes that the upstream gets.
func TestRequestsArriveUnchanged(t *testing.T) {
	for _, test := range []struct {
		base, target, want string
	}{
		{"", "/", "/"},
		{"", "/a/b?c=d&c=e", "/a/b?c=d&c=e"},
		{"", "/a%2Fb/%41?q=%2f+%20;x&&=&b", "/a%2Fb/%41?q=%2f+%20;x&&=&b"},
		{"", "/?", "/?"},
		{"", "//double//slash/../dots/./x", "//double//slash/../dots/./x"},
		{"", "/odd|\"<>^`{}", "/odd|\"<>^`{}"},
		{"", "/ü/\xff?ü", "/ü/\xff?ü"},
		{"", "//internal.example/admin\"%2F", "//internal.example/admin%22%2F"},
		{"/v1", "//internal.example/é", "/v1//internal.example/é"},
		{"", "http://elsewhere.example/abs?x", "/abs?x"},
		{"", "*", "*"},
		{"/v1", "/chat", "/v1/chat"},
		{"/v1/", "/chat%2F", "/v1/chat%2F"},
		{"/a%2Fb/", "/|", "/a%2Fb/|"},
		{"/v1?key=k", "/chat?x=1", "/v1/chat?key=k&x=1"},
		{"/v1?key=k", "/chat", "/v1/chat?key=k"},
	} {
		up := rawServer(t, wholeText("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
		s := start(t, &Relay{}, up.URL+test.base)
		s.Start()
		method := "GET"
		if test.target == "*" {
			method = "OPTIONS"
		}
		_, err := rawClient(t, s, method+" "+test.target+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if test.target == "*" {
			continue // package net/http answers it
		}
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(<-up.requests, "\r\n")
		if want := method + " " + test.want + " HTTP/1.1"; line != want {
			t.Errorf("%s after %q: the upstream got %q, want %q", test.target, test.base, line, want)
		}
	}
}

func TestHeadersPassBothWays(t *testing.T) {
	up := rawServer(t, wholeText("HTTP/1.1 207 Odd\r\nX-Two: a\r\nX-Two: b, c\r\nset-cookie: a=b\r\nSet-Cookie: c=d; Domain=example.com\r\n"+
		"Keep-Alive: timeout=3\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Sum: 8\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 9\r\n\r\n"))
	s := start(t, &Relay{Header: http.Header{"Authorization": {"Bearer upstream"}, "X-Gone": nil}}, up.URL)
	s.Start()
	got, err := rawClient(t, s, "POST /x HTTP/1.1\r\nHost: localhost:1\r\nauthorization: Bearer client\r\nX-Gone: 1\r\nx-forwarded-for: 1.2.3.4\r\nForwarded: for=x\r\n"+
		"Accept: a\r\nAccept: b\r\nTE: trailers, deflate\r\nKeep-Alive: 1\r\nProxy-Authorization: p\r\nX-Named: 1\r\nConnection: X-Named, close\r\nContent-Length: 3\r\n\r\nabc")
	if err != nil {
		t.Fatal(err)
	}
	wantRequest := "POST /x HTTP/1.1\r\nHost: " + strings.TrimPrefix(up.URL, "http://") + "\r\nContent-Length: 3\r\nAccept: a\r\nAccept: b\r\n" +
		"Authorization: Bearer upstream\r\nForwarded: for=x\r\nTe: trailers\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
	if head := <-up.requests; head != wantRequest {
		t.Errorf("the upstream got\n%q, want\n%q", head, wantRequest)
	}
	want := "HTTP/1.1 207 Multi-Status\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d; Domain=example.com\r\nTrailer: X-Sum\r\nX-Sum: 8\r\nX-Two: a\r\nX-Two: b, c\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"2\r\nhi\r\n0\r\nX-Sum: 9\r\n\r\n"
	if got != want {
		t.Errorf("the client got\n%q, want\n%q", got, want)
	}
}

func TestInformationPassesFirst(t *testing.T) {
	up := rawServer(t, wholeText("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"))
	s := start(t, &Relay{}, up.URL)
	s.Start()
	got, err := rawClient(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if want := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; got != want || err != nil {
		t.Errorf("the client got %q, %v; want %q", got, err, want)
	}
}

// TestBodiesPassAtOnce has a client that sends the next piece of its body after it
// got the answer to the last one.
func TestBodiesPassAtOnce(t *testing.T) {
	echo := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		c.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		c.Flush()
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			w.Write(b[:n])
			c.Flush()
			if err != nil {
				return
			}
		}
	}))
	echo.EnableHTTP2 = true
	echo.StartTLS()
	defer echo.Close()
	watch, all := watchAll()
	for _, secure := range []bool{false, true} {
		s := start(t, &Relay{Watch: watch, Transport: echo.Client().Transport}, echo.URL)
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		r, w := io.Pipe()
		response, err := s.Client().Post(s.URL, "text/plain", r)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		for i := range 20 {
			text := fmt.Sprintf("piece %d", i)
			io.WriteString(w, text)
			if _, err := io.ReadFull(response.Body, b[:len(text)]); err != nil || string(b[:len(text)]) != text {
				t.Fatalf("%d: %q, %v", i, b[:len(text)], err)
			}
		}
		w.Close()
		if rest, err := io.ReadAll(response.Body); len(rest) > 0 || err != nil {
			t.Errorf("rest %q, %v", rest, err)
		}
		response.Body.Close()
		if body := (<-all).wait(t).request.Body(); !body.Complete() || !bytes.HasPrefix(body.Bytes, []byte("piece 0piece 1")) {
			t.Errorf("the watcher saw of the request %+v", body)
		}
	}
}

func TestLocationsAreMapped(t *testing.T) {
	for _, test := range []struct{ base, location, want string }{
		{"", "/next?a=b#c", "/next?a=b#c"},
		{"", "next", "next"},
		{"", "{}/next", "{me}/next"},
		{"", "{}", "{me}"},
		{"", "{}?x", "{me}?x"},
		{"", "http://elsewhere.example/next", "http://elsewhere.example/next"},
		{"", "https://user@elsewhere.example/next", "https://user@elsewhere.example/next"},
		{"/v1", "/v1/next", "/next"},
		{"/v1", "/v1", "/"},
		{"/v1", "/v1?x=%2F", "/?x=%2F"},
		{"/v1", "/v2/next", "{}/v2/next"},
		{"/v1", "/v11/next", "{}/v11/next"},
		{"/v1/", "{}/v1/next", "{me}/next"},
		{"/v1", "{}/other", "{}/other"},
		{"/v1", "?x", "?x"},
		{"", "", ""},
	} {
		var up *rawUpstream
		up = rawServer(t, func(conn *net.TCPConn, head string, _ *bufio.Reader) {
			location := strings.ReplaceAll(test.location, "{}", up.URL)
			fmt.Fprintf(conn, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Location: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", location, location)
		})
		s := start(t, &Relay{}, up.URL+test.base)
		s.Start()
		client := s.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		response, err := client.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		want := strings.NewReplacer("{me}", s.URL, "{}", up.URL).Replace(test.want)
		if got := response.Header.Get("Location"); got != want || response.StatusCode != 302 {
			t.Errorf("%q of an upstream with %q: Location %q, want %q", test.location, test.base, got, want)
		}
		if got := response.Header.Get("Content-Location"); got != want {
			t.Errorf("%q of an upstream with %q: Content-Location %q, want %q", test.location, test.base, got, want)
		}
	}
}

func TestUpgrade(t *testing.T) {
	up := rawServer(t, func(conn *net.TCPConn, head string, r *bufio.Reader) {
		if !strings.Contains(head, "\r\nUpgrade: chat\r\n") || !strings.Contains(head, "\r\nConnection: Upgrade\r\n") {
			t.Errorf("head %q", head)
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Key: 1\r\n\r\nhello")
		line, err := r.ReadString('\n')
		fmt.Fprintf(conn, "got %s %v", line, err)
	})
	watch, all := watchAll()
	s := start(t, &Relay{Watch: watch}, up.URL)
	s.Start()
	got, err := rawClient(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: chat\r\n\r\nearly\n")
	want := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Key: 1\r\n\r\nhellogot early\n <nil>"
	if got != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if one := (<-all).wait(t); one.end.How != exchange.Whole || one.response.Status != 101 {
		t.Errorf("%+v", one.end)
	}
}

// TestUpgradeReset wants a reset of the upstream to be one for the client.
func TestUpgradeReset(t *testing.T) {
	up := rawServer(t, func(conn *net.TCPConn, _ string, r *bufio.Reader) {
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
		r.ReadString('\n')
		conn.SetLinger(0)
	})
	s := start(t, &Relay{}, up.URL)
	s.Start()
	for range 20 {
		_, err := rawClient(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nx\n")
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("the client sees %v, want a reset", err)
		}
	}
}

// TestProxiedPaths wants a proxy to be told which server a path is for, whatever
// bytes it has.
func TestProxiedPaths(t *testing.T) {
	proxy := rawServer(t, wholeText("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
	at, _ := url.Parse(proxy.URL)
	s := start(t, &Relay{Transport: &http.Transport{Proxy: http.ProxyURL(at)}}, "http://api.example")
	s.Start()
	for path, want := range map[string]string{"/a\"b": "/a%22b", "//evil.example/x\"y": "//evil.example/x%22y", "/a%2Fb": "/a%2Fb"} {
		if _, err := rawClient(t, s, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if line, _, _ := strings.Cut(<-proxy.requests, "\r\n"); line != "GET http://api.example"+want+" HTTP/1.1" {
			t.Errorf("%s: the proxy got %q", path, line)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	silent := rawServer(t, func(conn *net.TCPConn, _ string, r *bufio.Reader) { r.ReadByte() })
	watch, all := watchAll()
	for _, test := range []struct {
		url, accept string
		status      int
		want        string
		how         exchange.How
	}{
		{"http://" + l.Addr().String(), "", 502, "ssectl serve: no answer from http://" + l.Addr().String() + ": dial tcp " + l.Addr().String() + ": connect: connection refused\n", exchange.Refused},
		{silent.URL, "application/json", 504, `{"error":{"code":504,"message":"ssectl serve: no answer from ` + silent.URL + `: no headers within 50ms"}}` + "\n", exchange.TimedOut},
	} {
		s := start(t, &Relay{HeaderTimeout: 50 * time.Millisecond, Watch: watch}, test.url)
		s.Start()
		req, _ := http.NewRequest("GET", s.URL, nil)
		req.Header.Set("Accept", test.accept)
		response, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != test.status || string(body) != test.want || err != nil {
			t.Errorf("status %d, body %q, %v; want %d and %q", response.StatusCode, body, err, test.status, test.want)
		}
		if end := (<-all).wait(t).end; end.How != test.how {
			t.Errorf("the watcher saw %+v", end)
		}
	}
}

// TestClientLeaves wants the request to the upstream to end with that of the
// client: before headers, in silence, and where the upstream is HTTP/2.
func TestClientLeaves(t *testing.T) {
	for _, headers := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			arrived, left := make(chan struct{}), make(chan time.Time, 1)
			up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // or the server does not notice
				if headers {
					w.Header().Set("Content-Type", "text/event-stream")
					w.WriteHeader(http.StatusOK)
					http.NewResponseController(w).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				left <- time.Now()
			}))
			up.EnableHTTP2 = true
			if secure {
				up.StartTLS()
			} else {
				up.Start()
			}
			defer up.Close()
			watch, all := watchAll()
			s := start(t, &Relay{Watch: watch, Transport: up.Client().Transport}, up.URL)
			s.Start()
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, "POST", s.URL, strings.NewReader("body"))
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				if response, err := s.Client().Do(req); err == nil {
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			}()
			<-arrived
			began := time.Now()
			cancel()
			select {
			case at := <-left:
				t.Logf("headers %v, TLS %v: the upstream knew after %v", headers, secure, at.Sub(began))
			case <-time.After(limit):
				t.Fatal("the upstream is never told")
			}
			<-gone
			if end := (<-all).wait(t).end; end.How != exchange.ClientLeft {
				t.Errorf("headers %v, TLS %v: ended %+v", headers, secure, end)
			}
		}
	}
}

func TestCloseCutsAll(t *testing.T) {
	up := rawServer(t, func(conn *net.TCPConn, _ string, r *bufio.Reader) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n")
		r.ReadByte()
	})
	watch, all := watchAll()
	h := &Relay{Watch: watch}
	s := start(t, h, up.URL)
	s.Start()
	response, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b := make([]byte, 9)
	io.ReadFull(response.Body, b)
	h.Close()
	if rest, err := io.ReadAll(response.Body); err == nil || len(rest) > 0 {
		t.Errorf("after Close: %q, %v", rest, err)
	}
	if end := (<-all).wait(t).end; end.How != exchange.Stopped || end.Events != 1 {
		t.Errorf("%+v", end)
	}
	if got, _ := s.Client().Get(s.URL); got == nil || got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after Close: %v", got)
	}
}

// TestStuckClientsEnd has clients that take nothing, and an upstream that does not
// end: Close, a fault and the time limit for writes end them.
func TestStuckClientsEnd(t *testing.T) {
	up := rawServer(t, func(conn *net.TCPConn, _ string, _ *bufio.Reader) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for piece := bytes.Repeat([]byte("data: x\n\n"), 1000); ; {
			if _, err := conn.Write(piece); err != nil {
				return
			}
		}
	})
	for _, test := range []struct {
		how exchange.How
		h   *Relay
	}{
		{exchange.Stopped, &Relay{}},
		{exchange.Fault, &Relay{Faults: parseAll(t, "cut=200ms")}},
		{exchange.TimedOut, &Relay{WriteTimeout: 200 * time.Millisecond}},
	} {
		for _, secure := range []bool{false, true} {
			watch, all := countAll()
			h := &Relay{Watch: watch, Faults: test.h.Faults, WriteTimeout: test.h.WriteTimeout}
			s := start(t, h, up.URL)
			if secure {
				s.StartTLS()
			} else {
				s.Start()
			}
			response, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			one := <-all
			if test.how == exchange.Stopped {
				io.ReadFull(response.Body, make([]byte, 100))
				h.Close()
			}
			if one.wait(t); one.end.How != test.how {
				t.Errorf("TLS %v: ended %s, want %s", secure, one.end, test.how)
			}
		}
	}
}

func TestCredentialsOfTheURL(t *testing.T) {
	up := rawServer(t, wholeText("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
	s := start(t, &Relay{}, strings.Replace(up.URL, "//", "//user:pass@", 1))
	s.Start()
	response, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if head := <-up.requests; !strings.Contains(head, "Authorization: Basic dXNlcjpwYXNz\r\n") {
		t.Errorf("head %q", head)
	}
}

func TestBadUpstream(t *testing.T) {
	for _, u := range []*url.URL{nil, {}, {Scheme: "ftp", Host: "x"}} {
		w := httptest.NewRecorder()
		(&Relay{Upstream: u}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "want an http") {
			t.Errorf("%v: %d %q", u, w.Code, w.Body)
		}
	}
}

// cutOf returns how a client of HTTP/1.1 saw an answer end.
func cutOf(err error) string {
	switch {
	case err == nil:
		return "whole"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated"
	case errors.Is(err, syscall.ECONNRESET), errors.As(err, new(streamError)):
		return "reset"
	}
	return err.Error()
}
