package relay

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestEarlyAnswers wants answers that come before the request was taken to be
// whole, and further requests as good as the first.
func TestEarlyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	early := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}))
	t.Cleanup(early.Close)
	for _, test := range []struct {
		url    string
		status int
	}{
		{"http://" + l.Addr().String(), http.StatusBadGateway},
		{early.URL, http.StatusRequestEntityTooLarge},
	} {
		for _, size := range []int{10, 100 << 10} {
			var errs lockedBuffer
			s := start(t, &Relay{}, test.url)
			s.Config.ErrorLog = log.New(&errs, "", 0)
			s.Start()
			for range 5 {
				response, err := s.Client().Post(s.URL, "text/plain", strings.NewReader(strings.Repeat("x", size)))
				if err != nil {
					t.Fatalf("%s, %d bytes: %v", test.url, size, err)
				}
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
				if response.StatusCode != test.status || err != nil {
					t.Errorf("%s, %d bytes: status %d, %v; want %d", test.url, size, response.StatusCode, err, test.status)
				}
			}
			s.Close()
			if text := errs.String(); text != "" {
				t.Errorf("%s, %d bytes: the server logs %.300s", test.url, size, text)
			}
		}
	}
}

// A lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
