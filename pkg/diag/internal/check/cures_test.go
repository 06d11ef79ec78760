package check

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestCuresOfProductsOnThePath wants no cure for a product that is not there.
func TestCuresOfProductsOnThePath(t *testing.T) {
	products := func(cures []Cure, hops []seen.Hop) (list []string) {
		for _, r := range RemediesFor(cures, hops) {
			list = append(list, r.For)
		}
		return list
	}
	node := products([]Cure{cureStopBuffer, cureFlushCompressor}, []seen.Hop{{Name: "express"}})
	for _, other := range []string{"php", "apache", "uvicorn", "gunicorn"} {
		if slices.Contains(node, other) {
			t.Errorf("%s is named for a server of Node.js: %v", other, node)
		}
	}
	if slices.Contains(products([]Cure{cureStopBuffer}, []seen.Hop{}), "php") || !slices.Contains(products([]Cure{cureStopBuffer}, []seen.Hop{{Name: "php"}}), "php") {
		t.Error("php is named where it was not seen, or not where it was")
	}
	if !slices.Contains(products([]Cure{cureStopBuffer}, nil), "php") {
		t.Error("--explain has to name all")
	}
}

// TestHopsHaveCures wants a cure for each hop that can be recognized, but for those
// that pass streams on as they are.
func TestHopsHaveCures(t *testing.T) {
	var cures []Cure
	for c := range All() {
		cures = append(cures, c.Cures...)
	}
	for _, hop := range []string{
		"cloudflare", "trycloudflare", "cloudfront", "fastly", "vercel", "netlify", "fly", "azure", "railway", "apigw", "lambda", "heroku", "gcp",
		"envoy", "nginx", "apisix", "apache", "lighttpd", "caddy", "traefik", "iis", "haproxy", "varnish", "squid", "trafficserver",
		"kestrel", "express", "next", "php", "jetty", "uvicorn", "gunicorn",
	} {
		if list := RemediesFor(cures, []seen.Hop{{Name: hop}}); len(list) == 0 || list[0].For != hop || !list[0].Recognized {
			t.Errorf("%s is recognized, and the first cure is %+v", hop, list[:min(1, len(list))])
		}
	}
	for _, r := range RemediesFor(cures, []seen.Hop{{Name: "nginx"}}) {
		if slices.Contains(namedAlways, r.For) {
			t.Errorf("a cure for %s, which would be recognized: %s", r.For, r.Text)
		}
	}
}

// TestCureOfFastCGI has nginx before PHP, which it reaches by FastCGI as a rule, and
// before an app.
func TestCureOfFastCGI(t *testing.T) {
	for app, want := range map[string]string{"php": nginxFastCGI, "express": nginxText} {
		for _, cure := range []Cure{cureStopBuffer, cureStopNginx, cureFlushNoTimer, cureFlushCompressor} {
			list := RemediesFor([]Cure{cure}, []seen.Hop{{Name: "nginx"}, {Name: app}})
			at := slices.IndexFunc(list, func(r Remedy) bool { return r.For == "nginx" })
			if got := list[at].Text; !strings.HasPrefix(got, want) {
				t.Errorf("nginx before %s: %s", app, got)
			}
		}
	}
}

// TestParallelWantsProof does not call a stream alive that brought nothing.
func TestParallelWantsProof(t *testing.T) {
	silent := seentest.Recorded(seen.RoleSecond, 500, seen.EndClient, 8000)
	o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 1), silent)
	if f := Lookup("connect-parallel").Run(o); f.Status == Pass {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
	o = seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 1), seentest.Steady(seen.RoleSecond, 500, 100, 60, 6))
	if f := Lookup("connect-parallel").Run(o); f.Status != Pass {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
}

// TestSeveralOrigins has a balancer send one of three connections to another
// origin, which counts its own events.
func TestSeveralOrigins(t *testing.T) {
	o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 1), seentest.Steady(seen.RoleSecond, 500, 100, 60, 6), seentest.Steady(seen.RoleIdentity, 700, 100, 60, 9001))
	if f := Lookup("id-stable").Run(o); f.Status != Warn {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
	o = seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 1), seentest.Steady(seen.RoleSecond, 500, 100, 60, 6), seentest.Steady(seen.RoleIdentity, 700, 100, 60, 8))
	if f := Lookup("id-stable").Run(o); f.Status != Pass {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
}

