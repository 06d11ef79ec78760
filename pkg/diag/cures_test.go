package diag

import (
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
