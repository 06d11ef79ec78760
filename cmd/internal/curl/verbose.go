package curl

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sort"
	"strings"
	"sync"

	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/internal/redact"
)

// A verboseTransport shows requests and responses as curl -v does, but never a
// credential.
type verboseTransport struct {
	next http.RoundTripper
	w    io.Writer
	mu   sync.Mutex // guards writes to w, which come from goroutines of net/http too
}

// RoundTrip implements http.RoundTripper.
func (t *verboseTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	show := func(format string, args ...any) {
		t.mu.Lock()
		defer t.mu.Unlock()
		fmt.Fprintf(t.w, format, args...)
	}
	// Over HTTP/2 an answer may be there before net/http calls WroteHeaders.
	var sent sync.Once
	showSent := func() {
		var text bytes.Buffer
		uri := url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
		if uri.Path == "" {
			uri.Path = "/"
		}
		fmt.Fprintf(&text, "> %s %s\n> Host: %s\n", req.Method, redact.URL(&uri), output.Safe(hostOf(req)))
		PrintHeaders(&text, "> ", req.Header, redact.RequestHeader)
		show("%s>\n", &text)
	}
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			show("* connected to %s\n", info.Conn.RemoteAddr())
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				show("* %s, %s\n", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
			}
		},
		WroteHeaders: func() { sent.Do(showSent) },
	}
	resp, err := t.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		sent.Do(func() {}) // too late
		return resp, err
	}
	sent.Do(showSent)
	var text bytes.Buffer
	fmt.Fprintf(&text, "< %s %s\n", resp.Proto, output.Safe(resp.Status))
	PrintHeaders(&text, "< ", resp.Header, redact.ResponseHeader)
	show("%s<\n", &text)
	return resp, nil
}

func hostOf(req *http.Request) string {
	if req.Host != "" {
		return req.Host
	}
	return req.URL.Host
}

// PrintHeaders writes headers by name, one a line, with their values as show
// returns them. The session of an MCP server is shown in any case: nobody can
// go on with a session by hand without its ID.
// https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
func PrintHeaders(w io.Writer, prefix string, header http.Header, show func(name, value string) string) {
	var names []string
	for name := range header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range header[name] {
			if !strings.EqualFold(name, "Mcp-Session-Id") {
				value = show(name, value)
			}
			fmt.Fprintf(w, "%s%s: %s\n", prefix, output.Safe(name), output.Safe(value))
		}
	}
}
