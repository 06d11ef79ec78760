package curl_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// once listens for one event and returns its data.
func once(t *testing.T, args ...string) string {
	t.Helper()
	r := cmdtest.Run(t, "", append([]string{"listen", "--format", "data", "-n", "1"}, args...)...)
	r.Check(t, 0)
	return strings.TrimSuffix(r.Out, "\n")
}

// telling answers with one event whose data is the result of tell.
func telling(tell func(r *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		fmt.Fprintf(w, "data: %s\n\n", tell(r))
	}
}

// TestCompressed has a server that sends each event only when the one
// before was printed, so a decoder that waits for more would stop it.
func TestCompressed(t *testing.T) {
	type flusher interface {
		io.Writer
		Flush() error
	}
	for name, compress := range map[string]func(io.Writer) flusher{
		"gzip":    func(w io.Writer) flusher { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) flusher { return zlib.NewWriter(w) },
		"deflate, bare": func(w io.Writer) flusher {
			c, _ := flate.NewWriter(w, 5)
			return c
		},
		"br": func(w io.Writer) flusher { return brotli.NewWriter(w) },
		"zstd": func(w io.Writer) flusher {
			c, _ := zstd.NewWriter(w)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			next := make(chan struct{}, 1)
			url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "gzip, deflate, br, zstd" {
					http.Error(w, "not asked for", http.StatusBadRequest)
					return
				}
				encoding, _, _ := strings.Cut(name, ",")
				w.Header().Set("Content-Encoding", encoding)
				w.Header().Set("Content-Type", stream.ContentType)
				c := compress(w)
				for n := range 5 {
					fmt.Fprintf(c, "data: event %d\n\n", n)
					c.Flush()
					w.(http.Flusher).Flush()
					select {
					case <-next:
					case <-r.Context().Done():
						return
					}
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r, w := io.Pipe()
			done := make(chan int)
			var errs bytes.Buffer
			go func() {
				code := cmd.Run(ctx, &term.Streams{In: strings.NewReader(""), Out: w, Err: &errs}, []string{"listen", url, "--compressed", "-n", "5", "--format", "data"})
				w.Close()
				done <- code
			}()
			lines := bufio.NewScanner(r)
			for n := 0; lines.Scan(); n++ {
				if want := fmt.Sprintf("event %d", n); lines.Text() != want {
					t.Errorf("got %q, want %q", lines.Text(), want)
				}
				next <- struct{}{}
			}
			if code := <-done; code != 0 {
				t.Errorf("exit code %d: %s", code, errs.String())
			}
		})
	}
}

// TestCodingNone reads a stream whose server declares that it has no coding,
// in words that no standard knows.
func TestCodingNone(t *testing.T) {
	for _, coding := range []string{"none", "identity", "None", "identity, none"} {
		url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", stream.ContentType)
			w.Header().Set("Content-Encoding", coding)
			io.WriteString(w, "data: a\n\n")
		})
		for _, more := range [][]string{nil, {"--compressed"}} {
			r := cmdtest.Run(t, "", append([]string{"listen", url, "--no-reconnect", "--format", "data"}, more...)...)
			if r.Code != 0 || r.Out != "a\n" || strings.Contains(r.Err, "hint:") {
				t.Errorf("%s %v: %+v", coding, more, r)
			}
		}
	}
}

func TestTellsOfCompression(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, "data: a\n\n")
		z.Close()
	})
	if r := cmdtest.Run(t, "", "listen", url, "--no-reconnect"); !strings.Contains(r.Err, "compressed (gzip)") || !strings.Contains(r.Err, "hint: --compressed") {
		t.Errorf("stderr %s", r.Err)
	}
	if r := cmdtest.Run(t, "", "listen", url, "--no-reconnect", "--compressed"); r.Code != 0 || strings.Contains(r.Err, "hint:") {
		t.Errorf("exit code %d, stderr %s", r.Code, r.Err)
	}
}

