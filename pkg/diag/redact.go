package diag

import (
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/internal/redact"
)

// shownRequest returns request headers as they may be shown.
func shownRequest(h http.Header) map[string]string {
	shown := map[string]string{}
	for name, values := range h {
		if len(values) > 0 {
			name = http.CanonicalHeaderKey(name)
			shown[name] = redact.RequestHeader(name, strings.Join(values, ", "))
		}
	}
	return shown
}
