package serve_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// faulty serves a history with faults until the test ends.
func faulty(t *testing.T, history *serve.History, faults ...string) (url string) {
	t.Helper()
	h := &serve.Handler{History: history}
	for _, text := range faults {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		h.Faults = append(h.Faults, f)
	}
	return start(t, h)
}

// A raw client is a plain TCP connection with one request on it.
type rawClient struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, url string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return &rawClient{conn, bufio.NewReader(conn)}
}

// head reads to the end of the header.
func (c *rawClient) head(t *testing.T) (head string) {
	t.Helper()
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatalf("header: %q, %v", head+line, err)
		}
		head += line
	}
	return head
}

// chunk reads one chunk; io.EOF is the end of an orderly response.
func (c *rawClient) chunk() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("chunk header %q: %w", line, cause(err))
	}
	size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
	if err != nil {
		return "", err
	}
	body := make([]byte, size+2)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return "", cause(err)
	}
	if size == 0 {
		return "", io.EOF
	}
	return string(body[:size]), nil
}

var errCut = errors.New("closed in the middle of the response")

// cause distinguishes the end of the connection from that of the response.
func cause(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errCut
	}
	return err
}

// chunks reads all chunks, and returns how the response ended.
func (c *rawClient) chunks() (chunks []string, end error) {
	for {
		chunk, err := c.chunk()
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, chunk)
	}
}

func wireOf(ids ...int) string {
	var text strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&text, "id: %d\ndata: event %d\n\n", id, id)
	}
	return text.String()
}

func TestFaultsOfTheStream(t *testing.T) {
	for _, test := range []struct {
		faults []string
		want   string
		end    error
	}{
		{[]string{"drop@2"}, wireOf(1, 2), errCut},
		{[]string{"reset@2"}, wireOf(1, 2), syscall.ECONNRESET},
		{[]string{"truncate@2"}, wireOf(1) + "id: 2\ndata", errCut},
		{[]string{"duplicate@3"}, wireOf(1, 2, 3, 3, 4), io.EOF},
		{[]string{"duplicate"}, wireOf(1, 1, 2, 2, 3, 3, 4, 4), io.EOF},
		{[]string{"duplicate@2-3"}, wireOf(1, 2, 2, 3, 3, 4), io.EOF},
		{[]string{"eol=cr"}, strings.ReplaceAll(wireOf(1, 2, 3, 4), "\n", "\r"), io.EOF},
		{[]string{"eol=crlf"}, strings.ReplaceAll(wireOf(1, 2, 3, 4), "\n", "\r\n"), io.EOF},
		{[]string{"bom"}, "\ufeff" + wireOf(1, 2, 3, 4), io.EOF},
		{[]string{"garble@4"}, wireOf(1, 2, 3) + "id: 4\ndata: ev\xff\xff\xff 4\n\n", io.EOF},
		{[]string{"big@2=3"}, wireOf(1) + "event: big\ndata: xxx\n\n" + wireOf(2, 3, 4), io.EOF},
		{[]string{"big=3"}, "event: big\ndata: xxx\n\n" + wireOf(1, 2, 3, 4), io.EOF},
		{[]string{"bom", "duplicate@1", "drop@2", "eol=cr"}, strings.ReplaceAll("\ufeff"+wireOf(1, 1, 2), "\n", "\r"), errCut},
		{[]string{"no-resume"}, wireOf(1, 2, 3, 4), io.EOF},
	} {
		c := dial(t, faulty(t, numbered(4), test.faults...))
		c.head(t)
		chunks, end := c.chunks()
		if got := strings.Join(chunks, ""); got != test.want && !(errors.Is(test.end, syscall.ECONNRESET) && strings.HasPrefix(test.want, got)) {
			t.Errorf("%v: got %q, want %q", test.faults, got, test.want)
		}
		if !errors.Is(end, test.end) {
			t.Errorf("%v: the response ended with %v, want %v", test.faults, end, test.end)
		}
	}
}

