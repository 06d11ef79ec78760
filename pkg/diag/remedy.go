package diag

import "slices"

// A Remedy is something to try, and for which hop.
type Remedy struct {
	For        string `json:"for"` // "app", "request", or the name of a hop
	Text       string `json:"text"`
	Recognised bool   `json:"recognised"` // the hop was seen on the way
}

const (
	nginxText = `proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 1h;`
	appText   = "X-Accel-Buffering: no"
	phpText   = "flush() after each event; fastcgi_buffering off; in nginx, ProxySet flushpackets=on in Apache, no output_buffering or zlib.output_compression in php.ini"
)

// remedies is the library: by the name that checks use, in the order in which
// they are worth a try. Which of them works was measured, not read.
var remedies = map[string][]Remedy{
	"NGINX": {
		{For: "php", Text: phpText},
		{For: "nginx", Text: nginxText},
		{For: "app", Text: appText},
		{For: "nginx", Text: "fastcgi_buffering off; or uwsgi_buffering off; where the app is reached so"},
		{For: "nginx", Text: "proxy_ignore_headers X-Accel-Buffering makes the app's header void"},
		{For: "ingress-nginx", Text: `nginx.ingress.kubernetes.io/proxy-buffering: "off" and proxy-read-timeout: "3600"`},
	},
	"BUFFER": {
		{For: "php", Text: phpText},
		{For: "nginx", Text: nginxText},
		{For: "app", Text: appText},
		{For: "app", Text: "flush after each event; what copies a stream has to flush after each read"},
		{For: "apache", Text: "ProxySet flushpackets=on for mod_proxy_fcgi; FcgidOutputBufferSize 0 for mod_fcgid; no mod_ratelimit on the stream"},
		{For: "lighttpd", Text: "server.stream-response-body = 1"},
		{For: "haproxy", Text: "option http-no-delay; take text/event-stream out of compression type"},
		{For: "varnish", Text: "set beresp.do_stream = true; set beresp.do_gzip = false; set beresp.do_esi = false; or return (pipe)"},
		{For: "caddy", Text: "keep encode away from the path: @other not path /events, encode @other gzip; no response_buffers; 2.11.9 or later needs neither"},
		{For: "traefik", Text: "no buffering middleware before the stream"},
		{For: "iis", Text: `<add mimeType="text/event-stream" enabled="false"/> in dynamicTypes, and DisableBuffering() in the app`},
		{For: "azure", Text: `API Management: buffer-response="false", and no logging of bodies`},
		{For: "apigw", Text: "API Gateway: responseTransferMode=STREAM"},
		{For: "cloudflare", Text: "Content-Type: text/event-stream; response buffering off"},
		{For: "trafficserver", Text: "flush true for compress.so"},
	},
	"BEHIND": {
		{For: "app", Text: "write and flush an event when it is made, not when the next one is"},
		{For: "nginx", Text: nginxText},
		{For: "haproxy", Text: "take text/event-stream out of compression type"},
	},
	"TIMER": {
		{For: "app", Text: "flush after each event, not by a timer"},
		{For: "apache", Text: "ProxySet flushpackets=on for mod_proxy_fcgi"},
		{For: "caddy", Text: "flush_interval -1"},
		{For: "haproxy", Text: "option http-no-delay"},
		{For: "nginx", Text: nginxText},
	},
	"WHOLE": {
		{For: "lighttpd", Text: "server.stream-response-body = 1"},
		{For: "nginx", Text: nginxText},
		{For: "varnish", Text: "set beresp.do_stream = true; set beresp.do_gzip = false;"},
		{For: "traefik", Text: "no buffering middleware before the stream"},
		{For: "apigw", Text: "API Gateway: responseTransferMode=STREAM"},
		{For: "azure", Text: `API Management: buffer-response="false", and no logging of bodies`},
		{For: "cloudflare", Text: "cloudflared needs Content-Type: text/event-stream to stream at all"},
		{For: "app", Text: "flush after each event"},
	},
	"ENC": {
		{For: "app", Text: "leave text/event-stream out of the compressor, or have it flush after each event"},
		{For: "app", Text: "Cache-Control: no-transform, which the compressors of Express, Koa, HAProxy and Caddy obey"},
		{For: "uvicorn", Text: "Starlette, FastAPI: no GZipMiddleware before the stream"},
		{For: "gunicorn", Text: "Django: no GZipMiddleware for the view; Flask: no Flask-Compress for the type"},
		{For: "jetty", Text: "GzipHandler.setSyncFlush(true), or exclude the type"},
		{For: "go", Text: `gzhttp.ExceptContentTypes([]string{"text/event-stream"})`},
		{For: "nginx", Text: nginxText + " (its gzip is then flushed), or take text/event-stream out of gzip_types"},
		{For: "express", Text: "compression({filter: (req, res) => !/event-stream/.test(res.getHeader('content-type'))}), or res.flush() after each event"},
		{For: "next", Text: "compress: false in next.config.js, or no-transform"},
		{For: "varnish", Text: "set beresp.do_gzip = false;"},
		{For: "haproxy", Text: "take text/event-stream out of compression type"},
		{For: "caddy", Text: "keep encode away from the path: @other not path /events, encode @other gzip; or write a first comment of its own"},
		{For: "apache", Text: "SetEnvIf Request_URI ^/events no-gzip"},
		{For: "lighttpd", Text: "take text/event-stream out of deflate.mimetypes"},
		{For: "trafficserver", Text: "flush true for compress.so"},
		{For: "iis", Text: `<add mimeType="text/event-stream" enabled="false"/> in dynamicTypes`},
	},
	"NOENC": {
		{For: "app", Text: "leave Content-Encoding out; Cache-Control: no-transform keeps compressors away"},
	},
	"WORKERS": {
		{For: "app", Text: "each stream keeps a worker: let one worker hold many streams, or start more (gunicorn -k gevent or --threads 100, PHP_CLI_SERVER_WORKERS for php -S, Puma in place of Unicorn)"},
	},
	"PLAIN": {
		{For: "app", Text: "compress only where Accept-Encoding allows it, with Vary: Accept-Encoding; best leave text/event-stream as it is"},
	},
	"OPENING": {
		{For: "app", Text: "what waits for the first bytes of a stream (a scanner, a minimum length of compression) has to leave text/event-stream alone"},
	},
	"FLUSH": {
		{For: "app", Text: `write ": ok\n\n" and flush before the first event is there`},
	},
	"HB":      {{For: "app", Text: `write ": hb\n\n" every 15 s, also on streams that a POST opened`}},
	"TIMEOUT": {{For: "nginx", Text: "proxy_read_timeout 1h;"}, {For: "app", Text: "heartbeats more often than the limit; where it is one of age, end the stream yourself before it"}},
	"H2":      {{For: "app", Text: "no Connection: keep-alive on HTTP/2"}, {For: "nginx", Text: "http2 on; " + nginxText}},
	"CACHE":   {{For: "app", Text: "Cache-Control: no-cache, no-transform (and private, or no-store, where users differ)"}, {For: "nginx", Text: "proxy_cache off; proxy_cache_lock off;"}, {For: "varnish", Text: "set beresp.uncacheable = true;"}},
	"NL":      {{For: "app", Text: "one data: line for each line of a payload, JSON in one line, no CR or LF in an id or event"}},
	"TERM":    {{For: "app", Text: "write each event with its blank line, in one write"}},
	"RESUME":  {{For: "app", Text: "keep a ring of past events, and send what follows Last-Event-ID before going live"}},
	"AFTER":   {{For: "app", Text: "send what follows the event of Last-Event-ID, and not that event again"}},
	"ID":      {{For: "app", Text: "give each event an ID that means the same on every connection, such as epoch-sequence"}},
	"STALE":   {{For: "app", Text: "answer a stale ID with an event that says reset, and go on live"}},
	"204":     {{For: "app", Text: "answer 204 when there is nothing more to come"}},
	"RETRY":   {{For: "app", Text: "retry: 2000 to 15000, and some jitter; over the limit 503 with Retry-After"}},
	"MCP":     {{For: "app", Text: "405 for GET where there is no stream"}},
	"LLM":     {{For: "app", Text: `tell an error as data: {"error":...}, never end without a word`}},
	"SIZE":    {{For: "app", Text: "split large payloads over several events, or tell clients to raise their limit"}},
	"HEAD":    {{For: "app", Text: "answer HEAD with the headers alone"}},
	"OPTIONS": {{For: "app", Text: "answer OPTIONS with the headers alone, at once"}},
	"CORS":    {{For: "app", Text: "Access-Control-Allow-Origin with the origin of the page, Vary: Origin; Allow-Credentials: true only for origins you know"}},
	"URL":     {{For: "app", Text: "give clients the final URL"}},
	"CT":      {{For: "app", Text: "Content-Type: text/event-stream; charset=utf-8"}},
	"ASK":     {{For: "request", Text: `the API may want "stream": true in the body, or another path`}},
	"API":     {{For: "request", Text: "mend what the error names"}, {For: "app", Text: "a status of its own for an error before the first event, not 200"}},
	"END":     {{For: "app", Text: "let the server's own HTTP code frame the body, and end an answer instead of dropping the connection"}},
	"CL":      {{For: "app", Text: "no Content-Length, so that the answer is chunked"}},
	"HOP":     {{For: "nginx", Text: "proxy_set_header Last-Event-ID $http_last_event_id;"}, {For: "app", Text: "look for the hop that takes Last-Event-ID away"}},
	"ERR":     {{For: "app", Text: "200 with text/event-stream; for errors that pass, 200 and an event that says so"}},
	"RAILS":   {{For: "app", Text: "Rack before 3: headers['Last-Modified'] = Time.now.httpdate, or no Rack::ETag"}},
	"RANGE":   {{For: "app", Text: "serve the file with Accept-Ranges, a strong ETag and no compression"}},
	"TOKEN":   {{For: "app", Text: "a cookie, or a ticket that is good for seconds"}},
	"TLS":     {{For: "app", Text: "serve https"}},
}

