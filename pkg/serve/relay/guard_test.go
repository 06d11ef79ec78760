package relay

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	g := &Guard{
		Hosts:   []string{"relay"},
		Origins: []string{"http://localhost:3000"},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			w.Header().Set("X-Request-Id", "1")
			io.WriteString(w, "secret")
		}),
	}
	for _, test := range []struct {
		host, origin, site string
		status             int
		want               string // in the body
	}{
		{"localhost:8080", "", "", 200, "secret"},
		{"LOCALHOST.", "", "", 200, "secret"},
		{"app.localhost:1", "", "", 200, "secret"},
		{"127.0.0.1:8080", "", "none", 200, "secret"},
		{"[::1]:8080", "", "", 200, "secret"},
		{"[::1]", "", "", 200, "secret"},
		{"192.168.1.2:8080", "", "", 200, "secret"},
		{"relay:8080", "", "", 200, "secret"},
		{"", "", "", 200, "secret"}, // HTTP/1.0
		{"evil.example", "", "", 403, `the host "evil.example" is none of this server (see --allow-host)`},
		{"evil.example:8080", "http://evil.example:8080", "same-origin", 403, "the host"},
		{"127.0.0.1.evil.example", "", "", 403, "the host"},
		{"localhost.evil.example", "", "", 403, "the host"},
		{"notlocalhost", "", "", 403, "the host"},
		{"localhost:8080", "", "cross-site", 403, "a page of another origin asked (see --cors)"},
		{"localhost:8080", "", "same-site", 403, "another origin"}, // another port
		{"localhost:8080", "", "same-origin", 200, "secret"},
		{"localhost:8080", "http://localhost:8080", "", 200, "secret"},
		{"localhost:8080", "http://localhost:8081", "", 403, "a page of another origin http://localhost:8081 asked"},
		{"localhost:8080", "http://evil.example", "", 403, "another origin"},
		{"localhost:8080", "null", "", 403, "another origin"},
		{"localhost:8080", "http://localhost:3000", "", 200, "secret"},
		{"localhost:8080", "http://localhost:3000", "same-site", 200, "secret"},
		{"localhost:8080", "http://localhost:30000", "same-site", 403, "another origin"},
		{"evil.example", "http://localhost:3000", "", 403, "the host"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = test.host
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		if test.site != "" {
			r.Header.Set("Sec-Fetch-Site", test.site)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("host %q, origin %q, %q: %d %q; want %d %q", test.host, test.origin, test.site, w.Code, w.Body, test.status, test.want)
		}
		allowed := w.Header().Get("Access-Control-Allow-Origin")
		switch {
		case test.origin == "http://localhost:3000" && test.status == 200:
			if allowed != test.origin || w.Header().Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "X-Request-Id") {
				t.Errorf("the header for the page that may: %v", w.Header())
			}
		case test.status != 200 && allowed != "":
			t.Errorf("host %q, origin %q may read %q", test.host, test.origin, allowed)
		}
	}
}

func TestGuardAnswersPreflights(t *testing.T) {
	asked := false
	g := &Guard{Origins: []string{"*"}, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true })}
	r := httptest.NewRequest("OPTIONS", "http://localhost/v1/chat", nil)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "authorization, x-stainless-os")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	h := w.Header()
	if w.Code != 204 || asked || h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Methods") != "POST" ||
		h.Get("Access-Control-Allow-Headers") != "authorization, x-stainless-os" {
		t.Errorf("%d %v, asked %v", w.Code, h, asked)
	}
}