func TestRedirects(t *testing.T) {
	show := telling(func(r *http.Request) string {
		return fmt.Sprint(r.Method, " auth=", r.Header.Get("Authorization"), " key=", r.Header.Get("X-Api-Key"), " cookie=", r.Header.Get("Cookie"), " accept=", r.Header.Get("Accept"), " a=", r.Header.Get("X-A"))
	})
	other := cmdtest.Handle(t, show)
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/show", http.StatusTemporaryRedirect)
		case "/other":
			http.Redirect(w, r, other, http.StatusTemporaryRedirect)
		case "/there-and-back":
			http.Redirect(w, r, other+"/back", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/nowhere":
			w.WriteHeader(http.StatusFound)
		default:
			show(w, r)
		}
	})
	secrets := []string{"-u", "me:geheim", "-H", "X-Api-Key: geheim", "-b", "s=geheim", "-H", "X-A: 1"}
	keep := "auth=Basic bWU6Z2VoZWlt key=geheim cookie=s=geheim accept=text/event-stream a=1"
	for _, test := range []struct{ path, want string }{
		{"/show", "GET " + keep},
		{"/same", "GET " + keep},
		{"/other", "GET auth= key= cookie= accept=text/event-stream a="},
	} {
		if got := once(t, append(secrets, url+test.path)...); got != test.want {
			t.Errorf("%s: %q, want %q", test.path, got, test.want)
		}
	}
	if r := cmdtest.Run(t, "", "listen", url+"/loop", "--max-redirs", "3"); r.Code != 3 || !strings.Contains(r.Err, "more than 3 redirects") {
		t.Errorf("loop: %+v", r)
	}
	r := cmdtest.Run(t, "", "listen", url+"/other", "-d", "geheim")
	if r.Code != 3 || !strings.Contains(r.Err, "the body is not sent on to another origin") {
		t.Errorf("body: %+v", r)
	}
	if r := cmdtest.Run(t, "", "listen", url+"/nowhere"); r.Code != 4 || !strings.Contains(r.Err, "302 Found") {
		t.Errorf("no location: %+v", r)
	}
	r = cmdtest.Run(t, "", append(secrets, "listen", "-v", "-n", "1", url+"/other?token=geheim", "--oauth2-bearer", "geheim")...)
	if r.Code != 0 || strings.Contains(r.Err, "geheim") || strings.Contains(r.Err, "Z2VoZWlt") || !strings.Contains(r.Err, "> X-A: REDACTED") {
		t.Errorf("-v: %+v", r)
	}
}

// TestKeepsCookies of a server where curl does: only with a cookie file, be
// it none.
func TestKeepsCookies(t *testing.T) {
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1"})
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		telling(func(r *http.Request) string { return r.Header.Get("Cookie") })(w, r)
	})
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{"-b", "a=b"}, "a=b"},
		{[]string{"-b", ""}, "sid=1"},
		{[]string{"-b", os.DevNull, "-b", "a=b"}, "a=b; sid=1"},
	} {
		if got := once(t, append(test.args, url+"/login")...); got != test.want {
			t.Errorf("%q: %q, want %q", test.args, got, test.want)
		}
	}
}

func TestReconnectsToTheOriginalURL(t *testing.T) {
	var paths []string
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusPermanentRedirect)
			return
		}
		cmdtest.Numbered(2, func(http.ResponseWriter, int) bool { return true })(w, r)
	})
	cmdtest.Run(t, "", "listen", url+"/first").Check(t, 0)
	if got, want := strings.Join(paths, " "), "/first /second /first /second /first /second"; got != want {
		t.Errorf("paths %s, want %s", got, want)
	}
}

func TestPlaces(t *testing.T) {
	url := cmdtest.Handle(t, telling(func(r *http.Request) string { return r.Host }))
	host := strings.TrimPrefix(url, "http://")
	_, port, _ := net.SplitHostPort(host)

	socket := filepath.Join(t.TempDir(), "s")
	unix, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: telling(func(r *http.Request) string { return "unix " + r.Host })}
	go server.Serve(unix)
	t.Cleanup(func() { server.Close() })

	for _, test := range []struct {
		args string
		want string
	}{
		{":" + port + "/path", "localhost:" + port},
		{"--resolve example.com:" + port + ":127.0.0.1 example.com:" + port, "example.com:" + port},
		{"--resolve *:" + port + ":[::1],127.0.0.1 http://example.com:" + port, "example.com:" + port},
		{"--connect-to example.com:80:127.0.0.1:" + port + " http://example.com/x", "example.com"},
		{"--connect-to ::127.0.0.1:" + port + " http://example.com/x", "example.com"},
		{"--unix-socket " + socket + " http://example.com/x", "unix example.com"},
		{"-4 localhost:" + port, "localhost:" + port},
	} {
		if got := once(t, strings.Fields(test.args)...); got != test.want {
			t.Errorf("%s: %q, want %q", test.args, got, test.want)
		}
	}
	for _, args := range []string{"--resolve x " + url, "--connect-to a:b " + url, "-4 -6 " + url, "-x ftp://x " + url, "-u me " + url, "--key x " + url} {
		cmdtest.Run(t, "", append([]string{"listen"}, strings.Fields(args)...)...).Check(t, 2)
	}
}

