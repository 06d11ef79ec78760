package relay

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
)

// A Guard keeps web pages from using a handler that runs on the machine of
// somebody who browses: a page of another origin can neither drive it nor read its
// answers. Programs that are no browsers do not notice it.
//
// A page may reach this machine under a name of its own, once its DNS entry leads
// here (DNS rebinding): then all is of one origin to the browser, and only the Host
// of the request gives it away. So names other than localhost are refused, unless
// Hosts has them. IP addresses have no DNS entry.
type Guard struct {
	Handler http.Handler

	// Hosts are further names that the handler may be reached under, without
	// ports; "*" stands for all.
	Hosts []string

	// Origins are those of pages that may use the handler, such as
	// http://localhost:3000; "*" stands for all. Their browsers are let read
	// the answers, whatever the CORS headers of the upstream.
	Origins []string
}

// ServeHTTP refuses the request, or hands it on.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.knows(r.Host) {
		httpx.WriteError(w, r, http.StatusForbidden, fmt.Sprintf("ssectl serve: the host %q is none of this server (see --allow-host)", r.Host), nil)
		return
	}
	origin := r.Header.Get("Origin")
	switch {
	case origin != "" && (slices.Contains(g.Origins, origin) || slices.Contains(g.Origins, "*")):
		if g.allow(w, r, origin) {
			return
		}
		w = &corsWriter{ResponseWriter: w, origin: origin}
	case isForeign(r, origin):
		httpx.WriteError(w, r, http.StatusForbidden, fmt.Sprintf("ssectl serve: a page of another origin%s asked (see --cors)", strings.TrimRight(" "+origin, " ")), nil)
		return
	}
	g.Handler.ServeHTTP(w, r)
}

// knows reports whether a Host is this server.
func (g *Guard) knows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "" ||
		slices.ContainsFunc(g.Hosts, func(h string) bool { return h == "*" || strings.EqualFold(h, name) })
}

// isForeign reports whether a browser sent the request for a page of another
// origin. To Sec-Fetch-Site, another port is the same site and another origin.
func isForeign(r *http.Request, origin string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	if origin == "" {
		return false
	}
	// The scheme is not compared: a proxy in front may have undone TLS.
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

// allow answers the preflight of a page that is let in, and reports whether it was
// one.
func (g *Guard) allow(w http.ResponseWriter, r *http.Request, origin string) bool {
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return false
	}
	header := w.Header()
	setCORS(header, origin)
	header.Set("Access-Control-Allow-Methods", method)
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		header.Set("Access-Control-Allow-Headers", names)
	}
	// Chromium asks before a page of a public address reaches a local one
	// (https://wicg.github.io/private-network-access/).
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	header.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

func setCORS(header http.Header, origin string) {
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Add("Vary", "Origin")
}

// A corsWriter lets a page read an answer. Its fields replace those of the
// upstream, which knows of other origins.
type corsWriter struct {
	http.ResponseWriter
	origin string
	sent   bool
}

func (w *corsWriter) WriteHeader(status int) {
	if header := w.Header(); status >= http.StatusOK && !w.sent {
		w.sent = true
		setCORS(header, w.origin)
		names := make([]string, 0, len(header))
		for name, values := range header {
			if len(values) > 0 && !strings.HasPrefix(name, "Access-Control-") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		header.Set("Access-Control-Expose-Headers", strings.Join(names, ", ")) // "*" is a name where there are credentials
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *corsWriter) Write(p []byte) (int, error) {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *corsWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
