package diagcmd_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

// TestInterceptorHint has a product that opens TLS: where its certificate is not
// accepted, the hint names it, and -k is no remedy.
func TestInterceptorHint(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{Subject: pkix.Name{Organization: []string{"Zscaler Inc."}, CommonName: "Zscaler Root CA"}}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for _, command := range []string{"diag", "listen"} {
		var out, errs bytes.Buffer
		code := cmd.Run(t.Context(), &term.Streams{Out: &out, Err: &errs}, []string{command, server.URL})
		if hint := "hint: Zscaler opens the connection"; code != cli.ExitNoRun || !strings.Contains(errs.String(), hint) {
			t.Errorf("%s: exit %d, want %d and %q: %s", command, code, cli.ExitNoRun, hint, errs.String())
		}
		if command == "diag" && !strings.Contains(out.String(), "fix  client: exempt the host") {
			t.Errorf("no remedy in the report: %s", out.String())
		}
	}
}
