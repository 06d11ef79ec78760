package curl

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
)

// ParseURL reads a URL as people type it, and returns one that can be requested:
// without blanks, and without /../ in its path. Its scheme is http, https or one of
// those given.
func ParseURL(raw string, schemes ...string) (*url.URL, error) {
	schemes = append([]string{"http", "https"}, schemes...)
	text := strings.ReplaceAll(raw, " ", "%20")
	if strings.HasPrefix(text, ":") {
		text = "localhost" + text
	}
	if httpx.Scheme(text) == "" {
		if slices.ContainsFunc(schemes, func(scheme string) bool { return strings.HasPrefix(text, scheme+":/") }) {
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
	case !slices.Contains(schemes, u.Scheme):
		last := len(schemes) - 1
		return nil, fmt.Errorf("unsupported scheme %q; want %s or %s", u.Scheme, strings.Join(schemes[:last], ", "), schemes[last])
	case u.Host == "":
		return nil, fmt.Errorf("URL without a host: %q", redact.WithoutSecrets(raw))
	}
	return u.ResolveReference(u), nil
}
