package check

import (
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestResumeVerdicts simulates servers of each kind with traffic of each kind.
// A verdict may be withheld, and must not be wrong.
func TestResumeVerdicts(t *testing.T) {
	all, right := 0, 0
	for want, server := range seentest.ResumeServers {
		for _, name := range []string{"steady", "poisson", "bursty", "tokens", "regular bursts"} {
			for seed := range uint64(5) {
				all++
				o := seentest.SimulateResume(seed, seentest.Sources[name], server, want == "ids-not-stable")
				got := judgeResume(o, o.Main(), o.Get(seen.RoleResume1), o.Get(seen.RoleResume2), o.Get(seen.RoleNoID))
				switch got.verdict {
				case resumption(want):
					right++
				case resumeUndecided:
					t.Logf("%s, %s, seed %d: inconclusive: %s", want, name, seed, got.why)
				default:
					t.Errorf("%s, %s, seed %d: got %+v", want, name, seed, got)
				}
			}
		}
	}
	if t.Logf("%d of %d right", right, all); 20*right < 19*all {
		t.Errorf("%d of %d right", right, all)
	}
}
