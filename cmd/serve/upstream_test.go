package servecmd_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// secureUpstream starts a server with TLS that answers with the fingerprint of the
// client's certificate, and returns it with a file that has its certificate and key.
// The certificate is for example.com too.
func secureUpstream(t *testing.T, auth tls.ClientAuthType) (s *httptest.Server, file string) {
	t.Helper()
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s with %d certificates\n\n", r.Host, len(r.TLS.PeerCertificates))
		for _, c := range r.TLS.PeerCertificates {
			if !bytes.Equal(c.Raw, s.Certificate().Raw) {
				io.WriteString(w, "data: another one\n\n")
			}
		}
	}))
	s.TLS = &tls.Config{ClientAuth: auth}
	s.StartTLS()
	t.Cleanup(s.Close)
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "pair.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, file
}

// get returns the status and the body of an answer.
func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}

func TestClientCertificateForTheUpstream(t *testing.T) {
	upstream, pair := secureUpstream(t, tls.RequireAnyClientCert)
	host := upstream.Listener.Addr().String()
	with := cmdtest.Serve(t, "--upstream", upstream.URL, "--upstream-cacert", pair, "--upstream-cert", pair)
	if got, want := get(t, with), "200 data: "+host+" with 1 certificates\n\n"; got != want {
		t.Errorf("with a certificate: %q, want %q", got, want)
	}
	without := cmdtest.Serve(t, "--upstream", upstream.URL, "--upstream-cacert", pair)
	if got := get(t, without); got[:4] != "502 " {
		t.Errorf("without a certificate: %q, want status 502", got)
	}
}

// TestProxyToTheUpstream has a proxy on the way to two upstreams whose names nobody
// knows but the proxy: one is asked for over HTTP, one through a tunnel.
func TestProxyToTheUpstream(t *testing.T) {
	plain := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "plain %s", r.Host) })
	secure, pair := secureUpstream(t, tls.NoClientCert)
	var mu sync.Mutex
	var asked []string
	proxy := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		if r.Method != http.MethodConnect {
			r.URL.Host = plain[len("http://"):]
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer response.Body.Close()
			io.Copy(w, response.Body)
			return
		}
		there, err := net.Dial("tcp", secure.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(there, here)
		io.Copy(here, there)
	})
	flags := []string{"--upstream-proxy", "http://u:p@" + proxy[len("http://"):], "--upstream-cacert", pair}
	for _, test := range []struct{ upstream, asked, want string }{
		{"http://api.invalid/v1", "GET http://api.invalid/v1/x Basic dTpw", "200 plain api.invalid"},
		{"https://example.com", "CONNECT example.com:443 Basic dTpw", "200 data: example.com with 0 certificates\n\n"},
	} {
		s := cmdtest.Start(t, nil, append(flags, "--upstream", test.upstream)...)
		if got := get(t, s.URL+"x"); got != test.want {
			t.Errorf("%s: %q, want %q", test.upstream, got, test.want)
		}
		s.Stop() // and with it the tunnel
		<-s.Code
		mu.Lock()
		if !slices.Contains(asked, test.asked) {
			t.Errorf("%s: the proxy was asked for %q, want %q", test.upstream, asked, test.asked)
		}
		mu.Unlock()
	}
}

// TestExportNamesTheVersion wants the version of the program in a HAR file of the page.
func TestExportNamesTheVersion(t *testing.T) {
	upstream := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hi") })
	s := cmdtest.Serve(t, "--upstream", upstream)
	get(t, s)
	response, err := http.Get(s + ".ssectl/exchanges/all.har")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var har struct {
		Log struct {
			Creator struct{ Name, Version string }
		}
	}
	err = json.NewDecoder(response.Body).Decode(&har)
	want := cmdtest.Run(t, "", "version").Out
	if c := har.Log.Creator; err != nil || c.Version == "" || want[:len("ssectl ")+len(c.Version)] != "ssectl "+c.Version {
		t.Errorf("the creator is %+v, %v; want that of %q", c, err, want)
	}
}