// TestFaultCutIsNotAnnounced wants no header that lets a client take a cut for the
// end.
func TestFaultCutIsNotAnnounced(t *testing.T) {
	for fault, announced := range map[string]bool{"drop@2": false, "reset@2": false, "truncate@2": false, "duplicate@2": true} {
		head := dial(t, faulty(t, numbered(4), fault)).head(t)
		if strings.Contains(head, "Connection: close\r\n") != announced {
			t.Errorf("%s: Connection: close should be there: %v\n%s", fault, announced, head)
		}
	}
}

func TestFaultChunkWritesSingly(t *testing.T) {
	c := dial(t, faulty(t, numbered(2), "chunk=1"))
	c.head(t)
	chunks, end := c.chunks()
	if got := strings.Join(chunks, ""); got != wireOf(1, 2) || len(chunks) != len(got) || end != io.EOF {
		t.Errorf("got %d chunks for %q, then %v; want one a byte", len(chunks), got, end)
	}
}

func TestFaultSplitUTF8(t *testing.T) {
	history := &serve.History{}
	history.Append(stream.Event{Data: "a€b𝄞c"})
	history.End()
	c := dial(t, faulty(t, history, "split-utf8"))
	c.head(t)
	chunks, _ := c.chunks()
	if len(chunks) != 3 || utf8.ValidString(chunks[0]) || utf8.ValidString(chunks[1]) || strings.Join(chunks, "") != "data: a€b𝄞c\n\n" {
		t.Errorf("got %q, want a cut in both characters", chunks)
	}
}

func TestFaultBufferHoldsBack(t *testing.T) {
	history := &serve.History{}
	c := dial(t, faulty(t, history, "buffer=16k"))
	event := stream.Event{Data: strings.Repeat("x", 1000)}
	text, _ := event.AppendText(nil)
	for range 15 {
		history.Append(event)
	}
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if b, err := c.in.ReadByte(); err == nil {
		t.Fatalf("byte %q came through a buffer that is not full", b)
	}
	c.SetReadDeadline(time.Now().Add(time.Minute))
	for range 5 {
		history.Append(event)
	}
	c.head(t)
	chunk, err := c.chunk()
	if err != nil || len(chunk) != 16<<10 {
		t.Fatalf("got %d bytes, %v; want 16k at once", len(chunk), err)
	}
	history.End()
	rest, end := c.chunks()
	got := strings.TrimPrefix(chunk+strings.Join(rest, ""), ": ok\n\n")
	if got != strings.Repeat(string(text), 20) || end != io.EOF {
		t.Errorf("got %d bytes, %v; want all %d", len(got), end, 20*len(text))
	}
}

