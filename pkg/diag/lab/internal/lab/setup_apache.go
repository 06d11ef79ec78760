package lab

import "strings"

// apache is a configuration with some lines, for which it loads modules.
func apache(lines string, modules ...string) string {
	return apacheOf("ProxyPass / http://$UPSTREAM/\n"+lines, modules...)
}

// apacheOf is one that reaches its upstream in any way.
func apacheOf(lines string, modules ...string) string {
	var load strings.Builder
	for _, name := range append([]string{"mpm_event", "authz_core", "proxy", "proxy_http", "filter", "deflate"}, modules...) {
		load.WriteString("LoadModule " + name + "_module " + apacheModules + "mod_" + name + ".so\n")
	}
	return `ServerRoot $DIR
DefaultRuntimeDir $DIR
ServerName localhost
Listen 127.0.0.1:$PORT
PidFile $DIR/pid
ErrorLog $DIR/error.log
` + load.String() + lines
}

const (
	apacheModules = "/usr/lib/apache2/modules/"

	apacheTLS = `SSLEngine on
SSLCertificateFile $DIR/cert.pem
SSLCertificateKeyFile $DIR/key.pem
Protocols h2 http/1.1
`
	apacheFPM = `DocumentRoot $DIR/behind
<Directory "$DIR/behind">
  Require all granted
</Directory>
ProxyPass /events fcgi://$UPSTREAM$DIR/behind/app.php`
)

var apacheSetups = []Setup{
	{Name: "Apache, proxy", Program: "apache2", Config: apache("")},
	{Name: "Apache, deflate", Program: "apache2", Config: apache("AddOutputFilterByType DEFLATE text/event-stream")},

	{Name: "Apache, flushpackets=off", Unseen: true, Program: "apache2", Config: apacheOf("ProxyPass / http://$UPSTREAM/ flushpackets=off iobuffersize=65536")},
	{Name: "Apache, mod_substitute", Unseen: true, Program: "apache2",
		Config: apache("AddOutputFilterByType SUBSTITUTE text/event-stream\nSubstitute s/stream/STREAM/n", "substitute")},
	{Name: "Apache, mod_sed", Unseen: true, Program: "apache2",
		Config: apache("<Location />\n  SetOutputFilter Sed\n  OutputSed \"s/stream/STREAM/g\"\n</Location>", "sed")},
	{Name: "Apache, mod_ratelimit", Unseen: true, Program: "apache2",
		Config: apache("<Location />\n  SetOutputFilter RATE_LIMIT\n  SetEnv rate-limit 4\n</Location>", "ratelimit", "env")},
	{Name: "Apache, mod_buffer", Unseen: true, Program: "apache2",
		Config: apache("<Location />\n  SetOutputFilter BUFFER\n  BufferSize 8192\n</Location>", "buffer")},
	{Name: "Apache, cache, no Cache-Control", Unseen: true, Program: "apache2", Header: noCacheControl(),
		Config: apache("CacheRoot $DIR/cache\nCacheEnable disk /\nCacheDefaultExpire 600\nCacheIgnoreNoLastMod On", "cache", "cache_disk")},
	{Name: "Apache, HTTP/2, brotli", Unseen: true, Program: "apache2", TLS: true,
		Config: apache(apacheTLS+"AddOutputFilterByType BROTLI_COMPRESS text/event-stream", "ssl", "http2", "brotli")},
	{Name: "Apache, PHP-FPM", Unseen: true, Program: "apache2", Config: apacheOf(apacheFPM, "proxy_fcgi"), Behind: fpm("")},
	{Name: "Apache, PHP-FPM, flushpackets=on", Unseen: true, Program: "apache2", Config: apacheOf(apacheFPM+" flushpackets=on", "proxy_fcgi"), Behind: fpm("")},
}
