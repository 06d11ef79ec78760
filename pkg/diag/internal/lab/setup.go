package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Setup is a server, and how it is configured.
type Setup struct {
	Name    string
	Program string // "" for none: the publisher itself
	TLS     bool

	// Config is the text of its configuration, where $UPSTREAM and $PORT are
	// addresses of the publisher and its own, and $DIR is a folder.
	Config string

	Header http.Header // of the application
	Fault  Fault
	Clock  bool // events say when they were made
}

// nginx is a configuration with some lines in its location.
func nginx(server, location string) string {
	return `daemon off; pid $DIR/pid; error_log $DIR/error.log;
events {}
http {
  access_log off; client_body_temp_path $DIR/a; proxy_temp_path $DIR/b; fastcgi_temp_path $DIR/c; uwsgi_temp_path $DIR/d; scgi_temp_path $DIR/e;
  server {
    listen 127.0.0.1:$PORT` + server + `
    location / { proxy_pass http://$UPSTREAM; ` + location + ` }
  }
}`
}

const (
	nginxGzip = `gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;`
	// UpstreamHTTP11 are the directives for an upstream of HTTP/1.1.
	UpstreamHTTP11 = `proxy_http_version 1.1; proxy_set_header Connection "";`
)

func apache(lines string) string {
	return `ServerRoot $DIR
ServerName localhost
Listen 127.0.0.1:$PORT
PidFile $DIR/pid
ErrorLog $DIR/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
ProxyPass / http://$UPSTREAM/
` + lines
}

func haproxy(lines string) string {
	return `global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
` + lines + `
frontend f
  bind 127.0.0.1:$PORT
  default_backend b
backend b
  server s $UPSTREAM
`
}

