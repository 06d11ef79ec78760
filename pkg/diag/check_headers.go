package diag

import (
	"bytes"
	"mime"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/stream"
)

func isEventStream(h http.Header) bool { return stream.IsEventStream(h.Get("Content-Type")) }

func checkContentType(o *Observation) Finding {
	x := o.a()
	switch {
	case x.Status == 0:
		return skip("no answer")
	case x.Status != http.StatusOK:
		return skip("status %d", x.Status)
	}
	got := x.Header.Get("Content-Type")
	if isEventStream(x.Header) {
		return pass("%s", got)
	}
	f := fail("%s, not text/event-stream", got)
	if got == "" {
		f = fail("none; text/event-stream is needed")
	}
	f.Expected = stream.ContentType
	switch body := x.plainBody(); {
	case len(body) == 0 || body[0] != '{' && body[0] != '[':
	case hasError(body):
		f.Title += ": an error of the API"
		f = f.cure("API")
	default:
		f = f.cure("ASK")
	}
	return f.seen("%s", whatCame(x))
}

func checkCharset(o *Observation) Finding {
	_, params, err := mime.ParseMediaType(o.a().Header.Get("Content-Type"))
	if err != nil {
		return info("parameters that cannot be parsed: %s", o.a().Header.Get("Content-Type"))
	}
	charset, ok := params["charset"]
	switch {
	case !ok:
		return info("none; UTF-8 by the standard, but Python's requests then reads ISO-8859-1")
	case strings.EqualFold(charset, "utf-8"):
		return pass("utf-8")
	}
	return fail("charset=%s: a stream is always UTF-8", charset)
}

func checkContentEncoding(o *Observation) Finding {
	h := o.a().Header
	name := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding")))
	switch name {
	case "":
		return pass("none")
	case "identity", "none":
		return warn("%q is no value for the header: strict proxies refuse it", name).cure("NOENC")
	case "gzip", "x-gzip", "br", "zstd", "deflate":
		if err := o.a().timeline().decodeErr; err != nil {
			return fail("the body is no %s, so nothing can read it: %v", name, err)
		}
		if plain := o.get(RoleIdentity); plain.ok() && coding.Of(plain.Header) != "" {
			return warn("%s even for a request that does not accept it: its client can read nothing", name).
				seen("%s after Accept-Encoding: identity", coding.Of(plain.Header)).cure("PLAIN")
		}
		return pass("%s; buffer-compression tells whether it is flushed", name)
	}
	return warn("%q was not asked for", name)
}

func checkContentLength(o *Observation) Finding {
	x := o.a()
	length := x.Header.Get("Content-Length")
	raw := rawValues(x, "Content-Length")
	if len(raw) > 0 && len(rawValues(x, "Transfer-Encoding")) > 0 {
		return fail("both Content-Length and Transfer-Encoding: proxies disagree on which counts")
	}
	switch {
	case length == "" && len(raw) == 0:
		return pass("none")
	case x.End == EndEOF:
		return info("%s bytes: a stored stream, not a live one", length)
	case x.End == EndReset:
		return skipFor("end-clean")
	}
	if n, err := strconv.Atoi(length); err == nil {
		return fail("Content-Length: %d on a stream: clients stop there", n)
	}
	return fail("Content-Length: %q", length)
}

// rawValues returns the values that a header had on the wire; net/http keeps
// some to itself. Without a raw header block there are none.
func rawValues(x *Exchange, name string) []string {
	var values []string
	for line := range bytes.SplitSeq(x.RawHeader, []byte("\r\n")) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && textproto.CanonicalMIMEHeaderKey(string(key)) == name {
			values = append(values, strings.TrimSpace(string(value)))
		}
	}
	return values
}

// directives returns the parts of a Cache-Control header.
func directives(h http.Header) map[string]string {
	parts := map[string]string{}
	for _, part := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name != "" {
			parts[strings.ToLower(name)] = strings.Trim(value, `"`)
		}
	}
	return parts
}

// cacheable says why a cache might keep the answer, "" if none may.
func cacheable(h http.Header) string {
	d := directives(h)
	_, noStore := d["no-store"]
	_, noCache := d["no-cache"]
	_, private := d["private"]
	_, public := d["public"]
	age, _ := strconv.Atoi(d["max-age"])
	shared, _ := strconv.Atoi(d["s-maxage"])
	switch {
	case noStore, noCache:
		return ""
	case public, age > 0, shared > 0:
		return "allows caches to keep the stream"
	case private:
		return ""
	case len(d) == 0:
		return "missing: shared caches may keep the stream"
	case d["max-age"] == "0":
		return ""
	}
	return "lacks no-cache: shared caches may keep the stream"
}

func checkCacheControl(o *Observation) Finding {
	h := o.a().Header
	value := strings.Join(h.Values("Cache-Control"), ", ")
	why := cacheable(h)
	if why == "" {
		return pass("%s", value)
	}
	f := warn("%s", why)
	if value != "" {
		f.Seen = "Cache-Control: " + value
	}
	if o.a().End == EndEOF && value == "" && h.Get("Content-Length") != "" {
		f.Status = Info // a file, which may well be kept
	}
	f.Expected = "no-cache or no-store"
	return f
}

func checkNoTransform(o *Observation) Finding {
	h := o.a().Header
	_, set := directives(h)["no-transform"]
	origin := o.get(RoleOrigin)
	switch {
	case origin.ok() && coding.Of(h) != "" && coding.Of(origin.Header) == "":
		return warn("a hop before the origin compresses the stream (%s)", coding.Of(h))
	case set:
		return pass("set")
	}
	return info("not set: it keeps some compressors away from the stream")
}

func checkAccelBuffering(o *Observation) Finding {
	value := o.a().Header.Get("X-Accel-Buffering")
	if value == "" {
		return info("not seen; nginx keeps it to itself, so that says nothing")
	}
	return info("%s, so no nginx that obeys it is on the way", value)
}

// forbiddenInH2 by https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2.
var forbiddenInH2 = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"}

func checkConnectionHeader(o *Observation) Finding {
	x := o.a()
	if p := o.get(RoleProtocol); p != nil && p.Proto == "HTTP/2.0" {
		x = p
	}
	if x.Proto != "HTTP/2.0" {
		if strings.EqualFold(x.Header.Get("Connection"), "close") {
			return info("Connection: close")
		}
		return pass("nothing that HTTP/2 forbids matters on %s", x.Proto)
	}
	for _, name := range forbiddenInH2 {
		if values := x.Header.Values(name); len(values) > 0 {
			return fail("%s: %s in an HTTP/2 answer: Safari and curl reset the stream", name, values[0])
		}
	}
	return pass("none in the HTTP/2 answer")
}

func checkETag(o *Observation) Finding {
	x := o.a()
	for _, name := range []string{"ETag", "Last-Modified"} {
		if value := x.Header.Get(name); value != "" && x.Header.Get("Content-Length") == "" {
			return info("%s on a live stream: something computed it from the body, or pretends to", name)
		}
	}
	return pass("none")
}
