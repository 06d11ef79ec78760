package serve_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
)

func startSite(t *testing.T, site *serve.Site) (url string) {
	t.Helper()
	server := httptest.NewServer(site)
	t.Cleanup(func() {
		site.Close()
		server.Close()
	})
	return server.URL
}

func TestSiteMatchesMethodAndPath(t *testing.T) {
	missed := make(chan serve.Connection, 10)
	base := startSite(t, &serve.Site{Missed: func(c serve.Connection) { missed <- c }, Endpoints: []serve.Endpoint{
		{Path: "/a", Handler: &serve.Handler{History: numbered(1)}},
		{Method: "POST", Path: "/b", Handler: &serve.Handler{History: numbered(2)}},
		{Method: "GET", Path: "/b", Handler: &serve.Handler{History: numbered(3)}},
		{Method: "POST", Path: "/c", Handler: &serve.Handler{History: numbered(3)}},
	}})
	for _, test := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/a", 200, wireOf(1)},
		{"DELETE", "/a", 200, wireOf(1)},
		{"POST", "/b", 200, wireOf(1, 2)},
		{"GET", "/b", 200, wireOf(1, 2, 3)},
		{"HEAD", "/b", 200, ""},
		{"GET", "/c", 405, "ssectl serve: want POST\n"},
		{"GET", "/", 404, "ssectl serve: nothing here; there is\n/a\nPOST /b\nGET /b\nPOST /c\n"},
	} {
		request, _ := http.NewRequest(test.method, base+test.path, nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != test.status || string(body) != test.want {
			t.Errorf("%s %s: status %d, body %q; want %d, %q", test.method, test.path, response.StatusCode, body, test.status, test.want)
		}
		if test.status >= 400 {
			if c := <-missed; c.Path != test.path || c.Status != test.status || c.Streamed() {
				t.Errorf("%s %s: missed %+v", test.method, test.path, c)
			}
		}
	}
}

func TestEndpointMatches(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"/models/{m}", []string{"/models/a"}, []string{"/models/", "/models", "/models/a/b", "/other/a"}},
		{"/*/chat", []string{"/v1/chat"}, []string{"//chat", "/v1/x", "/v1/chat/"}},
		{"/v1/*", []string{"/v1/a", "/v1/a/b"}, []string{"/v1/", "/v1"}},
		{"/{a}/{rest...}", []string{"/x/y", "/x/y/z"}, []string{"/x", "/x/"}},
		{"/plain", []string{"/plain"}, []string{"/plain/", "/plai"}},
	} {
		e := serve.Endpoint{Path: test.pattern}
		for _, path := range test.yes {
			if !e.Matches(path) {
				t.Errorf("%s is not for %s", test.pattern, path)
			}
		}
		for _, path := range test.no {
			if e.Matches(path) {
				t.Errorf("%s is for %s", test.pattern, path)
			}
		}
	}
}

func TestCORSWithCredentials(t *testing.T) {
	for origin, credentials := range map[string]string{"https://app.example": "true", "*": ""} {
		for _, method := range []string{"GET", "OPTIONS"} {
			request := httptest.NewRequest(method, "/", nil)
			request.Header.Set("Origin", "https://app.example")
			request.Header.Set("Access-Control-Request-Method", "GET")
			w := httptest.NewRecorder()
			(&serve.Handler{History: numbered(1), CORS: origin}).ServeHTTP(w, request)
			header := w.Result().Header
			if header.Get("Access-Control-Allow-Credentials") != credentials || header.Get("Access-Control-Allow-Origin") != origin || (header.Get("Vary") == "Origin") != (credentials != "") {
				t.Errorf("%s %s: %v", method, origin, header)
			}
		}
	}
}

func TestBrowserGetsThePageAndEventSourceTheStream(t *testing.T) {
	base := startSite(t, &serve.Site{Endpoints: []serve.Endpoint{{Path: "/a\"b", Handler: &serve.Handler{History: numbered(1)}}, {Handler: &serve.Handler{History: numbered(2)}}}})
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

// siteStats is what the test knows of /.ssectl/stats: keys that stay.
type siteStats struct {
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
	h := &serve.Handler{History: numbered(5), Pace: serve.Pace{Every: time.Hour}}
	base := startSite(t, &serve.Site{Endpoints: []serve.Endpoint{{Handler: h}}})
	response, err := http.Get(base + "/feed?ssectl_client=secret&last_event_id=2")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	first := make([]byte, len(wireOf(3)))
	if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != wireOf(3) {
		t.Fatalf("got %q, %v", first, err)
	}

	var stats siteStats
	for deadline := time.Now().Add(time.Minute); stats.Events == 0; {
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
