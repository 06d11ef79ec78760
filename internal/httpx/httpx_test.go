package httpx

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTitle(t *testing.T) {
	for _, test := range []struct {
		body, title string
		isPage      bool
	}{
		{"<!DOCTYPE html><TITLE>Log in</TITLE>", "Log in", true},
		{" <html><title lang=de>\n a  b </title>", "a b", true},
		{"<html>no title", "", true},
		{"<html><title>cut", "", true},
		{"<html>\xe4\xf6\xfc\xe4\xf6\xfc\xe4\xf6\xfc<title>\xdcber uns</title>", "\ufffdber uns", true},
		{"<html>\u0130\u0130\u0130\u0130<title>x</title>", "x", true},
		{"data: <title>x</title>\n\n", "", false},
		{"", "", false},
	} {
		if title, isPage := Title([]byte(test.body)); title != test.title || isPage != test.isPage {
			t.Errorf("%q: %q, %v, want %q, %v", test.body, title, isPage, test.title, test.isPage)
		}
	}
}

// FuzzTitle wants text for any page.
func FuzzTitle(f *testing.F) {
	f.Add([]byte("<html>\xff<title>\xfe</title>"))
	f.Add([]byte("<title></title"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if title, _ := Title(body); !utf8.ValidString(title) || strings.ContainsAny(title, "\r\n") {
			t.Errorf("%q has the title %q", body, title)
		}
	})
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "127.0.0.1": true, "127.8.9.1": true, "::1": true,
		"127.example.com": false, "localhost.example.com": false, "10.0.0.1": false, "": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

func TestSetDefault(t *testing.T) {
	h := http.Header{"A": {"set"}, "B": nil}
	for _, name := range []string{"a", "b", "c"} {
		SetDefault(h, name, "default")
	}
	if h.Get("A") != "set" || h["B"] != nil || h.Get("C") != "default" {
		t.Errorf("%v", h)
	}
}

func TestIsTokenAndIsFieldValue(t *testing.T) {
	for name, want := range map[string]bool{"X-A": true, "a!#$%&'*+.^_`|~1": true, "": false, "a b": false, "a:": false, "ü": false, "a\n": false, "a\x7f": false} {
		if got := IsToken(name); got != want {
			t.Errorf("IsToken(%q): %v, want %v", name, got, want)
		}
	}
	for value, want := range map[string]bool{"": true, "a\tb ü": true, "a\r\nb: c": false, "\x00": false, "\x7f": false} {
		if got := IsFieldValue(value); got != want {
			t.Errorf("IsFieldValue(%q): %v, want %v", value, got, want)
		}
	}
}

func TestValidator(t *testing.T) {
	for _, test := range []struct{ tag, modified, want string }{
		{`"a"`, "then", `"a"`}, {`W/"a"`, "then", "then"}, {"", "then", "then"}, {`W/"a"`, "", ""},
	} {
		if got := Validator(http.Header{"Etag": {test.tag}, "Last-Modified": {test.modified}}); got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}

func TestWithoutURL(t *testing.T) {
	plain := errors.New("plain")
	for _, test := range []struct {
		err  error
		want string
	}{
		{plain, "plain"},
		{&url.Error{Op: "Get", URL: "http://h/?token=x", Err: plain}, "plain"},
		{&url.Error{Op: "Get", URL: "http://h/", Err: errors.New(`failed to parse Location header "::token"`)}, "redirect to an invalid URL"},
	} {
		if got := WithoutURL(test.err); got.Error() != test.want {
			t.Errorf("%v: %v", test.err, got)
		}
	}
}

func TestHasToken(t *testing.T) {
	header := http.Header{"Connection": {"keep-alive, Upgrade", "x"}}
	for token, want := range map[string]bool{"upgrade": true, "X": true, "keep": false, "": false} {
		if got := HasToken(header, "connection", token); got != want {
			t.Errorf("HasToken(%v, %q) = %v", header, token, got)
		}
	}
}
