package redact

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What is kept for ever, and what a request in progress needs, is not forgotten
// after however many others.
func TestKept(t *testing.T) {
	var flags, all Secrets
	flags.Credentials("X-Api-Key", "of-the-flags-1")
	all.Keep(&flags)
	own := all.Own(true)
	own.Add("of-a-request-1")
	for i := range 5000 {
		all.Add(fmt.Sprintf("another-secret-%d", i))
	}
	const text = "of-the-flags-1, of-a-request-1."
	if got := all.Clean(text); got != "REDACTED, REDACTED." {
		t.Errorf("all have %q", got)
	}
	if got := own.Clean(text + " another-secret-4999"); got != "REDACTED, REDACTED. another-secret-4999" {
		t.Errorf("the request has %q", got)
	}
	if n := len(all.values); n > maxKnown+8 {
		t.Errorf("%d values are remembered", n)
	}
	all.Release(own.Taught())
	for i := range 2 * maxKnown {
		all.Add(fmt.Sprintf("one-more-secret-%d", i))
	}
	if got := all.Clean(text); got != "REDACTED, of-a-request-1." {
		t.Errorf("after the request, all have %q", got)
	}
}

func TestOwnIsBounded(t *testing.T) {
	header := http.Header{"Authorization": {"Bearer the-gravest-one"}, "X-Api-Key": {"the-next-one"}}
	for i := range maxOwn {
		header.Add("Cookie", fmt.Sprintf("c%d=Value-%07d", i, i))
		header.Add(fmt.Sprintf("A-%d", i), fmt.Sprintf("0a1b2c3d4e5f6a7b-%07d", i))
	}
	own := new(Secrets).Own(false)
	own.Header(header)
	if got := own.Clean("the-gravest-one the-next-one Value-0000000 Value-0001000"); got != "REDACTED REDACTED REDACTED REDACTED" {
		t.Error(got)
	}
	if n := len(own.values); n > maxOwn {
		t.Errorf("%d values are remembered", n)
	}
}

func TestHeaderValues(t *testing.T) {
	for _, test := range []struct{ name, value, secret string }{
		{"X-Foo", "Bearer XFOOxfoo99", "XFOOxfoo99"},
		{"Cookie", "sid=lowercasesecretvalue", "lowercasesecretvalue"},
		{"Cookie", "sid=lowercase", "lowercase"},
		{"Cookie", "a=averyveryverylongvalue", "averyveryverylongvalue"},
		{"Authorization", "Bearer some.token-1", "some.token-1"},
	} {
		var s Secrets
		s.Credentials(test.name, test.value)
		if got := s.Clean("it is " + test.secret + "."); got != "it is REDACTED." {
			t.Errorf("%s: %s: %q", test.name, test.value, got)
		}
	}
	var s Secrets
	s.Credentials("Cookie", "theme=darkmode; lang=english-us")
	if got := s.Clean("darkmode in english-us"); strings.Contains(got, Placeholder) {
		t.Error(got)
	}
}

func TestUserinfo(t *testing.T) {
	for _, user := range []string{"me:hunter2hunter2@", "a-key-for-a-name@", "a-key-for-a-name:@"} {
		u, err := url.Parse("https://" + user + "api.test/?sig=signed-1234")
		if err != nil {
			t.Fatal(err)
		}
		var s Secrets
		s.URL(u)
		name := u.User.Username()
		password, _ := u.User.Password()
		for _, secret := range []string{base64.StdEncoding.EncodeToString([]byte(name + ":" + password)), strings.TrimRight(strings.TrimSuffix(user, "@"), ":"), "signed-1234"} {
			if got := s.Clean("it is " + secret + " there"); strings.Contains(got, secret) {
				t.Errorf("%s: %s", user, got)
			}
		}
	}
}

func TestPath(t *testing.T) {
	var s Secrets
	s.Add("messages")
	s.Add("messages-4f5e6d7c")
	for path, want := range map[string]string{
		"/v1/openai/messages":    "/v1/openai/messages",
		"/v1/messages-4f5e6d7c":  "/v1/REDACTED",
		"/v1/messages-4f5e6d7/x": "/v1/messages-4f5e6d7/x",
	} {
		if got := s.Path(path); got != want {
			t.Errorf("%s became %s, want %s", path, got, want)
		}
	}
}
