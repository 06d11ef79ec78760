package relay

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/pkg/exchange"
)

// target returns the URL of a request on the upstream. The path keeps the encoding
// that the client chose, and the query stays as it is; bytes that no path may have
// are encoded.
func (h *Relay) target(r *http.Request) *url.URL {
	base, in := h.Upstream, r.URL
	u := &url.URL{Scheme: base.Scheme, Host: base.Host, ForceQuery: in.ForceQuery, RawQuery: in.RawQuery}
	if base.RawQuery != "" {
		u.RawQuery = strings.TrimSuffix(base.RawQuery+"&"+in.RawQuery, "&")
	}
	raw := h.rawPath(r)
	if raw == "*" { // OPTIONS * asks about the server, wherever its API is
		u.Opaque = raw
		return u
	}
	u.RawPath = encoded(raw)
	u.Path, _ = url.PathUnescape(u.RawPath) // package net/http refuses what cannot be
	return u
}

// rawPath returns the path of a request on the upstream, with the bytes that the
// client sent.
func (h *Relay) rawPath(r *http.Request) string {
	// A handler in front of this one may have changed the path, and only it.
	raw := r.URL.EscapedPath()
	if sent, err := url.ParseRequestURI(r.RequestURI); err == nil && sent.Host == "" && sent.Path == r.URL.Path {
		raw, _, _ = strings.Cut(r.RequestURI, "?")
	}
	if raw == "*" {
		return raw
	}
	if !strings.HasPrefix(raw, "/") {
		raw = "/" + raw
	}
	return strings.TrimSuffix(h.Upstream.EscapedPath(), "/") + raw
}

// encoded returns a path with the bytes encoded that package url would encode, and
// the others as they are.
func encoded(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		switch c := raw[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~!$&'()*+,;=:@/[]%", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// keepBytes has a URL sent with the path that the client sent, where package url
// would encode it. It cannot be where the URL would become one with another host,
// or none: where the path begins with two slashes, or is for a proxy.
func (h *Relay) keepBytes(u *url.URL, raw string) {
	if u.Opaque == "" && u.EscapedPath() != raw && !strings.HasPrefix(raw, "//") && !h.isProxied(u) {
		u.Path, u.RawPath, u.Opaque = "", "", raw
	}
}

// isProxied reports whether a proxy reads the URL of a request.
func (h *Relay) isProxied(u *url.URL) bool {
	t, ok := h.Transport.(*http.Transport)
	if !ok {
		return true // it may have one
	}
	if u.Scheme != "http" || t.Proxy == nil {
		return false
	}
	proxy, err := t.Proxy(&http.Request{URL: u})
	return err != nil || proxy != nil
}

// outgoing returns the request that the upstream is sent.
func (x *passing) outgoing() *http.Request {
	in := x.in
	out := &http.Request{
		Method:        in.Method,
		URL:           x.target(in),
		Header:        in.Header.Clone(),
		ContentLength: in.ContentLength,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
	}
	x.keepBytes(out.URL, x.rawPath(in))
	upgrade := upgradeOf(in.Header)
	removeHopByHop(out.Header)
	out.Header.Del(pertest.Header) // which is for us
	if hasToken(in.Header["Te"], "trailers") {
		out.Header.Set("Te", "trailers")
	}
	if upgrade != "" && !strings.EqualFold(upgrade, "h2c") { // a client can do without that
		out.Header.Set("Connection", "Upgrade")
		out.Header.Set("Upgrade", upgrade)
	}
	// A key without values keeps package net/http from sending its own.
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil
	}
	x.breakRequest(out.Header)
	if user := x.Upstream.User; user != nil && out.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		out.SetBasicAuth(user.Username(), password)
	}
	for name, values := range x.Header {
		switch name = http.CanonicalHeaderKey(name); {
		case name == "Host" && len(values) > 0:
			out.Host = values[0]
		case len(values) == 0 && name != "User-Agent":
			delete(out.Header, name)
		default:
			out.Header[name] = values
		}
	}
	if in.Body != nil && in.Body != http.NoBody && in.ContentLength != 0 {
		out.Body = &sentBody{r: in.Body, request: x.request, limit: x.bodyLimit()}
		if in.ContentLength < 0 && in.Trailer != nil {
			out.Trailer = in.Trailer // which gets its values when the body ends
		}
	} else {
		x.request.Finished()
	}
	return out.WithContext(httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{Got1xxResponse: x.informed}))
}

func (h *Relay) bodyLimit() int {
	if h.BodyLimit == 0 {
		return DefaultBodyLimit
	}
	return h.BodyLimit
}

// ask sends the request and returns the answer.
func (x *passing) ask() (*http.Response, error) {
	out := x.outgoing()
	if body, ok := out.Body.(*sentBody); ok {
		x.sent = body
		x.control.EnableFullDuplex() // HTTP/2 is, without being asked
	}
	if x.HeaderTimeout > 0 {
		limit := time.AfterFunc(x.HeaderTimeout, func() { x.cancel(errHeaders) })
		defer limit.Stop()
	}
	res, err := x.Transport.RoundTrip(out)
	x.informing.Lock()
	x.answered = true
	x.informing.Unlock()
	return res, err
}

// informed passes a response of the class 1xx on.
func (x *passing) informed(code int, header textproto.MIMEHeader) error {
	x.informing.Lock()
	defer x.informing.Unlock()
	if x.answered || code == http.StatusSwitchingProtocols {
		return nil
	}
	h := x.w.Header()
	for name, values := range header {
		h[name] = values
	}
	x.w.WriteHeader(code)
	clear(h)
	return nil
}

// A sentBody is the body of a request on its way to the upstream. The transport
// may read from it after the handler has returned, and must not get at the body
// itself any more.
type sentBody struct {
	r       io.Reader
	request *exchange.Request
	limit   int
	closed  atomic.Bool
	mu      sync.Mutex // held by a Read
}

var errBodyClosed = errors.New("the exchange is over")

func (b *sentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	n, err := b.r.Read(p)
	if n > 0 {
		b.request.Passed(p[:n], b.limit)
	}
	if err == io.EOF {
		b.request.Finished()
	}
	return n, err
}

func (b *sentBody) Close() error {
	b.closed.Store(true)
	return nil
}

// hopByHop are the fields of a single hop
// (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1), beside those that
// Connection names.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

func removeHopByHop(header http.Header) {
	for _, line := range header["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		delete(header, name)
	}
}

// hasToken reports whether a list in header fields has a token.
func hasToken(lines []string, token string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		for part := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), token) {
				return true
			}
		}
		return false
	})
}

// upgradeOf returns the protocol that a message switches to, "" if it does not.
func upgradeOf(header http.Header) string {
	if !hasToken(header["Connection"], "upgrade") {
		return ""
	}
	return header.Get("Upgrade")
}
