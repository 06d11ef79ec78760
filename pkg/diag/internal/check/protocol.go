package check

import (
	"strings"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var protocolChecks = []*Check{
	&h2OfferedCheck,
	&h3AdvertisedCheck,
}

var h2OfferedCheck = Check{
	ID: "h2-offered", Group: "protocol", Title: "HTTP/2 is offered", Worst: Info,
	How:  "The protocol that ALPN negotiated.",
	Why:  "See h1-limit.",
	Cite: "https://www.rfc-editor.org/rfc/rfc9113",
	run:  checkH2Offered,
}

func checkH2Offered(o *seen.Observation) Finding {
	x, other := o.Main(), o.Get(seen.RoleProtocol)
	switch {
	case x.Proto == "HTTP/2.0":
		return pass("HTTP/2")
	case x.TLS == nil:
		return info("no TLS, so browsers speak HTTP/1.1")
	case other.OK() && other.Proto == "HTTP/2.0":
		return pass("offered, though this run used %s", x.Proto)
	}
	return info("not offered")
}

var h3AdvertisedCheck = Check{
	ID: "h3-advertised", Group: "protocol", Title: "HTTP/3 is advertised", Worst: Info,
	How:    "Alt-Svc.",
	Why:    "A browser may switch to it, and reconnect once.",
	Cite:   "https://www.rfc-editor.org/rfc/rfc9114#section-3.1.1",
	AtOnce: true, run: checkH3,
}

func checkH3(o *seen.Observation) Finding {
	if alt := o.Main().Header.Get("Alt-Svc"); strings.Contains(alt, "h3") {
		return info("Alt-Svc names HTTP/3: a browser may switch to it, and reconnect once")
	}
	return info("not advertised")
}
