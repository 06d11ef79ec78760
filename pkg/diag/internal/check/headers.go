package check

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/stream"
)

var headersChecks = []*Check{
	&contentTypeCheck,
	&contentCharsetCheck,
	&contentEncodingCheck,
	&contentLengthCheck,
	&cacheControlCheck,
	&noTransformCheck,
	&accelBufferingCheck,
	&incrementalCheck,
	&connectionHeaderCheck,
	&etagLiveCheck,
}

var contentTypeCheck = Check{
	ID: "content-type", Group: "headers", Title: "the type is text/event-stream", Worst: Fail,
	How:   "The media type, case-insensitive, with any parameters.",
	Why:   "EventSource fails for good on any other type.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model",
	Cures: []Cure{cureEventStreamType},
	Quick: true, AtOnce: true, AnyAnswer: true, run: checkContentType,
}

var cureMendRequest = Cure{{For: "request", Text: "fix the error that the answer names"}, {For: "app", Text: "a status of its own for an error before the first event, not 200"}}

var cureAskForStream = Cure{{For: "request", Text: `the API may want "stream": true in the body, or another path`}}

func checkContentType(o *seen.Observation) Finding {
	x := o.Main()
	switch {
	case x.Status == 0:
		return skip("no answer")
	case x.Status != http.StatusOK:
		return skip("status %d", x.Status)
	}
	got := x.Header.Get("Content-Type")
	if seen.IsEventStream(x.Header) {
		return pass("%s", got)
	}
	f := fail("%s, not text/event-stream", got)
	if got == "" {
		f = fail("none; text/event-stream is needed")
	}
	f.Expected = stream.ContentType
	switch body := x.PlainBody(); {
	case len(body) == 0 || body[0] != '{' && body[0] != '[':
	case hasError(body):
		f.Title += ": an error of the API"
		f = f.cure(cureMendRequest)
	default:
		f = f.cure(cureAskForStream)
	}
	return f.seen("%s", whatCame(x))
}

var contentCharsetCheck = Check{
	ID: "content-charset", Group: "headers", Title: "the charset is UTF-8", Worst: Fail,
	How:   "The charset parameter, if there is one.",
	Why:   "A stream is always UTF-8; clients that trust the header decode it wrongly.",
	Cite:  "https://github.com/open-metadata/OpenMetadata/issues/29532",
	Cures: []Cure{cureEventStreamType},
	Quick: true, AtOnce: true, run: checkCharset,
}

func checkCharset(o *seen.Observation) Finding {
	_, params, err := mime.ParseMediaType(o.Main().Header.Get("Content-Type"))
	if err != nil {
		return info("parameters that cannot be parsed: %s", o.Main().Header.Get("Content-Type"))
	}
	charset, ok := params["charset"]
	switch {
	case !ok:
		return info("none: UTF-8 by the standard, but Python's requests assumes ISO-8859-1")
	case strings.EqualFold(charset, "utf-8"):
		return pass("utf-8")
	}
	return fail("charset=%s: a stream is always UTF-8", charset)
}

var contentEncodingCheck = Check{
	ID: "content-encoding", Group: "headers", Title: "the body matches its Content-Encoding", Worst: Fail,
	How:   "Content-Encoding is absent, or names a requested compression and the body can be decoded. A request that accepts none gets none.",
	Why:   "Strict proxies reject unknown values, and clients cannot read a body in another encoding.",
	Cite:  "https://github.com/modelcontextprotocol/csharp-sdk/issues/1598",
	Cures: []Cure{cureFlushCompressor},
	Quick: true, run: checkContentEncoding,
}

var cureDropEncoding = Cure{
	{For: "app", Text: "leave Content-Encoding out; Cache-Control: no-transform keeps compressors away"},
}

var cureObeyEncoding = Cure{
	{For: "app", Text: "compress only where Accept-Encoding allows it, with Vary: Accept-Encoding; best leave text/event-stream as it is"},
}

func checkContentEncoding(o *seen.Observation) Finding {
	h := o.Main().Header
	name := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding")))
	switch name {
	case "":
		return pass("none")
	case "identity", "none":
		return warn("%q is not a valid content coding: strict proxies reject it", name).cure(cureDropEncoding)
	case "gzip", "x-gzip", "br", "zstd", "deflate":
		if err := o.Main().Timeline().DecodeErr; err != nil {
			return fail("the body is not %s, so clients cannot read it: %v", name, err)
		}
		if plain := o.Get(seen.RoleIdentity); plain.OK() && coding.Of(plain.Header) != "" {
			return warn("%s even for a request that does not accept it: that client cannot read it", name).
				seen("%s after Accept-Encoding: identity", coding.Of(plain.Header)).cure(cureObeyEncoding)
		}
		return pass("%s; buffer-compression checks whether it is flushed", name)
	}
	return warn("%q was not requested", name)
}

