package diag

import (
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestStreamInPartsFound has hops pass a stream on by words or by pieces of a size,
// one after the other. The answer of a model is another one on each connection, so
// that there is nothing to compare with, and no pause is long enough to judge by.
func TestStreamInPartsFound(t *testing.T) {
	words := func(held string) int { return strings.IndexAny(held, " \n") + 1 }
	pieces := func(size int) func(string) int {
		return func(held string) int {
			if len(held) < size {
				return 0
			}
			return size
		}
	}
	hops := map[string]seentest.Hop{
		"words, one each 20 ms": seentest.Rechunked(20, words), "words, one each 12 ms": seentest.Rechunked(12, words),
		"16 bytes each 20 ms": seentest.Rechunked(20, pieces(16)), "32 bytes each 15 ms": seentest.Rechunked(15, pieces(32)),
	}
	for where, hop := range hops {
		for _, source := range []string{"tokens", "poisson", "bursty"} {
			for seed := range uint64(10) {
				o, hold := seentest.Simulate(seed, seentest.Sources[source], hop)
				o = seentest.Recording(o.Main())
				if found := alarm(o); found == "" && hold >= 400 {
					t.Errorf("%s by %s, seed %d: held by %d ms, not found", source, where, seed, hold)
				}
				if f := check.Lookup("buffer-tail").Run(o); f.Status == check.Pass {
					t.Errorf("%s by %s, seed %d: %s", source, where, seed, f.Title)
				}
			}
		}
	}
}

// TestFieldNameInAdvance has a server end each event with the name of the next
// field. No event is late.
func TestFieldNameInAdvance(t *testing.T) {
	x := seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 6000, seentest.Arrive(10, "data: "))
	for at := 60; at < 6000; at += 50 {
		text := strings.Repeat("x", 40+at%30) + "\n\ndata: "
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, seen.Read{At: seentest.MS(at), N: len(text)})
	}
	if found := alarm(seentest.Recording(x)); found != "" {
		t.Error(found)
	}
}
