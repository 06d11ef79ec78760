package curl

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ssectl/ssectl/internal/redact"
)

// checkRedirect follows redirects. Headers that may hold a secret, and the
// body, do not leave the origin, and the headers do not come back with a
// redirect to it: net/http alone would send them to subdomains and other
// ports, and the query of the URL in a Referer.
func (f *Flags) checkRedirect(req *http.Request, via []*http.Request) error {
	if f.MaxRedirs >= 0 && len(via) > f.MaxRedirs {
		return fmt.Errorf("more than %d redirects", f.MaxRedirs)
	}
	if via[0].Header.Get("Referer") == "" {
		req.Header.Del("Referer")
	}
	origin := via[0].URL
	left := !SameOrigin(origin, req.URL)
	for _, earlier := range via[1:] {
		left = left || !SameOrigin(origin, earlier.URL)
	}
	if left {
		Strip(req.Header)
		if req.Body != nil && req.ContentLength != 0 && !isUpgrade(origin, req.URL) {
			return fmt.Errorf("the body is not sent on to another origin, %s://%s", req.URL.Scheme, req.URL.Host)
		}
	}
	return nil
}

// isUpgrade reports whether b is the same host as a, over TLS.
func isUpgrade(a, b *url.URL) bool {
	return a.Scheme == "http" && b.Scheme == "https" && strings.EqualFold(a.Hostname(), b.Hostname())
}

// Strip removes the headers that may hold a secret, so that another origin gets
// none.
func Strip(header http.Header) {
	for name := range header {
		if !redact.IsPlainHeader(name) {
			delete(header, name)
		}
	}
}

// SameOrigin reports whether two URLs have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool {
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
