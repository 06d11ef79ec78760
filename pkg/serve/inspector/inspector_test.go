package inspector_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
	"github.com/ssectl/ssectl/pkg/stream"
)

func start(t *testing.T, mux *serve.Mux) (url string) {
	t.Helper()
	server := httptest.NewServer(inspector.New(mux))
	t.Cleanup(func() {
		mux.Close()
		server.Close()
	})
	return server.URL
}

// numbered returns a history of n events with their number as ID and data.
func numbered(n int) *serve.History {
	history := &serve.History{}
	for i := range n {
		history.Append(stream.Event{ID: fmt.Sprint(i + 1), Data: fmt.Sprint("event ", i+1)})
	}
	history.End()
	return history
}

// wireOf returns the text of such events.
func wireOf(ids ...int) (text string) {
	for _, id := range ids {
		text += fmt.Sprintf("id: %d\ndata: event %d\n\n", id, id)
	}
	return text
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestBrowserGetsThePageAndEventSourceTheStream(t *testing.T) {
	base := start(t, &serve.Mux{Routes: []serve.Route{{Path: "/a\"b", Handler: &serve.Handler{History: numbered(1)}}, {Handler: &serve.Handler{History: numbered(2)}}}})
	response, page := get(t, base, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if response.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, `content="/a&#34;b"`) || strings.Contains(page, "{{") {
		t.Errorf("%q: %.300q", response.Header.Get("Content-Type"), page)
	}
	for _, path := range []string{"/", "/.ssectl/inspector.css", "/.ssectl/inspector.js", "/.ssectl/stats"} {
		response, _ := get(t, base+path, "Accept", "text/html")
		if policy := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") || response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	for _, accept := range []string{"text/event-stream", "*/*"} {
		if _, body := get(t, base, "Accept", accept); body != wireOf(1, 2) {
			t.Errorf("Accept %s: got %.200q", accept, body)
		}
	}
}

// statsAnswer has the keys of /.ssectl/stats that stay.
type statsAnswer struct {
	UptimeMS    *int64 `json:"uptime_ms"`
	Events      int64
	Bytes       int64
	Resumes     int64
	Types       []string
	ClientCount int `json:"client_count"`
	Clients     []struct {
		ID          int64
		Remote      string
		Path        string
		Since       time.Time
		Events      int64
		Bytes       int64
		Lag         int64
		LastEventID string `json:"last_event_id"`
		Token       string
	}
}

func TestStatsAndDrop(t *testing.T) {
	h := &serve.Handler{History: numbered(5), Options: serve.Options{Pace: serve.Pace{Every: time.Hour}}}
	base := start(t, &serve.Mux{Routes: []serve.Route{{Handler: h}}})
	response, err := http.Get(base + "/feed?ssectl_client=secret&last_event_id=2")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	first := make([]byte, len(wireOf(3)))
	if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != wireOf(3) {
		t.Fatalf("got %q, %v", first, err)
	}

	var stats statsAnswer
	for deadline := time.Now().Add(time.Minute); stats.Events == 0 || stats.Bytes == 0; {
		_, body := get(t, base+"/.ssectl/stats?client=secret")
		if err := json.Unmarshal([]byte(body), &stats); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("no event in %s", body)
		}
	}
	c := stats.Clients[0]
	if stats.UptimeMS == nil || stats.Events != 1 || stats.Bytes != int64(len(first)) || stats.Resumes != 1 || stats.ClientCount != 1 ||
		c.Path != "/feed" || c.Token != "secret" || c.Events != 1 || c.Lag != 2 || c.LastEventID != "3" || c.Since.IsZero() || stats.Types[0] != "message" {
		t.Errorf("got %+v", stats)
	}

	drop := func(token string, header ...string) int {
		request, _ := http.NewRequest("POST", base+"/.ssectl/drop", strings.NewReader(url.Values{"client": {token}}.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	for _, test := range []struct {
		token  string
		header []string
		want   int
	}{
		{"secret", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"secret", []string{"Origin", "https://example.com"}, 403},
		{"other", nil, 404},
		{"", nil, 404},
		{"secret", []string{"Sec-Fetch-Site", "same-origin"}, 204},
	} {
		if got := drop(test.token, test.header...); got != test.want {
			t.Errorf("drop of %q with %q: status %d, want %d", test.token, test.header, got, test.want)
		}
	}
	if rest, err := io.ReadAll(response.Body); err != io.ErrUnexpectedEOF || len(rest) > 0 {
		t.Errorf("after the drop: %q, %v; want a cut", rest, err)
	}
	if response, _ := get(t, base+"/.ssectl/drop"); response.StatusCode != 405 {
		t.Errorf("GET of drop: status %d", response.StatusCode)
	}
}
