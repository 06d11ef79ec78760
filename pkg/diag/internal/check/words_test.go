package check

import (
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestWordsOfFindings wants nothing in a finding that was not there: no title of a
// page without one, and no second version of HTTP where the server chose the first
// again.
func TestWordsOfFindings(t *testing.T) {
	page := seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 20, seentest.Arrive(10, "<html><body><h1>504 Gateway Time-out</h1></body></html>")), func(x *seen.Exchange) {
		x.Status = 504
		x.Header.Set("Content-Type", "text/html")
	})
	main := seentest.Steady(seen.RoleMain, 0, 100, 9, 1)
	for id, test := range map[string]struct {
		o    *seen.Observation
		want Finding
	}{
		"frame-html":      {seentest.Recording(page), fail("the answer is an HTML page")},
		"protocol-parity": {seentest.Recording(main, seentest.Recorded(seen.RoleProtocol, 500, seen.EndClient, 600)), skip("only HTTP/1.1 is available")},
	} {
		if f := Lookup(id).Run(test.o); f.Status != test.want.Status || f.Title != test.want.Title {
			t.Errorf("%s: %s: %s, want %s: %s", id, f.Status, f.Title, test.want.Status, test.want.Title)
		}
	}
}
