package redact

import (
	"net/url"
	"testing"
)

func TestName(t *testing.T) {
	for _, name := range []string{
		"key", "api_key", "apiKey", "APIKey", "apikey", "x-api-key", "X-Pass", "pwd", "passwd", "pass", "token", "access_token",
		"accessToken", "accesstoken", "PHPSESSID", "sid", "sig", "X-Amz-Signature", "Set-Cookie", "Authorization",
		"client_secret", "session", "code", "key2", "jwt", "password1",
	} {
		if !Name(name) {
			t.Errorf("%s is not taken for a secret", name)
		}
	}
	for _, name := range []string{
		"author", "keyword", "monkey", "tokens", "max_tokens", "maxTokens", "tokenizer", "compass", "passage", "signal",
		"design", "keyboard", "secretary", "encoder", "topic", "barcode", "",
	} {
		if Name(name) {
			t.Errorf("%s is taken for a secret", name)
		}
	}
}

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://u:p@h/x?a=hunter2#f":                    "http://h/x?a=REDACTED",
		"http://h/?topic=news&max_tokens=100&live=true": "http://h/?topic=news&max_tokens=100&live=true",
		"http://h/?pin=1234&%70ass=x&lastEventId=7":     "http://h/?pin=REDACTED&%70ass=REDACTED&lastEventId=7",
		"http://h/?eyJhbGciOi":                          "http://h/?REDACTED",
		"http://h/?a=1&eyJhbGciOi&live&pa%73s":          "http://h/?a=1&REDACTED&live&REDACTED",
		"http://h/?topic=a;token=x&a=1;token=x":         "http://h/?topic=REDACTED&a=REDACTED",
		"http://h/?k=&=x":                               "http://h/?k=&=REDACTED",
		"http://h/?%zz=x":                               "http://h/?%zz=REDACTED",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := URL(u); got != want {
			t.Errorf("URL(%s) is %s, want %s", in, got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, test := range []struct {
		show              func(name, value string) string
		name, value, want string
	}{
		{RequestHeader, "Authorization", "Bearer abc", "Bearer REDACTED"},
		{RequestHeader, "Authorization", "correct horse battery", "REDACTED"},
		{RequestHeader, "X-Anything", "abc", "REDACTED"},
		{RequestHeader, "accept", "text/event-stream", "text/event-stream"},
		{ResponseHeader, "Location", "/x?ticket=abc", "/x?ticket=REDACTED"},
		{ResponseHeader, "X-Request-Id", "abc", "abc"},
		{ResponseHeader, "Set-Cookie", "a=b", "REDACTED"},
		{ResponseHeader, "Mcp-Session-Id", "abc", "REDACTED"},
		{ResponseHeader, "Access-Control-Allow-Credentials", "true", "true"},
	} {
		if got := test.show(test.name, test.value); got != test.want {
			t.Errorf("%s: %s is shown as %q, want %q", test.name, test.value, got, test.want)
		}
	}
}
