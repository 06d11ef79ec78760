package protocol_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
	"github.com/ssectl/ssectl/pkg/stream"
)

func service(t *testing.T, name string, options protocol.Options) fake.Service {
	t.Helper()
	s, err := protocol.New(name, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request returns a request as a server reads it. Each header is a line.
func request(method, target, body string, header ...string) *fake.Request {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	r := &fake.Request{Method: method, Path: u.Path, Query: u.Query(), Header: http.Header{}, Host: "localhost:8080", Body: []byte(body)}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if d.Decode(&r.JSON) != nil {
		r.JSON = nil
	}
	return r
}

var errCut = errors.New("cut")

// A client reads streams.
type client struct {
	mu     sync.Mutex
	events []stream.Event
	beats  []string
	delay  time.Duration
	lastID string
}

// read reads a stream, which is cut after some events if cut is not negative: the last of
// them comes, though sending it fails, as with a fault of serve. Every event goes over the
// wire.
func (c *client) read(ctx context.Context, reply *fake.Reply, cut int) error {
	return reply.Stream(ctx, func(r record.Record) error {
		if cut == 0 {
			return errCut
		}
		wire, err := r.AppendText(nil)
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for block, err := range stream.NewDecoder(bytes.NewReader(wire)).Blocks() {
			switch {
			case err != nil:
				return err
			case !block.IsEvent():
				c.beats = append(c.beats, r.Comment)
			default:
				event := block.Event()
				c.events = append(c.events, event)
				c.delay += r.Delay
				if event.HasID {
					c.lastID = event.ID
				}
				cut--
			}
		}
		if cut == 0 && r.IsEvent {
			return errCut
		}
		return nil
	})
}

// seen returns the data of the events so far.
func (c *client) seen() (data []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		data = append(data, e.Data)
	}
	return data
}

// get returns a client that has read a reply that is a stream.
func get(t *testing.T, reply *fake.Reply) *client {
	t.Helper()
	c := new(client)
	if reply == nil || reply.Stream == nil {
		t.Fatalf("no stream, but %s", describe(reply))
	}
	if err := c.read(t.Context(), reply, -1); err != nil {
		t.Fatal(err)
	}
	return c
}

func describe(r *fake.Reply) string {
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("%d %s", r.Status, r.Body)
}

// value returns the value at a path into JSON, as JSON.
func value(text string, path ...string) string {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err.Error()
	}
	for _, key := range path {
		switch o := v.(type) {
		case map[string]any:
			v = o[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(o) {
				return "no " + key
			}
			v = o[n]
		default:
			return "no " + key
		}
	}
	got, _ := json.Marshal(v)
	return string(got)
}

func want(t *testing.T, about, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\ngot  %s\nwant %s", about, got, want)
	}
}

// wantStatus wants a reply to have a status.
func wantStatus(t *testing.T, about string, reply *fake.Reply, status int) {
	t.Helper()
	got := 404
	if reply != nil {
		got = reply.Status
		if got == 0 {
			got = 200
		}
	}
	if got != status {
		t.Errorf("%s: %s; want %d", about, describe(reply), status)
	}
}

// seeded returns a source of cases, which SSECTL_TEST_SEED repeats.
func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("SSECTL_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("SSECTL_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// words returns a text of some words.
func words(n int) string {
	var list []string
	for i := range n {
		list = append(list, "word"+strconv.Itoa(i))
	}
	return strings.Join(list, " ")
}

func TestNew(t *testing.T) {
	if !slices.IsSorted(protocol.Names()) {
		t.Errorf("not sorted: %q", protocol.Names())
	}
	if _, err := protocol.New("soap", protocol.Options{}); err == nil || !strings.Contains(err.Error(), "mcp-2026-07-28, mercure") {
		t.Errorf("%v names no services", err)
	}
}

// TestAnyRequest makes requests that no client would, and wants no panic.
func TestAnyRequest(t *testing.T) {
	bodies := []string{"", "null", "1", `"a"`, "[]", "[1]", "{}", `{"jsonrpc":"2.0"}`, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}`,
		`{"jsonrpc":"2.0","id":{},"method":"x"}`, `{"messages":1}`, `{"messages":[1,{"content":[1]}],"input":[],"stream_mode":{}}`, `{"query":1}`,
		`{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"parts":[1]}}}`}
	paths := []string{"/", "/mcp", "/sse", "/messages", "/graphql", "/threads", "/threads/", "/threads/a/runs/b/stream", "/runs/stream", "/runs/wait",
		"/runs//stream", "/assistants/x", "/.well-known/mercure", "/.well-known/mercure?topic=%7B", "/.well-known/agent-card.json", "/x"}
	for _, name := range protocol.Names() {
		s := service(t, name, protocol.Options{Heartbeat: -1})
		for _, path := range paths {
			for _, body := range bodies {
				for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
					r := request(method, path, body, "Accept: */*")
					if reply := s.Reply(r, nil); reply != nil && reply.Stream != nil {
						ctx, cancel := context.WithCancel(t.Context())
						cancel()
						new(client).read(ctx, reply, -1)
					}
					wantStatus(t, name, s.Error(r, 503, ""), 503)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"a2a", `{"jsonrpc":"2.0","id":7,"method":"x"}`, `{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"slow down"}}`},
		{"ag-ui", `{}`, `{"error":"slow down"}`},
		{"graphql", `{}`, `{"errors":[{"message":"slow down"}]}`},
		{"langgraph", `{}`, `{"detail":"slow down"}`},
		{"mcp", `{"jsonrpc":"2.0","id":"a","method":"x"}`, `{"jsonrpc":"2.0","id":"a","error":{"code":-32600,"message":"slow down"}}`},
		{"mercure", "", "slow down\n"},
	}
	for _, test := range tests {
		s := service(t, test.name, protocol.Options{})
		reply := s.Error(request("POST", "/", test.body), 429, "slow down")
		want(t, test.name, string(reply.Body), test.want)
		wantStatus(t, test.name, reply, 429)
		want(t, test.name, reply.Header.Get("Retry-After"), "1")
	}
}

// TestPace wants texts and progress to take their time.
func TestPace(t *testing.T) {
	s := service(t, "ag-ui", protocol.Options{Pace: fake.Pace{First: time.Second, Rate: 10}})
	c := get(t, s.Reply(request("POST", "/", `{"messages":[{"role":"user","content":"one two three"}]}`), nil))
	want(t, "a text of three words", c.delay.String(), "1.2s")
}

// follow reads a stream that stays open, until stop is called.
func follow(t *testing.T, reply *fake.Reply) (c *client, stop func()) {
	t.Helper()
	if reply == nil || reply.Stream == nil {
		t.Fatalf("no stream, but %s", describe(reply))
	}
	c = new(client)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.read(ctx, reply, -1) }()
	synctest.Wait()
	return c, func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}