func TestFaultGzip(t *testing.T) {
	c := dial(t, faulty(t, numbered(3), "gzip"))
	if head := c.head(t); !strings.Contains(head, "\r\nContent-Encoding: gzip\r\n") {
		t.Errorf("header %q", head)
	}
	chunks, _ := c.chunks()
	z, err := gzip.NewReader(strings.NewReader(strings.Join(chunks, "")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); string(got) != wireOf(1, 2, 3) || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFaultStatusIsForConnections(t *testing.T) {
	url := faulty(t, numbered(1), "status=503@1-2")
	for i, want := range []int{503, 503, 200, 200} {
		if response, _ := get(t, url); response.StatusCode != want {
			t.Errorf("connection %d: status %d, want %d", i+1, response.StatusCode, want)
		}
	}
}

// TestFaultStatusAnswers in the form that the client accepts, with headers that
// are for errors alone.
func TestFaultStatusAnswers(t *testing.T) {
	f, _ := fault.Parse("status=429@1-2")
	h := &serve.Handler{History: numbered(1), Options: serve.Options{Faults: []fault.Fault{f}, Header: http.Header{"Retry-After": {"7"}, "X-A": {"b"}}}}
	url := start(t, h)
	for _, test := range []struct{ accept, contentType, body, retryAfter string }{
		{"application/json", "application/json", `{"error":{"code":429,"message":"Too Many Requests"}}` + "\n", "7"},
		{"text/event-stream", "text/plain; charset=utf-8", "Too Many Requests\n", "7"},
		{"application/json", stream.ContentType, wireOf(1), ""},
	} {
		response, body := get(t, url, "Accept", test.accept)
		header := response.Header
		if header.Get("Content-Type") != test.contentType || body != test.body || header.Get("Retry-After") != test.retryAfter || header.Get("X-A") != "b" {
			t.Errorf("%s: %v %q, want %+v", test.accept, header, body, test)
		}
	}
}

// TestFaultResetComesAfterTheData has a client that reads late: the reset must
// not discard the bytes that were sent before.
func TestFaultResetComesAfterTheData(t *testing.T) {
	history := &serve.History{}
	text := strings.Repeat("x", 100<<10)
	for range 3 {
		history.Append(stream.Event{Data: text})
	}
	history.End()
	for range 3 {
		c := dial(t, faulty(t, history, "reset@3"))
		c.head(t)
		got, err := io.ReadAll(c.in)
		if strings.Count(string(got), text) != 3 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d whole events, then %v; want 3, then a reset", strings.Count(string(got), text), err)
		}
	}
}

// TestFaultThatNeverHappens is found before anything is served.
func TestFaultType(t *testing.T) {
	response, body := get(t, faulty(t, numbered(1), "type=text/plain"))
	if got := response.Header.Get("Content-Type"); got != "text/plain" || body != wireOf(1) {
		t.Errorf("content type %q, body %q", got, body)
	}
}

func TestFaultNoResume(t *testing.T) {
	if _, body := get(t, faulty(t, numbered(2), "no-resume"), "Last-Event-ID", "1"); body != wireOf(1, 2) {
		t.Errorf("got %q, want all events", body)
	}
}

func TestFaultsThatWait(t *testing.T) {
	for text, want := range map[string][]time.Duration{"delay=150ms": {150, 150}, "stall@1=150ms": {0, 150}} {
		synctest.Test(t, func(t *testing.T) {
			f, err := fault.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			var got []time.Duration
			arrivals(&serve.Handler{History: numbered(2), Options: serve.Options{Faults: []fault.Fault{f}}}, 2, func(at time.Duration, data string) {
				got = append(got, at/time.Millisecond)
			})
			if !slices.Equal(got, want) {
				t.Errorf("%s: the events came after %v ms, want %v", text, got, want)
			}
		})
	}
}

func TestDelayOfLiveEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history := &serve.History{}
		go func() {
			time.Sleep(time.Second)
			history.Append(stream.Event{Data: "x"})
		}()
		var last time.Duration
		arrivals(&serve.Handler{History: history, Options: serve.Options{Faults: []fault.Fault{{Kind: "delay", Duration: 100 * time.Millisecond}}}}, 2, func(at time.Duration, data string) {
			if last = at; data == "data: x" && at != 1100*time.Millisecond {
				t.Errorf("the event came after %v, want it 100 ms late", at)
			}
		})
		if last == 0 {
			t.Error("nothing came")
		}
	})
}

func TestResetOverAResponseWriter(t *testing.T) {
	server := newTLS(t, &serve.Handler{History: numbered(3), Options: serve.Options{Faults: []fault.Fault{{Kind: "drop", First: 2, Last: 2}}}})
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.ProtoMajor != 2 || string(body) != wireOf(1, 2) || err == nil {
		t.Errorf("HTTP/%d: got %q, %v; want two events and an error", response.ProtoMajor, body, err)
	}
}

