package window

import (
	"testing"

	"github.com/ssectl/ssectl/internal/redact"
)

// TestTokenFields hides a field called token in requests, and leaves that of an
// answer, unless it is known.
func TestTokenFields(t *testing.T) {
	s := &secrets{known: new(redact.Secrets)}
	for _, test := range []struct {
		text      string
		isRequest bool
		want      string
	}{
		{`{"token":" tide"}`, false, `{"token":" tide"}`},
		{`{"auth":{"token":"known-value-1","page_token":"p"},"token":12}`, true, `{"auth":{"token":"REDACTED","page_token":"p"},"token":12}`},
		{`{"\u0074oken":"abc"}`, true, `{"\u0074oken":"REDACTED"}`},
		{`token=abc&page=2`, true, `token=REDACTED&page=2`},
		{`{"token":"known-value-1"}`, false, `{"token":"REDACTED"}`},
	} {
		if got := s.text(test.text, test.isRequest); got != test.want {
			t.Errorf("%s became %s, want %s", test.text, got, test.want)
		}
	}
}
