package tape

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A call is an exchange that a test makes up.
type call struct {
	method, target string
	header         http.Header
	body           string

	status int
	answer http.Header
	text   string // its body
	how    exchange.How
}

// sse is the header of an event stream.
var sse = http.Header{"Content-Type": {"text/event-stream"}}

// take gives a call to a watch as if it passed, with pieces of at most size bytes.
func take(t *testing.T, watch exchange.Watch, c call, size int) {
	t.Helper()
	u, err := url.Parse("http://upstream.test" + c.target)
	if err != nil {
		t.Fatal(err)
	}
	if c.header == nil {
		c.header = http.Header{}
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	request := &exchange.Request{Time: now, Method: c.method, URL: u, Host: u.Host, Header: c.header}
	w := watch(request)
	if w == nil {
		t.Fatal("nobody watches")
	}
	request.Passed([]byte(c.body), 1<<20)
	request.Finished()
	now = now.Add(time.Millisecond)
	isStream := stream.IsEventStream(c.answer.Get("Content-Type"))
	w.Response(&exchange.Response{Time: now, Proto: "HTTP/1.1", Status: c.status, Header: c.answer, Stream: isStream})
	end := exchange.End{How: c.how, Bytes: int64(len(c.text))}
	if isStream {
		for block, err := range stream.NewDecoder(&bytesIn{c.text, size}).Blocks() {
			if err != nil {
				t.Fatal(err)
			}
			exchange.Tell(w, block, now)
			if block.IsEvent() {
				end.Events++
			}
			now = now.Add(time.Microsecond)
		}
	} else {
		for rest := c.text; rest != ""; {
			n := min(size, len(rest))
			w.Body([]byte(rest[:n]))
			rest = rest[n:]
		}
	}
	end.Time = now
	w.End(end)
}

// bytesIn reads a text in pieces.
type bytesIn struct {
	text string
	size int
}

func (p *bytesIn) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.text)
	p.text = p.text[n:]
	return n, nil
}

func newRecorder(t *testing.T) *Recorder {
	t.Helper()
	return &Recorder{Dir: t.TempDir(), Failed: func(err error) { t.Error(err) }}
}

// atOnce plays without waiting.
func atOnce(time.Duration, bool) time.Duration { return 0 }

// play serves the tapes of a directory.
func play(t *testing.T, dir string, options Options) (player *Player, base string) {
	t.Helper()
	if options.Wait == nil {
		options.Wait = atOnce
	}
	player, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(player)
	t.Cleanup(server.Close)
	return player, server.URL
}

// ask sends the request of a call, and returns the answer and the error of its body.
func ask(t *testing.T, base string, c call) (*http.Response, string, error) {
	t.Helper()
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	request, err := http.NewRequest(c.method, base+c.target, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

// tapes returns the files of a directory, one after the other.
func tapes(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "-- %s\n%s", filepath.Base(file), text)
	}
	return all.String()
}

// Everything that was recorded is played again, byte for byte and to the same end.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	samples, err := filepath.Glob("../../../testdata/streams/*.sse")
	if err != nil || len(samples) < 10 {
		t.Fatal(samples, err)
	}
	var calls []call
	add := func(c call) {
		c.target = fmt.Sprintf("/%d", len(calls))
		calls = append(calls, c)
	}
	for _, sample := range samples {
		text, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		add(call{method: "GET", status: 200, answer: sse, text: string(text), how: exchange.Whole})
	}
	hows := []exchange.How{exchange.Whole, exchange.Truncated, exchange.Reset}
	for range 200 {
		add(call{method: "POST", body: `{"a":1}`, status: 200, answer: sse, text: randomStream(random), how: hows[random.IntN(3)]})
	}
	for _, text := range []string{
		"", "plain", "\xff\x00binary\xfe", `{"a": 1}`, `{"a":1}`, "{\"a\":1}\n", "{\n  \"a\": [\n    1,\n    {}\n  ]\n}", "[1, 2]\n\n", "{\"del\":\"\x7f\u0085\u2028\"}",
		`{"a":1.0,"a":1e400,"b":"\u0000\ud800"}`, "null", "\"text\"", "{\"a\":\"\xff\"}",
	} {
		for _, how := range hows {
			add(call{method: "PUT", body: text, status: 201, answer: http.Header{"Content-Type": {"application/json"}, "X-A": {"1", "2"}}, text: text, how: how})
		}
	}
	add(call{method: "DELETE", status: 204, how: exchange.Whole})
	for _, how := range hows {
		add(call{method: "POST", status: 200, answer: http.Header{"Content-Type": {"application/x-ndjson"}}, text: "{\"a\":1}\n\n \xff\n{\"b\":\"s\"}\r\n{\"c", how: how})
	}
	add(call{method: "GET", status: 302, answer: http.Header{"Location": {"/x?limit=1"}}, how: exchange.Whole})
	r := newRecorder(t)
	for _, c := range calls {
		take(t, r.Watch, c, 1+random.IntN(300))
	}
	player, base := play(t, r.Dir, Options{Note: func(s string) { t.Error(s) }})
	if player.Len() != len(calls) {
		t.Errorf("%d recordings of %d exchanges", player.Len(), len(calls))
	}
	check := func(i int, c call) {
		response, text, err := ask(t, base, c)
		switch {
		case response.StatusCode != c.status:
			t.Errorf("%d: status %d, want %d: %s", i, response.StatusCode, c.status, text)
		case text != c.text:
			t.Errorf("%d: played\n%q, want\n%q", i, text, c.text)
		case (err == nil) != (c.how == exchange.Whole):
			t.Errorf("%d: ended with %v, recorded %q", i, err, c.how)
		case c.how == exchange.Reset && !strings.Contains(err.Error(), "reset"):
			t.Errorf("%d: ended with %v, recorded a reset", i, err)
		}
		for name, values := range c.answer {
			if got := response.Header[name]; fmt.Sprint(got) != fmt.Sprint(values) {
				t.Errorf("%d: %s is %q, want %q", i, name, got, values)
			}
		}
	} // A reset takes its time.
	var wg sync.WaitGroup
	turns := make(chan struct{}, 20)
	for i, c := range calls {
		turns <- struct{}{}
		wg.Go(func() {
			check(i, c)
			<-turns
		})
	}
	wg.Wait()
}

// randomStream returns a stream of odd bytes.
func randomStream(random *rand.Rand) string {
	parts := []string{
		"data: ", "data:", "event: x\n", "id: 1\n", "id\n", "retry: 10\n", ": comment\n", "other: field\n", "\n", "\n\n", "\r\n", "\r", "\xef\xbb\xbf", "\xff", "\x00",
		`{"delta":"é😀"}`, "text", "\u0085", "data: [DONE]\n\n", `data: {"a":"s`, `k-"}` + "\n\n",
	}
	var b strings.Builder
	for range random.IntN(40) {
		b.WriteString(parts[random.IntN(len(parts))])
	}
	return b.String()
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
