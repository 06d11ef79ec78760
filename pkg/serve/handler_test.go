package serve_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// start serves h on loopback until the test ends.
func start(t *testing.T, h *serve.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		h.Close()
		server.Close()
	})
	return server.URL
}

// numbered returns a history that has ended, of n events with the IDs 1 to n.
func numbered(n int) *serve.History {
	h := &serve.History{}
	for i := range n {
		h.Append(stream.Event{ID: fmt.Sprint(i + 1), Data: fmt.Sprintf("event %d", i+1)})
	}
	h.End()
	return h
}

// get returns the status and the body of a response that ends.
func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		body = append(body, "<"+err.Error()+">"...)
	}
	return response, string(body)
}

// load returns the history of a file.
func load(t *testing.T, path string, ids record.IDs) *serve.History {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	source, _, err := record.Read(file, record.FormatAuto, 0)
	if err != nil {
		t.Fatal(err)
	}
	h := &serve.History{}
	if err := h.Load(record.NumberIDs(source, ids)); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestSamplesAreReplayedByteForByte(t *testing.T) {
	files, _ := filepath.Glob("../../testdata/streams/*.sse")
	if len(files) == 0 {
		t.Fatal("no samples")
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, got := get(t, start(t, &serve.Handler{History: load(t, file, record.IDsKeep)}))
		if got != string(want) {
			t.Errorf("%s:\n got %q\nwant %q", filepath.Base(file), got, want)
		}
	}
}

func TestResumeIsStrictlyAfterTheLastEventID(t *testing.T) {
	url := start(t, &serve.Handler{History: numbered(3)})
	for _, test := range []struct{ header, query, want string }{
		{"", "", "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\nid: 3\ndata: event 3\n\n"},
		{"1", "", "id: 2\ndata: event 2\n\nid: 3\ndata: event 3\n\n"},
		{"2", "", "id: 3\ndata: event 3\n\n"},
		{"", "?lastEventId=2", "id: 3\ndata: event 3\n\n"},
		{"", "?last_event_id=2", "id: 3\ndata: event 3\n\n"},
		{"", "?lastEventID=2", "id: 3\ndata: event 3\n\n"},
		{"2", "?lastEventID=1", "id: 3\ndata: event 3\n\n"},
	} {
		header := []string{}
		if test.header != "" {
			header = []string{"Last-Event-ID", test.header}
		}
		response, got := get(t, url+"/"+test.query, header...)
		if got != test.want || response.StatusCode != 200 {
			t.Errorf("Last-Event-ID %q, query %q: status %d, got %q, want %q", test.header, test.query, response.StatusCode, got, test.want)
		}
	}
	response, _ := get(t, url, "Last-Event-ID", "3")
	if response.StatusCode != 204 {
		t.Errorf("after the last event: status %d, want 204", response.StatusCode)
	}
}

func TestClientThatFollowsGetsWhatIsAppended(t *testing.T) {
	history := &serve.History{}
	url := start(t, &serve.Handler{History: history})
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	d := stream.NewDecoder(response.Body)
	for i := range 100 {
		want := fmt.Sprint("live ", i)
		history.Append(stream.Event{Data: want})
		if event, err := d.Event(); err != nil || event.Data != want {
			t.Fatalf("got %q, %v; want %q", event.Data, err, want)
		}
	}
	history.End()
	if _, err := d.Event(); err != io.EOF {
		t.Errorf("after the end: %v, want EOF", err)
	}
}

func TestLargeReplay(t *testing.T) {
	history := &serve.History{}
	var want strings.Builder
	for i := range 20000 {
		size := 10 + i%300
		if i%5000 == 77 {
			size = 700 << 10
		}
		event := stream.Event{Data: strings.Repeat(string(rune('a'+i%26)), size)}
		text, _ := event.AppendText(nil)
		want.Write(text)
		history.Append(event)
	}
	history.End()
	url := start(t, &serve.Handler{History: history})
	if _, got := get(t, url); got != want.String() {
		t.Errorf("got %d bytes that are not the %d wanted", len(got), want.Len())
	}
	recorder := httptest.NewRecorder()
	(&serve.Handler{History: history}).ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
	if got := recorder.Body.String(); got != want.String() {
		t.Errorf("recorder: got %d bytes that are not the %d wanted", len(got), want.Len())
	}
}

// newTLS serves h by HTTPS, with HTTP/2, until the test ends.
func newTLS(t *testing.T, h *serve.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(func() {
		h.Close()
		server.Close()
	})
	return server
}

// TestIncrementalIsOfStreams: an intermediary that cannot forward as asked has to
// answer with an error, which must not happen to an error.
func TestIncrementalIsOfStreams(t *testing.T) {
	status := fault.Fault{Kind: "status", First: 1, Size: 503}
	for _, test := range []struct {
		options serve.Options
		method  string
		want    []string
	}{
		{serve.Options{}, "GET", []string{"?1"}},
		{serve.Options{}, "POST", []string{"?1"}},
		{serve.Options{}, "HEAD", []string{"?1"}},
		{serve.Options{NoIncremental: true}, "GET", nil},
		{serve.Options{NoIncremental: true}, "HEAD", nil},
		{serve.Options{Header: http.Header{"Incremental": {"?0"}}}, "GET", []string{"?0"}},
		{serve.Options{Faults: []fault.Fault{status}}, "GET", nil},
		{serve.Options{CORS: "*"}, "OPTIONS", nil},
	} {
		request, err := http.NewRequest(test.method, start(t, &serve.Handler{History: numbered(1), Options: test.options}), nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.method == "OPTIONS" {
			request.Header.Set("Access-Control-Request-Method", "GET")
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if got := response.Header.Values("Incremental"); !slices.Equal(got, test.want) {
			t.Errorf("%s with %+v: Incremental %q, want %q", test.method, test.options, got, test.want)
		}
	}
}
