package curl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// transport returns a transport that connects as the flags say.
func (f *Flags) transport() (*http.Transport, error) {
	dial, err := f.dialer()
	if err != nil {
		return nil, err
	}
	proxy, err := f.proxyFunc()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := f.tlsConfig()
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!f.HTTP1)
	return &http.Transport{
		DialContext:         dial,
		Proxy:               proxy,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: time.Duration(f.ConnectTimeout),
		Protocols:           protocols,
		DisableCompression:  true, // --compressed is an affair of decompressing
		ReadBufferSize:      16 << 10,
		IdleConnTimeout:     30 * time.Second,

		MaxResponseHeaderBytes: maxHeader,
	}, nil
}

// maxHeader bounds the header of a response: its parts take six times their size.
// curl takes 300 kB.
const maxHeader = 3 << 20

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns the function that opens connections. First --connect-to and then
// --resolve replace the address, as in curl.
func (f *Flags) dialer() (dialFunc, error) {
	if f.IPv4 && f.IPv6 {
		return nil, errors.New("--ipv4 and --ipv6 exclude each other")
	}
	rules, err := f.dialRules()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: time.Duration(f.ConnectTimeout)}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if f.UnixSocket != "" {
			return dialer.DialContext(ctx, "unix", f.UnixSocket)
		}
		switch {
		case f.IPv4:
			network = "tcp4"
		case f.IPv6:
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

func (f *Flags) dialRules() ([]dialRule, error) {
	var rules []dialRule
	for _, text := range f.ConnectTo {
		parts := splitColons(text)
		if len(parts) != 4 {
			return nil, fmt.Errorf("--%sconnect-to %q: want host:port:host:port", f.prefix, text)
		}
		rules = append(rules, dialRule{parts[0], parts[1], []string{net.JoinHostPort(parts[2], parts[3])}})
	}
	for _, text := range f.Resolve {
		parts := splitColons(strings.TrimPrefix(text, "+"))
		if len(parts) < 3 {
			return nil, fmt.Errorf("--%sresolve %q: want host:port:address", f.prefix, text)
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

func (f *Flags) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: f.Insecure}
	if f.CACert != "" {
		pem, err := os.ReadFile(f.CACert)
		if err != nil {
			return nil, fmt.Errorf("--%scacert: %w", f.prefix, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--%scacert: no certificate in %s", f.prefix, f.CACert)
		}
	}
	if f.Cert == "" {
		if f.Key != "" {
			return nil, fmt.Errorf("--%[1]skey needs --%[1]scert", f.prefix)
		}
		return config, nil
	}
	key := f.Key
	if key == "" {
		key = f.Cert
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, key)
	if err != nil {
		return nil, fmt.Errorf("--%scert: %w", f.prefix, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
