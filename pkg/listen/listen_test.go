package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A server answers requests in memory: the first by the first function, and so
// on, those beyond the last with 204.
type server struct {
	answers  []func(*http.Request) (*http.Response, error)
	requests []*http.Request
	bodies   []string
	at       []time.Time
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	n := len(s.requests)
	s.requests = append(s.requests, req)
	s.at = append(s.at, time.Now())
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body)
		s.bodies = append(s.bodies, string(body))
	}
	if n >= len(s.answers) {
		return reply(204, "", nil)(req)
	}
	return s.answers[n](req)
}

// ids are the Last-Event-IDs that were sent.
func (s *server) ids() []string {
	var ids []string
	for _, req := range s.requests {
		ids = append(ids, strings.Join(req.Header["Last-Event-Id"], ","))
	}
	return ids
}

func serving(answers ...func(*http.Request) (*http.Response, error)) *server {
	return &server{answers: answers}
}

func reply(status int, contentType string, body io.Reader, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Proto: "HTTP/1.1", Header: http.Header{}, Request: req, Body: http.NoBody}
		if body != nil {
			resp.Body = io.NopCloser(withContext{req.Context(), body})
		}
		if contentType != "" {
			resp.Header.Set("Content-Type", contentType)
		}
		for i := 0; i < len(headers); i += 2 {
			resp.Header.Set(headers[i], headers[i+1])
		}
		return resp, nil
	}
}

// events answers with a stream that ends orderly.
func events(text string, headers ...string) func(*http.Request) (*http.Response, error) {
	return reply(200, stream.ContentType, strings.NewReader(text), headers...)
}

// dropping answers with a stream that is cut off.
func dropping(text string) func(*http.Request) (*http.Response, error) {
	return reply(200, stream.ContentType, io.MultiReader(strings.NewReader(text), failing{io.ErrUnexpectedEOF}))
}

func refusing(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// withContext fails when the request is called off, as a real body does.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (w withContext) Read(p []byte) (int, error) {
	if s, ok := w.r.(*paced); ok {
		return s.read(w.ctx, p)
	}
	return w.r.Read(p)
}

// paced gives its pieces one by one, a pause before each, and is silent then.
type paced struct {
	pause  time.Duration
	pieces []string
}

func (s *paced) Read([]byte) (int, error) { panic("read without a context") }

func (s *paced) read(ctx context.Context, p []byte) (int, error) {
	var next <-chan time.Time
	if len(s.pieces) > 0 {
		next = time.After(s.pause)
	}
	select {
	case <-next:
		n := copy(p, s.pieces[0])
		s.pieces = s.pieces[1:]
		return n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// listenTo returns the data of all events, the changes, and the final error.
func listenTo(t *testing.T, s *server, options Options, method string, body string) (data []string, changes []Change, err error) {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://example.test/events", reader)
	if err != nil {
		t.Fatal(err)
	}
	options.Client = &http.Client{Transport: s}
	options.OnChange = func(c Change) { changes = append(changes, c) }
	if options.Backoff.Random == nil {
		options.Backoff.Random = func() float64 { return 0 }
	}
	l := New(req, options)
	defer l.Close()
	for {
		b, err := l.Next()
		if err != nil {
			if _, again := l.Next(); again != err {
				t.Errorf("asked again: %v, want %v", again, err)
			}
			return data, changes, err
		}
		data = append(data, string(b.Data()))
		if len(data) > 1000 {
			t.Fatal("no end")
		}
	}
}

func TestReconnectsAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(
			events("id: 1\ndata: a\n\n"),              // orderly end
			dropping("id: 2\ndata: b\n\nid: 9\ndata"), // cut inside an event: its id does not count
			refusing, // lost network
			events(": nothing but a comment\n\n"),
			events("data: c\n\nid\ndata: d\n\n"), // no id: 2 stays; then reset
			events("data: e\n\n"),
		)
		data, _, err := listenTo(t, s, Options{}, "GET", "")
		if err != io.EOF {
			t.Errorf("error %v, want EOF by the 204", err)
		}
		if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(data, want) {
			t.Errorf("events %q, want %q", data, want)
		}
		if want := []string{"", "1", "2", "2", "2", "", ""}; !slices.Equal(s.ids(), want) {
			t.Errorf("Last-Event-IDs %q, want %q", s.ids(), want)
		}
		for _, req := range s.requests {
			if req.Header.Get("Accept") != stream.ContentType || req.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("request headers %v", req.Header)
			}
		}
	})
}

