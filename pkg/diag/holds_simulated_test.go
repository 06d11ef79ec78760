package diag

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// alarm returns the check of buffering that found something.
func alarm(o *seen.Observation) string {
	for item := range check.All() {
		if f := item.Run(o); item.Group == "buffering" && item.Timing && (f.Status == check.Fail || f.Status == check.Warn) {
			return fmt.Sprintf("%s: %s (%s)", item.ID, f.Title, f.Seen)
		}
	}
	return ""
}

// TestNoFalseAlarm simulates healthy streams over a network that loses packets.
func TestNoFalseAlarm(t *testing.T) {
	for name, source := range seentest.Sources {
		for seed := range uint64(60) {
			o, _ := seentest.Simulate(seed, source, seentest.Straight)
			if found := alarm(o); found != "" {
				t.Errorf("%s, seed %d: %s", name, seed, found)
			}
		}
	}
}

// TestHeldStreamsFound simulates buffers; of a hundred streams that are held by
// 0.4 s or more, two may be missed.
func TestHeldStreamsFound(t *testing.T) {
	hops := map[string]seentest.Hop{
		"1 KiB": seentest.BySizeOf(1 << 10), "4 KiB": seentest.BySizeOf(4 << 10), "8000": seentest.BySizeOf(8000), "16 KiB": seentest.BySizeOf(16 << 10),
		"0.6 s": seentest.ByTimerOf(600), "1 s": seentest.ByTimerOf(1000), "2 s": seentest.ByTimerOf(2000),
	}
	all, missed := 0, 0
	for where, h := range hops {
		for name, source := range seentest.Sources {
			for seed := range uint64(10) {
				o, hold := seentest.Simulate(seed, source, h)
				// Fewer than four pieces are too few to judge.
				if hold < 400 || len(o.Main().Timeline().Arrivals) < 4 {
					continue
				}
				if all++; alarm(o) == "" {
					missed++
					t.Logf("%s through %s, seed %d: held by %d ms, not found", name, where, seed, hold)
				}
			}
		}
	}
	if t.Logf("%d held, %d missed", all, missed); all < 200 || 50*missed > all {
		t.Errorf("%d of %d missed", missed, all)
	}
}

// TestFastReplayIsNotHeld has each client get the stream for itself, so fast
// that there is no pause in it.
func TestFastReplayIsNotHeld(t *testing.T) {
	paces := map[string]func(*rand.Rand) time.Duration{
		"1 ms": func(*rand.Rand) time.Duration { return time.Millisecond },
		"3 ms": func(*rand.Rand) time.Duration { return 3 * time.Millisecond },
		"3 ms, now and then later": func(r *rand.Rand) time.Duration {
			if r.IntN(60) == 0 {
				return 20 * time.Millisecond
			}
			return 3 * time.Millisecond
		},
		"up to 7 ms": func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(7000)) * time.Microsecond },
	}
	for name, gap := range paces {
		for seed := range uint64(10) {
			o := seentest.OwnPaces(rand.New(rand.NewPCG(seed, 7)), gap)
			if found := alarm(o); found != "" {
				t.Errorf("%s, seed %d: %s", name, seed, found)
			}
			if f := check.Lookup("shared-cache").Run(o); f.Title != "each stream starts afresh, at its own pace" {
				t.Errorf("%s, seed %d: shared-cache %s: %s", name, seed, f.Status, f.Title)
			}
		}
	}
}

// TestHeldStartIsNoTimer has each stream begin late, with all there was until
// then, and go on live.
func TestHeldStartIsNoTimer(t *testing.T) {
	o := lateStarts()
	for item := range check.All() {
		if f := item.Run(o); item.Group == "buffering" && item.Timing && item.ID != "headers-early" && check.IsFault(f.Status) && f.Evidence["method"] != "opening" {
			t.Errorf("%s: %s (%s)", item.ID, f.Title, f.Seen)
		}
	}
}

func lateStarts() *seen.Observation {
	late := func(role seen.Role, startMS int) *seen.Exchange {
		x := seentest.Recorded(role, startMS, seen.EndClient, 9500)
		x.Answered = seentest.MS(startMS + 3000)
		for n := startMS/150 + 1; n*150 < 9500; n++ {
			text := seentest.Ev(n, 37)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, seen.Read{At: seentest.MS(max(startMS+3000, n*150)), N: len(text)})
		}
		return x
	}
	return seentest.Recording(late(seen.RoleMain, 0), late(seen.RoleSecond, 4100))
}
