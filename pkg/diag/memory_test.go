package diag

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// memory is the network: the listeners by their addresses.
var memory struct {
	mu        sync.Mutex // guards the rest
	listeners map[string]*memoryListener
	last      int
	aliases   sync.Map // of addresses
}

// alias makes a listener reachable by another address too.
func alias(name, addr string) { memory.aliases.Store(name, addr) }

type memoryListener struct {
	addr  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	ends  sync.WaitGroup // the ends of its connections that are not closed yet
}

// listenInMemory ends the test only after both ends of every connection are
// closed: in a bubble of synctest no time passes after its test has returned,
// so a write that waits for its deadline would wait for ever.
func listenInMemory(t *testing.T) *memoryListener {
	memory.mu.Lock()
	defer memory.mu.Unlock()
	memory.last++
	l := &memoryListener{addr: "127.0.0.1:" + strconv.Itoa(memory.last), conns: make(chan net.Conn), done: make(chan struct{})}
	if memory.listeners == nil {
		memory.listeners = map[string]*memoryListener{}
	}
	memory.listeners[l.addr] = l
	t.Cleanup(l.ends.Wait)
	return l
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		memory.mu.Lock()
		defer memory.mu.Unlock()
		delete(memory.listeners, l.addr)
		close(l.done)
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return l }

func (l *memoryListener) Network() string { return "tcp" }

func (l *memoryListener) String() string { return l.addr }

func dialInMemory(ctx context.Context, _, addr string) (net.Conn, error) {
	time.Sleep(time.Millisecond) // the round trip; an exchange that takes no time was not made
	if other, ok := memory.aliases.Load(addr); ok {
		addr = other.(string)
	}
	memory.mu.Lock()
	l := memory.listeners[addr]
	memory.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	a, b := net.Pipe()
	near, far := newQueued(a, &l.ends), newQueued(b, &l.ends)
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
	case <-ctx.Done():
	}
	near.Close()
	far.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// A queued connection takes some writes before the other end reads, as sockets
// do. Both ends of a connection may have something to say when they close.
type queued struct {
	net.Conn
	queue chan []byte
	done  chan struct{}
	once  sync.Once
}

func newQueued(conn net.Conn, ends *sync.WaitGroup) *queued {
	q := &queued{Conn: conn, queue: make(chan []byte, 256), done: make(chan struct{})}
	ends.Go(func() {
		defer q.Conn.Close()
		for {
			select {
			case text := <-q.queue:
				if _, err := q.Conn.Write(text); err != nil {
					return
				}
				continue
			default:
			}
			select {
			case text := <-q.queue:
				if _, err := q.Conn.Write(text); err != nil {
					return
				}
			case <-q.done:
				return
			}
		}
	})
	return q
}

func (q *queued) Write(p []byte) (int, error) {
	select {
	case <-q.done:
		return 0, net.ErrClosed
	default:
	}
	select {
	case q.queue <- bytes.Clone(p):
		return len(p), nil
	case <-q.done:
		return 0, net.ErrClosed
	}
}

// Writes end at once, or with the connection: their deadlines are for us alone.
func (q *queued) SetWriteDeadline(time.Time) error { return nil }

func (q *queued) SetDeadline(at time.Time) error { return q.SetReadDeadline(at) }

func (q *queued) Close() error {
	q.once.Do(func() {
		q.Conn.SetDeadline(time.Now().Add(100 * time.Millisecond)) // for the rest
		close(q.done)
	})
	return nil
}

// serveInMemory starts a server that change may configure.
func serveInMemory(t *testing.T, h http.Handler, start func(*httptest.Server)) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Listener.Close()
	server.Listener = listenInMemory(t)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(server)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server
}

// inMemory has the client of a configuration reach servers in memory.
func inMemory(c *Options) {
	transport, _ := c.Client.Transport.(*http.Transport)
	if transport == nil {
		transport = &http.Transport{}
	}
	transport.DialContext = dialInMemory
	c.Client.Transport = transport
}
