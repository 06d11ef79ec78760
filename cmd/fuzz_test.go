package cmd

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/redact"
)

// FuzzFlagValues reads values of flags: what is taken is within bounds.
func FuzzFlagValues(f *testing.F) {
	for _, text := range []string{"64k", "9999999999g", "-1", "0", "1e3", "5xx,429", "20%", "1.5", "500ms", "9223372036854775807", "NaN", "Inf", "١k", "k", "5x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size cli.ByteSize
		if err := size.Set(text); err == nil && (size <= 0 || size > cli.MaxSize) {
			t.Errorf("%q is taken for %d bytes", text, size)
		}
		var wait cli.Seconds
		if err := wait.Set(text); err == nil && wait < 0 {
			t.Errorf("%q is taken for %v", text, time.Duration(wait))
		}
		if share, err := parseShare(text); err == nil && !(share >= 0 && share <= 1) {
			t.Errorf("%q is taken for %v", text, share)
		}
		if on, err := parseStatuses(text); err == nil && on != nil && on(0) {
			t.Errorf("%q takes the status 0", text)
		}
		if header, err := parseServeHeaders([]string{text}); err == nil {
			for name, values := range header {
				if strings.ContainsAny(name+values[0], "\r\n\x00") {
					t.Errorf("%q is taken for the header %q: %q", text, name, values[0])
				}
			}
		}
	})
}

// FuzzRedactURL wants the secret of a query parameter hidden, whatever stands
// around it and however its name is written.
func FuzzRedactURL(f *testing.F) {
	f.Add("http://user:pw@host/path", "a=1", "access_token", "b=2#c")
	f.Add(":8080", "", "%74oken", "")
	f.Add("host", ";", "sig", "&&=")
	f.Add("", "%zz", "api%5Fkey", "=")
	f.Fuzz(func(t *testing.T, base, before, name, after string) {
		const secret = "kanarienvogel"
		if strings.Contains(base+before+name+after, secret) {
			return
		}
		u, err := parseURL(base + "?" + before + "&" + name + "=" + secret + "&" + after)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q", err)
			}
			return
		}
		if plain, err := url.QueryUnescape(name); err != nil || !redact.Name(plain) || strings.ContainsAny(name, "=&#;") {
			return
		}
		if got := redact.URL(u); strings.Contains(got, secret) {
			t.Errorf("%q is shown as %q", u, got)
		}
	})
}

// FuzzConnection makes requests and dial rules of what a user may type: they
// are refused or can be sent.
func FuzzConnection(f *testing.F) {
	f.Add("Name: value", "a:b:c:d", "example.com:443:[::1],127.0.0.1", "*.example.com, 10.0.0.0/8", "host\tTRUE\t/\tFALSE\t0\tname\tvalue")
	f.Add("X;", "::127.0.0.1:80", "*:1:::1", "*", "#HttpOnly_h\tx\ty")
	f.Add(":", "[", "]:[", ",,/", "\t\t\t\t\t\t")
	f.Fuzz(func(t *testing.T, header, connectTo, resolve, noProxy, cookie string) {
		c := newConnection(&term.Streams{In: strings.NewReader("")})
		if !strings.HasPrefix(header, "@") { // a file
			c.Headers = []string{header}
		}
		c.ConnectTo, c.Resolve = []string{connectTo}, []string{resolve}
		matchesNoProxy(noProxy, "example.com")
		if jar, err := cookiejar.New(nil); err == nil {
			addCookie(jar, cookie)
		}
		if rules, err := c.dialRules(); err == nil {
			for _, rule := range rules {
				if to, ok := rule.apply("example.com:80"); ok && len(to) == 0 {
					t.Errorf("%q, %q lead nowhere", connectTo, resolve)
				}
			}
		}
		if req, err := c.request(context.Background(), ":1"); err == nil && req.Method != http.MethodGet {
			t.Errorf("header %q makes a %s", header, req.Method)
		}
	})
}
