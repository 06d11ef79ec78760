package lab

// Proxies that need little to be said: HAProxy, Varnish, lighttpd, Caddy, and
// some of which there is one.

func haproxy(lines string) string { return haproxyOf(lines, "") }

// haproxyOf has options, and a bind with more words.
func haproxyOf(lines, bind string) string {
	return `global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
` + lines + `
frontend f
  bind 127.0.0.1:$PORT` + bind + `
  default_backend b
backend b
  server s $UPSTREAM
`
}

var haproxySetups = []Setup{
	{Name: "HAProxy", Program: "haproxy", Config: haproxy("")},
	{Name: "HAProxy, http-no-delay", Program: "haproxy", Config: haproxy("  option http-no-delay")},
	{Name: "HAProxy, gzip", Program: "haproxy", Config: haproxy("  compression algo gzip\n  compression type text/event-stream\n  option http-no-delay")},
	{Name: "HAProxy, gzip, no-transform", Program: "haproxy", Config: haproxy("  compression algo gzip\n  compression type text/event-stream\n  option http-no-delay"), Header: noTransform()},

	{Name: "HAProxy, http-buffer-request, HTTP/2", Unseen: true, Program: "haproxy", TLS: true,
		Config: haproxyOf("  option http-no-delay\n  option http-buffer-request", " ssl crt $DIR/both.pem alpn h2,http/1.1")},
	{Name: "HAProxy before nginx, HTTP/1.0", Unseen: true, Program: "haproxy", Config: haproxy("  option http-no-delay"),
		Behind: &Setup{Program: "nginx", Config: nginx(";", "")}},
}

func varnish(lines string) string {
	return `vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "$UPSTREAMPORT"; .first_byte_timeout = 60s; .between_bytes_timeout = 60s; }
sub vcl_backend_response { ` + lines + ` }
`
}

var varnishSetups = []Setup{
	{Name: "Varnish", Program: "varnishd", Config: varnish("")},
	{Name: "Varnish, no Cache-Control", Program: "varnishd", Config: varnish(""), Header: noCacheControl(), Resuming: Restarts},
	{Name: "Varnish, gzip", Program: "varnishd", Config: varnish("set beresp.do_gzip = true;")},
	{Name: "Varnish, do_stream = false", Program: "varnishd", Config: varnish("set beresp.do_stream = false;")},

	{Name: "Varnish, ESI", Unseen: true, Program: "varnishd", Config: varnish("set beresp.do_esi = true;")},
	{Name: "Varnish, pipe", Unseen: true, Program: "varnishd", Config: varnish("") + "sub vcl_recv { return (pipe); }\n"},
	{Name: "hitch before Varnish", Unseen: true, Program: "hitch", TLS: true,
		Config: "frontend = \"[127.0.0.1]:$PORT\"\nbackend = \"[127.0.0.1]:$UPSTREAMPORT\"\npem-file = \"$DIR/both.pem\"\nuser = \"nobody\"\ndaemon = off\n",
		Behind: &Setup{Program: "varnishd", Config: varnish("")}},
}

func lighttpd(lines string) string {
	return `server.document-root = "$DIR"
server.bind = "127.0.0.1"
server.port = $PORT
server.modules = ("mod_proxy")
server.errorlog = "$DIR/error.log"
proxy.server = ("" => (("host" => "127.0.0.1", "port" => $UPSTREAMPORT)))
` + lines
}

var lighttpdSetups = []Setup{
	{Name: "lighttpd", Program: "lighttpd", Config: lighttpd("")},
	{Name: "lighttpd, stream-response-body = 1", Program: "lighttpd", Config: lighttpd("server.stream-response-body = 1")},

	{Name: "lighttpd, stream-response-body = 2", Unseen: true, Program: "lighttpd", Config: lighttpd("server.stream-response-body = 2")},
	{Name: "lighttpd, deflate", Unseen: true, Program: "lighttpd", Needs: []string{"/usr/lib/lighttpd/mod_deflate.so"},
		Config: lighttpd("server.modules += (\"mod_deflate\")\ndeflate.mimetypes = (\"text/event-stream\")\ndeflate.allowed-encodings = (\"gzip\")\nserver.stream-response-body = 1")},
}

func caddy(lines string) string { return caddyOf(lines, "") }

