// Package httpx holds small facts about HTTP that both the commands and the
// libraries need.
package httpx

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// SetDefault sets a header that the caller neither set nor took away: a key
// with no values means that the header is not to be sent.
func SetDefault(header http.Header, name, value string) {
	if _, ok := header[http.CanonicalHeaderKey(name)]; !ok {
		header.Set(name, value)
	}
}

// IsToken reports whether name can be the name of a header
// (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2).
func IsToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// HasToken reports whether a field that is a list of tokens has one, whatever its case.
func HasToken(header http.Header, name, token string) bool {
	for _, line := range header.Values(name) {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// IsFieldValue reports whether value can be the value of a header
// (https://www.rfc-editor.org/rfc/rfc9110#section-5.5). Package net/http sends no
// request with another one.
func IsFieldValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// Validator returns the validator of a response for an If-Range header, which
// takes no weak tags (https://www.rfc-editor.org/rfc/rfc9110#field.if-range).
func Validator(header http.Header) string {
	if tag := header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return header.Get("Last-Modified")
}

// LastEventID returns the ID that a request resumes after: the header, or one of the
// query parameters in use where a client cannot set headers. Mercure renamed its own
// with version 1.0.
func LastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" || r.URL.RawQuery == "" {
		return id
	}
	query := r.URL.Query()
	for _, name := range []string{"lastEventId", "last_event_id", "lastEventID"} {
		if id := query.Get(name); id != "" {
			return id
		}
	}
	return ""
}

// WithoutURL returns the cause of an error of [http.Client], without the URL that
// may hold secrets.
func WithoutURL(err error) error {
	var outer *url.Error
	if !errors.As(err, &outer) {
		return err
	}
	if strings.HasPrefix(outer.Err.Error(), "failed to parse Location header") {
		return errLocation
	}
	return outer.Err
}

var errLocation = errors.New("redirect to an invalid URL")

// IsLoopback reports whether a host, without a port, is this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// pageStarts are the tags that HTML pages begin with.
var pageStarts = [][]byte{[]byte("<!doctype html"), []byte("<html"), []byte("<head"), []byte("<title")}

// Title returns the title of an HTML page, and whether body is one. A page
// without a title has an empty one. Bytes that are not UTF-8 become U+FFFD.
func Title(body []byte) (title string, isPage bool) {
	const most = 16 << 10
	body = bytes.TrimSpace(body)
	body = body[:min(len(body), most)]
	// Offsets in lower stand for the same places in body, as only letters of
	// ASCII change: a page may be in any encoding.
	lower := bytes.Clone(body)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	for _, start := range pageStarts {
		isPage = isPage || bytes.HasPrefix(lower, start)
	}
	from := bytes.Index(lower, []byte("<title"))
	if !isPage || from < 0 {
		return "", isPage
	}
	open := bytes.IndexByte(lower[from:], '>')
	end := bytes.Index(lower[from:], []byte("</title"))
	if open < 0 || end < open {
		return "", true
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(body[from+open+1:from+end]), "\ufffd")), " "), true
}

// Clip returns at most n bytes of text, cut between characters.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xc0 == 0x80 {
		n--
	}
	return text[:n] + "..."
}

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
