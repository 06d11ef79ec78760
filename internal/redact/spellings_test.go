package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestSpellings hides a known secret in each way in which it may be written.
func TestSpellings(t *testing.T) {
	const value = `Aü/b+c"d<e>&(f)=g h`
	var s Secrets
	s.Add(value)
	quoted, _ := json.Marshal(value)
	for _, text := range []string{
		value, url.QueryEscape(value), url.PathEscape(value), "A%c3%bc%2fb%2bc%22d%3ce%3e%26%28f%29%3dg+h",
		"A%C3%BC%2Fb%2Bc%22d%3Ce%3E%26(f)%3Dg%20h", // of encodeURIComponent
		string(quoted), `"Aü/b+c\"d<e>&(f)=g h"`,
		base64.StdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
		base64.StdEncoding.EncodeToString([]byte(value + ":x")),
	} {
		const most = 8 // letters of base64, of the last bytes and the text after them
		got := strings.Trim(s.Clean(text), `"`)
		if rest, ok := strings.CutPrefix(got, Placeholder); !ok || len(rest) > most {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestRequestField(t *testing.T) {
	for _, name := range []string{"token", "access_token", "refreshToken", "id_token", "api_token", "session_token", "auth-token", "device_token", "password", "X-Token"} {
		if !RequestField(name) {
			t.Errorf("%s is no secret", name)
		}
	}
	for _, name := range []string{"", "max_tokens", "tokens", "tokenizer", "token_type", "token_count", "page_token", "nextPageToken", "eos_token", "stop_token", "cursor", "text"} {
		if RequestField(name) {
			t.Errorf("%s is a secret", name)
		}
	}
	if Field("token") {
		t.Error("the token of an answer is a secret")
	}
}