func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(
			events("data: a\n\n"),
			refusing, refusing,
			events("data: b\n\nretry: 500\n"), // counts though its block never ends
			refusing, refusing,
			events("retry: 0\ndata: c\n\n"),
		)
		if _, _, err := listenTo(t, s, Options{}, "GET", ""); err != io.EOF {
			t.Fatal(err)
		}
		var waits []time.Duration
		for i := 1; i < len(s.at); i++ {
			waits = append(waits, s.at[i].Sub(s.at[i-1]))
		}
		ms := time.Millisecond
		want := []time.Duration{3000 * ms, 6000 * ms, 12000 * ms, 500 * ms, 500 * ms, 500 * ms, 0}
		if !slices.Equal(waits, want) {
			t.Errorf("waits %v, want %v", waits, want)
		}
	})
}

func TestBackoff(t *testing.T) {
	const none = -1
	for _, test := range []struct {
		backoff  Backoff
		failures int
		server   time.Duration
		random   float64
		want     time.Duration
	}{
		{Backoff{}, 1, none, 0, 3 * time.Second},
		{Backoff{}, 2, none, 0, 6 * time.Second},
		{Backoff{}, 100, none, 0, time.Minute},
		{Backoff{}, 1, none, 1, 3375 * time.Millisecond},
		{Backoff{Delay: -1}, 1, none, 0, 0},
		{Backoff{Delay: -1}, 2, none, 0, 100 * time.Millisecond},
		{Backoff{Delay: time.Hour}, 3, none, 0, time.Hour},
		{Backoff{Delay: time.Second, MaxDelay: 3 * time.Second}, 3, none, 0, 3 * time.Second},
		{Backoff{}, 5, 2 * time.Second, 0, 2 * time.Second},
		{Backoff{}, 5, 2 * time.Second, 1, 2250 * time.Millisecond},
		{Backoff{MaxDelay: time.Second}, 1, 2 * time.Second, 0, 2 * time.Second},
		{Backoff{}, 1, 0, 0, 0},
		{Backoff{}, 3, 0, 0, 200 * time.Millisecond}, // no busy loop, even if the server asks for one
		{Backoff{IgnoreServer: true}, 1, time.Second, 0, 3 * time.Second},
	} {
		test.backoff.Random = func() float64 { return test.random }
		if got := test.backoff.Wait(test.failures, test.server); got != test.want {
			t.Errorf("%+v: %d failures, server %v: %v, want %v", test.backoff, test.failures, test.server, got, test.want)
		}
	}
}

func TestWhatOpens(t *testing.T) {
	for _, test := range []struct {
		status      int
		contentType string
		ok          bool
	}{
		{200, "text/event-stream", true},
		{200, "Text/Event-Stream;charset=latin1", true},
		{200, "text/event-stream;", true},
		{200, "text/event-stream-x", false},
		{200, "text/plain", false},
		{200, "", false},
		{201, "text/event-stream", false},
		{205, "text/event-stream", false},
		{206, "text/event-stream", false},
		{301, "text/event-stream", false}, // no Location
		{404, "text/event-stream", false},
		{500, "text/event-stream", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			for _, first := range []bool{true, false} {
				s := serving(events("data: a\n\n"), reply(test.status, test.contentType, strings.NewReader("data: x\n\n")))
				if first {
					s.answers = s.answers[1:]
				}
				data, _, err := listenTo(t, s, Options{}, "GET", "")
				var refused *ResponseError
				switch got := slices.Contains(data, "x"); {
				case got != test.ok:
					t.Errorf("%d %q, first %v: opened %v, want %v", test.status, test.contentType, first, got, test.ok)
				case !test.ok && (!errors.As(err, &refused) || refused.Status != test.status || refused.Header.Get("Content-Type") != test.contentType || string(refused.Body) != "data: x\n\n"):
					t.Errorf("%d %q, first %v: error %#v", test.status, test.contentType, first, err)
				}
			}
		})
	}
}

