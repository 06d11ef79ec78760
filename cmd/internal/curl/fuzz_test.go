package curl

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/redact"
)

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
		u, err := ParseURL(base + "?" + before + "&" + name + "=" + secret + "&" + after)
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

// FuzzFlags makes requests and dial rules of anything that a user may type: they
// are refused or can be sent.
func FuzzFlags(f *testing.F) {
	f.Add("Name: value", "a:b:c:d", "example.com:443:[::1],127.0.0.1", "*.example.com, 10.0.0.0/8", "host\tTRUE\t/\tFALSE\t0\tname\tvalue")
	f.Add("X;", "::127.0.0.1:80", "*:1:::1", "*", "#HttpOnly_h\tx\ty")
	f.Add(":", "[", "]:[", ",,/", "\t\t\t\t\t\t")
	f.Fuzz(func(t *testing.T, header, connectTo, resolve, noProxy, cookie string) {
		flags := New(&term.Streams{In: strings.NewReader("")}, "")
		if !strings.HasPrefix(header, "@") { // a file
			flags.Headers = []string{header}
		}
		flags.ConnectTo, flags.Resolve = []string{connectTo}, []string{resolve}
		matchesNoProxy(noProxy, "example.com")
		if jar, err := cookiejar.New(nil); err == nil {
			addCookie(jar, cookie)
		}
		if rules, err := flags.dialRules(); err == nil {
			for _, rule := range rules {
				if to, ok := rule.apply("example.com:80"); ok && len(to) == 0 {
					t.Errorf("%q, %q lead nowhere", connectTo, resolve)
				}
			}
		}
		if req, err := flags.Request(context.Background(), ":1"); err == nil && req.Method != http.MethodGet {
			t.Errorf("header %q makes a %s", header, req.Method)
		}
	})
}
