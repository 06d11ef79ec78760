package diag

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const redacted = "REDACTED"

// secretWords are those that the name of a secret has in it.
var secretWords = []string{"auth", "cookie", "key", "token", "secret", "password", "passwd", "credential", "signature", "session", "jwt"}

// isSecretName reports whether a header or query parameter of that name holds
// something to keep secret.
func isSecretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "sig" || name == "code"
}

// redactURL returns a URL as it may be shown.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return redacted
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	parts := strings.Split(u.RawQuery, "&")
	for i, part := range parts {
		name, _, ok := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); ok && (err != nil || isSecretName(plain)) {
			parts[i] = name + "=" + redacted
		}
	}
	u.RawQuery = strings.Join(parts, "&")
	return u.String()
}

// shownHeaders are the request headers whose values are no secret; what else
// a user sends is not known to be none.
var shownHeaders = []string{
	"Accept", "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Method",
	"Cache-Control", "Content-Type", "If-Range", "Last-Event-Id", "Mcp-Protocol-Version", "Origin", "Range", "User-Agent",
}

// redactHeader returns request headers as they may be shown.
func redactHeader(h http.Header) map[string]string {
	shown := map[string]string{}
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		name = http.CanonicalHeaderKey(name)
		shown[name] = redacted
		if slices.Contains(shownHeaders, name) {
			shown[name] = strings.Join(values, ", ")
		}
	}
	return shown
}
