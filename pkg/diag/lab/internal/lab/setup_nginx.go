package lab

// nginx is a configuration with some lines in its location.
func nginx(server, location string) string {
	return nginxOf(server, `location / { proxy_pass http://$UPSTREAM; `+location+` }`)
}

// nginxOf is one with any locations.
func nginxOf(server, locations string) string {
	return `daemon off; pid $DIR/pid; error_log $DIR/error.log;
events {}
http {
  access_log off; client_body_temp_path $DIR/a; proxy_temp_path $DIR/b; fastcgi_temp_path $DIR/c; uwsgi_temp_path $DIR/d; scgi_temp_path $DIR/e;
  proxy_cache_path $DIR/f keys_zone=one:1m;
  server {
    listen 127.0.0.1:$PORT` + server + `
    ` + locations + `
  }
}`
}

const (
	nginxGzip = `gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;`
	// UpstreamHTTP11 are the directives for an upstream of HTTP/1.1.
	UpstreamHTTP11 = `proxy_http_version 1.1; proxy_set_header Connection "";`

	nginxOff   = "proxy_buffering off; " + UpstreamHTTP11
	nginxHTTP2 = " ssl http2; ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;"
	nginxFPM   = "fastcgi_pass $UPSTREAM; fastcgi_param SCRIPT_FILENAME $DIR/behind/app.php; fastcgi_param REQUEST_METHOD $request_method; "
	nginxCache = "proxy_cache one; proxy_cache_key $uri; proxy_cache_valid 200 10m; proxy_ignore_headers Cache-Control; "

	brotliModule = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so"
	nginxBrotli  = "load_module " + brotliModule + ";\n"
)

var nginxSetups = []Setup{
	{Name: "nginx, buffering on, HTTP/1.0", Program: "nginx", Config: nginx(";", "")},
	{Name: "nginx, buffering on, HTTP/1.1", Program: "nginx", Config: nginx(";", UpstreamHTTP11)},
	{Name: "nginx, buffering off", Program: "nginx", Config: nginx(";", nginxOff)},
	{Name: "nginx, X-Accel-Buffering", Program: "nginx", Config: nginx(";", ""), Header: accel()},
	{Name: "nginx, gzip, buffering on", Program: "nginx", Config: nginx(";", nginxGzip)},
	{Name: "nginx, gzip, buffering off", Program: "nginx", Config: nginx(";", "proxy_buffering off; "+nginxGzip+UpstreamHTTP11)},
	{Name: "nginx, HTTP/2, buffering on", Program: "nginx", TLS: true, Config: nginx(nginxHTTP2, UpstreamHTTP11)},
	{Name: "nginx, HTTP/2, buffering off", Program: "nginx", TLS: true, Config: nginx(nginxHTTP2, nginxOff)},
	{Name: "nginx, Last-Event-ID dropped", Program: "nginx", Config: nginx(";", `proxy_set_header Last-Event-ID ""; `+nginxOff), Resuming: LiveOnly},

	{Name: "nginx before nginx, the inner one buffers", Unseen: true, Program: "nginx", Config: nginx(";", nginxOff),
		Behind: &Setup{Program: "nginx", Config: nginx(";", "")}},
	{Name: "nginx before nginx, X-Accel-Buffering", Unseen: true, Program: "nginx", Config: nginx(";", ""), Header: accel(),
		Behind: &Setup{Program: "nginx", Config: nginx(";", "")}},
	{Name: "nginx, small buffers", Unseen: true, Program: "nginx",
		Config: nginx(";", "proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k;")},
	{Name: "nginx, X-Accel-Buffering ignored", Unseen: true, Program: "nginx", Header: accel(),
		Config: nginx(";", "proxy_ignore_headers X-Accel-Buffering; "+UpstreamHTTP11)},
	{Name: "nginx, cache", Unseen: true, Program: "nginx", Config: nginx(";", nginxCache), Stores: true},
	{Name: "nginx, cache with lock, X-Accel-Buffering", Unseen: true, Program: "nginx", Header: accel(),
		Config: nginx(";", nginxCache+"proxy_cache_lock on; "+UpstreamHTTP11)},
	{Name: "nginx, limit_rate", Unseen: true, Program: "nginx", Config: nginx(";", "limit_rate 2k; "+nginxOff)},
	{Name: "nginx, sub_filter", Unseen: true, Program: "nginx",
		Config: nginx(";", "sub_filter_types text/event-stream; sub_filter_once off; sub_filter stream STREAM; "+nginxOff)},
	{Name: "nginx, auth_request, tcp_nopush", Unseen: true, Program: "nginx",
		Config: nginxOf("; sendfile on; tcp_nopush on;", "location / { auth_request /auth; proxy_pass http://$UPSTREAM; "+nginxOff+" } location = /auth { return 204; }")},
	{Name: "nginx, HTTP/2, brotli, buffering on", Unseen: true, Program: "nginx", TLS: true, Needs: []string{brotliModule},
		Config: nginxBrotli + nginx(nginxHTTP2, "brotli on; brotli_types text/event-stream; brotli_min_length 0; ")},
	{Name: "nginx, HTTP/2, brotli, buffering off", Unseen: true, Program: "nginx", TLS: true, Needs: []string{brotliModule},
		Config: nginxBrotli + nginx(nginxHTTP2, "brotli on; brotli_types text/event-stream; brotli_min_length 0; "+nginxOff)},
}
