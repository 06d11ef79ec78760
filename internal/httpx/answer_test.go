package httpx

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWriteError(t *testing.T) {
	fields := http.Header{"retry-after": {"7"}, "X-A": {"b"}}
	for _, test := range []struct {
		accept                        string
		status                        int
		fields                        http.Header
		contentType, body, retryAfter string
	}{
		{"*/*", 429, fields, "text/plain; charset=utf-8", "Too Many Requests\n", "7"},
		{"application/json", 429, fields, "application/json", `{"error":{"code":429,"message":"Too Many Requests"}}` + "\n", "7"},
		{"*/*", 503, http.Header{"Content-Type": {"text/html"}}, "text/html", "Service Unavailable\n", ""},
		{"*/*", 204, nil, "", "", ""},
		{"*/*", 304, nil, "", "", ""},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "text/event-stream")
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", test.accept)
		WriteError(w, r, test.status, http.StatusText(test.status), test.fields)
		header := w.Result().Header
		if w.Code != test.status || header.Get("Content-Type") != test.contentType || w.Body.String() != test.body || header.Get("Retry-After") != test.retryAfter {
			t.Errorf("status %d for %s: %d %v %q, want %+v", test.status, test.accept, w.Code, header, w.Body, test)
		}
	}
}
