package lab

import (
	"context"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
)

// A Cure is a remedy of diag, applied to a set-up.
type Cure struct {
	Sick    string // name of a set-up
	Traffic Traffic
	Remedy  string // words of the remedy
	Apply   func(*Setup)
}

// config replaces the configuration.
func config(text string) func(*Setup) { return func(s *Setup) { s.Config = text } }

func prelude(s *Setup)                 { s.Prelude = true }
func sayAccel(s *Setup)                { s.Header = accel() }
func sayNoTransform(s *Setup)          { s.Header = noTransform() }
func behind(inner *Setup) func(*Setup) { return func(s *Setup) { s.Behind = inner } }

// Cures are the remedies that can be tried here.
var Cures = []Cure{
	{"nginx, buffering on, HTTP/1.0", Steady, "proxy_buffering off", config(nginx(";", nginxOff))},
	{"nginx, buffering on, HTTP/1.0", Steady, "X-Accel-Buffering: no", sayAccel},
	{"nginx, buffering on, HTTP/1.1", Large, "X-Accel-Buffering: no", sayAccel},
	{"nginx, gzip, buffering on", Steady, "proxy_buffering off", config(nginx(";", nginxGzip+nginxOff))},
	{"nginx, small buffers", Steady, "proxy_buffering off", config(nginx(";", "proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k; "+nginxOff))},
	{"nginx, X-Accel-Buffering ignored", Large, "proxy_buffering off", config(nginx(";", "proxy_ignore_headers X-Accel-Buffering; "+nginxOff))},
	{"nginx before nginx, the inner one buffers", Steady, "proxy_buffering off", behind(&Setup{Program: "nginx", Config: nginx(";", nginxOff)})},
	{"nginx before nginx, X-Accel-Buffering", Steady, "proxy_buffering off", config(nginx(";", nginxOff))},
	{"nginx, cache", Steady, "proxy_buffering off", config(nginx(";", nginxCache+nginxOff))},
	{"nginx, HTTP/2, brotli, buffering on", Steady, "proxy_buffering off", config(nginxBrotli + nginx(nginxHTTP2, "brotli on; brotli_types text/event-stream; brotli_min_length 0; "+nginxOff))},
	{"nginx, HTTP/2, buffering off", Sparse, `write ": ok\n\n"`, prelude},
	{"HAProxy before nginx, HTTP/1.0", Steady, "proxy_buffering off", behind(&Setup{Program: "nginx", Config: nginx(";", nginxOff)})},
	{"nginx, PHP-FPM", Steady, "fastcgi_buffering off", config(nginxOf(";", "location = /events { "+nginxFPM+"fastcgi_buffering off; }"))},
	{"nginx, PHP-FPM", Steady, "X-Accel-Buffering: no", behind(fpmOf("", strings.Replace(php, "header('Cache", "header('X-Accel-Buffering: no'); header('Cache", 1)))},
	{"nginx, PHP-FPM, fastcgi_buffering off", Sparse, `write ": ok\n\n"`, prelude},
	{"Apache, PHP-FPM", Steady, "ProxySet flushpackets=on", config(apacheOf(apacheFPM+" flushpackets=on", "proxy_fcgi"))},
	{"HAProxy", Steady, "option http-no-delay", config(haproxy("  option http-no-delay"))},
	{"HAProxy, gzip", Sparse, "take text/event-stream out of compression type", config(haproxy("  option http-no-delay\n  compression algo gzip\n  compression type text/html"))},
	{"HAProxy, gzip", Sparse, "no-transform", sayNoTransform},
	{"Varnish, gzip", Steady, "do_gzip = false", config(varnish("set beresp.do_gzip = false;"))},
	{"Varnish, do_stream = false", Steady, "do_stream = true", config(varnish("set beresp.do_stream = true;"))},
	{"Varnish, ESI", Steady, "do_esi = false", config(varnish("set beresp.do_esi = false;"))},
	{"Varnish, ESI", Steady, "return (pipe)", config(varnish("set beresp.do_esi = true;") + "sub vcl_recv { return (pipe); }\n")},
	{"Varnish, no Cache-Control", Steady, "uncacheable = true", config(varnish("set beresp.uncacheable = true;"))},
	{"lighttpd", Steady, "server.stream-response-body = 1", config(lighttpd("server.stream-response-body = 1"))},
	{"Caddy, encode", Bursty, "write a first comment", prelude},
	{"Caddy, encode", Bursty, "@other not path /events, encode @other gzip", config(caddy("  @other not path /events\n  encode @other gzip"))},
	{"Caddy, encode, of any size", Bursty, "write a first comment", prelude},
	{"Caddy, buffer_responses", Steady, "response_buffers", config(caddy(""))},
	{"Traffic Server, compress", Steady, "flush true", func(s *Setup) {
		s.Files = trafficserver(" @plugin=compress.so @pparam=$DIR/compress.config")
		s.Files["compress.config"] = strings.Replace(s.Files["compress.config"], "flush false", "flush true", 1)
	}},
	{"Express, compression", Steady, "compression({filter:", config(strings.Replace(express(""), "compression()", "compression({filter: (req, res) => !/event-stream/.test(res.getHeader('content-type'))})", 1))},
	{"Express, compression", Steady, "res.flush() after each event", config(express("res.flush()"))},
	{"Express, compression", Steady, "no-transform", sayNoTransform},
	{"http-proxy-middleware, compression", Steady, "no-transform", sayNoTransform},
	{"http-proxy", Sparse, `write ": ok\n\n"`, prelude},
	{"Koa", Sparse, `write ": ok\n\n"`, prelude},
	{"Koa, koa-compress", Steady, "no-transform", sayNoTransform},
	{"Starlette, uvicorn, GZipMiddleware", Steady, "GZipMiddleware", config(starlette(""))},
	{"Django, GZipMiddleware", Steady, "GZipMiddleware", config(django(""))},
	{"Jetty, GzipHandler", Steady, "setSyncFlush(true)", config(jetty(strings.Replace(jettyGzip, "setSyncFlush(false)", "setSyncFlush(true)", 1)))},
	{"Go ReverseProxy, gzhttp", Sparse, `write ": ok\n\n"`, prelude},
	{"Go, copied without a flush", Steady, "flush after each event", func(s *Setup) { s.Proxy = relay(scanFirst(0)) }},
	{"Java, HttpServer, no flush", Steady, "flush after each event", config(sunServer("true"))},
}

// Try runs a set-up before and after a cure. Said is whether diag named it, for
// anything that it found.
func (c *Cure) Try(ctx context.Context, setup Setup, duration time.Duration) (before, after *Trial, said bool) {
	before = Run(ctx, setup, c.Traffic, duration)
	if before.Report != nil {
		for _, check := range before.Report.Checks {
			for _, remedy := range check.Remedies {
				said = said || (check.Status == diag.Fail || check.Status == diag.Warn) && strings.Contains(remedy.Text, c.Remedy)
			}
		}
	}
	c.Apply(&setup)
	return before, Run(ctx, setup, c.Traffic, duration), said
}