func TestStampSaysWhenAndWhere(t *testing.T) {
	before := time.Now().UnixNano()
	_, body := get(t, start(t, &serve.Handler{History: numbered(3), Options: serve.Options{Stamp: true}}))
	after := time.Now().UnixNano()
	rest := body
	for i := range 3 {
		var sent, offset int64
		at := strings.Index(rest, ": t=")
		if at < 0 {
			t.Fatalf("event %d has no stamp: %q", i+1, body)
		}
		if _, err := fmt.Sscanf(rest[at:], ": t=%d off=%d\n", &sent, &offset); err != nil {
			t.Fatal(err)
		}
		if place := int64(len(body) - len(rest) + at); offset != place || sent < before || sent > after {
			t.Errorf("event %d: stamp t=%d off=%d, is at %d and was sent from %d to %d", i+1, sent, offset, place, before, after)
		}
		rest = rest[at+1:]
	}
	d := stream.NewDecoder(strings.NewReader(body))
	for i := range 3 {
		if event, err := d.Event(); err != nil || event.ID != fmt.Sprint(i+1) {
			t.Errorf("event %d: %+v, %v", i+1, event, err)
		}
	}
}

// TestEachFaultShows serves one stream with the example of each kind of fault, and
// wants it to differ from the stream without: in its bytes, its pieces, its times or
// its end. Where the content of a whole answer differs, byte ranges must not be
// offered: a kind that changes bytes has to be in the list of those.
func TestEachFaultShows(t *testing.T) {
	plain := watch(t)
	if plain.body == "" || !plain.ranges {
		t.Fatalf("the stream without a fault: %+v", plain)
	}
	content := watch(t, fault.Fault{Kind: "no-resume"}).body
	for _, kind := range fault.Kinds() {
		f, err := fault.Parse(kind.Usage)
		if err != nil {
			t.Fatal(err)
		}
		got := watch(t, f)
		same := got
		same.ranges = plain.ranges                 // which the fault itself does not show in
		if same == plain && kind.Name != "close" { // which is for a WebSocket
			t.Errorf("%s changes nothing", kind.Usage)
		}
		if got.ranges && got.whole && !strings.HasSuffix(content, got.body) {
			t.Errorf("%s changes the bytes, but byte ranges are offered", kind.Usage)
		}
	}
}

// A watched answer is all that a client sees of one.
type watched struct {
	head   string // without the offer of byte ranges
	ranges bool   // byte ranges are offered
	body   string
	reads  string // size and time of each, after the header
	whole  bool   // the response ended as it should
}

// watch gets a stream in fake time.
func watch(t *testing.T, faults ...fault.Fault) (w watched) {
	synctest.Test(t, func(t *testing.T) {
		history := &serve.History{}
		for i := range 20 {
			history.Append(stream.Event{ID: fmt.Sprint(i + 1), Data: fmt.Sprintf("event ü %d", i+1)})
		}
		history.End()
		h := &serve.Handler{History: history, Options: serve.Options{Pace: serve.Pace{Every: time.Second}, Faults: faults}}
		listener := make(pipes)
		server := &http.Server{Handler: h}
		done := make(chan struct{})
		go func() { server.Serve(listener); close(done) }()
		near, far := net.Pipe()
		listener <- far
		go io.WriteString(near, "GET / HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\nConnection: close\r\n\r\n")
		begin := time.Now()
		var all, reads strings.Builder
		buf := make([]byte, 64<<10)
		for {
			n, err := near.Read(buf)
			if all.Write(buf[:n]); all.Len() > n {
				fmt.Fprintf(&reads, "%d ", n)
			}
			fmt.Fprintf(&reads, "at %v\n", time.Since(begin))
			if err != nil {
				break
			}
		}
		near.Close()
		h.Close()
		server.Close()
		<-done

		w.reads = reads.String()
		response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(all.String())), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.ranges = response.Header.Get("Accept-Ranges") != ""
		for _, name := range []string{"Accept-Ranges", "Etag", "Last-Modified"} {
			response.Header.Del(name)
		}
		w.head = fmt.Sprint(response.Status, response.Header)
		body, err := io.ReadAll(response.Body)
		w.body, w.whole = string(body), err == nil
	})
	return w
}
