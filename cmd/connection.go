package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/redact"
)

// A connection is the group of flags that say how to reach a URL, with the
// letters and the meaning they have in curl (https://curl.se/docs/manpage.html).
// It makes the client and the requests of the packages below.
type connection struct {
	streams *term.Streams

	Method    string
	URL       string // of --url, for lines that do not give it as an argument
	Headers   []string
	Body      []bodyPart
	User      string
	Bearer    string
	UserAgent string
	Cookies   []string

	Insecure bool
	CACert   string
	Cert     string
	Key      string

	Proxy      string
	NoProxy    string
	MaxRedirs  int
	Resolve    []string
	ConnectTo  []string
	UnixSocket string
	IPv4, IPv6 bool
	HTTP1      bool
	HTTP2      bool

	Compressed     bool
	ConnectTimeout cli.Seconds
	Verbose        bool
}

func newConnection(streams *term.Streams) *connection {
	return &connection{streams: streams, MaxRedirs: 50}
}

// bind binds the flags.
func (c *connection) bind(flags *pflag.FlagSet) {
	flags.StringVarP(&c.Method, "request", "X", "", "use this `method`; POST with a body, else GET")
	flags.StringVar(&c.URL, "url", "", "the `URL`, as another way to give it")
	flags.StringArrayVarP(&c.Headers, "header", "H", nil, "send a `header` \"Name: value\", \"Name:\" to leave one out, or those of @file")
	c.bindBody(flags)
	flags.StringVarP(&c.User, "user", "u", "", "basic authentication as `user:password`")
	flags.StringVar(&c.Bearer, "oauth2-bearer", "", "send this bearer `token`")
	flags.StringVarP(&c.UserAgent, "user-agent", "A", "", "send this user agent `name`")
	flags.StringArrayVarP(&c.Cookies, "cookie", "b", nil, "send these `cookies`, \"a=1; b=2\", or those of a cookie file")
	flags.BoolVarP(&c.Insecure, "insecure", "k", false, "accept any server certificate")
	flags.StringVar(&c.CACert, "cacert", "", "trust the certificates of this PEM `file` only")
	flags.StringVarP(&c.Cert, "cert", "E", "", "client certificate, a PEM `file`")
	flags.StringVar(&c.Key, "key", "", "key of the client certificate, a PEM `file`; that of --cert if not given")
	flags.StringVarP(&c.Proxy, "proxy", "x", "", "go through a `proxy`: [http|https|socks5|socks5h://][user:password@]host[:port]")
	flags.StringVar(&c.NoProxy, "noproxy", "", "reach these `hosts`, separated by commas, without a proxy; * for all")
	flags.IntVar(&c.MaxRedirs, "max-redirs", c.MaxRedirs, "follow at most this many redirects, -1 for any `number`")
	flags.StringArrayVar(&c.Resolve, "resolve", nil, "take `host:port:address` for the address of a host")
	flags.StringArrayVar(&c.ConnectTo, "connect-to", nil, "connect to another place: `host:port:host:port`")
	flags.StringVar(&c.UnixSocket, "unix-socket", "", "connect through this Unix socket `file`")
	flags.BoolVarP(&c.IPv4, "ipv4", "4", false, "use IPv4 addresses only")
	flags.BoolVarP(&c.IPv6, "ipv6", "6", false, "use IPv6 addresses only")
	flags.BoolVar(&c.HTTP1, "http1.1", false, "speak HTTP/1.1 only")
	flags.BoolVar(&c.HTTP2, "http2", false, "speak HTTP/2 where TLS lets the two sides agree on it; the default")
	flags.BoolVar(&c.Compressed, "compressed", false, "ask for gzip, deflate, br or zstd; decoded as it streams")
	flags.Var(&c.ConnectTimeout, "connect-timeout", "give up connecting after this `time`, in seconds or as 500ms")
	flags.BoolVarP(&c.Verbose, "verbose", "v", false, "show what is sent and received on stderr, without credentials")
	bindIgnored(flags)
}

// bindIgnored accepts the flags of curl that ask for what is done in any case.
func bindIgnored(flags *pflag.FlagSet) {
	var ignored bool
	for _, name := range []struct{ long, short string }{
		{"location", "L"}, {"no-buffer", "N"}, {"silent", "s"}, {"show-error", "S"}, {"fail", "f"},
	} {
		flags.BoolVarP(&ignored, name.long, name.short, false, "accepted for curl's sake: it is so in any case")
		flags.Lookup(name.long).Hidden = true
	}
}

// client returns a client that follows redirects as the flags say. It has no
// time limit: a stream may last for days.
func (c *connection) client() (*http.Client, error) {
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	jar, err := c.cookieJar()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, CheckRedirect: c.checkRedirect}
	if jar != nil {
		client.Jar = jar
	}
	if c.Verbose {
		client.Transport = &verboseTransport{next: client.Transport, w: c.streams.Err}
	}
	if c.Compressed {
		client.Transport = decompressing{client.Transport}
	}
	return client, nil
}