func TestProxies(t *testing.T) {
	url := cmdtest.Handle(t, telling(func(r *http.Request) string { return "direct" }))
	proxy := cmdtest.Handle(t, telling(func(r *http.Request) string {
		return "proxy for " + r.RequestURI + " " + r.Header.Get("Proxy-Authorization")
	}))
	withUser := strings.Replace(proxy, "http://", "http://me:geheim@", 1)
	for _, test := range []struct{ args, want string }{
		{"-x " + proxy + " http://example.com/e", "proxy for http://example.com/e "},
		{"-x " + strings.TrimPrefix(proxy, "http://") + " http://example.com/e", "proxy for http://example.com/e "},
		{"-x " + withUser + " http://example.com/e", "proxy for http://example.com/e Basic bWU6Z2VoZWlt"},
		{"-x " + proxy + " --noproxy example.com,127.0.0.0/8 " + url, "direct"},
		{"-x " + proxy + " --noproxy * " + url, "direct"},
		{"-x " + proxy + " --noproxy example.com http://notexample.com/e", "proxy for http://notexample.com/e "},
		{"-x socks5h://" + socks(t, url) + " http://example.com/e", "direct"},
	} {
		if got := once(t, strings.Fields(test.args)...); got != test.want {
			t.Errorf("%s: %q, want %q", test.args, got, test.want)
		}
	}

	t.Setenv("NO_PROXY", "127.0.0.0/8")
	if got := once(t, "-x", proxy, url); got != "direct" {
		t.Errorf("-x and NO_PROXY: %q", got)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("ALL_PROXY", proxy)
	for url, want := range map[string]string{
		"http://example.com/e": "proxy for http://example.com/e ",
		url:                    "direct", // this machine
	} {
		if got := once(t, url); got != want {
			t.Errorf("ALL_PROXY, %s: %q, want %q", url, got, want)
		}
	}
	t.Setenv("ALL_PROXY", "ftp://proxy")
	r := cmdtest.Run(t, "", "listen", url)
	r.Check(t, 2)
	if !strings.Contains(r.Err, "ALL_PROXY: unsupported scheme") {
		t.Error(r.Err)
	}
}

// socks serves SOCKS5 (RFC 1928) without authentication and sends every
// connection to the host of url.
func socks(t *testing.T, url string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				head := make([]byte, 2)
				io.ReadFull(conn, head)
				io.ReadFull(conn, make([]byte, head[1]))
				conn.Write([]byte{5, 0})
				request := make([]byte, 5)
				io.ReadFull(conn, request)
				io.ReadFull(conn, make([]byte, int(request[4])+2)) // a domain name, the port
				conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
				to, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				if err != nil {
					return
				}
				defer to.Close()
				go io.Copy(to, conn)
				io.Copy(conn, to)
			}()
		}
	}()
	return l.Addr().String()
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(telling(func(r *http.Request) string {
		return fmt.Sprintf("%s %d", r.Proto, len(r.TLS.PeerCertificates))
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)

	dir := t.TempDir()
	ca, both := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "both.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	der, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(both, append(certificate, key...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"-k", "HTTP/2.0 0"},
		{"-k --http1.1", "HTTP/1.1 0"},
		{"--cacert " + ca + " --http2", "HTTP/2.0 0"},
		{"--cacert " + ca + " -E " + both, "HTTP/2.0 1"},
		{"-k -E " + ca + " --key " + both, "HTTP/2.0 1"},
	} {
		if got := once(t, append(strings.Fields(test.args), server.URL)...); got != test.want {
			t.Errorf("%s: %q, want %q", test.args, got, test.want)
		}
	}
	r := cmdtest.Run(t, "", "listen", server.URL, "--retry", "5")
	if r.Code != 3 || !strings.Contains(r.Err, "certificate") || !strings.Contains(r.Err, "hint: --cacert") {
		t.Errorf("unknown authority: %+v", r)
	}
}

// TestResumesAFile reads a log that a file server serves, while it grows
// and while it is replaced.
func TestResumesAFile(t *testing.T) {
	versions := []string{
		"data: 1\n\ndata: 2\n\nda",
		"data: 1\n\ndata: 2\n\ndata: 3\n\n",
		"data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n",
	}
	var ranges []string
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		text := versions[min(len(ranges), len(versions))-1]
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", `"same"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
	file := filepath.Join(t.TempDir(), "cursor.json")
	r := cmdtest.Run(t, "", "listen", url, "--resume", "range", "--retry-delay", "0", "--format", "data", "-n", "3", "--cursor", file)
	r.Check(t, 0)
	if r.Out != "1\n2\n3\n" {
		t.Errorf("printed %q", r.Out)
	}
	r = cmdtest.Run(t, "", "listen", url, "--resume", "range", "--retry-delay", "0", "--retry", "1", "--format", "data", "--cursor", file)
	if r.Out != "4\n" || r.Code != 3 || !strings.Contains(r.Err, "nothing new") {
		t.Errorf("next run %+v", r)
	}
	if got, want := strings.Join(ranges, " "), " bytes=18- bytes=27- bytes=36-"; got != want {
		t.Errorf("ranges %q, want %q", got, want)
	}
}
