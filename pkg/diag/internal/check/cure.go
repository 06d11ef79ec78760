package check

import (
	"slices"
	"strings"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// A Remedy is something to try, and for which hop.
type Remedy struct {
	For        string // "app", "request", "client", or the name of a hop
	Text       string
	Recognized bool // the hop was seen on the way
}

const (
	nginxText = `proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 1h;`
	// nginxFastCGI is nginxText for a hop that speaks FastCGI: proxy_buffering does
	// not concern that.
	nginxFastCGI = "fastcgi_buffering off; fastcgi_read_timeout 1h;"
	appText      = "X-Accel-Buffering: no"
	phpText      = "flush() after each event; in nginx: fastcgi_buffering off; in Apache: ProxySet flushpackets=on; in php.ini: output_buffering and zlib.output_compression off"
)

// A Cure is the remedies for one kind of fault, in the order in which they are
// worth a try. Those for servers were measured. Those for platforms are not to be had
// here: they rest on the documentation, and on reports of users. The cures below are
// those that checks of several groups have.
type Cure []Remedy

var cureStreamWhole = Cure{
	{For: "lighttpd", Text: "server.stream-response-body = 1"},
	{For: "nginx", Text: nginxText},
	{For: "varnish", Text: "set beresp.do_stream = true; set beresp.do_gzip = false;"},
	{For: "traefik", Text: "no buffering middleware before the stream"},
	{For: "apigw", Text: "API Gateway: responseTransferMode=STREAM"},
	passFront,
	{For: "azure", Text: `API Management: buffer-response="false", and no logging of bodies`},
	{For: "cloudflare", Text: "cloudflared needs Content-Type: text/event-stream to stream at all"},
	{For: "app", Text: "flush after each event"},
	passTunnel, passWorker, passFunction, passFastly,
	{For: "apigw", Text: "API Gateway: REST in place of an HTTP API, which cannot stream"},
	{For: "apigw", Text: lambdaText},
	{For: "lambda", Text: lambdaText},
	{For: "envoy", Text: envoyExtProc},
	{For: "netlify", Text: "return new Response(stream), with a ReadableStream; a function may stream for 10 s, an edge function has no such limit"},
	{For: "iis", Text: arrText},
}

// The remedies of platforms that several cures have, after
// https://github.com/cloudflare/cloudflared/issues/1449 (a POST passes),
// https://github.com/Azure/static-web-apps/issues/1180,
// https://learn.microsoft.com/azure/azure-functions/node-http-stream,
// https://www.fastly.com/documentation/guides/concepts/real-time-messaging/streaming-miss/
// and https://docs.aws.amazon.com/lambda/latest/dg/config-rs-invoke-furls.html.
var (
	passTunnel   = Remedy{For: "trycloudflare", Text: "a named tunnel: quick tunnels hold an event stream to a GET until it ends"}
	passWorker   = Remedy{For: "cloudflare", Text: "Workers: return new Response(upstream.body), and nothing that awaits the whole body, such as text()"}
	passFront    = Remedy{For: "azure", Text: "Static Web Apps and their managed functions do not stream: another host for the path"}
	passFunction = Remedy{For: "azure", Text: "Functions in Node.js: app.setup({ enableHttpStream: true }), of the v4 programming model"}
	passFastly   = Remedy{For: "fastly", Text: "in vcl_fetch: set beresp.do_stream = true;"}
)

const (
	lambdaText   = "Lambda: InvokeMode: RESPONSE_STREAM for the function URL, and awslambda.streamifyResponse() in Node.js"
	envoyExtProc = "ext_proc: processing_mode: {response_body_mode: STREAMED}, not BUFFERED"
	arrText      = `ARR: <proxy enabled="true" responseBufferLimit="0"/>; for a FastCGI handler responseBufferLimit="0" in its <add>`
)

var cureFlushCompressor = Cure{
	{For: "app", Text: "leave text/event-stream out of the compressor, or have it flush after each event"},
	{For: "app", Text: "Cache-Control: no-transform, which the compressors of Express, Koa, HAProxy and Caddy obey"},
	{For: "uvicorn", Text: "Starlette, FastAPI: no GZipMiddleware before the stream; from Starlette 1.5 on it flushes each chunk"},
	{For: "gunicorn", Text: "Django: no GZipMiddleware for the view; Flask: no Flask-Compress for the type"},
	{For: "jetty", Text: "GzipHandler.setSyncFlush(true), or exclude the type"},
	{For: "go", Text: `gzhttp.ExceptContentTypes([]string{"text/event-stream"})`},
	{For: "nginx", Text: nginxText + " (its gzip is then flushed), or take text/event-stream out of gzip_types"},
	{For: "express", Text: "compression({filter: (req, res) => !/event-stream/.test(res.getHeader('content-type'))}), or res.flush() after each event"},
	{For: "next", Text: "compress: false in next.config.js, or no-transform"},
	{For: "next", Text: "rewrites(): a Route Handler that returns new Response(upstream.body) in their place, or Content-Encoding: none for the path by headers() in next.config.js"},
	{For: "fly", Text: "fly.toml: [http_service.http_options] compress = false; or Content-Encoding: none from the app"},
	{For: "cloudfront", Text: "Compress: false in the cache behavior of the path"},
	{For: "traefik", Text: "the middleware compress: excludedContentTypes: [text/event-stream]"},
	{For: "kestrel", Text: `AddResponseCompression: options.ExcludedMimeTypes = ["text/event-stream"]`},
	{For: "varnish", Text: "set beresp.do_gzip = false;"},
	{For: "haproxy", Text: "take text/event-stream out of compression type"},
	{For: "caddy", Text: "keep encode away from the path: @other not path /events, encode @other gzip; or write a first comment of its own"},
	{For: "apache", Text: "SetEnvIf Request_URI ^/events no-gzip"},
	{For: "lighttpd", Text: "take text/event-stream out of deflate.mimetypes"},
	{For: "trafficserver", Text: "flush true for compress.so"},
	{For: "iis", Text: `<add mimeType="text/event-stream" enabled="false"/> in dynamicTypes`},
}

var cureFlushHeaders = Cure{
	{For: "app", Text: `write ": ok\n\n" and flush before the first event is there`},
	passTunnel,
	{For: "uvicorn", Text: "Starlette, FastAPI: GZipMiddleware keeps the headers until the first byte of the body: none before the stream, or the comment"},
	{For: "vercel", Text: "the comment at once: an edge function has 25 s to begin its answer"},
}

var cureBeat = Cure{{For: "app", Text: `write ": hb\n\n" every 15 s, also on streams that a POST opened`}}

var cureFixHTTP2 = Cure{{For: "app", Text: "no Connection: keep-alive on HTTP/2"}, {For: "nginx", Text: "http2 on; " + nginxText}}

var cureForbidCaching = Cure{{For: "app", Text: "Cache-Control: no-cache, no-transform (and private, or no-store, where users differ)"}, {For: "nginx", Text: "proxy_cache off; proxy_cache_lock off;"}, {For: "varnish", Text: "set beresp.uncacheable = true;"}}

var cureOneLine = Cure{{For: "app", Text: "one data: line for each line of a payload, JSON in one line, no CR or LF in an id or event"}}

var cureWriteWhole = Cure{{For: "app", Text: "write each event with its blank line, in one write"}}

var cureEndWith204 = Cure{{For: "app", Text: "answer 204 when there is nothing more to come"}}

var cureEventStreamType = Cure{{For: "app", Text: "Content-Type: text/event-stream; charset=utf-8"}}

var cureDropLength = Cure{{For: "app", Text: "no Content-Length, so that the answer is chunked"}}

// languages are those that apps are written in or run by. An answer names at
// most one, and a cure for another one cures nothing. All servers name
// themselves.
var (
	languages = []string{"php", "express", "next", "uvicorn", "gunicorn", "jetty", "kestrel", "go", "bun"}
	servers   = []string{"apache", "lighttpd", "iis"}
)

// namedAlways are products and platforms that are not on a path where nothing names them: by
// a header, or by the host.
var namedAlways = []string{
	"php", "envoy", "cloudflare", "trycloudflare", "apigw", "cloudfront", "fastly", "fly", "railway", "vercel", "netlify", "lambda", "gcp", "heroku", "apisix", "squid", "kestrel",
}

// mayBeThere reports whether a product that was not recognized may be on a path
// of which hops were.
func mayBeThere(product string, hops []seen.Hop) bool {
	named := func(list []string) bool {
		return slices.ContainsFunc(hops, func(h seen.Hop) bool { return slices.Contains(list, h.Name) })
	}
	switch {
	case hops == nil:
		return true // nobody looked
	case slices.Contains(namedAlways, product):
		return false
	case slices.Contains(languages, product):
		return !named(languages)
	case slices.Contains(servers, product):
		return len(hops) == 0
	}
	return true
}

// RemediesFor returns the remedies of cures, each once, the ones for recognized
// hops first. Hops are nil where nobody looked for them.
func RemediesFor(cures []Cure, hops []seen.Hop) []Remedy {
	listed := map[string]bool{}
	var known, app, other []Remedy
	php := slices.ContainsFunc(hops, func(h seen.Hop) bool { return h.Name == "php" })
	for _, cure := range cures {
		for _, r := range cure {
			if php && r.For == "nginx" {
				r.Text = strings.Replace(r.Text, nginxText, nginxFastCGI, 1)
			}
			if listed[r.For+r.Text] {
				continue
			}
			listed[r.For+r.Text] = true
			for _, hop := range hops {
				r.Recognized = r.Recognized || hop.Name == r.For
			}
			switch {
			case !r.Recognized && !mayBeThere(r.For, hops):
			case !r.Recognized && r.Text == appText && len(hops) > 0 && !slices.ContainsFunc(hops, func(h seen.Hop) bool { return h.Name == "nginx" || h.Name == "apisix" }):
				other = append(other, r) // there may be an nginx that hides, but it is not the first to suspect
			case r.Recognized:
				known = append(known, r)
			case r.For == "app", r.For == "request", r.For == "client":
				app = append(app, r)
			default:
				other = append(other, r)
			}
		}
	}
	return append(append(known, app...), other...)
}
