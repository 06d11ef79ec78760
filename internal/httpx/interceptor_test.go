package httpx

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
)

func TestInterceptor(t *testing.T) {
	for issuer, want := range map[string]string{
		"Kaspersky Anti-Virus Personal Root Certificate": "Kaspersky", "AO Kaspersky Lab": "Kaspersky", "Zscaler Intermediate Root CA (zscaler.net)": "Zscaler",
		"Sophos SSL CA_C0123": "Sophos", "ca.example.goskope.com": "Netskope", "FortiGate CA": "Fortinet", "DO_NOT_TRUST_FiddlerRoot": "Fiddler",
		"ESET SSL Filter CA": "ESET", "Avast Web/Mail Shield Root": "Avast", "Gateway CA - Cloudflare Managed G1": "Cloudflare Gateway",
		"Cloudflare, Inc.": "", "Cloudflare TLS Issuing ECC CA 1": "", "DigiCert Inc": "", "Let's Encrypt": "", "Reset Systems CA": "", "": "", "Acme Co": "",
	} {
		if got := Interceptor([]string{"Example Trust", issuer}); got != want {
			t.Errorf("%q: %q, want %q", issuer, got, want)
		}
	}
}

func TestIssuers(t *testing.T) {
	leaf := &x509.Certificate{Subject: pkix.Name{Organization: []string{"Sophos Ltd"}}, Issuer: pkix.Name{Organization: []string{"DigiCert Inc"}, CommonName: "DigiCert G2"}}
	root := &x509.Certificate{Issuer: pkix.Name{Organization: []string{"DigiCert Inc"}, CommonName: "DigiCert Root"}}
	if got, want := Issuers([]*x509.Certificate{leaf, root}), []string{"DigiCert Inc", "DigiCert G2", "DigiCert Root"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
