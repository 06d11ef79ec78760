package diag

var connectChecks = []Check{
	{
		ID: "connect-reach", Group: "connect", Title: "an HTTP answer comes", Worst: Fail,
		How:  "DNS, TCP, TLS and the first byte of an answer, each noted; no answer within --timeout is exit code 3.",
		Why:  "Without an answer nothing can be tested.",
		Cite: "https://www.rfc-editor.org/rfc/rfc9110",
		run:  checkReach, anyAnswer: true,
	},
	{
		ID: "connect-status", Group: "connect", Title: "the status is 200", Worst: Fail,
		How:      "The status after redirects. 204 tells clients to stop; every other one is final for EventSource.",
		Why:      "A browser does not try again after any status but 200.",
		Cite:     "https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model",
		Remedies: []string{"ERR"}, run: checkStatus, anyAnswer: true,
	},
	{
		ID: "connect-redirect", Group: "connect", Title: "redirects stay on the origin", Worst: Fail,
		How:      "Every step is noted: at most 20, no circle, not from https to http, no other origin, the method kept.",
		Why:      "Another origin costs CORS and credentials, and each reconnection walks the whole chain again.",
		Cite:     "https://github.com/whatwg/html/issues/503",
		Remedies: []string{"URL"}, run: checkRedirect, anyAnswer: true,
	},
	{
		ID: "connect-tls", Group: "connect", Title: "the certificate is good", Worst: Fail,
		How:  "The handshake of the connection: chain, name, dates. Less than 14 days left is a warning.",
		Why:  "The day it ends, all clients are out at once.",
		Cite: "https://www.rfc-editor.org/rfc/rfc9325",
		run:  checkTLS, anyAnswer: true,
	},
	{
		ID: "connect-ttfb", Group: "connect", Title: "headers come soon", Worst: Fail,
		How:      "Time to the headers less a round trip; over 2 s warn, over 10 s fail.",
		Why:      "Users wait as long before anything can show.",
		Cite:     "https://github.com/h3js/h3/issues/903",
		Remedies: []string{"FLUSH"}, run: checkTTFB, anyAnswer: true, timing: true,
	},
	{
		ID: "connect-head", Group: "connect", Title: "HEAD ends", Worst: Warn,
		How:      "HEAD is sent beside the stream and has 2 s.",
		Why:      "A monitor that asks with HEAD pins one handler each time, until none is left.",
		Cite:     "https://github.com/kemalcr/kemal/issues/798",
		Remedies: []string{"HEAD"}, run: checkHead,
	},
	{
		ID: "connect-parallel", Group: "connect", Title: "streams run side by side", Worst: Fail,
		How:      "Up to three streams are open at once: each has to get headers, and events within twice the usual gap and a second.",
		Why:      "One reader keeps all others waiting: a single worker, a cache lock, coalesced requests.",
		Cite:     "https://github.com/niwinz/django-sse/issues/12",
		Remedies: []string{"WORKERS", "CACHE"}, run: checkParallel, timing: true,
	},
}

var headerChecks = []Check{
	{
		ID: "content-type", Group: "headers", Title: "the type is text/event-stream", Worst: Fail,
		How:      "The essence of Content-Type, in any case of letters, parameters allowed.",
		Why:      "EventSource gives up for good on any other type.",
		Cite:     "https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model",
		Remedies: []string{"CT"}, run: checkContentType, anyAnswer: true,
	},
	{
		ID: "content-charset", Group: "headers", Title: "the charset is UTF-8", Worst: Fail,
		How:      "The charset parameter, if there is one.",
		Why:      "A stream is UTF-8 whatever it says; clients that believe the header decode it wrongly.",
		Cite:     "https://github.com/open-metadata/OpenMetadata/issues/29532",
		Remedies: []string{"CT"}, run: checkCharset,
	},
	{
		ID: "content-encoding", Group: "headers", Title: "the compression is what its name says", Worst: Fail,
		How:      "Content-Encoding is absent, or names a compression that was asked for, and the body can be decoded; a request that asks for none gets none.",
		Why:      "Strict proxies refuse answers with a value that does not exist, and nobody reads a body that is something else.",
		Cite:     "https://github.com/modelcontextprotocol/csharp-sdk/issues/1598",
		Remedies: []string{"ENC"}, run: checkContentEncoding,
	},
	{
		ID: "content-length", Group: "headers", Title: "no length on a live stream", Worst: Fail,
		How:      "Content-Length, also in the raw header block, and beside Transfer-Encoding.",
		Why:      "Clients stop reading at the length, and both at once is how requests are smuggled.",
		Cite:     "https://github.com/tornadoweb/tornado/issues/301",
		Remedies: []string{"CL"}, run: checkContentLength,
	},
	{
		ID: "cache-control", Group: "headers", Title: "caches are told to stay away", Worst: Warn,
		How:      "Cache-Control has no-cache or no-store, and neither public nor an age.",
		Why:      "A shared cache may store the stream and play it to others.",
		Cite:     "https://bunny.net/docs/cdn/server-sent-events",
		Remedies: []string{"CACHE"}, run: checkCacheControl,
	},
	{
		ID: "no-transform", Group: "headers", Title: "compressors are told to stay away", Worst: Warn,
		How:      "Cache-Control: no-transform; with --origin, whether a hop compresses.",
		Why:      "Some compressors obey it, and then do not hold events.",
		Cite:     "https://github.com/facebook/create-react-app/issues/1633",
		Remedies: []string{"ENC"}, run: checkNoTransform,
	},
	{
		ID: "accel-buffering", Group: "headers", Title: "X-Accel-Buffering, if it is seen", Worst: Info,
		How:  "Noted only: nginx takes the header away, so that its absence says nothing.",
		Why:  "It switches the buffer of nginx off, and of nginx alone.",
		Cite: "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering",
		run:  checkAccelBuffering,
	},
	{
		ID: "connection-header", Group: "headers", Title: "no connection headers in HTTP/2", Worst: Fail,
		How:      "Connection, Keep-Alive, Transfer-Encoding in an HTTP/2 answer.",
		Why:      "Safari and curl treat the answer as malformed and reset it.",
		Cite:     "https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2",
		Remedies: []string{"H2"}, run: checkConnectionHeader,
	},
	{
		ID: "etag-live", Group: "headers", Title: "no validator on a live stream", Worst: Info,
		How:      "ETag or Last-Modified on an answer without a length.",
		Why:      "Middleware that computes an ETag reads the whole body first.",
		Cite:     "https://github.com/rack/rack/issues/1619",
		Remedies: []string{"RAILS"}, run: checkETag,
	},
}
