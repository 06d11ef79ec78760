package curl

import "testing"

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"example.com/events":          "http://example.com/events",
		":8080/a?b=c d&e=%20":         "http://localhost:8080/a?b=c%20d&e=%20",
		"https://example.com":         "https://example.com",
		"http://h/a/../b/./c//d/..":   "http://h/b/c//",
		"http://h/../a%2Fb/%2e%2e/ c": "http://h/a%2Fb/%2e%2e/%20c",
		"h/?q=a/../b":                 "http://h/?q=a/../b",
		"http://[::1]:80/":            "http://[::1]:80/",
	} {
		if u, err := ParseURL(raw); err != nil || u.String() != want {
			t.Errorf("%q: %v, %v, want %q", raw, u, err, want)
		}
	}
	for _, raw := range []string{"", "http://", "http:/h/", "https:/h", "ftp://h/", "h:99999", "h:x", "//h/", "h\n"} {
		if u, err := ParseURL(raw); err == nil {
			t.Errorf("%q: no error, %v", raw, u)
		}
	}
}
