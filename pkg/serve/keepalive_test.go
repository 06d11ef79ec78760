package serve_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

func TestAtTheEnd(t *testing.T) {
	for _, test := range []struct {
		name string
		h    *serve.Handler
		want string
	}{
		{"close", &serve.Handler{History: numbered(2)}, wireOf(1, 2)},
		{"close event", &serve.Handler{History: numbered(2), Options: serve.Options{CloseEvent: "bye"}}, wireOf(1, 2) + "event: bye\ndata: \n\n"},
		{"rounds", &serve.Handler{History: numbered(2), Options: serve.Options{Rounds: 3}}, wireOf(1, 2, 1, 2, 1, 2)},
		{"retry hint", &serve.Handler{History: numbered(1), Options: serve.Options{RetryHint: 1500 * time.Millisecond}}, "retry: 1500\n\n" + wireOf(1)},
		{"no events", &serve.Handler{History: numbered(0)}, ": ok\n\n"},
		{"no events in rounds", &serve.Handler{History: numbered(0), Options: serve.Options{Rounds: 3}}, ": ok\n\n"},
	} {
		if _, got := get(t, start(t, test.h)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestHoldAndLoopDoNotEnd(t *testing.T) {
	c := dial(t, start(t, &serve.Handler{History: numbered(2), Options: serve.Options{AtEnd: serve.EndLoop}}))
	c.head(t)
	got := ""
	for len(got) < 1000*len(wireOf(1, 2)) {
		chunk, err := c.chunk()
		if err != nil {
			t.Fatal(err)
		}
		got += chunk
	}
	if !strings.HasPrefix(strings.Repeat(wireOf(1, 2), 2000), got) {
		t.Errorf("loop: got %.200q...", got)
	}

	h := &serve.Handler{History: numbered(2), Options: serve.Options{AtEnd: serve.EndHold, Heartbeat: 20 * time.Millisecond}}
	c = dial(t, start(t, h))
	c.head(t)
	got = ""
	for !strings.HasSuffix(got, ": heartbeat\n\n: heartbeat\n\n") {
		chunk, err := c.chunk()
		if err != nil {
			t.Fatalf("hold: %q, then %v", got, err)
		}
		got += chunk
	}
	response, err := http.Get(start(t, &serve.Handler{History: numbered(2), Options: serve.Options{AtEnd: serve.EndHold}}) + "/?lastEventId=2")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("hold: a resume after the last event has status %d, want 200", response.StatusCode)
	}
}

func TestTailIsTheLastThingSent(t *testing.T) {
	const text = "data: a\n\ndata: unfini"
	tail := func() *serve.History {
		source, _, _ := record.Read(strings.NewReader(text), record.FormatSSE, 0)
		history := &serve.History{}
		if err := history.Load(source); err != nil {
			t.Fatal(err)
		}
		return history
	}
	for _, test := range []struct {
		h    *serve.Handler
		want string
	}{
		{&serve.Handler{History: tail()}, text},
		{&serve.Handler{History: tail(), Options: serve.Options{CloseEvent: "bye"}}, "data: a\n\nevent: bye\ndata: \n\n"},
		{&serve.Handler{History: tail(), Options: serve.Options{Rounds: 2}}, "data: a\n\ndata: a\n\n"},
	} {
		if _, got := get(t, start(t, test.h)); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestByteOrderMarkIsNotRepeated(t *testing.T) {
	source, _, _ := record.Read(strings.NewReader("\ufeffdata: a\n\ndata: b\n\n"), record.FormatAuto, 0)
	history := &serve.History{}
	if err := history.Load(source); err != nil {
		t.Fatal(err)
	}
	want := "\ufeffdata: a\n\ndata: b\n\ndata: a\n\ndata: b\n\n"
	if _, got := get(t, start(t, &serve.Handler{History: history, Options: serve.Options{Rounds: 2}})); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOptionsThatCannotBeMet(t *testing.T) {
	for want, options := range map[string]serve.Options{
		`unknown AtEnd "clsoe"`:        {AtEnd: "clsoe"},
		`unknown OnUnknownID "ignore"`: {OnUnknownID: "ignore"},
		`fault "drp": no such kind`:    {Faults: []fault.Fault{{Kind: "drp", First: 1}}},
		`fault "stall": want a`:        {Faults: []fault.Fault{{Kind: "stall", First: 1}}},
	} {
		w := httptest.NewRecorder()
		(&serve.Handler{History: numbered(1), Options: options}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 500 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%+v: %d %q", options, w.Code, w.Body)
		}
	}
}

func TestMaxClients(t *testing.T) {
	h := &serve.Handler{History: &serve.History{}, Options: serve.Options{MaxClients: 1}}
	url := start(t, h)
	first, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response, _ := get(t, url)
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q; want 503 with one", response.StatusCode, response.Header.Get("Retry-After"))
	}
	first.Body.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a client that left is not free again")
		}
	}
}

func TestClientThatTakesNothingIsCutAndCostsNobody(t *testing.T) {
	history := &serve.History{Limit: 100}
	ended := make(chan serve.Connection, 10)
	h := &serve.Handler{History: history, Options: serve.Options{WriteTimeout: 100 * time.Millisecond, Heartbeat: 20 * time.Millisecond,
		Closed: func(c serve.Connection) { ended <- c }}}
	url := start(t, h)
	dial(t, url).head(t) // and takes no more
	other := dial(t, url)
	other.head(t)
	text := strings.Repeat("x", 60<<10)
	deadline := time.After(time.Minute)
	for cut := false; !cut; {
		history.Append(stream.Event{Data: text})
		for {
			chunk, err := other.chunk()
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(chunk, "data: ") {
				break
			}
		}
		select {
		case c := <-ended:
			if c.End != serve.EndedStuck && c.End != serve.EndedBehind {
				t.Errorf("the client ended with %q", c.End)
			}
			cut = true
		case <-deadline:
			t.Fatal("a client that takes nothing is still there")
		default:
		}
	}
}

func TestClientThatLeavesIsNoticed(t *testing.T) {
	ended := make(chan serve.Connection, 1)
	url := start(t, &serve.Handler{History: &serve.History{}, Options: serve.Options{Closed: func(c serve.Connection) { ended <- c }}})
	c := dial(t, url)
	c.head(t)
	c.Close()
	select {
	case got := <-ended:
		if got.End != serve.EndedClient || got.Status != 200 || !got.Streamed() {
			t.Errorf("got %+v", got)
		}
	case <-time.After(time.Minute):
		t.Error("nobody noticed")
	}
}

func TestCloseEndsResponsesInOrder(t *testing.T) {
	h := &serve.Handler{History: &serve.History{}}
	c := dial(t, start(t, h))
	c.head(t)
	if chunk, err := c.chunk(); chunk != ": ok\n\n" {
		t.Fatalf("got %q, %v", chunk, err)
	}
	h.Close()
	if chunk, err := c.chunk(); err != io.EOF {
		t.Errorf("got %q, %v; want the end of the response", chunk, err)
	}
	if response, _ := get(t, start(t, h)); response.StatusCode != 503 {
		t.Errorf("a closed handler answers %d, want 503", response.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	h := &serve.Handler{History: numbered(1), Options: serve.Options{CORS: "https://example.com", Header: http.Header{"x-mine": {"a", "b"}, "Cache-Control": {"no-store"}}}}
	url := start(t, h)
	response, _ := get(t, url, "Origin", "https://example.com")
	for name, want := range map[string]string{
		"Content-Type":                "text/event-stream",
		"Cache-Control":               "no-store",
		"X-Mine":                      "a, b",
		"Access-Control-Allow-Origin": "https://example.com",
		"X-Accel-Buffering":           "no",
	} {
		if got := strings.Join(response.Header.Values(name), ", "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	request, _ := http.NewRequest("OPTIONS", url, nil)
	request.Header.Set("Access-Control-Request-Method", "GET")
	request.Header.Set("Access-Control-Request-Headers", "last-event-id, authorization")
	preflight, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	preflight.Body.Close()
	if got := preflight.Header.Get("Access-Control-Allow-Headers"); preflight.StatusCode != 204 || got != "last-event-id, authorization" {
		t.Errorf("preflight: status %d, headers %q", preflight.StatusCode, got)
	}
}

func TestAnyMethodIsAnsweredAndItsBodyRead(t *testing.T) {
	url := start(t, &serve.Handler{History: numbered(1)})
	response, err := http.Post(url, "application/json", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); string(got) != wireOf(1) || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRequestWithHalfABodyHoldsNothingUp(t *testing.T) {
	h := &serve.Handler{History: &serve.History{}, Options: serve.Options{MaxClients: 1}}
	url := start(t, h)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The answer to "Expect" shows that the handler reads the body.
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\nx")
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q, %v", line, err)
	}
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("the one place is taken: status %d", response.StatusCode)
	}
	closed := make(chan struct{})
	go func() {
		h.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Error("Close waits for the body")
	}
}

func TestHTTP2(t *testing.T) {
	history := &serve.History{}
	server := newTLS(t, &serve.Handler{History: history})
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 || response.Header.Get("Connection") != "" {
		t.Errorf("HTTP/%d, Connection %q", response.ProtoMajor, response.Header.Get("Connection"))
	}
	d := stream.NewDecoder(response.Body)
	for i := range 10 {
		history.Append(stream.Event{Data: strings.Repeat("x", i)})
		if event, err := d.Event(); err != nil || len(event.Data) != i {
			t.Fatalf("got %q, %v", event.Data, err)
		}
	}
}

func TestTLSOverHTTP1(t *testing.T) {
	h := &serve.Handler{History: &serve.History{}}
	server := httptest.NewTLSServer(h)
	t.Cleanup(func() { h.Close(); server.Close() })
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	h.History.Append(stream.Event{Data: "x"})
	if event, err := stream.NewDecoder(response.Body).Event(); event.Data != "x" || response.ProtoMajor != 1 {
		t.Errorf("HTTP/%d: got %+v, %v", response.ProtoMajor, event, err)
	}
	response.Body.Close()
}

// pipes is a listener of in-memory connections, for tests in fake time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// arrivals calls each with the events that a client gets, and when, in fake time.
func arrivals(h *serve.Handler, want int, each func(at time.Duration, data string)) {
	listener := make(pipes)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { server.Serve(listener); close(done) }()
	near, far := net.Pipe()
	listener <- far
	go io.WriteString(near, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	request, _ := http.NewRequest("GET", "/", nil)
	begin := time.Now()
	response, err := http.ReadResponse(bufio.NewReader(near), request)
	if err != nil {
		panic(err)
	}
	d := stream.NewDecoder(response.Body)
	for range want {
		block, err := d.Block()
		if err != nil {
			break
		}
		each(time.Since(begin), strings.TrimSpace(string(block.Raw())))
	}
	near.Close()
	h.Close()
	server.Close()
	<-done
}

func TestPace(t *testing.T) {
	recorded := `{"data":"a","delay":"2s"}
{"data":"b","time":"2026-01-01T00:00:01Z"}
{"data":"c","time":"2026-01-01T00:00:04Z"}
{"data":"d","time":"2026-01-01T00:00:03Z"}
{"data":"e","delay":500}
`
	for _, test := range []struct {
		pace serve.Pace
		want []time.Duration
	}{
		{serve.Pace{}, []time.Duration{0, 0, 0, 0, 0}},
		{serve.Pace{Every: time.Second}, []time.Duration{0, 1000, 2000, 3000, 4000}},
		{serve.Pace{Every: time.Second, Speed: 4}, []time.Duration{0, 250, 500, 750, 1000}},
		{serve.Pace{Recorded: true}, []time.Duration{2000, 2000, 5000, 5000, 5500}},
		{serve.Pace{Recorded: true, Speed: 2}, []time.Duration{1000, 1000, 2500, 2500, 2750}},
	} {
		synctest.Test(t, func(t *testing.T) {
			source, _, err := record.Read(strings.NewReader(recorded), record.FormatAuto, 0)
			if err != nil {
				t.Fatal(err)
			}
			h := &serve.Handler{History: &serve.History{}, Options: serve.Options{Pace: test.pace}}
			if err := h.History.Load(source); err != nil {
				t.Fatal(err)
			}
			i := 0
			arrivals(h, 6, func(at time.Duration, data string) {
				if !strings.HasPrefix(data, "data") {
					return // the opening comment
				}
				if want := test.want[i] * time.Millisecond; at != want {
					t.Errorf("%+v: %q came after %v, want %v", test.pace, data, at, want)
				}
				i++
			})
			if i != 5 {
				t.Errorf("%+v: %d events, want 5", test.pace, i)
			}
		})
	}
}

func TestHeartbeatAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &serve.Handler{History: &serve.History{}}
		var beats []time.Duration
		arrivals(h, 4, func(at time.Duration, data string) {
			if data == ": heartbeat" {
				beats = append(beats, at)
			}
		})
		for i, at := range beats {
			// The watch looks once a second.
			if want := time.Duration(i+1) * serve.DefaultHeartbeat; at < want || at > want+time.Duration(i+1)*time.Second {
				t.Errorf("heartbeat %d came after %v, want %v", i+1, at, want)
			}
		}
		if len(beats) != 3 {
			t.Errorf("%d heartbeats, want 3", len(beats))
		}
	})
}

func TestJitterStaysInItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &serve.Handler{History: numbered(50), Options: serve.Options{Pace: serve.Pace{Every: time.Second, Jitter: 0.2}}}
		var last time.Duration
		different := false
		arrivals(h, 50, func(at time.Duration, data string) {
			if gap := at - last; at > 0 && (gap < 800*time.Millisecond || gap > 1200*time.Millisecond) {
				t.Errorf("%q came after %v", data, gap)
			} else if at > 0 && gap != time.Second {
				different = true
			}
			last = at
		})
		if !different {
			t.Error("no jitter at all")
		}
	})
}

