package fake

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/record"
)

// A waiting is a service whose answers hold their request until they may end.
type waiting struct{ end chan struct{} }

func (s waiting) Reply(r *Request, _ *Content) *Reply {
	return &Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
		select {
		case <-s.end:
		case <-ctx.Done():
		}
		return send(record.Record{Event: event("", string(r.Body[:1])).Event, IsEvent: true})
	}}
}

func (waiting) Error(_ *Request, status int, message string) *Reply {
	return &Reply{Status: status, Body: []byte(message)}
}

// The requests of answers under way take a bounded memory, and others are asked to come
// again.
func TestHeld(t *testing.T) {
	s := waiting{make(chan struct{})}
	h, base := play(t, Options{Service: s})
	post := func(size int) *http.Response {
		r, err := http.Post(base+"/x", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}
	const size = 7 << 20
	var open []*http.Response
	for range maxHeld / size {
		r := post(size)
		if r.StatusCode != http.StatusOK {
			t.Fatal(r.Status)
		}
		open = append(open, r)
	}
	r := post(size)
	body, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), "too many bytes") {
		t.Errorf("%s %v %s", r.Status, r.Header, body)
	}
	if r := post(100); r.StatusCode != http.StatusOK {
		t.Errorf("a small one: %s", r.Status)
	}
	close(s.end)
	for _, r := range open {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
	}
	for held := size; held > size/2; runtime.Gosched() { // it ends after its last byte
		h.mu.Lock()
		held = h.held
		h.mu.Unlock()
	}
	if r := post(size); r.StatusCode != http.StatusOK {
		t.Errorf("after the end of the others: %s", r.Status)
	}
}