// caddyOf has lines for the site, and for its proxy.
func caddyOf(lines, proxy string) string {
	return `{
  admin off
  auto_https off
}
http://127.0.0.1:$PORT {
` + lines + `
  reverse_proxy $UPSTREAM {
` + proxy + `
  }
}
`
}

var caddySetups = []Setup{
	{Name: "Caddy", Program: "caddy", Config: caddy("")},
	{Name: "Caddy, encode", Program: "caddy", Config: caddy("  encode gzip {\n    match {\n      header Content-Type text/event-stream*\n    }\n  }")},

	{Name: "Caddy, encode, of any size", Unseen: true, Program: "caddy",
		Config: caddy("  encode gzip {\n    minimum_length 0\n    match {\n      header Content-Type text/event-stream*\n    }\n  }")},
	{Name: "Caddy, flush_interval 2s", Unseen: true, Program: "caddy", Config: caddyOf("", "flush_interval 2s")},
	{Name: "Caddy, buffer_responses", Unseen: true, Program: "caddy", Config: caddyOf("", "buffer_responses\nmax_buffer_size 16KiB")},
}

var proxySetups = []Setup{
	{Name: "squid", Unseen: true, Program: "squid", Config: squid("")},
	{Name: "squid, no Cache-Control", Unseen: true, Program: "squid", Config: squid("refresh_pattern . 10 100% 10"), Header: noCacheControl()},
	{Name: "squid, delay_pools", Unseen: true, Program: "squid",
		Config: squid("delay_pools 1\ndelay_class 1 1\ndelay_parameters 1 1500/1500\ndelay_access 1 allow all\n")},
	{Name: "Traffic Server", Unseen: true, Program: "traffic_server", Files: trafficserver("")},
	{Name: "Traffic Server, compress", Unseen: true, Program: "traffic_server", Files: trafficserver(" @plugin=compress.so @pparam=$DIR/compress.config")},
	{Name: "nghttpx", Unseen: true, Program: "nghttpx", Config: nghttpx(";no-tls", "")},
	{Name: "nghttpx, HTTP/2", Unseen: true, Program: "nghttpx", TLS: true, Config: nghttpx("", "private-key-file=$DIR/key.pem\ncertificate-file=$DIR/cert.pem\n")},
	{Name: "h2o", Unseen: true, Program: "h2o", Config: h2o("")},
	{Name: "h2o, compress", Unseen: true, Program: "h2o", Config: h2o("compress: [gzip]\nfile.mime.settypes: {\"text/event-stream\": {extensions: [\".sse\"], is_compressible: YES}}\n")},
}

func squid(lines string) string {
	return `http_port 127.0.0.1:$PORT accel defaultsite=127.0.0.1
cache_peer 127.0.0.1 parent $UPSTREAMPORT 0 no-query originserver
http_access allow all
access_log none
cache_log $DIR/cache.log
pid_filename none
netdb_filename none
coredump_dir $DIR
shutdown_lifetime 0 seconds
pinger_enable off
` + lines + "\n"
}

// trafficserver has all its files below $DIR.
func trafficserver(plugin string) map[string]string {
	runroot := "prefix: /usr\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/bin\ndatadir: /usr/share\nlibdir: /usr/lib\nlibexecdir: /usr/lib/trafficserver/modules\n"
	for _, name := range []string{"sysconfdir", "localstatedir", "runtimedir", "logdir", "cachedir"} {
		runroot += name + ": $DIR\n"
	}
	return map[string]string{
		"runroot.yaml": runroot,
		"records.config": `CONFIG proxy.config.http.server_ports STRING $PORT:ip-in=127.0.0.1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.admin.user_id STRING #-1
`,
		"remap.config":    "map / http://$UPSTREAM/" + plugin + "\n",
		"storage.config":  "$DIR 32M\n",
		"ip_allow.yaml":   "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n",
		"compress.config": "enabled true\ncache false\nremove-accept-encoding true\ncompressible-content-type text/event-stream\nsupported-algorithms gzip\nflush false\n",
	}
}

func nghttpx(frontend, lines string) string {
	return "frontend=127.0.0.1,$PORT" + frontend + "\nbackend=127.0.0.1,$UPSTREAMPORT\nworkers=1\naccesslog-file=/dev/null\n" + lines
}

func h2o(lines string) string {
	return `listen: {host: 127.0.0.1, port: $PORT}
hosts:
  default:
    paths:
      "/": {proxy.reverse.url: "http://$UPSTREAM/"}
` + lines
}