var contentLengthCheck = Check{
	ID: "content-length", Group: "headers", Title: "no length on a live stream", Worst: Fail,
	How:   "Content-Length in the raw header block, and Content-Length together with Transfer-Encoding.",
	Why:   "Clients stop reading at the length, and both headers together allow request smuggling.",
	Cite:  "https://github.com/tornadoweb/tornado/issues/301",
	Cures: []Cure{cureDropLength},
	Quick: true, run: checkContentLength,
}

func checkContentLength(o *seen.Observation) Finding {
	x := o.Main()
	length := x.Header.Get("Content-Length")
	raw := rawValues(x, "Content-Length")
	if len(raw) > 0 && len(rawValues(x, "Transfer-Encoding")) > 0 {
		return fail("both Content-Length and Transfer-Encoding: proxies disagree on which counts")
	}
	switch {
	case length == "" && len(raw) == 0:
		return pass("none")
	case x.End == seen.EndEOF:
		return info("%s bytes: a stored stream, not a live one", length)
	case x.End == seen.EndReset:
		return skipFor("end-clean")
	}
	if n, err := strconv.Atoi(length); err == nil {
		return fail("Content-Length: %d on a stream: clients stop there", n)
	}
	return fail("Content-Length: %q", length)
}

// rawValues returns the values that a header had on the wire; net/http keeps
// some to itself. Without a raw header block there are none.
func rawValues(x *seen.Exchange, name string) []string {
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

// cacheable returns the reason why a cache might keep the answer, "" if none
// may.
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

var cacheControlCheck = Check{
	ID: "cache-control", Group: "headers", Title: "caches must not store the stream", Worst: Warn,
	How:   "Cache-Control has no-cache or no-store, and neither public nor an age.",
	Why:   "A shared cache may store the stream and replay it to others.",
	Cite:  "https://bunny.net/docs/cdn/server-sent-events",
	Cures: []Cure{cureForbidCaching},
	Quick: true, AtOnce: true, run: checkCacheControl,
}

func checkCacheControl(o *seen.Observation) Finding {
	h := o.Main().Header
	value := strings.Join(h.Values("Cache-Control"), ", ")
	why := cacheable(h)
	if why == "" {
		return pass("%s", value)
	}
	f := warn("%s", why)
	if value != "" {
		f.Seen = "Cache-Control: " + value
	}
	if o.Main().End == seen.EndEOF && value == "" && h.Get("Content-Length") != "" {
		f.Status = Info // a file, which may well be kept
	}
	f.Expected = "no-cache or no-store"
	return f
}

var noTransformCheck = Check{
	ID: "no-transform", Group: "headers", Title: "compressors must leave the stream alone", Worst: Warn,
	How:   "Cache-Control: no-transform; with Options.OriginURL, whether a hop compresses.",
	Why:   "Some compressors obey it and then hold no events.",
	Cite:  "https://github.com/facebook/create-react-app/issues/1633",
	Cures: []Cure{cureFlushCompressor},
	Quick: true, AtOnce: true, run: checkNoTransform,
}

func checkNoTransform(o *seen.Observation) Finding {
	h := o.Main().Header
	_, set := directives(h)["no-transform"]
	origin := o.Get(seen.RoleOrigin)
	switch {
	case origin.OK() && coding.Of(h) != "" && coding.Of(origin.Header) == "":
		return warn("a hop before the origin compresses the stream (%s)", coding.Of(h))
	case set:
		return pass("set")
	}
	return info("not set: it keeps some compressors away from the stream")
}

var accelBufferingCheck = Check{
	ID: "accel-buffering", Group: "headers", Title: "X-Accel-Buffering, if it is seen", Worst: Info,
	How:   "For information: nginx removes the header, so its absence proves nothing.",
	Why:   "It turns off the buffer of nginx, and of nginx alone.",
	Cite:  "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering",
	Quick: true, AtOnce: true, run: checkAccelBuffering,
}

func checkAccelBuffering(o *seen.Observation) Finding {
	value := o.Main().Header.Get("X-Accel-Buffering")
	if value == "" {
		return info("not seen; nginx removes it, so its absence proves nothing")
	}
	return info("%s, so no nginx that obeys it is on the path", value)
}

var incrementalCheck = Check{
	ID: "incremental", Group: "headers", Title: "hops are asked to pass the stream on as it comes", Worst: Fail,
	How:   "Incremental: ?1, a boolean of structured fields. Without it info, and a warning where something holds the stream. A hop that answers with incremental_refused fails.",
	Why:   "It asks every hop, not one product, to forward each byte at once. A hop that cannot has to answer with an error, in place of holding the stream unseen.",
	Cite:  "https://www.rfc-editor.org/rfc/rfc10036",
	Cures: []Cure{cureIncremental},
	Quick: true, AtOnce: true, Timing: true, OnHold: true, AnyAnswer: true, run: checkIncremental,
}

var cureIncremental = Cure{
	{For: "app", Text: "Incremental: ?1"},
}

var cureForwardIncremental = Cure{
	{For: "app", Text: "have the hop that Proxy-Status names forward the path without buffering or inspecting it, or go around that hop"},
}

func checkIncremental(o *seen.Observation) Finding {
	x := o.Main()
	if refusal := refusedIncremental(x); refusal != "" {
		f := fail("%d: a hop cannot pass a stream on as it comes, and refuses it", x.Status).seen("Proxy-Status: %s", httpx.Clip(refusal, shownText)).cure(cureForwardIncremental)
		if x.Status != http.StatusNotImplemented {
			f.Title = fmt.Sprintf("%d: a hop passes no more streams on as they come for now", x.Status)
		}
		return f
	}
	if !x.OK() {
		return skip("no event stream to look at")
	}
	sent := strings.Join(x.Header.Values("Incremental"), ", ")
	on, ok := httpx.Boolean(x.Header, "Incremental")
	f := info("not sent: it asks hops to pass each byte on at once")
	switch {
	case on:
		return pass("?1")
	case ok:
		f = info("?0: hops may hold the stream")
	case sent != "":
		return warn("%q is not the boolean ?1, so hops ignore it", httpx.Clip(sent, 40))
	}
	if o.Options.Quick {
		return f // which has too little to tell a hold
	}
	who, est := hold.Of(o).Attribute()
	if who == hold.NoCause {
		return f
	}
	without := "not sent"
	if ok {
		without = sent
	}
	return warn("%s, and the stream is held: see %s", without, who).refer(string(who)).restsOn(est, f)
}

// refusedIncremental returns the Proxy-Status of a hop that refused to forward a
// message as it comes (https://www.rfc-editor.org/rfc/rfc10036#section-3), "" for
// another answer.
func refusedIncremental(x *seen.Exchange) string {
	status := strings.Join(x.Header.Values("Proxy-Status"), ", ")
	if x.Status < 400 || !strings.Contains(status, "incremental_refused") {
		return ""
	}
	return status
}

// forbiddenInH2 by https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2.
var forbiddenInH2 = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"}

var connectionHeaderCheck = Check{
	ID: "connection-header", Group: "headers", Title: "no connection headers in HTTP/2", Worst: Fail,
	How:   "Connection, Keep-Alive, Transfer-Encoding in an HTTP/2 answer.",
	Why:   "Safari and curl treat the answer as malformed and reset it.",
	Cite:  "https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2",
	Cures: []Cure{cureFixHTTP2},
	Quick: true, AtOnce: true, run: checkConnectionHeader,
}

func checkConnectionHeader(o *seen.Observation) Finding {
	x := o.Main()
	if p := o.Get(seen.RoleProtocol); p != nil && p.Proto == "HTTP/2.0" {
		x = p
	}
	if x.Proto != "HTTP/2.0" {
		if strings.EqualFold(x.Header.Get("Connection"), "close") {
			return info("Connection: close")
		}
		return pass("does not apply to %s", x.Proto)
	}
	for _, name := range forbiddenInH2 {
		if values := x.Header.Values(name); len(values) > 0 {
			return fail("%s: %s in an HTTP/2 answer: Safari and curl reset the stream", name, values[0])
		}
	}
	return pass("none in the HTTP/2 answer")
}

var etagLiveCheck = Check{
	ID: "etag-live", Group: "headers", Title: "no validator on a live stream", Worst: Info,
	How:   "ETag or Last-Modified on an answer without a length.",
	Why:   "Middleware that computes an ETag reads the whole body first.",
	Cite:  "https://github.com/rack/rack/issues/1619",
	Cures: []Cure{cureDropETag},
	Quick: true, AtOnce: true, run: checkETag,
}

var cureDropETag = Cure{{For: "app", Text: "Rack before 3: headers['Last-Modified'] = Time.now.httpdate, or no Rack::ETag"}}

func checkETag(o *seen.Observation) Finding {
	x := o.Main()
	for _, name := range []string{"ETag", "Last-Modified"} {
		if value := x.Header.Get(name); value != "" && x.Header.Get("Content-Length") == "" {
			return info("%s on a live stream: middleware may have read the whole body for it", name)
		}
	}
	return pass("none")
}
