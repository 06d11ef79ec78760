package seen

import (
	"net/http"
	"net/url"
	"strings"
)

// A Hop is a server or network on the way that named itself.
type Hop struct {
	Name string `json:"name"` // "nginx", as the remedies are named
	By   string `json:"by"`   // the header that names it
}

// hopSigns identify hops; an empty word means that the header alone does. A name
// that ends in a hyphen stands for all that begin with it.
var hopSigns = []struct{ name, header, word string }{
	{"cloudflare", "Cf-Ray", ""},
	{"cloudfront", "X-Amz-Cf-Id", ""},
	{"fastly", "X-Served-By", "cache-"},
	{"vercel", "X-Vercel-Id", ""},
	{"fly", "Fly-Request-Id", ""},
	{"azure", "X-Azure-Ref", ""},
	{"railway", "X-Railway-Request-Id", ""},
	{"netlify", "X-Nf-Request-Id", ""},
	{"apigw", "X-Amzn-Requestid", ""},
	{"apigw", "Apigw-Requestid", ""},
	{"heroku", "Via", "vegur"},
	{"heroku", "Via", "heroku"},
	{"varnish", "Via", "varnish"},
	{"varnish", "X-Varnish", ""},
	{"squid", "Via", "squid"},
	{"trafficserver", "Via", "ats"},
	{"trafficserver", "Via", "apachetrafficserver"},
	{"trafficserver", "Server", "ats/"},
	{"caddy", "Via", "caddy"},
	{"gcp", "Via", "google"},
	{"envoy", "Server", "envoy"},
	{"envoy", "Via", "envoy"},
	{"envoy", "X-Envoy-", ""},
	{"nginx", "Server", "nginx"},
	{"nginx", "Server", "openresty"},
	{"apisix", "Server", "apisix"},
	{"apache", "Server", "apache"},
	{"lighttpd", "Server", "lighttpd"},
	{"caddy", "Server", "caddy"},
	{"traefik", "Server", "traefik"},
	{"h2o", "Server", "h2o"},
	{"iis", "Server", "microsoft-iis"},
	{"iis", "X-Powered-By", "asp.net"},
	{"kestrel", "Server", "kestrel"},
	{"express", "X-Powered-By", "express"},
	{"next", "X-Powered-By", "next.js"},
	{"php", "X-Powered-By", "php"},
	{"jetty", "Server", "jetty"},
	{"uvicorn", "Server", "uvicorn"},
	{"gunicorn", "Server", "gunicorn"},
	{"haproxy", "Server", "haproxy"},
}

// hostSigns identify the platform that a host is of, by a part of its name. Some
// platforms add no header of their own.
var hostSigns = []struct{ name, part string }{
	{"trycloudflare", ".trycloudflare.com"}, // the quick tunnels of cloudflared
	{"cloudflare", ".workers.dev"},
	{"cloudfront", ".cloudfront.net"},
	{"vercel", ".vercel.app"},
	{"netlify", ".netlify.app"},
	{"fly", ".fly.dev"},
	{"azure", ".azurestaticapps.net"},
	{"azure", ".azurewebsites.net"},
	{"azure", ".azure-api.net"},
	{"railway", ".up.railway.app"},
	{"lambda", ".lambda-url."},
	{"apigw", ".execute-api."},
	{"gcp", ".run.app"},
	{"heroku", ".herokuapp.com"},
}

// Hops recognizes the hops on the way of an exchange that name themselves, each once:
// in the answer, or by the host.
func (x *Exchange) Hops() []Hop {
	var hops []Hop
	known := map[string]bool{}
	if u, err := url.Parse(x.URL); err == nil && x.Status != 0 {
		host := strings.ToLower(u.Hostname())
		for _, sign := range hostSigns {
			if (strings.HasSuffix(host, sign.part) || strings.HasSuffix(sign.part, ".") && strings.Contains(host, sign.part)) && !known[sign.name] {
				known[sign.name] = true
				hops = append(hops, Hop{Name: sign.name, By: "the host"})
			}
		}
	}
	h := x.Header
	for _, sign := range hopSigns {
		name := sign.header
		if strings.HasSuffix(name, "-") {
			name = firstWithPrefix(h, name)
		}
		value := strings.ToLower(strings.Join(h.Values(name), ", "))
		if value == "" || !strings.Contains(value, sign.word) || known[sign.name] {
			continue
		}
		known[sign.name] = true
		hops = append(hops, Hop{Name: sign.name, By: name})
	}
	return hops
}

// Hops recognizes the hops on the path of an observation, by the answer of the stream, or
// where that names none by other answers.
func (o *Observation) Hops() []Hop {
	for _, role := range []Role{RoleMain, RoleHead, RoleBaseline} {
		if x := o.Get(role); x != nil {
			if hops := x.Hops(); len(hops) > 0 {
				return hops
			}
		}
	}
	return []Hop{} // none, but looked for
}

// firstWithPrefix returns the first name of a header that begins with prefix, "" for
// none.
func firstWithPrefix(h http.Header, prefix string) string {
	first := ""
	for name := range h {
		if strings.HasPrefix(name, prefix) && (first == "" || name < first) {
			first = name
		}
	}
	return first
}
