package answer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
)

// SetCORS lets the pages of an origin read an answer, with cookies unless that is "*".
// An empty origin leaves the header as it is.
func SetCORS(header http.Header, r *http.Request, origin string) {
	if origin == "" {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	if origin != "*" {
		header.Set("Access-Control-Allow-Credentials", "true")
		header.Set("Vary", "Origin")
	}
	if header.Get("Access-Control-Expose-Headers") == "" {
		header.Set("Access-Control-Expose-Headers", "*")
	}
	if method := r.Header.Get("Access-Control-Request-Method"); method != "" {
		header.Set("Access-Control-Allow-Methods", method)
		header.Set("Access-Control-Max-Age", "600")
	}
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		header.Set("Access-Control-Allow-Headers", names)
	}
}

// IsPreflight reports whether a page asks whether it may send a request
// (https://fetch.spec.whatwg.org/#cors-preflight-request).
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// Refuse answers a request that nothing matches, with a status and a value of JSON.
func Refuse(w http.ResponseWriter, watcher exchange.Watcher, status int, value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	encoder.Encode(value)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	// The SDKs of OpenAI and Anthropic would ask again, and again.
	header.Set("X-Should-Retry", "false")
	w.WriteHeader(status)
	w.Write(text.Bytes())
	watcher.Response(&exchange.Response{Time: time.Now(), Status: status, Header: header.Clone()})
	watcher.Body(text.Bytes())
	watcher.End(exchange.End{How: exchange.Whole, Time: time.Now(), Bytes: int64(text.Len())})
}
