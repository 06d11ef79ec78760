package serve_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve"
)

func startMux(t *testing.T, mux *serve.Mux) (url string) {
	t.Helper()
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		mux.Close()
		server.Close()
	})
	return server.URL
}

func TestMuxMatchesMethodAndPath(t *testing.T) {
	unrouted := make(chan serve.Connection, 10)
	base := startMux(t, &serve.Mux{Unrouted: func(c serve.Connection) { unrouted <- c }, Routes: []serve.Route{
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
			if c := <-unrouted; c.Path != test.path || c.Status != test.status || c.Streamed() {
				t.Errorf("%s %s: unrouted %+v", test.method, test.path, c)
			}
		}
	}
}

func TestRouteMatches(t *testing.T) {
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
		r := serve.Route{Path: test.pattern}
		for _, path := range test.yes {
			if !r.Matches(path) {
				t.Errorf("%s is not for %s", test.pattern, path)
			}
		}
		for _, path := range test.no {
			if r.Matches(path) {
				t.Errorf("%s is for %s", test.pattern, path)
			}
		}
	}
}
