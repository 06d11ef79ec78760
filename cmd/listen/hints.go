package listencmd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// target names the source in a message.
func (s *session) target() string {
	if s.opts.Source == "-" {
		return "standard input"
	}
	if isFile(s.opts.Source) {
		return output.Safe(s.opts.Source)
	}
	u, err := curl.ParseURL(s.opts.Source, socketSchemes...)
	if err != nil {
		return output.Safe(s.opts.Source)
	}
	u.RawQuery = ""
	return redact.URL(u)
}

// isWebSocket reports whether the source is one.
func (s *session) isWebSocket() bool {
	scheme, _ := strings.CutSuffix(strings.ToLower(httpx.Scheme(s.opts.Source)), "://")
	return slices.Contains(socketSchemes, scheme)
}

// bodyOf returns the part of an answer that fits into a message.
func bodyOf(refused *listen.ResponseError) string {
	if title, ok := httpx.Title(refused.Body); ok {
		if title == "" {
			return ", a page without a title"
		}
		return fmt.Sprintf(`, a page titled "%s"`, excerpt([]byte(title)))
	}
	if len(bytes.TrimSpace(refused.Body)) == 0 || !strings.Contains(refused.ContentType, "json") && !strings.HasPrefix(refused.ContentType, "text/plain") {
		return ""
	}
	return ": " + excerpt(refused.Body)
}

const proxyHint = "-x http://user:password@host:port gives credentials to a proxy"

// refusedHint returns a remedy for an answer that is not a stream.
func (s *session) refusedHint(refused *listen.ResponseError) string {
	essence, _, _ := strings.Cut(refused.ContentType, ";")
	if s.isWebSocket() && refused.Status == http.StatusOK {
		return "this is no WebSocket; try http:// or https://"
	}
	switch status := refused.Status; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		if s.opts.Curl.GivesCredentials() {
			return "" // but not the right ones
		}
		return `give credentials: -H "Authorization: Bearer ...", -u or -b`
	case status == http.StatusProxyAuthRequired:
		return proxyHint
	case status == http.StatusMethodNotAllowed:
		return "try another method: -X POST, or -d with a body"
	case s.opts.RetryOn == "" && (status == http.StatusTooManyRequests || status >= 500):
		return "--retry-on " + strconv.Itoa(status) + " tries again"
	case status == http.StatusUpgradeRequired && !s.isWebSocket() && strings.EqualFold(refused.Header.Get("Upgrade"), "websocket"):
		return "this is a WebSocket: try ws:// or wss://"
	case status != http.StatusOK:
		return ""
	case essence == "application/json":
		return `the API may want "stream": true in the body, or another path`
	case strings.HasPrefix(essence, "text/html"):
		return "this is a web page: is it the URL of the stream?"
	case s.opts.Resume != "range" && (essence == "" || essence == "text/plain" || essence == "application/octet-stream"):
		return "the server must send Content-Type: " + stream.ContentType + "; --resume range reads logs served as files"
	}
	return "the server must send Content-Type: " + stream.ContentType
}

// expiredHint returns a remedy for an answer whose rest is gone.
func (s *session) expiredHint() string {
	if s.opts.Cursor != "" {
		return "services keep an answer for a while only; remove the cursor file to ask again"
	}
	return "services keep an answer for a while only; this one has to be asked for again"
}

// cutHint returns a remedy for an answer whose rest ended without its end mark.
func (s *session) cutHint(why error) string {
	if s.rest == nil || !s.rest.continued || why != io.EOF {
		return ""
	}
	return "the service has no more of this answer; it may have finished it in between, or forgotten it"
}

// unreachedHint returns a remedy for a connection that could not be made.
func (s *session) unreachedHint(err error) string {
	var (
		size *stream.SizeError
		dns  *net.DNSError
		op   *net.OpError
		cert *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &size):
		return "--max-event-size allows more"
	case isFile(s.opts.Source), s.source.Stats().Connections > 0:
		return ""
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		if s.isWebSocket() {
			return "try ws://"
		}
		return "try http://"
	case errors.As(err, &cert) && httpx.Interceptor(httpx.Issuers(cert.UnverifiedCertificates)) != "":
		return cli.InterceptorHint(httpx.Interceptor(httpx.Issuers(cert.UnverifiedCertificates)))
	case strings.Contains(err.Error(), "certificate"):
		return "--cacert FILE trusts a private authority, -k any certificate"
	case err.Error() == http.StatusText(http.StatusProxyAuthRequired): // of a CONNECT: net/http has no type for it
		return proxyHint
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "this is the proxy; --noproxy '*' connects without one"
	case errors.As(err, &dns) && dns.IsNotFound && !strings.Contains(s.opts.Source, "/"):
		return fmt.Sprintf("no file named %s exists", redact.WithoutSecrets(s.opts.Source))
	case s.opts.Retry < 0 && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, io.EOF)):
		return "is the server running? --retry 10 keeps trying"
	}
	return ""
}