func TestOptionsThatCannotBeMet(t *testing.T) {
	for want, options := range map[string]Options{
		`Resume "ids"`:    {Resume: "ids"},
		`Reconnect "GET"`: {Reconnect: "GET"},
		"has a Timeout":   {Client: &http.Client{Timeout: time.Second}},
	} {
		s := serving(events("data: a\n\n"))
		if options.Client == nil {
			options.Client = &http.Client{Transport: s}
		}
		req, _ := http.NewRequest(http.MethodGet, "http://example.test", nil)
		stream := New(req, options)
		for range 2 {
			if _, err := stream.Next(); err == nil || !strings.Contains(err.Error(), want) || len(s.requests) > 0 {
				t.Errorf("%s: %v after %d requests", want, err, len(s.requests))
			}
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOtherMethodsAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("data: a\n\n"), events("data: b\n\n"))
		data, _, err := listenTo(t, s, Options{}, "POST", "body")
		if err != io.EOF || len(data) != 1 || len(s.requests) != 1 {
			t.Errorf("clean end: %q, %v, %d requests", data, err, len(s.requests))
		}

		s = serving(dropping("data: a\n\ndata: b"))
		_, _, err = listenTo(t, s, Options{}, "POST", "body")
		var lost *LostError
		if !errors.As(err, &lost) || lost.Unfinished != len("data: b") || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("drop: %v", err)
		}

		s = serving(events("data: a\n\ndata: b"))
		_, _, err = listenTo(t, s, Options{}, "POST", "body")
		var cut *UnfinishedError
		if !errors.As(err, &cut) || cut.Bytes != len("data: b") || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("orderly end inside an event: %v", err)
		}

		s = serving(events("data: a\n\n"), dropping("data: b\n\n"))
		data, _, err = listenTo(t, s, Options{Reconnect: ReconnectAlways}, "POST", "body")
		if err != io.EOF || len(data) != 2 || !slices.Equal(s.bodies, []string{"body", "body", "body"}) {
			t.Errorf("always: %q, %v, bodies %q", data, err, s.bodies)
		}
	})
}

func TestRetryOn(t *testing.T) {
	busy := func(status int) bool { return status == 503 }
	synctest.Test(t, func(t *testing.T) {
		s := serving(reply(503, "", nil, "Retry-After", "7"), events("data: a\n\n"))
		start := time.Now()
		data, _, err := listenTo(t, s, Options{RetryOn: busy, FailFast: true}, "POST", "body")
		if err != io.EOF || len(data) != 1 {
			t.Errorf("%q, %v", data, err)
		}
		if wait := s.at[1].Sub(start); wait != 7*time.Second {
			t.Errorf("waited %v, want the 7s of Retry-After", wait)
		}

		date := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
		s = serving(reply(503, "", nil, "Retry-After", date), reply(500, "", nil))
		_, _, err = listenTo(t, s, Options{RetryOn: busy}, "GET", "")
		var refused *ResponseError
		if !errors.As(err, &refused) || refused.Status != 500 {
			t.Errorf("error %v, want that of the 500", err)
		}
		if wait := s.at[1].Sub(s.at[0]); wait < 59*time.Second || wait > time.Minute {
			t.Errorf("waited %v for a date in a minute", wait)
		}
	})
}

