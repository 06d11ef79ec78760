package diag

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// overTLS has a client that takes any certificate.
func overTLS(c *run) {
	c.Quick = true
	c.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
}

// TestRawHeaderOverTLS has an answer in HTTP/1.1 over TLS with two lengths,
// of which net/http shows one.
func TestRawHeaderOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := serveInMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n")
			conn.Close()
		}), (*httptest.Server).StartTLS)
		o := observed(t, server.URL, overTLS)
		x := o.Main()
		if x.TLS == nil || x.Proto != "HTTP/1.1" || !strings.HasPrefix(string(x.RawHeader), "HTTP/1.1 200") {
			t.Fatalf("TLS %v, %s, raw header %q, %s", x.TLS, x.Proto, x.RawHeader, x.Error)
		}
		if f := check.Lookup("content-length").Run(o); f.Status != check.Fail {
			t.Errorf("content-length: %s: %s", f.Status, f.Title)
		}
		if f := check.Lookup("connect-tls").Run(o); f.Status != check.Info {
			t.Errorf("connect-tls: %s: %s", f.Status, f.Title)
		}
	})
}

// TestResetOverHTTP2 has an answer in HTTP/2 with a header that is none there,
// whose stream is then reset.
func TestResetOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := serveInMemory(t, nil, (*httptest.Server).StartTLS)
		config := &tls.Config{Certificates: plain.TLS.Certificates, NextProtos: []string{"h2"}}
		listener := tls.NewListener(listenInMemory(t), config)
		defer listener.Close()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go resetting(conn)
			}
		}()
		o := observed(t, "https://"+listener.Addr().String(), func(c *run) {
			overTLS(c)
			c.Profile = ProfileOpenAI // which is asked once, and not with HEAD
		})
		if x := o.Main(); x.Proto != "HTTP/2.0" || x.End != seen.EndReset || !strings.Contains(x.Error, "INTERNAL_ERROR") {
			t.Errorf("%s, end %s: %s", x.Proto, x.End, x.Error)
		}
		for _, id := range []string{"end-clean", "connection-header"} {
			if f := check.Lookup(id).Run(o); f.Status != check.Fail {
				t.Errorf("%s: %s: %s", id, f.Status, f.Title)
			}
		}
	})
}

// resetting speaks as much HTTP/2 as it takes: it answers the first HEADERS.
func resetting(conn net.Conn) {
	defer conn.Close()
	const data, headers, rst, settings = 0, 1, 3, 4
	write := func(kind, flags byte, stream uint32, payload []byte) {
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		frame = binary.BigEndian.AppendUint32(append(frame, flags), stream)
		conn.Write(append(frame, payload...))
	}
	io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
	write(settings, 0, 0, nil)
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head)>>8))
		switch stream := binary.BigEndian.Uint32(head[5:]); head[3] {
		case settings:
			if head[4] == 0 {
				write(settings, 1, 0, nil)
			}
		case headers:
			// https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2: literals, not indexed
			block := []byte{0x88}
			for _, field := range [][2]string{{"content-type", "text/event-stream"}, {"connection", "keep-alive"}} {
				block = append(append(block, 0, byte(len(field[0]))), field[0]...)
				block = append(append(block, byte(len(field[1]))), field[1]...)
			}
			write(headers, 4, stream, block)
			write(data, 0, stream, []byte("data: 1\n\n"))
			write(rst, 0, stream, []byte{0, 0, 0, 2})
		}
	}
}

// TestServerWithoutHTTP2 refuses HTTP/2 in the handshake, as nginx does without
// http2: no version is late then.
func TestServerWithoutHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{every: 50 * time.Millisecond, start: time.Now()}
		server := serveInMemory(t, f, (*httptest.Server).StartTLS)
		o := observed(t, server.URL, func(c *run) {
			overTLS(c)
			c.Quick = false
		})
		x := o.Get(seen.RoleProtocol)
		if x == nil || x.Answered != 0 {
			t.Fatalf("HTTP/2 was not asked for, or came: %+v", x)
		}
		if f := check.Lookup("protocol-parity").Run(o); f.Status == check.Warn || f.Status == check.Fail {
			t.Errorf("protocol-parity: %s: %s", f.Status, f.Title)
		}
	})
}

// TestPreflightWithoutCredentials has credentials in the URL, which no browser
// sends with a preflight (https://fetch.spec.whatwg.org/#cors-preflight-fetch).
func TestPreflightWithoutCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards sent
		sent := map[string]string{}
		f := &fake{every: 50 * time.Millisecond, start: time.Now(), instead: func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			sent[r.Method] = r.Header.Get("Authorization")
			return false
		}}
		server := serveInMemory(t, f, (*httptest.Server).Start)
		observed(t, strings.Replace(server.URL, "http://", "http://user:pw@", 1), nil)
		mu.Lock()
		defer mu.Unlock()
		if sent[http.MethodGet] == "" {
			t.Errorf("the stream was asked for without credentials: %v", sent)
		}
		if authorization, asked := sent[http.MethodOptions]; !asked || authorization != "" {
			t.Errorf("a preflight was made: %v, with credentials %q", asked, authorization)
		}
	})
}
