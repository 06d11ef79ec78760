package httpx

import (
	"encoding/json"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// ErrorFields are the header fields that describe an error and not a stream.
var ErrorFields = []string{"Retry-After", "Www-Authenticate", "Proxy-Authenticate"}

// ReplaceFields replaces fields of the header of an answer by others. An event stream
// gets none of [ErrorFields].
func ReplaceFields(header, by http.Header, isStream bool) {
	for name, values := range by {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if !isStream || !slices.Contains(ErrorFields, name) {
			header[name] = values
		}
	}
}

// WriteError answers with an error: in JSON for clients that accept that, as SDKs of
// APIs do, else in words. Fields replace those of the header, its Content-Type
// included.
func WriteError(w http.ResponseWriter, r *http.Request, status int, message string, fields http.Header) {
	header := w.Header()
	if status == http.StatusNoContent || status == http.StatusNotModified {
		header.Del("Content-Type")
		w.WriteHeader(status)
		return
	}
	contentType, body := "text/plain; charset=utf-8", message+"\n"
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		contentType, body = "application/json", errorJSON(status, message)
	}
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	ReplaceFields(header, fields, false)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// errorJSON returns an error as APIs write it.
func errorJSON(status int, message string) string {
	type details struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	text, _ := json.Marshal(struct { // of a number and a string
		Error details `json:"error"`
	}{details{status, message}})
	return string(text) + "\n"
}
