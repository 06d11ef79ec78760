package diag

import (
	"net/http"
	"slices"
	"testing"
)

// TestCuresOfProductsOnThePath shows no cure for what is not there.
func TestCuresOfProductsOnThePath(t *testing.T) {
	products := func(cures []Cure, hops []Hop) (list []string) {
		for _, r := range remediesFor(cures, hops) {
			list = append(list, r.For)
		}
		return list
	}
	node := products([]Cure{cureStopBuffer, cureFlushCompressor}, []Hop{{Name: "express"}})
	for _, other := range []string{"php", "apache", "uvicorn", "gunicorn"} {
		if slices.Contains(node, other) {
			t.Errorf("%s is named for a server of Node.js: %v", other, node)
		}
	}
	if slices.Contains(products([]Cure{cureStopBuffer}, []Hop{}), "php") || !slices.Contains(products([]Cure{cureStopBuffer}, []Hop{{Name: "php"}}), "php") {
		t.Error("php is named where it was not seen, or not where it was")
	}
	if !slices.Contains(products([]Cure{cureStopBuffer}, nil), "php") {
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
	o := slowRestart()
	if f := Lookup("resume").Run(o); f.Status != Fail || f.Evidence["verdict"] != "ignored-restarts" {
		t.Errorf("%s: %s %v", f.Status, f.Title, f.Evidence)
	}
}

func slowRestart() *Observation {
	asked := func(role Role, start int, id string) *Exchange {
		return with(steady(role, start, 10, 30, 1), func(x *Exchange) { x.RequestHeader = http.Header{"Last-Event-ID": {id}} })
	}
	return recording(steady(RoleA, 0, 100, 70, 500), asked(RoleResume1, 7100, "560"), asked(RoleResume2, 7500, "556"), steady(RoleControl, 8000, 10, 30, 1))
}