// request returns the request for a URL as it may be typed: :8080/path is on
// this host, and no scheme means http.
func (c *connection) request(ctx context.Context, rawURL string) (*http.Request, error) {
	target, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	method := c.Method
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	var req *http.Request
	if body == nil {
		req, err = http.NewRequestWithContext(ctx, method, target.String(), nil)
	} else {
		req, err = http.NewRequestWithContext(ctx, method, target.String(), body.reader())
	}
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "ssectl/"+versionString())
	if !c.Compressed {
		req.Header.Set("Accept-Encoding", "identity")
	}
	if body != nil {
		req.Header.Set("Content-Type", body.contentType)
	}
	return req, c.setHeaders(req)
}

func (c *connection) setHeaders(req *http.Request) error {
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	if c.User != "" {
		name, password, ok := strings.Cut(c.User, ":")
		if !ok {
			return fmt.Errorf("--user wants user:password")
		}
		req.SetBasicAuth(name, password)
	}
	if c.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.Bearer)
	}
	for _, cookies := range c.Cookies {
		if strings.Contains(cookies, "=") {
			line := strings.TrimPrefix(req.Header.Get("Cookie")+"; "+cookies, "; ")
			req.Header.Set("Cookie", line)
		}
	}
	for name, values := range req.Header {
		if strings.ContainsFunc(values[0], notInValue) {
			return controlError(name)
		}
	}
	seen := map[string]bool{}
	for _, header := range c.Headers {
		lines := []string{header}
		if file, ok := strings.CutPrefix(header, "@"); ok {
			text, err := c.readFile(file)
			if err != nil {
				return fmt.Errorf("headers: %w", err)
			}
			lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "#") })
		}
		for _, line := range lines {
			if err := setHeader(req, line, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// givesCredentials reports whether the flags have any, as far as names tell.
func (c *connection) givesCredentials() bool {
	return c.User != "" || c.Bearer != "" || c.Cookies != nil || slices.ContainsFunc(c.Headers, func(header string) bool {
		name, _, _ := strings.Cut(header, ":")
		return redact.Name(name)
	})
}

// gives reports whether a --header is of the given name.
func (c *connection) gives(name string) bool {
	return slices.ContainsFunc(c.Headers, func(header string) bool {
		given, _, _ := strings.Cut(header, ":")
		return strings.EqualFold(strings.TrimSpace(given), name)
	})
}

func controlError(name string) error {
	return fmt.Errorf("header %s has a control character in its value", name)
}

// setHeader does what curl does with a -H: "Name: value" sets, "Name:" takes
// away, "Name;" sends the header empty. The first of a name replaces what was
// there by itself, further ones are added.
func setHeader(req *http.Request, line string, seen map[string]bool) error {
	if strings.TrimSpace(line) == "" {
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	empty := false
	if !ok {
		name, empty = strings.CutSuffix(strings.TrimSpace(line), ";")
		if !empty {
			return errors.New(`a header has no colon, want "Name: value"`)
		}
	}
	name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case name == "" || strings.ContainsFunc(name, notInToken):
		return fmt.Errorf("no header can have the name %q", name)
	case strings.ContainsFunc(value, notInValue):
		return controlError(name)
	case name == "Content-Length" && value != strconv.FormatInt(req.ContentLength, 10):
		return fmt.Errorf("header Content-Length is that of the body, %d", req.ContentLength)
	case name == "Transfer-Encoding" && !strings.EqualFold(value, "chunked"):
		return errors.New("header Transfer-Encoding: want chunked")
	case name == "Transfer-Encoding":
		req.TransferEncoding = []string{"chunked"}
	case name == "Host" && value != "":
		req.Host = value
	case value == "" && !empty:
		req.Header[name] = nil // a nil slice keeps net/http and listen from adding theirs
	case seen[name]:
		req.Header.Add(name, value)
	default:
		req.Header.Set(name, value)
	}
	seen[name] = true
	return nil
}

// notInToken reports what no name of a header has
// (https://www.rfc-editor.org/rfc/rfc9110#name-tokens).
func notInToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// notInValue reports what no value of a header has.
func notInValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// readFile reads a file, or standard input for "-".
func (c *connection) readFile(name string) ([]byte, error) {
	if name == "-" {
		return readAll(c.streams.In)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// schemeOf returns the scheme that text begins with, with its "://", or "" if
// there is none.
func schemeOf(text string) string {
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

// parseURL reads a URL as people type it, and makes it what can be asked for:
// without blanks, and without /../ in its path.
func parseURL(raw string) (*url.URL, error) {
	text := strings.ReplaceAll(raw, " ", "%20")
	if strings.HasPrefix(text, ":") {
		text = "localhost" + text
	}
	if schemeOf(text) == "" {
		if strings.HasPrefix(text, "http:/") || strings.HasPrefix(text, "https:/") {
			return nil, fmt.Errorf("not a URL, want two slashes: %q", withoutSecrets(raw))
		}
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err == nil {
		_, err = strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16)
	}
	if err != nil {
		return nil, fmt.Errorf("not a URL: %q", withoutSecrets(raw))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("cannot speak %q, only http and https", u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("URL without a host: %q", withoutSecrets(raw))
	}
	return u.ResolveReference(u), nil
}

// withoutSecrets returns what may be shown of a text that is no URL: neither
// user information nor a query.
func withoutSecrets(raw string) string {
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		raw = raw[:at]
	}
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		return schemeOf(raw) + raw[at+1:]
	}
	return raw
}
