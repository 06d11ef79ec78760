package diag

import (
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestCutBeforeHeartbeats has streams end after a silence, each in its way: one
// that a hop cuts sooner than the usual heartbeat comes must fail.
func TestCutBeforeHeartbeats(t *testing.T) {
	ended := func(silenceMS, n int) *seen.Exchange {
		x := cutAfter(silenceMS, n)
		x.End, x.Between, x.Error = seen.EndEOF, false, ""
		return x
	}
	for name, test := range map[string]struct {
		o    *seen.Observation
		want check.Status
	}{
		"after 6 s":                         {seentest.Recording(cutAfter(6000, 2)), check.Fail},
		"after 6 s, from the start":         {seentest.Recording(cutAfter(6000, 0)), check.Fail},
		"after 6 s, older than 9 s":         {seentest.Recording(cutAfter(6000, 5)), check.Fail},
		"after as long as it had survived":  {seentest.Recording(cutAfter(1100, 5)), check.Warn},
		"after as long as another survived": {seentest.Recording(cutAfter(6000, 2), seentest.Recorded(seen.RoleSecond, 1500, seen.EndClient, 9000, seentest.Arrive(1600, seentest.Ev(1, 60)))), check.Warn},
		"after more than heartbeats leave":  {seentest.Recording(cutAfter(16_000, 2)), check.Warn},
		"ended in order after 6 s":          {seentest.Recording(ended(6000, 2)), check.Pass},
	} {
		if f := check.Lookup("end-clean").Run(test.o); f.Status != test.want {
			t.Errorf("%s: %s: %s, want %s", name, f.Status, f.Title, test.want)
		}
	}
}

// cutAfter is a stream of n events, one a second, that a hop cuts between two
// chunks after a silence.
func cutAfter(silenceMS, n int) *seen.Exchange {
	return seentest.With(seentest.Steady(seen.RoleMain, 0, 1000, n, 1), func(x *seen.Exchange) {
		x.End, x.Between, x.Error, x.Ended = seen.EndReset, true, "unexpected EOF", seentest.MS(n*1000+silenceMS)
	})
}
