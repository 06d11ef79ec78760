package hold

import (
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestFirstEvents simulates servers that are one event late, and others that
// look alike, with traffic of each kind.
func TestFirstEvents(t *testing.T) {
	for _, test := range []struct {
		name   string
		hop    seentest.Hop
		Held   bool
		source []string
	}{
		{"one behind", seentest.Behind, true, []string{"sparse", "bursty", "regular bursts"}},
		{"straight", seentest.Straight, false, []string{"steady", "poisson", "sparse", "bursty", "regular bursts", "large", "tokens"}},
		{"joins late", seentest.LateJoiner(900), false, []string{"steady", "poisson", "sparse", "bursty", "regular bursts", "large", "tokens"}},
		{"joins later", seentest.LateJoiner(2500), false, []string{"steady", "poisson", "bursty", "regular bursts", "large", "tokens"}},
		{"with a backlog", seentest.WithBacklog, false, []string{"steady", "poisson", "sparse", "bursty", "regular bursts", "large", "tokens"}},
	} {
		all, found := 0, 0
		for _, source := range test.source {
			for seed := range uint64(20) {
				all++
				est := testFirst(seentest.SimulateFirst(seed, seentest.Sources[source], test.hop))
				if est.Verdict > Clean {
					found++
				}
				switch {
				case !test.Held && est.Verdict > Clean:
					t.Errorf("%s, %s, seed %d: %s %v", test.name, source, seed, est.Seen, est.Numbers)
				case test.Held && est.Verdict == Clean:
					t.Errorf("%s, %s, seed %d: called clean: %s", test.name, source, seed, est.Seen)
				}
			}
		}
		if t.Logf("%s: %d of %d held", test.name, found, all); test.Held && 20*found < 19*all {
			t.Errorf("%s: %d of %d found", test.name, found, all)
		}
	}
}