// TestSizeOfBufferNamed has a buffer of whole events let go at a beat, because
// the events come at one: its size gives it away.
func TestSizeOfBufferNamed(t *testing.T) {
	for size, want := range map[int]hold.Cause{1024: hold.BySize, 2048: hold.BySize, 1400: hold.ByTimer} {
		o := seentest.Recording(seentest.FlushedAt(size, seen.RoleMain, 0), seentest.FlushedAt(size, seen.RoleIdentity, 800), seentest.FlushedAt(size, seen.RoleSecond, 2150))
		if who, op := hold.Of(o).Attribute(); who != want {
			t.Errorf("%d bytes: %q (%s), want %q", size, who, op.Seen, want)
		}
		if want == hold.BySize {
			if f := checkBufferProxy(o); f.Evidence["batch_bytes"] != size || f.Status != Fail {
				t.Errorf("%d bytes: %s: %s", size, f.Status, f.Title)
			}
		}
	}
}

// TestTwoWorkers has a server of two workers, which keeps the third stream waiting
// until the second one has ended, and later ones without an answer.
func TestTwoWorkers(t *testing.T) {
	late := func(role seen.Role, start, answered, n int) *seen.Exchange {
		return seentest.With(seentest.Steady(role, answered, 300, n, 1), func(x *seen.Exchange) { x.Start, x.Connected = seentest.MS(start), seentest.MS(start) })
	}
	unanswered := func(role seen.Role, start, end int) *seen.Exchange {
		return seentest.With(seentest.Recorded(role, start, seen.EndTimeout, end), func(x *seen.Exchange) { x.Answered, x.Status = 0, 0 })
	}
	for _, o := range []*seen.Observation{
		seentest.Recording(seentest.Steady(seen.RoleMain, 0, 300, 40, 1), seentest.Steady(seen.RoleIdentity, 800, 300, 8, 1), late(seen.RoleSecond, 900, 3600, 25)),
		seentest.Recording(seentest.Steady(seen.RoleMain, 0, 300, 40, 1), seentest.Steady(seen.RoleIdentity, 800, 300, 35, 1), unanswered(seen.RoleJoin, 4000, 9000)),
	} {
		if f := Lookup("connect-parallel").Run(o); f.Status != Fail || f.Evidence["open"] != 2 || !reflect.DeepEqual(f.Cures, []Cure{cureMoreWorkers}) {
			t.Errorf("%s: %s %v", f.Status, f.Title, f.Evidence)
		}
		if f := Lookup("headers-early").Run(o); f.Status != Skip {
			t.Errorf("%s: %s", f.Status, f.Title)
		}
	}
	// Headers that wait for the first event do not wait for another to end.
	o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 300, 40, 1), seentest.Steady(seen.RoleIdentity, 800, 300, 35, 1), late(seen.RoleSecond, 900, 3600, 25))
	if f := Lookup("connect-parallel").Run(o); f.Evidence["open"] != nil {
		t.Errorf("%s: %s %v", f.Status, f.Title, f.Evidence)
	}
}

// TestLists takes whole items of a list, and no parts of words.
func TestLists(t *testing.T) {
	h := http.Header{"Vary": {"Accept, X-Origin", "ORIGIN "}}
	if !lists(h, "Vary", "origin") || lists(h, "Vary", "accept-encoding") || lists(http.Header{"Vary": {"X-Origin"}}, "Vary", "origin") {
		t.Error("a list is not read by its items")
	}
	o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 1), seentest.With(seentest.Recorded(seen.RolePreflight, 100, seen.EndEOF, 110), func(x *seen.Exchange) {
		x.Header.Set("Access-Control-Allow-Origin", "*")
		x.Header.Set("Access-Control-Allow-Headers", "Last-Event-ID, Cache-Control, X-Authorization")
	}))
	o.Options.WebOrigin = "https://o.example"
	if f := Lookup("cors-preflight").Run(o); f.Status != Warn {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
}