// languages are what apps are written in or run by. An answer names at most one,
// and a cure for another one cures nothing; servers are what tell their names.
var (
	languages = []string{"php", "express", "next", "uvicorn", "gunicorn", "jetty", "kestrel", "go"}
	servers   = []string{"apache", "lighttpd", "iis"}
)

// mayBeThere reports whether a product that was not recognised may be on a path
// of which hops were.
func mayBeThere(product string, hops []Hop) bool {
	named := func(list []string) bool {
		return slices.ContainsFunc(hops, func(h Hop) bool { return slices.Contains(list, h.Name) })
	}
	switch {
	case hops == nil:
		return true // nobody looked
	case product == "php":
		return false // it tells its name
	case slices.Contains(languages, product):
		return !named(languages)
	case slices.Contains(servers, product):
		return len(hops) == 0
	}
	return true
}

// remediesFor returns those of the given names, each once, the ones for
// recognised hops first. Hops are nil where nobody looked for them.
func remediesFor(names []string, hops []Hop) []Remedy {
	seen := map[string]bool{}
	var known, app, other []Remedy
	for _, name := range names {
		for _, r := range remedies[name] {
			if seen[r.For+r.Text] {
				continue
			}
			seen[r.For+r.Text] = true
			for _, hop := range hops {
				r.Recognised = r.Recognised || hop.Name == r.For
			}
			switch {
			case !r.Recognised && !mayBeThere(r.For, hops):
			case r.Text == appText && len(hops) > 0 && !slices.ContainsFunc(hops, func(h Hop) bool { return h.Name == "nginx" || h.Name == "apisix" }):
				other = append(other, r) // there may be an nginx that hides, but it is not the first to suspect
			case r.Recognised:
				known = append(known, r)
			case r.For == "app", r.For == "request":
				app = append(app, r)
			default:
				other = append(other, r)
			}
		}
	}
	return append(append(known, app...), other...)
}

// AllRemedies returns what may cure what the check finds, whatever the hop.
func (c *Check) AllRemedies() []Remedy { return remediesFor(c.Remedies, nil) }