// TestBodyThatCannotBeRewound must not be sent a second time, when it is empty.
func TestBodyThatCannotBeRewound(t *testing.T) {
	for _, options := range []Options{
		{RetryOn: func(int) bool { return true }},
		{RetryOn: func(int) bool { return true }, Reconnect: ReconnectAlways},
		{},
	} {
		for _, answer := range []func(*http.Request) (*http.Response, error){
			reply(503, "", nil),
			func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			},
			dropping("data: 1\n\n"),
		} {
			s := serving(answer, events("data: ok\n\n"))
			options.Client = &http.Client{Transport: s}
			req, _ := http.NewRequest(http.MethodPost, "http://x/", struct{ io.Reader }{strings.NewReader("body")})
			l := New(req, options)
			for {
				if _, err := l.Next(); err == io.EOF {
					t.Error("no error")
				} else if err == nil {
					continue
				}
				break
			}
			if len(s.requests) != 1 {
				t.Errorf("%d requests with the bodies %q", len(s.requests), s.bodies)
			}
		}
	}
}

// TestRequestWithoutHeader takes a request that was made by hand.
func TestRequestWithoutHeader(t *testing.T) {
	s := serving(events("data: 1\n\n"))
	u, _ := url.Parse("http://x/")
	l := New(&http.Request{URL: u}, Options{Client: &http.Client{Transport: s}})
	if b, err := l.Next(); err != nil || string(b.Data()) != "1" || s.requests[0].Header.Get("Accept") == "" {
		t.Errorf("%v, %v", err, s.requests)
	}
}

// TestErrorBodyThatNeverEnds is read for a while, and closed only when no
// reading goes on.
func TestErrorBodyThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &closeWhileRead{}
		s := serving(func(req *http.Request) (*http.Response, error) {
			body.ctx = req.Context()
			return &http.Response{StatusCode: 500, Header: http.Header{}, Request: req, Body: body}, nil
		})
		req, _ := http.NewRequest(http.MethodGet, "http://x/", nil)
		var refused *ResponseError
		if _, err := New(req, Options{Client: &http.Client{Transport: s}}).Next(); !errors.As(err, &refused) {
			t.Errorf("got %v", err)
		}
		if !body.closed || body.bad {
			t.Errorf("closed %v, during a read %v", body.closed, body.bad)
		}
	})
}

// A closeWhileRead is a body that gives nothing, and notes a Close during a Read.
type closeWhileRead struct {
	ctx                  context.Context
	reading, closed, bad bool
}

func (b *closeWhileRead) Read([]byte) (int, error) {
	b.reading = true
	<-b.ctx.Done()
	b.reading = false
	return 0, b.ctx.Err()
}

func (b *closeWhileRead) Close() error {
	b.closed, b.bad = true, b.bad || b.reading
	return nil
}

func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("data: a\n\n"), refusing, refusing, events("data: b\n\n"), refusing, refusing, refusing, refusing)
		data, _, err := listenTo(t, s, Options{MaxRetries: 3}, "GET", "")
		var gaveUp *GaveUpError
		if !errors.As(err, &gaveUp) || gaveUp.Retries != 3 || !errors.Is(err, syscall.ECONNREFUSED) || len(data) != 2 || len(s.requests) != 7 {
			t.Errorf("%q, %v, %d requests", data, err, len(s.requests))
		}

		s = serving(events("data: a\n\n"), refusing, refusing, refusing, refusing)
		_, _, err = listenTo(t, s, Options{MaxRetryTime: 10 * time.Second}, "GET", "")
		if !errors.As(err, &gaveUp) || len(s.requests) != 3 { // 3s, 6s; 12s more would be too long
			t.Errorf("max time: %v, %d requests", err, len(s.requests))
		}

		s = serving(refusing, events("data: a\n\n"))
		_, _, err = listenTo(t, s, Options{FailFast: true}, "GET", "")
		if !errors.Is(err, syscall.ECONNREFUSED) || len(s.requests) != 1 {
			t.Errorf("fail fast: %v, %d requests", err, len(s.requests))
		}

		unsent := func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		s = serving(unsent, unsent, events("data: a\n\n"), unsent)
		data, _, err = listenTo(t, s, Options{Reconnect: ReconnectNever, MaxRetries: 2}, "POST", "body")
		if err != io.EOF || len(data) != 1 || len(s.requests) != 3 {
			t.Errorf("not there yet: %q, %v, %d requests", data, err, len(s.requests))
		}

		s = serving(events("data: a\n\n"))
		if _, _, err = listenTo(t, s, Options{Reconnect: ReconnectNever}, "GET", ""); err != io.EOF || len(s.requests) != 1 {
			t.Errorf("never: %v, %d requests", err, len(s.requests))
		}
	})
}

