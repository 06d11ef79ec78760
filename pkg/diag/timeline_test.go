package diag

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestThin thins generated arrivals: few are left, sums are exact, and the longest pauses
// are among those that are left.
func TestThin(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		most := 4 + random.IntN(60)
		var list []Arrival
		at, bytes, events := time.Duration(0), 0, 0
		for range 1 + random.IntN(500) {
			at += time.Duration(1+random.IntN(20)) * time.Millisecond
			if random.IntN(20) == 0 {
				at += time.Duration(random.IntN(3000)) * time.Millisecond
			}
			from := at
			at += time.Duration(random.IntN(5)) * time.Millisecond
			bytes += 1 + random.IntN(1000)
			a := Arrival{From: from, To: at, Bytes: bytes, Whole: bytes - random.IntN(2), Events: random.IntN(3), Comments: random.IntN(2)}
			events += a.Events
			list = append(list, a)
		}
		before := slices.Clone(list)
		thinned, lost := thin(list, most)
		if !slices.Equal(list, before) {
			t.Fatal("the arrivals themselves were changed")
		}
		sum := 0
		for _, a := range thinned {
			sum += a.Events
		}
		last := thinned[len(thinned)-1]
		if len(thinned) > max(most, 1) || sum != events || last.Bytes != bytes || last.To != at || thinned[0].From != list[0].From {
			t.Fatalf("%d arrivals, at most %d: %d are left, with %d of %d events", len(list), most, len(thinned), sum, events)
		}
		pauses := func(list []Arrival) (all []time.Duration) {
			for i := 1; i < len(list); i++ {
				all = append(all, list[i].From-list[i-1].To)
			}
			slices.Sort(all)
			slices.Reverse(all)
			return all
		}
		left := pauses(thinned)
		for _, pause := range pauses(list) {
			if pause <= lost {
				break
			}
			if !slices.Contains(left, pause) {
				t.Fatalf("a pause of %v is lost, though none above %v should be", pause, lost)
			}
		}
	}
}

// drawnFrom returns the timelines of an observation, as a report has them.
func drawnFrom(o *seen.Observation) []Timeline {
	r := weigh(o, Options{})
	r.drawTimelines(o)
	return r.Timelines
}

func countSpans(t Timeline, kind SpanKind) (n int, sum time.Duration) {
	for _, s := range t.Spans {
		if s.Kind == kind {
			n++
			sum += s.To - s.From
		}
	}
	return n, sum
}

// TestTimelineOfHeld: a stream that a buffer lets go in pieces is held nearly all the time,
// and no piece but for chance ends with an event.
func TestTimelineOfHeld(t *testing.T) {
	o := seentest.Recording(seentest.Pieces(seen.RoleMain, 1500, 4096, 7))
	lines := drawnFrom(o)
	if len(lines) != 1 {
		t.Fatalf("%d timelines", len(lines))
	}
	n, sum := countSpans(lines[0], SpanHeld)
	if n < 6 || sum < 8*time.Second {
		t.Errorf("%d held stretches of %v in all: %+v", n, sum, lines[0].Spans)
	}
	inside := 0
	for _, a := range lines[0].Arrivals {
		if a.Inside() {
			inside++
		}
	}
	if inside < 6 {
		t.Errorf("%d arrivals end inside an event", inside)
	}
}

// TestTimelineOfHealthy: where nothing is held, nothing is shaded as if it were.
func TestTimelineOfHealthy(t *testing.T) {
	o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 300, 30, 1), seentest.Steady(seen.RoleSecond, 1500, 300, 25, 6))
	lines := drawnFrom(o)
	if len(lines) != 2 || lines[0].Role != "a" || lines[1].Role != "twin" {
		t.Fatalf("got %+v", lines)
	}
	for _, line := range lines {
		if n, _ := countSpans(line, SpanHeld); n > 0 {
			t.Errorf("%s: %+v", line.Role, line.Spans)
		}
		if line.Merged != 0 || line.Events != len(line.Arrivals) {
			t.Errorf("%s: %d events in %d arrivals, %d merged", line.Role, line.Events, len(line.Arrivals), line.Merged)
		}
	}
}

// TestTimelinesAreBounded draws many streams of many arrivals.
func TestTimelinesAreBounded(t *testing.T) {
	exchanges := []*seen.Exchange{seentest.Pieces(seen.RoleMain, 120, 777, 1000)}
	for range 14 {
		exchanges = append(exchanges, seentest.Steady(seen.RoleJoin, 100, 20, 400, 1))
	}
	lines := drawnFrom(seentest.Recording(exchanges...))
	if len(lines) > maxTimelines {
		t.Errorf("%d timelines", len(lines))
	}
	for _, line := range lines {
		most := maxArrivals
		if line.Role == "a" {
			most = mainArrivals
		}
		if len(line.Arrivals) > most || len(line.Spans) > maxSpans {
			t.Errorf("%s: %d arrivals, %d spans", line.Role, len(line.Arrivals), len(line.Spans))
		}
	}
	if lines[0].Hidden == 0 || lines[0].Merged == 0 {
		t.Errorf("%d spans are hidden, %d arrivals merged", lines[0].Hidden, lines[0].Merged)
	}
}