func varnish(lines string) string {
	return `vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "$UPSTREAMPORT"; .first_byte_timeout = 60s; .between_bytes_timeout = 60s; }
sub vcl_backend_response { ` + lines + ` }
`
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

func caddy(lines string) string {
	return `{
  admin off
  auto_https off
}
http://127.0.0.1:$PORT {
` + lines + `
  reverse_proxy $UPSTREAM
}
`
}

func accel() http.Header { return http.Header{"X-Accel-Buffering": {"no"}} }
func noTransform() http.Header {
	return http.Header{"Cache-Control": {"no-cache, no-transform"}}
}

// Setups are the servers that diag is tried on.
var Setups = []Setup{
	{Name: "direct"},
	{Name: "direct, gzip without flush", Fault: NoFlush},
	{Name: "direct, flush by timer", Fault: ByTimer},
	{Name: "direct, one behind", Fault: OneBehind},
	{Name: "direct, one behind, with times", Fault: OneBehind, Clock: true},
	{Name: "direct, blank line late", Fault: LateBlank},
	{Name: "nginx, buffering on, HTTP/1.0", Program: "nginx", Config: nginx(";", "")},
	{Name: "nginx, buffering on, HTTP/1.1", Program: "nginx", Config: nginx(";", UpstreamHTTP11)},
	{Name: "nginx, buffering off", Program: "nginx", Config: nginx(";", "proxy_buffering off; "+UpstreamHTTP11)},
	{Name: "nginx, X-Accel-Buffering", Program: "nginx", Config: nginx(";", ""), Header: accel()},
	{Name: "nginx, gzip, buffering on", Program: "nginx", Config: nginx(";", nginxGzip)},
	{Name: "nginx, gzip, buffering off", Program: "nginx", Config: nginx(";", "proxy_buffering off; "+nginxGzip+UpstreamHTTP11)},
	{Name: "nginx, HTTP/2, buffering on", Program: "nginx", TLS: true, Config: nginx(" ssl http2; ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;", UpstreamHTTP11)},
	{Name: "nginx, HTTP/2, buffering off", Program: "nginx", TLS: true, Config: nginx(" ssl http2; ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;", "proxy_buffering off; "+UpstreamHTTP11)},
	{Name: "nginx, Last-Event-ID dropped", Program: "nginx", Config: nginx(";", `proxy_buffering off; proxy_set_header Last-Event-ID ""; `+UpstreamHTTP11)},
	{Name: "Apache, proxy", Program: "apache2", Config: apache("")},
	{Name: "Apache, deflate", Program: "apache2", Config: apache("AddOutputFilterByType DEFLATE text/event-stream")},
	{Name: "HAProxy", Program: "haproxy", Config: haproxy("")},
	{Name: "HAProxy, http-no-delay", Program: "haproxy", Config: haproxy("  option http-no-delay")},
	{Name: "HAProxy, gzip", Program: "haproxy", Config: haproxy("  compression algo gzip\n  compression type text/event-stream\n  option http-no-delay")},
	{Name: "HAProxy, gzip, no-transform", Program: "haproxy", Config: haproxy("  compression algo gzip\n  compression type text/event-stream\n  option http-no-delay"), Header: noTransform()},
	{Name: "Varnish", Program: "varnishd", Config: varnish("")},
	{Name: "Varnish, no Cache-Control", Program: "varnishd", Config: varnish(""), Header: http.Header{"Cache-Control": nil}},
	{Name: "Varnish, gzip", Program: "varnishd", Config: varnish("set beresp.do_gzip = true;")},
	{Name: "Varnish, do_stream = false", Program: "varnishd", Config: varnish("set beresp.do_stream = false;")},
	{Name: "lighttpd", Program: "lighttpd", Config: lighttpd("")},
	{Name: "lighttpd, stream-response-body = 1", Program: "lighttpd", Config: lighttpd("server.stream-response-body = 1")},
	{Name: "Caddy", Program: "caddy", Config: caddy("")},
	{Name: "Caddy, encode", Program: "caddy", Config: caddy("  encode gzip {\n    match {\n      header Content-Type text/event-stream*\n    }\n  }")},
	{Name: "Express, compression", Program: "node", Config: express("")},
	{Name: "Express, compression, no-transform", Program: "node", Config: express(""), Header: noTransform()},
}

// express is a proxy in Express, with compression before it. Its packages are
// those of SSECTL_LAB_NODE, a folder in which npm installed them.
func express(string) string {
	return `const express = require('express'), compression = require('compression'), http = require('http')
const app = express()
app.use(compression())
app.use((req, res) => {
  const up = http.request('http://$UPSTREAM' + req.url, {method: req.method, headers: {...req.headers, 'accept-encoding': 'identity'}}, r => {
    res.writeHead(r.statusCode, r.headers); res.flushHeaders(); r.on('data', d => res.write(d)); r.on('end', () => res.end())
  })
  up.on('error', () => res.destroy())
  res.on('close', () => up.destroy())
  up.end()
})
app.listen($PORT, '127.0.0.1')
`
}

// Available reports whether the programs of a set-up are installed.
func (s *Setup) Available() bool {
	if s.Program == "" {
		return true
	}
	if s.Program == "node" && os.Getenv("SSECTL_LAB_NODE") == "" {
		return false
	}
	_, err := exec.LookPath(s.Program)
	return err == nil
}

// Start runs the server before an upstream. Stop it by ending the context, and
// wait for the channel.
func (s *Setup) Start(ctx context.Context, upstream string, dir string) (url string, stopped <-chan struct{}, err error) {
	done := make(chan struct{})
	if s.Program == "" {
		close(done)
		return "http://" + upstream + "/events", done, nil
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	if s.TLS {
		if err := writeCertificate(dir); err != nil {
			return "", nil, err
		}
	}
	_, upstreamPort, _ := net.SplitHostPort(upstream)
	config := strings.NewReplacer("$UPSTREAMPORT", upstreamPort, "$UPSTREAM", upstream, "$PORT", strconv.Itoa(port), "$DIR", dir).Replace(s.Config)
	file := filepath.Join(dir, "server.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return "", nil, err
	}
	os.Chmod(dir, 0o755)
	command := s.command(ctx, dir, file, port)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", nil, err
	}
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	go func() {
		defer close(done)
		defer log.Close()
		command.Wait()
	}()
	if err := awaitPort(ctx, port, done); err != nil {
		text, _ := os.ReadFile(log.Name())
		return "", done, fmt.Errorf("%s: %w: %s", s.Name, err, text)
	}
	scheme := "http"
	if s.TLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d/events", scheme, port), done, nil
}

func (s *Setup) command(ctx context.Context, dir, file string, port int) *exec.Cmd {
	switch s.Program {
	case "nginx":
		return exec.CommandContext(ctx, "nginx", "-p", dir, "-c", file)
	case "apache2":
		return exec.CommandContext(ctx, "apache2", "-f", file, "-DFOREGROUND")
	case "haproxy":
		return exec.CommandContext(ctx, "haproxy", "-db", "-f", file)
	case "varnishd":
		return exec.CommandContext(ctx, "varnishd", "-F", "-j", "none", "-f", file, "-a", fmt.Sprintf("127.0.0.1:%d", port), "-n", filepath.Join(dir, "work"), "-s", "malloc,32m")
	case "lighttpd":
		return exec.CommandContext(ctx, "lighttpd", "-D", "-f", file)
	case "caddy":
		c := exec.CommandContext(ctx, "caddy", "run", "--adapter", "caddyfile", "--config", file)
		c.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		return c
	}
	c := exec.CommandContext(ctx, "node", "-e", "require('vm').runInThisContext(require('module').wrap(require('fs').readFileSync(process.argv[1],'utf8')))(exports,require,module)", file)
	c.Dir = os.Getenv("SSECTL_LAB_NODE")
	return c
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitPort waits until the server accepts connections.
func awaitPort(ctx context.Context, port int, done <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-done:
			return fmt.Errorf("the server ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("no connection in 10 s")
}

// writeCertificate writes a certificate for 127.0.0.1 that signs itself.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600)
}
