package diag

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestCompressorHoldsInEveryRun has gzip be flushed every 6 s. When the second
// look begins, and so how little it shows, must not decide between a warning and
// a failure: only a second stream that is flushed makes it a warning.
func TestCompressorHoldsInEveryRun(t *testing.T) {
	const everyMS = 700
	stream := func(role seen.Role, startMS, endMS, flushMS int) *seen.Exchange {
		x := seentest.Recorded(role, startMS, seen.EndClient, endMS)
		var wire bytes.Buffer
		w := gzip.NewWriter(&wire)
		flushed := startMS
		for n := startMS/everyMS + 1; n*everyMS < endMS; n++ {
			w.Write([]byte(seentest.Ev(n, 60)))
			if at := n * everyMS; at-flushed >= flushMS {
				before := len(x.Body)
				w.Flush()
				x.Body, flushed = bytes.Clone(wire.Bytes()), at
				x.Reads = append(x.Reads, seen.Read{At: seentest.MS(at), N: len(x.Body) - before})
			}
		}
		x.Header.Set("Content-Encoding", "gzip")
		return x
	}
	for name, test := range map[string]struct {
		flushMS int
		want    Status
	}{"held": {6000, Fail}, "flushed": {0, Warn}} {
		for again := 5000; again <= 12_000; again += 250 {
			for _, watched := range []int{3000, 5000, 8000} {
				end := again + watched
				plain := seentest.Steady(seen.RoleIdentity, 700, everyMS, (end-700)/everyMS-1, 2)
				o := seentest.Recording(stream(seen.RoleMain, 0, again, 6000), plain, stream(seen.RoleConfirm, again, end, test.flushMS))
				if got := verdicts(weigh(o, Options{}))["buffer-compression"]; got != test.want {
					t.Errorf("second look from %d to %d ms, %s: %s, want %s", again, end, name, got, test.want)
				}
			}
		}
	}
}
