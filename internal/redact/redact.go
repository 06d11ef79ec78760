// Package redact decides which parts of a request or a response may be shown
// in messages, recordings and reports, and which are secret.
//
// A name can prove that a value is secret, but not that it is harmless. So
// values that a user sends are shown only if their name or their form is known
// to be harmless; of a response, which has to be readable, those are hidden
// whose names are words for secrets.
package redact

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/ssectl/ssectl/internal/httpx"
)

// Placeholder stands in for a value that is not shown.
const Placeholder = "REDACTED"

// secretWords are the words of which one in a name makes the value secret.
var secretWords = []string{
	"apikey", "auth", "authentication", "authorization", "bearer", "code", "cookie", "cookies",
	"credential", "credentials", "csrf", "jwt", "key", "nonce", "otp", "pass", "passcode", "passphrase",
	"passwd", "password", "pin", "private", "pwd", "secret", "secrets", "session", "sessionid", "sid",
	"sig", "signature", "signed", "ticket", "token", "tokenid", "xsrf",
}

// secretEnds make a name secret that is written as one word, such as
// "accesstoken" or "PHPSESSID".
var secretEnds = []string{"apikey", "accesskey", "authkey", "secretkey", "privatekey", "authtoken", "accesstoken", "idtoken", "refreshtoken", "csrftoken", "sessid", "sessionid", "password", "passwd", "secret", "signature"}

// Name reports whether the name of a header, a query parameter or a field is a
// word for a secret. It looks at whole words: the tokens of max_tokens are
// none.
func Name(name string) bool {
	for _, word := range words(name) {
		if slices.Contains(secretWords, word) {
			return true
		}
	}
	plain := strings.ToLower(name)
	return slices.ContainsFunc(secretEnds, func(end string) bool { return strings.HasSuffix(plain, end) })
}

// words splits a name where letters end, and where a capital begins a word.
func words(name string) []string {
	var list []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			list = append(list, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) {
			end()
			continue
		}
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			end()
		}
		word = append(word, r)
	}
	end()
	return list
}

// plainRequest are the request headers whose values are not secret.
var plainRequest = []string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Access-Control-Request-Headers",
	"Access-Control-Request-Method", "Anthropic-Beta", "Anthropic-Version", "Cache-Control", "Connection",
	"Content-Encoding", "Content-Length", "Content-Type", "Date", "Dnt", "Host", "If-Range", "Incremental",
	"Last-Event-Id", "Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version", "Openai-Beta", "Origin", "Pragma", "Prefer",
	"Range", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Te", "Transfer-Encoding", "Upgrade", "User-Agent",
}

// IsPlainHeader reports whether a request header of that name holds nothing to
// keep secret, so that another origin may see it too.
func IsPlainHeader(name string) bool {
	return slices.Contains(plainRequest, http.CanonicalHeaderKey(name))
}

// schemes are those of HTTP authentication
// (https://www.iana.org/assignments/http-authschemes). Another first word of a
// value may be a part of a secret.
var schemes = []string{
	"basic", "bearer", "digest", "dpop", "gnap", "hoba", "mutual", "negotiate", "oauth", "privatetoken",
	"scram-sha-1", "scram-sha-256", "token", "vapid", "apikey", "aws4-hmac-sha256",
}

// RequestHeader returns the value of a request header as it may be shown.
func RequestHeader(name, value string) string {
	switch {
	case strings.EqualFold(name, "Referer"):
		return URLText(value)
	case IsPlainHeader(name):
		return value
	}
	if scheme, _, ok := strings.Cut(value, " "); ok && slices.Contains(schemes, strings.ToLower(scheme)) && (strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Proxy-Authorization")) {
		return scheme + " " + Placeholder
	}
	return Placeholder
}

// links are the URLs of Link, of which those with a query or a user may have a secret
// (https://www.rfc-editor.org/rfc/rfc8288#section-3).
var links = regexp.MustCompile(`<[^<>]*[?@][^<>]*>`)

// ResponseHeader returns the value of a response header as it may be shown.
func ResponseHeader(name, value string) string {
	switch {
	case strings.EqualFold(name, "Location"), strings.EqualFold(name, "Content-Location"):
		return URLText(value)
	case strings.EqualFold(name, "Refresh"):
		if i := strings.Index(strings.ToLower(value), "url="); i >= 0 {
			return value[:i+4] + URLText(strings.Trim(value[i+4:], ` "'`))
		}
		return value
	case strings.EqualFold(name, "Link"):
		return links.ReplaceAllStringFunc(value, func(link string) string { return "<" + URLText(link[1:len(link)-1]) + ">" })
	case strings.EqualFold(name, "Www-Authenticate"), strings.EqualFold(name, "Proxy-Authenticate"),
		strings.HasPrefix(strings.ToLower(name), "access-control-"):
		return value
	case Name(name):
		return Placeholder
	}
	return value
}

// plainParameters are the names of query parameters that do not hold secrets.
var plainParameters = []string{
	"after", "alt", "apiversion", "before", "channel", "channels", "count", "cursor", "encoding", "event", "events",
	"filter", "format", "from", "full", "interval", "lang", "last", "lasteventid", "limit", "live", "locale", "max",
	"maxtokens", "mode", "model", "n", "name", "offset", "order", "page", "pretty", "since", "size", "sort", "speed",
	"start", "startindex", "startingafter", "stream", "streams", "symbol", "symbols", "topic", "topics", "type",
	"types", "until", "v", "version",
}

// isPlainParameter reports whether a query parameter may be shown: its name is
// known to be harmless, or its value is a small number or a boolean and its
// name is no word for a secret.
func isPlainParameter(name, value string) bool {
	if Name(name) {
		return false
	}
	if isPlainName(name) {
		return !strings.Contains(value, ";") // some servers take it for an &
	}
	const longestNumber = 6
	return value == "true" || value == "false" || len(value) <= longestNumber && strings.Trim(value, "0123456789") == ""
}

func isPlainName(name string) bool {
	return slices.Contains(plainParameters, strings.Join(words(name), ""))
}

// URL returns a URL as it may be shown and kept: without user information and
// fragment, and with [Placeholder] for the values of query parameters that are
// not known to be harmless.
func URL(u *url.URL) string {
	shown := *u
	shown.User, shown.Fragment, shown.RawFragment = nil, "", ""
	parts := strings.Split(u.RawQuery, "&")
	for i, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		switch {
		case !ok && part != "" && (err != nil || !isPlainName(plain)):
			parts[i] = Placeholder // a token needs no name
		case ok && value != "" && (err != nil || !isPlainParameter(plain, value)):
			parts[i] = name + "=" + Placeholder
		}
	}
	shown.RawQuery = strings.Join(parts, "&")
	return shown.String()
}

// URLText is [URL] for a text. One that is no URL is not shown at all.
func URLText(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return Placeholder
	}
	return URL(u)
}

// WithoutSecrets returns the part of a text that may be shown though it is no URL:
// neither user information nor a query.
func WithoutSecrets(raw string) string {
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		raw = raw[:at]
	}
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		return httpx.Scheme(raw) + raw[at+1:]
	}
	return raw
}
