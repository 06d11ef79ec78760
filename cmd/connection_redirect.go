package cmd

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// checkRedirect follows redirects. What a header of the caller may keep secret
// does not leave the origin, and does not come back with a redirect to it:
// net/http alone would send it to subdomains and other ports, and the query of
// the URL in a Referer.
func (c *connection) checkRedirect(req *http.Request, via []*http.Request) error {
	if c.MaxRedirs >= 0 && len(via) > c.MaxRedirs {
		return fmt.Errorf("more than %d redirects", c.MaxRedirs)
	}
	if via[0].Header.Get("Referer") == "" {
		req.Header.Del("Referer")
	}
	origin := via[0].URL
	left := !sameOrigin(origin, req.URL)
	for _, earlier := range via[1:] {
		left = left || !sameOrigin(origin, earlier.URL)
	}
	if left {
		for name := range req.Header {
			if isCredential(name) {
				req.Header.Del(name)
			}
		}
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// isCredential reports whether the value of a header, or of a query parameter,
// is one to keep secret, as far as its name tells.
func isCredential(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"auth", "cookie", "key", "token", "secret", "password", "passwd", "credential", "signature", "session", "jwt"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "sig" || name == "code"
}

const redacted = "REDACTED"

// redactHeader returns the value of a header as it may be shown.
func redactHeader(name, value string) string {
	switch {
	case name == "Location" || name == "Referer":
		if u, err := url.Parse(value); err == nil {
			return redactURL(u)
		}
		return redacted
	case !isCredential(name):
		return value
	}
	if scheme, _, ok := strings.Cut(value, " "); ok && strings.EqualFold(name, "Authorization") {
		return scheme + " " + redacted
	}
	return redacted
}

// redactURL returns a URL as it may be shown and kept: without user
// information and fragment, the values of secret query parameters replaced.
func redactURL(u *url.URL) string {
	shown := *u
	shown.User, shown.Fragment, shown.RawFragment = nil, "", ""
	parts := strings.Split(u.RawQuery, "&")
	for i, part := range parts {
		name, _, ok := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); ok && (err != nil || isCredential(plain)) {
			parts[i] = name + "=" + redacted
		}
	}
	shown.RawQuery = strings.Join(parts, "&")
	return shown.String()
}
