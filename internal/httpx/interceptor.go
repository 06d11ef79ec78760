package httpx

import (
	"crypto/x509"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// interceptors open TLS on the machine of a client or on its way, for security
// products by policy and for debugging proxies by choice. Each issues certificates
// in a name of its own. The words are those of its issuers, none of which is an
// authority that browsers trust by themselves.
var interceptors = []struct{ word, name string }{
	{"kaspersky", "Kaspersky"},
	{"zscaler", "Zscaler"},
	{"sophos", "Sophos"},
	{"netskope", "Netskope"},
	{"goskope", "Netskope"},
	{"fortinet", "Fortinet"},
	{"fortigate", "Fortinet"},
	{"palo alto networks", "Palo Alto Networks"},
	{"blue coat", "Blue Coat"},
	{"cisco umbrella", "Cisco Umbrella"},
	{"forcepoint", "Forcepoint"},
	{"websense", "Forcepoint"},
	{"check point", "Check Point"},
	{"barracuda", "Barracuda"},
	{"watchguard", "WatchGuard"},
	{"sonicwall", "SonicWall"},
	{"skyhigh", "Skyhigh"},
	{"mcafee web gateway", "McAfee Web Gateway"},
	{"menlo security", "Menlo Security"},
	{"cato networks", "Cato Networks"},
	{"iboss", "iboss"},
	{"securly", "Securly"},
	{"lightspeed", "Lightspeed"},
	{"contentkeeper", "ContentKeeper"},
	{"untangle", "Untangle"},
	{"gateway ca - cloudflare", "Cloudflare Gateway"}, // and not its public authority
	{"bitdefender", "Bitdefender"},
	{"avast", "Avast"},
	{"avg", "AVG"},
	{"norton web", "Norton"},
	{"eset", "ESET"},
	{"dr.web", "Dr.Web"},
	{"adguard", "AdGuard"},
	{"mitmproxy", "mitmproxy"},
	{"charles proxy", "Charles"},
	{"fiddler", "Fiddler"},
	{"fiddlerroot", "Fiddler"},
	{"portswigger", "Burp"},
	{"proxyman", "Proxyman"},
	{"http toolkit", "HTTP Toolkit"},
	{"reqable", "Reqable"},
}

// Issuers returns the organizations and common names of those who issued
// certificates, each once.
func Issuers(certificates []*x509.Certificate) []string {
	var list []string
	for _, c := range certificates {
		for _, name := range append(slices.Clone(c.Issuer.Organization), c.Issuer.CommonName) {
			if name != "" && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}

// Interceptor returns the name of the product that opens TLS on the way, by the
// issuers of the certificates that it shows, "" where none is known.
func Interceptor(issuers []string) string {
	for _, issuer := range issuers {
		for _, known := range interceptors {
			if hasWords(strings.ToLower(issuer), known.word) {
				return known.name
			}
		}
	}
	return ""
}

// hasWords reports whether text has the words, and not as a part of longer ones.
func hasWords(text, words string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], words)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at+i])
		after, _ := utf8.DecodeRuneInString(text[at+i+len(words):])
		if !unicode.IsLetter(before) && !unicode.IsLetter(after) {
			return true
		}
		at += i + 1
	}
}
