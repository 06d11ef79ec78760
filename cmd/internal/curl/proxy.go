package curl

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
)

// proxyFunc chooses the proxy: --proxy for every host, else that of the environment,
// ALL_PROXY last; but none for the hosts of --noproxy, or else NO_PROXY.
func (f *Flags) proxyFunc() (func(*http.Request) (*url.URL, error), error) {
	choose := http.ProxyFromEnvironment
	direct := f.NoProxy
	if direct == "" {
		direct = environment("no_proxy")
	}
	if f.Proxy != "" {
		u, err := parseProxy(f.Proxy)
		if err != nil {
			return nil, fmt.Errorf("--%sproxy: %w", f.prefix, err)
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
	if httpx.Scheme(text) == "" {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("unsupported scheme %q; want http, https, socks5 or socks5h", u.Scheme)
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
