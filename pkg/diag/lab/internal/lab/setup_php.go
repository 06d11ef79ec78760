package lab

import "strings"

// php passes the request to the publisher, and flushes each piece of the
// answer.
const php = `<?php
set_time_limit(0);
header('Content-Type: text/event-stream');
header('Cache-Control: no-cache');
$lines = "Host: x\r\n";
foreach (['LAST_EVENT_ID' => 'Last-Event-ID', 'X_LAB_ORACLE' => 'X-Lab-Oracle'] as $key => $name)
  if (isset($_SERVER["HTTP_$key"])) $lines .= "$name: " . $_SERVER["HTTP_$key"] . "\r\n";
$up = stream_socket_client('tcp://$UPSTREAM');
fwrite($up, "GET /events HTTP/1.0\r\n$lines\r\n");
stream_set_read_buffer($up, 0);
for ($head = ''; substr($head, -4) != "\r\n\r\n"; ) $head .= fread($up, 1);
flush();
while (!feof($up) && !connection_aborted()) {
  $piece = fread($up, 65536);
  if ($piece === '' || $piece === false) continue;
  echo $piece;
  @ob_flush(); flush();
}
`

// phpFlush is the line that scripts forget.
const phpFlush = "\n  @ob_flush(); flush();"

// fpm is PHP-FPM with some lines for its pool, to put after a server.
func fpm(lines string) *Setup { return fpmOf(lines, php) }

func fpmOf(lines, script string) *Setup {
	return &Setup{Program: "php-fpm8.2", Files: map[string]string{"app.php": script}, Config: `[global]
error_log = $DIR/error.log
daemonize = no
[www]
listen = 127.0.0.1:$PORT
user = root
group = root
pm = static
pm.max_children = 30
` + lines + "\n"}
}

var phpSetups = []Setup{
	{Name: "nginx, PHP-FPM", Unseen: true, Program: "nginx", Config: nginxOf(";", "location = /events { "+nginxFPM+" }"), Behind: fpm("")},
	{Name: "nginx, PHP-FPM, fastcgi_buffering off", Unseen: true, Program: "nginx", Config: nginxOf(";", "location = /events { "+nginxFPM+"fastcgi_buffering off; }"), Behind: fpm("")},
	{Name: "nginx, PHP-FPM, no flush, output_buffering", Unseen: true, Program: "nginx", Config: nginxOf(";", "location = /events { "+nginxFPM+"fastcgi_buffering off; }"),
		Behind: fpmOf("php_admin_value[output_buffering] = 4096", strings.ReplaceAll(php, phpFlush, ""))},
	{Name: "nginx, PHP-FPM, zlib.output_compression", Unseen: true, Program: "nginx", Config: nginxOf(";", "location = /events { "+nginxFPM+"fastcgi_buffering off; }"),
		Behind: fpm("php_admin_flag[zlib.output_compression] = on")},
}
