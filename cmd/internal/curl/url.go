package curl

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Scheme returns the scheme that text begins with, with its "://", or "" if
// there is none.
func Scheme(text string) string {
	name, _, found := strings.Cut(text, "://")
	if !found || name == "" {
		return ""
	}
	for i, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || strings.IndexByte("0123456789+.-", c) < 0) {
			return ""
		}
	}
	return text[:len(name)+len("://")]
}

// ParseURL reads a URL as people type it, and returns one that can be requested:
// without blanks, and without /../ in its path.
func ParseURL(raw string) (*url.URL, error) {
	text := strings.ReplaceAll(raw, " ", "%20")
	if strings.HasPrefix(text, ":") {
		text = "localhost" + text
	}
	if Scheme(text) == "" {
		if strings.HasPrefix(text, "http:/") || strings.HasPrefix(text, "https:/") {
			return nil, fmt.Errorf("not a URL: %q; want two slashes after the scheme", WithoutSecrets(raw))
		}
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err == nil {
		_, err = strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16)
	}
	if err != nil {
		return nil, fmt.Errorf("not a URL: %q", WithoutSecrets(raw))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("unsupported scheme %q; want http or https", u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("URL without a host: %q", WithoutSecrets(raw))
	}
	return u.ResolveReference(u), nil
}

// WithoutSecrets returns the part of a text that may be shown though it is no URL:
// neither user information nor a query.
func WithoutSecrets(raw string) string {
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		raw = raw[:at]
	}
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		return Scheme(raw) + raw[at+1:]
	}
	return raw
}
