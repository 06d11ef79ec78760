package curl

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
)

// ParseURL reads a URL as people type it, and returns one that can be requested:
// without blanks, and without /../ in its path.
func ParseURL(raw string) (*url.URL, error) {
	text := strings.ReplaceAll(raw, " ", "%20")
	if strings.HasPrefix(text, ":") {
		text = "localhost" + text
	}
	if httpx.Scheme(text) == "" {
		if strings.HasPrefix(text, "http:/") || strings.HasPrefix(text, "https:/") {
			return nil, fmt.Errorf("not a URL: %q; want two slashes after the scheme", redact.WithoutSecrets(raw))
		}
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err == nil {
		_, err = strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16)
	}
	if err != nil {
		return nil, fmt.Errorf("not a URL: %q", redact.WithoutSecrets(raw))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("unsupported scheme %q; want http or https", u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("URL without a host: %q", redact.WithoutSecrets(raw))
	}
	return u.ResolveReference(u), nil
}