func TestSilence(t *testing.T) {
	beating := func() func(*http.Request) (*http.Response, error) {
		return reply(200, stream.ContentType, &paced{10 * time.Second, []string{"data: a\n\n", ": beat\n\n", ": beat\n\n", ": beat\n\n"}})
	}
	for _, test := range []struct {
		name    string
		options Options
		want    TimeoutError
		after   time.Duration
	}{
		{"bytes", Options{IdleTimeout: 15 * time.Second}, TimeoutError{After: 15 * time.Second}, 55 * time.Second},
		{"events", Options{IdleTimeout: 15 * time.Second, EventTimeout: 25 * time.Second}, TimeoutError{Event: true, After: 25 * time.Second}, 35 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				test.options.Reconnect = ReconnectNever
				data, _, err := listenTo(t, serving(beating()), test.options, "GET", "")
				var timeout *TimeoutError
				if !errors.As(err, &timeout) || *timeout != test.want || len(data) != 1 {
					t.Errorf("%q, error %v, want %v", data, err, &test.want)
				}
				if took := time.Since(start); took != test.after {
					t.Errorf("ended after %v, want %v", took, test.after)
				}
			})
		})
	}
	t.Run("reconnects", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := serving(beating(), events("data: b\n\n"))
			data, changes, err := listenTo(t, s, Options{IdleTimeout: 15 * time.Second}, "GET", "")
			if err != io.EOF || len(data) != 2 {
				t.Errorf("%q, %v", data, err)
			}
			if d, ok := changes[1].(Dropped); !ok || d.Err.Error() != "no byte for 15s" {
				t.Errorf("changes %v", changes)
			}
		})
	})
	t.Run("busy caller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := serving(reply(200, stream.ContentType, &paced{time.Second, []string{"data: a\n\n", "data: b\n\n"}}))
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://example.test", nil)
			l := New(req, Options{Client: &http.Client{Transport: s}, IdleTimeout: 5 * time.Second, EventTimeout: 5 * time.Second})
			defer l.Close()
			l.Next()
			time.Sleep(time.Hour) // a pager, say
			if b, err := l.Next(); err != nil || string(b.Data()) != "b" {
				t.Errorf("after an hour of the caller: %v", err)
			}
		})
	})
	t.Run("caller who is busy with a comment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := serving(reply(200, stream.ContentType, &paced{time.Second, []string{": a\n\n", "data: b\n\n"}}))
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://example.test", nil)
			l := New(req, Options{Client: &http.Client{Transport: s}, IdleTimeout: 5 * time.Second, EventTimeout: 5 * time.Second})
			defer l.Close()
			l.Block()
			time.Sleep(time.Hour)
			if b, err := l.Block(); err != nil || string(b.Data()) != "b" {
				t.Errorf("after an hour of the caller: %v", err)
			}
		})
	})
	t.Run("blocks without end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			comments := slices.Repeat([]string{strings.Repeat(": c\n\n", 100)}, 1000)
			s := serving(reply(200, stream.ContentType, &paced{0, comments}))
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://example.test", nil)
			l := New(req, Options{Client: &http.Client{Transport: s}, Reconnect: ReconnectNever, EventTimeout: time.Second})
			defer l.Close()
			start := time.Now()
			var err error
			for err == nil {
				_, err = l.Block()
				time.Sleep(100 * time.Microsecond) // to print it, say
			}
			var timeout *TimeoutError
			if took := time.Since(start); !errors.As(err, &timeout) || took > 2*time.Second {
				t.Errorf("ended with %v after %v, want no event for 1s, and soon after it", err, took)
			}
		})
	})
}

