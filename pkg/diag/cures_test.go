package diag

import (
	"net/http"
	"slices"
	"testing"
)

// TestCuresOfProductsOnThePath shows no cure for what is not there.
func TestCuresOfProductsOnThePath(t *testing.T) {
	products := func(names []string, hops []Hop) (list []string) {
		for _, r := range remediesFor(names, hops) {
			list = append(list, r.For)
		}
		return list
	}
	node := products([]string{"BUFFER", "ENC"}, []Hop{{Name: "express"}})
	for _, other := range []string{"php", "apache", "uvicorn", "gunicorn"} {
		if slices.Contains(node, other) {
			t.Errorf("%s is named for a server of Node.js: %v", other, node)
		}
	}
	if slices.Contains(products([]string{"BUFFER"}, []Hop{}), "php") || !slices.Contains(products([]string{"BUFFER"}, []Hop{{Name: "php"}}), "php") {
		t.Error("php is named where it was not seen, or not where it was")
	}
	if !slices.Contains(products([]string{"BUFFER"}, nil), "php") {
		t.Error("--explain has to name all")
	}
}

// TestParallelWantsProof does not call a stream alive that brought nothing.
func TestParallelWantsProof(t *testing.T) {
	silent := recorded(RoleTwin, 500, EndClient, 8000)
	o := recording(steady(RoleA, 0, 100, 70, 1), silent)
	if f := Lookup("connect-parallel").Run(o); f.Status == Pass {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
	o = recording(steady(RoleA, 0, 100, 70, 1), steady(RoleTwin, 500, 100, 60, 6))
	if f := Lookup("connect-parallel").Run(o); f.Status != Pass {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
}

// TestSeveralOrigins has a balancer send one of three connections to another
// origin, which counts its own events.
func TestSeveralOrigins(t *testing.T) {
	o := recording(steady(RoleA, 0, 100, 70, 1), steady(RoleTwin, 500, 100, 60, 6), steady(RoleIdentity, 700, 100, 60, 9001))
	if f := Lookup("id-stable").Run(o); f.Status != Warn {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
	o = recording(steady(RoleA, 0, 100, 70, 1), steady(RoleTwin, 500, 100, 60, 6), steady(RoleIdentity, 700, 100, 60, 8))
	if f := Lookup("id-stable").Run(o); f.Status != Pass {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
}

// TestSlowReplayIsARestart has a server start again at each reconnection, so slowly
// that the replay does not come to what the witness saw.
func TestSlowReplayIsARestart(t *testing.T) {
	asked := func(role Role, start int, id string) *Exchange {
		return with(steady(role, start, 10, 30, 1), func(x *Exchange) { x.RequestHeader = http.Header{"Last-Event-ID": {id}} })
	}
	o := recording(steady(RoleA, 0, 100, 70, 500), asked(RoleResume1, 7100, "560"), asked(RoleResume2, 7500, "556"), steady(RoleControl, 8000, 10, 30, 1))
	if f := Lookup("resume").Run(o); f.Status != Fail || f.Evidence["verdict"] != "ignored-restarts" {
		t.Errorf("%s: %s %v", f.Status, f.Title, f.Evidence)
	}
}

// TestTwoWorkers has a server of two workers, which keeps the third stream waiting
// until the second one has ended, and later ones without an answer.
func TestTwoWorkers(t *testing.T) {
	late := func(role Role, start, answered, n int) *Exchange {
		return with(steady(role, answered, 300, n, 1), func(x *Exchange) { x.Start, x.Connected = ms(start), ms(start) })
	}
	unanswered := func(role Role, start, end int) *Exchange {
		return with(recorded(role, start, EndTimeout, end), func(x *Exchange) { x.Answered, x.Status = 0, 0 })
	}
	for _, o := range []*Observation{
		recording(steady(RoleA, 0, 300, 40, 1), steady(RoleIdentity, 800, 300, 8, 1), late(RoleTwin, 900, 3600, 25)),
		recording(steady(RoleA, 0, 300, 40, 1), steady(RoleIdentity, 800, 300, 35, 1), unanswered(RoleFresh, 4000, 9000)),
	} {
		if f := Lookup("connect-parallel").Run(o); f.Status != Fail || f.Evidence["open"] != 2 || !slices.Contains(f.Remedies, "WORKERS") {
			t.Errorf("%s: %s %v", f.Status, f.Title, f.Evidence)
		}
		if f := Lookup("headers-early").Run(o); f.Status != Skip {
			t.Errorf("%s: %s", f.Status, f.Title)
		}
	}
	// Headers that wait for the first event do not wait for another to end.
	o := recording(steady(RoleA, 0, 300, 40, 1), steady(RoleIdentity, 800, 300, 35, 1), late(RoleTwin, 900, 3600, 25))
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
	o := recording(steady(RoleA, 0, 100, 70, 1), with(recorded(RolePreflight, 100, EndEOF, 110), func(x *Exchange) {
		x.Header.Set("Access-Control-Allow-Origin", "*")
		x.Header.Set("Access-Control-Allow-Headers", "Last-Event-ID, Cache-Control, X-Authorization")
	}))
	o.Options.WebOrigin = "https://o.example"
	if f := Lookup("cors-preflight").Run(o); f.Status != Warn {
		t.Errorf("%s: %s", f.Status, f.Title)
	}
}
