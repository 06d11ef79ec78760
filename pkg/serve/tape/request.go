package tape

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unsafe"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
	"github.com/ssectl/ssectl/pkg/stream"
)

// cut splits a path from its query.
func cut(target string) (path, query string, ok bool) { return strings.Cut(target, "?") }

// checkHeader returns the error of a header that cannot be sent.
func checkHeader(header http.Header) error {
	for name, values := range header {
		if !httpx.IsToken(name) || slices.ContainsFunc(values, func(v string) bool { return !httpx.IsFieldValue(v) }) {
			return fmt.Errorf("headers: %q cannot be sent", name)
		}
	}
	return nil
}

// unkept are the headers that belong to a connection or to the coding of a body,
// which is undone, that differ with every request, or that are for us.
var unkept = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Content-Encoding", "Accept-Encoding", "Date", "Host",
	pertest.Header,
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded",
}

// withoutUnkept returns the names of the headers that a tape keeps.
func kept(header http.Header) []string {
	hop := slices.Clone(unkept)
	for _, value := range header["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			hop = append(hop, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	var names []string
	for name := range header {
		if !slices.Contains(hop, http.CanonicalHeaderKey(name)) {
			names = append(names, name)
		}
	}
	return names
}

// cleanRequest returns a request as a tape has it, and adds its secrets to its own
// ones: with those of others, a request would be another one after them. The same is
// done to the requests that are compared with the tape.
func cleanRequest(secrets *redact.Secrets, method, path, query string, header http.Header, body []byte, size int64) *Request {
	return cleanWith(secrets, method, path, query, header, body, size, func(contentType, text string, cut int64) Body {
		return bodyOf([]byte(cleanBody(secrets, contentType, text, true)), cut)
	})
}

// cleanWith is cleanRequest with a function for the body.
func cleanWith(secrets *redact.Secrets, method, path, query string, header http.Header, body []byte, size int64, clean func(contentType, text string, cut int64) Body) *Request {
	secrets.Header(header)
	r := &Request{Method: method, hasPath: true, Query: secrets.Query(query), Header: http.Header{}}
	contentType := header.Get("Content-Type")
	if body != nil {
		text, cut := answer.Uncoded(header, body, size)
		boundary := ""
		if kind, parameters, err := mime.ParseMediaType(contentType); err == nil && strings.HasPrefix(kind, "multipart/") {
			// It is made up anew for each request.
			const most = 10_000 // parts; a short boundary may be anywhere, and the text would grow
			if boundary = parameters["boundary"]; boundary != "" && bytes.Count(text, []byte(boundary)) <= most {
				text = bytes.ReplaceAll(text, []byte(boundary), []byte("boundary"))
				contentType = strings.Replace(contentType, boundary, "boundary", 1)
			}
		}
		r.Body = clean(contentType, unsafe.String(unsafe.SliceData(text), len(text)), cut) // nobody changes it
		if cut > 0 {                                                                       // the sizes on tape and on the wire differ by the replaced secrets
			r.Body.Size = cut
		}
	}
	r.Path = secrets.Path(path)
	for _, name := range kept(header) {
		for _, value := range header[name] {
			if strings.EqualFold(name, "Content-Type") {
				value = contentType
			}
			r.Header[http.CanonicalHeaderKey(name)] = append(r.Header[http.CanonicalHeaderKey(name)], secrets.Clean(redact.RequestHeader(name, value)))
		}
	}
	return r
}

// cleanParts returns a form of several parts without the fields that are secret, and
// any other text as it is.
func cleanParts(secrets *redact.Secrets, text string) string {
	spans := redact.Parts(text)
	for _, span := range spans {
		secrets.Add(text[span.From:span.To])
	}
	return redact.Replace(text, spans)
}

// cleanBody returns a whole body without its secrets.
func cleanBody(secrets *redact.Secrets, contentType, text string, isRequest bool) string {
	// curl -d calls everything a form.
	if isRequest && !isJSON(text) && strings.HasPrefix(strings.ToLower(contentType), "application/x-www-form-urlencoded") {
		return secrets.Query(text)
	}
	if isRequest {
		text = cleanParts(secrets, text)
	}
	lines := []string{text}
	if isJSON(text) && compactJSON([]byte(text)) == nil {
		lines = strings.Split(text, "\n") // JSON lines, perhaps
	}
	clean := make([]string, 0, len(lines))
	c := cleaner{secrets: secrets, out: func(r *record.Record) { clean = append(clean, r.Data) }}
	c.reader.request = isRequest
	for _, line := range lines {
		c.event(&record.Record{IsEvent: true, Event: stream.Event{Data: line}})
	}
	c.end()
	return strings.Join(clean, "\n")
}

// cleanResponse returns the head of an answer as a tape has it.
func cleanResponse(secrets *redact.Secrets, status int, header http.Header) *Response {
	return &Response{Status: status, Header: cleanHeader(secrets, header)}
}

func cleanHeader(secrets *redact.Secrets, header http.Header) http.Header {
	clean := http.Header{}
	for _, name := range kept(header) {
		for _, value := range header[name] {
			if http.CanonicalHeaderKey(name) == "Set-Cookie" {
				value = cleanCookie(secrets, value)
			} else {
				value = redact.ResponseHeader(name, value)
			}
			clean[http.CanonicalHeaderKey(name)] = append(clean[http.CanonicalHeaderKey(name)], secrets.Clean(value))
		}
	}
	return clean
}

// cleanCookie keeps the name of a cookie and its attributes, so that a client
// has one to send back.
func cleanCookie(secrets *redact.Secrets, line string) string {
	pair, attributes, more := strings.Cut(line, ";")
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return redact.Placeholder
	}
	if value != "" {
		secrets.Credentials("Cookie", pair)
		value = redact.Placeholder
	}
	if more {
		attributes = ";" + attributes
	}
	return name + "=" + value + attributes
}
