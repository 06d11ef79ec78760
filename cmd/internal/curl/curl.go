// Package curl makes an HTTP client and requests from the flags of curl, so that
// a line for curl works as a line for ssectl. [Flags.Bind] binds the flags,
// [Flags.Client] and [Flags.Request] apply them. It knows no command.
package curl

import (
	"errors"
	"net/http"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// Flags are the flags that describe how to reach a URL, with the letters and the
// meaning that they have in curl (https://curl.se/docs/manpage.html).
type Flags struct {
	streams *term.Streams
	version string // of the tool, for the User-Agent
	prefix  string // of the names of the flags

	Schemes []string // that a URL may have besides http and https

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
	Silent         bool // no progress is shown
	Verbose        bool
}

// New returns flags with their defaults. The streams are where --verbose writes,
// and where a file named - is read from; the version is that of the tool.
func New(streams *term.Streams, version string) *Flags {
	return &Flags{streams: streams, version: version, MaxRedirs: 50}
}

// Bind binds the flags.
func (f *Flags) Bind(flags *pflag.FlagSet) {
	flags.StringVarP(&f.Method, "request", "X", "", "use this `method` (default GET, or POST with a body)")
	flags.StringVar(&f.URL, "url", "", "use this `URL` in place of the argument")
	flags.StringArrayVarP(&f.Headers, "header", "H", nil, "send this `header`, \"Name: value\"; \"Name:\" removes one; @file reads headers from a file")
	f.bindBody(flags)
	flags.StringVarP(&f.User, "user", "u", "", "authenticate as `user:password` (HTTP Basic)")
	flags.StringVar(&f.Bearer, "oauth2-bearer", "", "send this bearer `token`")
	flags.StringVarP(&f.UserAgent, "user-agent", "A", "", "send this `name` as User-Agent")
	flags.StringArrayVarP(&f.Cookies, "cookie", "b", nil, "send these `cookies`, \"a=1; b=2\", or those of a cookie file")
	flags.BoolVarP(&f.Insecure, "insecure", "k", false, "accept any server certificate")
	flags.StringVar(&f.CACert, "cacert", "", "trust only the certificates in this PEM `file`")
	flags.StringVarP(&f.Cert, "cert", "E", "", "present the client certificate in this PEM `file`")
	flags.StringVar(&f.Key, "key", "", "use the key in this PEM `file` for the client certificate (default the file of --cert)")
	flags.StringVarP(&f.Proxy, "proxy", "x", "", "connect through this `proxy`: [http|https|socks5|socks5h://][user:password@]host[:port]")
	flags.StringVar(&f.NoProxy, "noproxy", "", "connect to these `hosts` without a proxy, separated by commas; * means all")
	flags.IntVar(&f.MaxRedirs, "max-redirs", f.MaxRedirs, "follow at most this `number` of redirects; -1 means any number")
	flags.StringArrayVar(&f.Resolve, "resolve", nil, "use an address for a host and port, as `host:port:address`")
	flags.StringArrayVar(&f.ConnectTo, "connect-to", nil, "connect to another host and port, as `host:port:host:port`")
	flags.StringVar(&f.UnixSocket, "unix-socket", "", "connect through this Unix socket `file`")
	flags.BoolVarP(&f.IPv4, "ipv4", "4", false, "use IPv4 addresses only")
	flags.BoolVarP(&f.IPv6, "ipv6", "6", false, "use IPv6 addresses only")
	flags.BoolVar(&f.HTTP1, "http1.1", false, "use HTTP/1.1 only")
	flags.BoolVar(&f.HTTP2, "http2", false, "use HTTP/2 where the server agrees to it over TLS; this is the default")
	flags.BoolVar(&f.Compressed, "compressed", false, "accept gzip, deflate, br and zstd, and decode them as they stream")
	flags.Var(&f.ConnectTimeout, "connect-timeout", "give up connecting after this `duration`, in seconds or as 500ms")
	flags.BoolVarP(&f.Verbose, "verbose", "v", false, "show requests and responses on stderr, without credentials")
	flags.BoolVarP(&f.Silent, "silent", "s", false, "show no progress")
	flags.Lookup("silent").Hidden = true
	bindIgnored(flags)
}

// BindUpstream binds the flags that describe how to reach the server that requests
// are passed on to. Their names begin with "upstream-".
func (f *Flags) BindUpstream(flags *pflag.FlagSet) {
	f.prefix = "upstream-"
	flags.StringArrayVar(&f.Headers, f.prefix+"header", nil, "send this `header`, \"Name: value\", to the upstream in place of the client's; \"Name:\" removes one; @file reads headers from a file")
	flags.BoolVar(&f.Insecure, f.prefix+"insecure", false, "accept any certificate of the upstream")
	flags.StringVar(&f.CACert, f.prefix+"cacert", "", "trust only the certificates in this PEM `file`")
	flags.StringVar(&f.Cert, f.prefix+"cert", "", "present the client certificate in this PEM `file` to the upstream")
	flags.StringVar(&f.Key, f.prefix+"key", "", "use the key in this PEM `file` for it (default the file of --upstream-cert)")
	flags.StringVar(&f.Proxy, f.prefix+"proxy", "", "connect through this `proxy`: [http|https|socks5|socks5h://][user:password@]host[:port]")
	flags.StringVar(&f.NoProxy, f.prefix+"noproxy", "", "connect to these `hosts` without a proxy, separated by commas; * means all")
	flags.StringArrayVar(&f.Resolve, f.prefix+"resolve", nil, "use an address for a host and port, as `host:port:address`")
	flags.StringArrayVar(&f.ConnectTo, f.prefix+"connect-to", nil, "connect to another host and port, as `host:port:host:port`")
	flags.StringVar(&f.UnixSocket, f.prefix+"unix-socket", "", "connect through this Unix socket `file`")
	flags.BoolVar(&f.HTTP1, f.prefix+"http1.1", false, "use HTTP/1.1 only (default HTTP/2 where the upstream agrees to it over TLS)")
	flags.Var(&f.ConnectTimeout, f.prefix+"connect-timeout", "give up connecting after this `duration`, in seconds or as 500ms")
}

// Transport returns a transport that connects as the flags say. It decodes
// nothing, and has no time limit but that for connecting.
func (f *Flags) Transport() (*http.Transport, error) { return f.transport() }

// Header returns the header fields that the flags set, Host included. Those without
// values are to be removed.
func (f *Flags) Header() (http.Header, error) {
	for _, line := range f.Headers {
		if !strings.HasPrefix(line, "@") && !strings.ContainsAny(line, ":;") { // which curl ignores
			return nil, errors.New(`a header without a colon: want "Name: value"`)
		}
	}
	req := &http.Request{Header: http.Header{}}
	if err := f.setHeaders(req); err != nil {
		return nil, err
	}
	if req.Host != "" {
		req.Header.Set("Host", req.Host)
	}
	return req.Header, nil
}

// bindIgnored accepts the flags of curl that ask for the default behavior.
func bindIgnored(flags *pflag.FlagSet) {
	var ignored bool
	for _, name := range []struct{ long, short string }{
		{"location", "L"}, {"no-buffer", "N"}, {"show-error", "S"}, {"fail", "f"},
	} {
		flags.BoolVarP(&ignored, name.long, name.short, false, "accepted for compatibility with curl; changes nothing")
		flags.Lookup(name.long).Hidden = true
	}
}

// Client returns a client that follows redirects as the flags say. It has no
// time limit: a stream may last for days.
func (f *Flags) Client() (*http.Client, error) {
	transport, err := f.transport()
	if err != nil {
		return nil, err
	}
	jar, err := f.cookieJar()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, CheckRedirect: f.checkRedirect}
	if jar != nil {
		client.Jar = jar
	}
	if f.Verbose {
		client.Transport = &verboseTransport{next: client.Transport, w: f.streams.Err}
	}
	if f.Compressed {
		client.Transport = decompressing{client.Transport}
	}
	return client, nil
}
