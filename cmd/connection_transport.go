package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
)

// transport returns a transport that connects as the flags say.
func (c *connection) transport() (*http.Transport, error) {
	dial, err := c.dialer()
	if err != nil {
		return nil, err
	}
	proxy, err := c.proxyFunc()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!c.HTTP1)
	return &http.Transport{
		DialContext:         dial,
		Proxy:               proxy,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: time.Duration(c.ConnectTimeout),
		Protocols:           protocols,
		DisableCompression:  true, // --compressed is an affair of decompressing
		ReadBufferSize:      16 << 10,
		IdleConnTimeout:     30 * time.Second,
	}, nil
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns what opens connections: --connect-to and then --resolve
// rename the place, as in curl.
func (c *connection) dialer() (dialFunc, error) {
	if c.IPv4 && c.IPv6 {
		return nil, errors.New("--ipv4 and --ipv6 leave no address")
	}
	rules, err := c.dialRules()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: time.Duration(c.ConnectTimeout)}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if c.UnixSocket != "" {
			return dialer.DialContext(ctx, "unix", c.UnixSocket)
		}
		switch {
		case c.IPv4:
			network = "tcp4"
		case c.IPv6:
			network = "tcp6"
		}
		addresses := []string{address}
		for _, rule := range rules {
			if to, ok := rule.apply(addresses[0]); ok {
				addresses = to
			}
		}
		var failures []error
		for _, address := range addresses {
			conn, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				return conn, nil
			}
			failures = append(failures, err)
		}
		return nil, failures[len(failures)-1]
	}, nil
}

// A dialRule sends connections for one place, any host or port where that is
// empty, to others.
type dialRule struct {
	host, port string
	to         []string // host:port, the part that is empty stays as it was
}

func (r dialRule) apply(address string) ([]string, bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || r.host != "" && !strings.EqualFold(r.host, host) || r.port != "" && r.port != port {
		return nil, false
	}
	var to []string
	for _, t := range r.to {
		toHost, toPort, _ := net.SplitHostPort(t)
		if toHost == "" {
			toHost = host
		}
		if toPort == "" {
			toPort = port
		}
		to = append(to, net.JoinHostPort(toHost, toPort))
	}
	return to, true
}

func (c *connection) dialRules() ([]dialRule, error) {
	var rules []dialRule
	for _, text := range c.ConnectTo {
		parts := splitColons(text)
		if len(parts) != 4 {
			return nil, fmt.Errorf("--connect-to %q: want host:port:host:port", text)
		}
		rules = append(rules, dialRule{parts[0], parts[1], []string{net.JoinHostPort(parts[2], parts[3])}})
	}
	for _, text := range c.Resolve {
		parts := splitColons(strings.TrimPrefix(text, "+"))
		if len(parts) < 3 {
			return nil, fmt.Errorf("--resolve %q: want host:port:address", text)
		}
		rule := dialRule{host: strings.TrimPrefix(parts[0], "*"), port: parts[1]}
		for address := range strings.SplitSeq(strings.Join(parts[2:], ":"), ",") {
			rule.to = append(rule.to, net.JoinHostPort(strings.Trim(address, "[]"), ""))
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// splitColons splits at colons that are not in brackets, which it takes off.
func splitColons(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range text {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ':' && depth == 0:
			parts = append(parts, strings.Trim(text[start:i], "[]"))
			start = i + 1
		}
	}
	return append(parts, strings.Trim(text[start:], "[]"))
}

// proxyFunc chooses the proxy: --proxy for every host, else what the environment
// says, ALL_PROXY last; but none for those of --noproxy, or else NO_PROXY.
func (c *connection) proxyFunc() (func(*http.Request) (*url.URL, error), error) {
	choose := http.ProxyFromEnvironment
	direct := c.NoProxy
	if direct == "" {
		direct = environment("no_proxy")
	}
	if c.Proxy != "" {
		u, err := parseProxy(c.Proxy)
		if err != nil {
			return nil, fmt.Errorf("--proxy: %w", err)
		}
		choose = http.ProxyURL(u)
	} else if all := environment("all_proxy"); all != "" {
		u, err := parseProxy(all)
		if err != nil {
			return nil, fmt.Errorf("ALL_PROXY: %w", err)
		}
		choose = func(req *http.Request) (*url.URL, error) {
			special, err := http.ProxyFromEnvironment(req)
			if special != nil || err != nil || httpx.IsLoopback(req.URL.Hostname()) {
				return special, err
			}
			return u, nil
		}
	}
	return func(req *http.Request) (*url.URL, error) {
		if matchesNoProxy(direct, req.URL.Hostname()) {
			return nil, nil
		}
		return choose(req)
	}, nil
}

// environment returns a variable, which may have its name in capitals too.
func environment(name string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return os.Getenv(strings.ToUpper(name))
}

func parseProxy(text string) (*url.URL, error) {
	if schemeOf(text) == "" {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("cannot speak %q, only http, https, socks5 and socks5h", u.Scheme)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "1080") // curl's default
	}
	return u, nil
}

// matchesNoProxy reports whether host is in a list as curl takes it: names
// stand for their subdomains too, and networks are in CIDR form.
func matchesNoProxy(list, host string) bool {
	ip := net.ParseIP(host)
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if entry == "*" {
			return true
		}
		if _, network, err := net.ParseCIDR(entry); err == nil && ip != nil && network.Contains(ip) {
			return true
		}
		name := strings.TrimPrefix(entry, ".")
		host := strings.ToLower(host)
		if name != "" && (host == name || ip == nil && strings.HasSuffix(host, "."+name)) {
			return true
		}
	}
	return false
}

func (c *connection) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: c.Insecure}
	if c.CACert != "" {
		pem, err := os.ReadFile(c.CACert)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cacert: no certificate in %s", c.CACert)
		}
	}
	if c.Cert == "" {
		if c.Key != "" {
			return nil, errors.New("--key needs --cert")
		}
		return config, nil
	}
	key := c.Key
	if key == "" {
		key = c.Cert
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, key)
	if err != nil {
		return nil, fmt.Errorf("--cert: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