func TestCORSWithCredentials(t *testing.T) {
	for origin, credentials := range map[string]string{"https://app.example": "true", "*": ""} {
		for _, method := range []string{"GET", "OPTIONS"} {
			request := httptest.NewRequest(method, "/", nil)
			request.Header.Set("Origin", "https://app.example")
			request.Header.Set("Access-Control-Request-Method", "GET")
			w := httptest.NewRecorder()
			(&serve.Handler{History: numbered(1), Options: serve.Options{CORS: origin}}).ServeHTTP(w, request)
			header := w.Result().Header
			if header.Get("Access-Control-Allow-Credentials") != credentials || header.Get("Access-Control-Allow-Origin") != origin || (header.Get("Vary") == "Origin") != (credentials != "") {
				t.Errorf("%s %s: %v", method, origin, header)
			}
		}
	}
}

// TestRecordedPaceIsExact has a first event that takes long: the replay has no
// comment that the recording has not.
func TestRecordedPaceIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records, _, err := record.Read(strings.NewReader(`{"data":"a","delay":"2s"}`), record.FormatAuto, 0)
		if err != nil {
			t.Fatal(err)
		}
		h := &serve.Handler{History: &serve.History{}, Options: serve.Options{Pace: serve.Pace{Recorded: true}}}
		if err := h.History.Load(records); err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
		if got := recorder.Body.String(); got != "data: a\n\n" {
			t.Errorf("got %q", got)
		}
	})
}