func TestContextEndsIt(t *testing.T) {
	cause := errors.New("enough")
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"reading": reply(200, stream.ContentType, &paced{}),
		"waiting": events("retry: 3600000\n"),
		"asking": func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Minute, func() { cancel(cause) })
				req, _ := http.NewRequestWithContext(ctx, "GET", "http://example.test", nil)
				start := time.Now()
				l := New(req, Options{Client: &http.Client{Transport: serving(answer)}})
				if _, err := l.Next(); err != cause || time.Since(start) != time.Minute {
					t.Errorf("error %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

func TestSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("data: a\n\ndata: " + strings.Repeat("x", 5000)))
		_, _, err := listenTo(t, s, Options{MaxEventSize: 4096}, "GET", "")
		var size *stream.SizeError
		if !errors.As(err, &size) || size.Offset != 9 || len(s.requests) != 1 {
			t.Errorf("error %v, %d requests", err, len(s.requests))
		}
	})
}

func TestBeforeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		calls := 0
		s := serving(events("data: a\n\n"), events("data: b\n\n"))
		_, _, err := listenTo(t, s, Options{BeforeRead: func() error {
			if calls++; calls > 2 {
				return full
			}
			return nil
		}}, "GET", "")
		if err != full || len(s.requests) != 1 {
			t.Errorf("error %v, %d requests", err, len(s.requests))
		}
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("event: tick\nid: 1\ndata: a\n\n"), reply(500, "", nil))
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://example.test", nil)
		var got []string
		for event, err := range New(req, Options{Client: &http.Client{Transport: s}}).Events() {
			got = append(got, fmt.Sprint(event.Type, event.ID, event.Data, err))
		}
		want := []string{"tick1a<nil>", "server answered 500 Internal Server Error"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestContinue goes on by another request, over passing errors, and knows an answer
// that is gone. The first request is sent once.
func TestContinue(t *testing.T) {
	for _, gone := range []int{0, http.StatusNotFound, http.StatusGone, http.StatusForbidden} {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Method+" "+r.URL.Path)
			w.Header().Set("Content-Type", stream.ContentType)
			switch {
			case r.Method == http.MethodPost:
				io.WriteString(w, "retry: 1\ndata: a\n\ndata: b")
			case len(asked) == 2:
				w.WriteHeader(http.StatusBadGateway)
			case gone != 0:
				w.WriteHeader(gone)
			default:
				io.WriteString(w, "data: b\n\n")
			}
		}))
		defer server.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/ask", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		var cuts []error
		s := New(req, Options{Reconnect: ReconnectAlways, Continue: func(cut Cut) *http.Request {
			cuts = append(cuts, cut.Err)
			if cut.Unfinished == 0 && cut.Err == io.EOF {
				return nil
			}
			next, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/rest", nil)
			return next
		}})
		var data string
		var last error
		for event, err := range s.Events() {
			data += event.Data
			last = err
		}
		want := "POST /ask GET /rest GET /rest"
		if got := strings.Join(asked, " "); got != want {
			t.Errorf("%d: asked %s, want %s", gone, got, want)
		}
		var expired *ExpiredError
		var refused *ResponseError
		switch {
		case gone == 0 && (data != "ab" || last != nil || len(cuts) != 2):
			t.Errorf("got %q, %v, cuts %v", data, last, cuts)
		case gone != 0 && (data != "a" || !errors.As(last, &refused) || refused.Status != gone):
			t.Errorf("%d: got %q, %v", gone, data, last)
		case errors.As(last, &expired) != (gone == http.StatusNotFound || gone == http.StatusGone):
			t.Errorf("%d: %v", gone, last)
		}
	}
}
