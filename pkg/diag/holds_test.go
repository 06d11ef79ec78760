package diag

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestSlowReplayIsARestart has a server start again at each reconnection, so
// slowly that the replay does not come to the events of the reference stream.
func TestSlowReplayIsARestart(t *testing.T) {
	o := slowRestart()
	if f := check.Lookup("resume").Run(o); f.Status != check.Fail || f.Evidence["verdict"] != "ignored-restarts" {
		t.Errorf("%s: %s %v", f.Status, f.Title, f.Evidence)
	}
}

func slowRestart() *seen.Observation {
	asked := func(role seen.Role, start int, id string) *seen.Exchange {
		return seentest.With(seentest.Steady(role, start, 10, 30, 1), func(x *seen.Exchange) { x.RequestHeader = http.Header{"Last-Event-ID": {id}} })
	}
	return seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 500), asked(seen.RoleResume1, 7100, "560"), asked(seen.RoleResume2, 7500, "556"), seentest.Steady(seen.RoleNoID, 8000, 10, 30, 1))
}

// A methodCase is a recording with the outcome of a check and its method.
type methodCase struct {
	name, id string
	o        *seen.Observation
	want     check.Status
	method   any
}

// holdsOnSeveral are holds that one connection alone does not prove, and
// streams that look like them.
func holdsOnSeveral() []methodCase {
	onePiece := func(role seen.Role, start, at int) *seen.Exchange {
		return seentest.Recorded(role, start, seen.EndClient, 9000, seentest.Arrive(at, strings.Repeat(seentest.Ev(1, 250), 17)[:4096]))
	}
	live := func(n int) string { return seentest.Ev(n, 60) }
	// The events of the open stream at 1, 2, 3 ... s come on the others at once
	// at 6 s.
	open := func() *seen.Exchange {
		x := seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000)
		for n := 1; n < 9; n++ {
			x.Body = append(x.Body, live(n)...)
			x.Reads = append(x.Reads, seen.Read{At: seentest.MS(1000 * n), N: len(live(n))})
		}
		return x
	}
	late := func(role seen.Role, start, at int) *seen.Exchange {
		text := ""
		for n := start/1000 + 1; n*1000 <= at; n++ {
			text += live(n)
		}
		return seentest.Recorded(role, start, seen.EndClient, 9000, seentest.Arrive(at, text), seentest.Arrive(7001, live(7)), seentest.Arrive(8001, live(8)))
	}
	timesAt := func(role seen.Role, start int, at, stamp func(n int) int) *seen.Exchange {
		x := seentest.Recorded(role, start, seen.EndClient, 9000)
		for n := start/700 + 1; n < 12; n++ {
			text := fmt.Sprintf("id: %d\ndata: {\"at\":%d}\n\n", n, stamp(n))
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, seen.Read{At: seentest.MS(at(n)), N: len(text)})
		}
		return x
	}
	regular := func(n int) int { return 700 * n }
	irregular := func(n int) int { return 700*n + n*n%5*150 }
	times := func(role seen.Role, start int, stamp func(n int) int) *seen.Exchange {
		return timesAt(role, start, regular, stamp)
	}
	noon := int(seentest.Recording().Time.UnixMilli())
	vary := func(n int) int { return noon + 700*n - n*n%5*90 }
	return []methodCase{
		{"one piece on each of three", "buffer-proxy", seentest.Recording(onePiece(seen.RoleMain, 0, 1600), onePiece(seen.RoleSecond, 2000, 3600), onePiece(seen.RoleIdentity, 400, 2000)), check.Fail, "pauses"},
		{"one piece on one of three", "buffer-proxy", seentest.Recording(onePiece(seen.RoleMain, 0, 1600), seentest.Steady(seen.RoleSecond, 2000, 500, 13, 3), seentest.Steady(seen.RoleIdentity, 500, 500, 16, 1)), check.Inconclusive, nil},
		{"the start of two", "buffer-proxy", seentest.Recording(open(), late(seen.RoleSecond, 1500, 6001), late(seen.RoleJoin, 2500, 6501)), check.Fail, "opening"},
		{"no start held", "buffer-proxy", seentest.Recording(open(), late(seen.RoleSecond, 5500, 6001), late(seen.RoleJoin, 4500, 5001)), check.Pass, "pauses"},
		{"paced", "buffer-proxy", seentest.Recording(seentest.Pieces(seen.RoleMain, 200, 819, 30)), check.Warn, "sizes"},
		{"in time, at different gaps", "buffer-tail", seentest.Recording(timesAt(seen.RoleMain, 0, irregular, func(n int) int { return noon + irregular(n) })), check.Pass, "clock"},
		{"in time, like clockwork", "buffer-tail", seentest.Recording(times(seen.RoleMain, 0, func(n int) int { return noon + regular(n) })), check.Inconclusive, nil},
		{"times that vary, one by one", "buffer-proxy", seentest.Recording(times(seen.RoleMain, 0, vary), times(seen.RoleSecond, 1400, vary)), check.Inconclusive, nil},
	}
}

// TestHoldsOnSeveral holds the checks to the cases of holdsOnSeveral.
func TestHoldsOnSeveral(t *testing.T) {
	for _, test := range holdsOnSeveral() {
		f := check.Lookup(test.id).Run(test.o)
		if f.Status != test.want || test.method != nil && f.Evidence["method"] != test.method {
			t.Errorf("%s: %s by %v, want %s by %v: %s; %s", test.name, f.Status, f.Evidence["method"], test.want, test.method, f.Title, f.Seen)
		}
	}
}

// TestPairsOfOtherEvents has each connection number its events from 1: they are
// not the same, and their times are not compared.
func TestPairsOfOtherEvents(t *testing.T) {
	own := func(role seen.Role, start int, word string) *seen.Exchange {
		x := seentest.Recorded(role, start, seen.EndClient, 9000)
		for n := 1; start+500*n < 9000; n++ {
			text := fmt.Sprintf("id: %d\ndata: %s %d\n\n", n, word, n)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, seen.Read{At: seentest.MS(start + 500*n), N: len(text)})
		}
		return x
	}
	o := seentest.Recording(own(seen.RoleMain, 0, "a"), own(seen.RoleSecond, 1700, "b"), own(seen.RoleIdentity, 400, "c"))
	if found := alarm(o); found != "" {
		t.Error(found)
	}
	if list := seen.Pairs(o.Main().Timeline(), o.Get(seen.RoleSecond).Timeline()); len(list) > 0 {
		t.Errorf("%d pairs", len(list))
	}
}

// TestBareCompression has ten bytes of gzip and nothing after them: that means
// something only where headers are never late, and the plain form has none.
func TestBareCompression(t *testing.T) {
	for via, want := range map[string]check.Status{"1.1 varnish (Varnish/7.1)": check.Fail, "": check.Inconclusive} {
		if f := check.Lookup("buffer-compression").Run(bareCompression(via)); f.Status != want {
			t.Errorf("via %q: %s, want %s: %s", via, f.Status, want, f.Title)
		}
	}
}

func bareCompression(via string) *seen.Observation {
	a := seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 12000, seentest.Arrive(5, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
	a.Header.Set("Content-Encoding", "gzip")
	a.Header.Set("Via", via)
	plain := seentest.With(seentest.Recorded(seen.RoleIdentity, 400, seen.EndTimeout, 12000), func(x *seen.Exchange) { x.Answered, x.Status, x.Header = 0, 0, nil })
	return seentest.Recording(a, plain)
}

// TestStampsLikeClockwork has regular events: only where the clocks agree do
// stamps show that none waited for the next one.
func TestStampsLikeClockwork(t *testing.T) {
	for _, test := range []struct {
		late int // all events, in ms, or the server's clock is slow
		want check.Status
	}{{0, check.Pass}, {100, check.Pass}, {-10, check.Pass}, {700, check.Inconclusive}, {-700, check.Inconclusive}} {
		if f := check.Lookup("buffer-tail").Run(clockwork(test.late)); f.Status != test.want {
			t.Errorf("%d ms late: %s, want %s: %s", test.late, f.Status, test.want, f.Title)
		}
	}
}

// clockwork is a stream of stamped events, one each 0.7 s, all late by some ms.
func clockwork(late int) *seen.Observation {
	x := seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000)
	for n := 1; n < 11; n++ {
		text := fmt.Sprintf(": t=%d off=0\nid: %d\ndata: x\n\n", seentest.RecordedAt.Add(seentest.MS(700*n-late)).UnixNano(), n)
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, seen.Read{At: seentest.MS(700 * n), N: len(text)})
	}
	return seentest.Recording(x)
}

// TestStamps has events as serve --stamp writes them, each held until the next
// one: the stamps show it, and are no heartbeats.
func TestStamps(t *testing.T) {
	for held, want := range []check.Status{check.Pass, check.Fail} {
		x := stamped(held)
		if f := check.Lookup("buffer-tail").Run(seentest.Recording(x)); f.Status != want || len(x.Timeline().Comments) > 0 {
			t.Errorf("held by %d: %s by %v, want %s: %s; %d comments", held, f.Status, f.Evidence["method"], want, f.Title, len(x.Timeline().Comments))
		}
	}
}

// stamped is a stream of stamped events, each held until so many later ones are
// made.
func stamped(held int) *seen.Exchange {
	x := seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000)
	at := func(n int) int { return 700*n + n*n%5*150 }
	for n := 1; n < 11; n++ {
		text := fmt.Sprintf(": t=%d off=0\nid: %d\ndata: x\n\n", seentest.RecordedAt.Add(seentest.MS(at(n))).UnixNano(), n)
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, seen.Read{At: seentest.MS(at(n + held)), N: len(text)})
	}
	return x
}

// holdTapes are the recordings of the tests of single methods.
func holdTapes() []evidence {
	var list []evidence
	add := func(name string, o *seen.Observation) {
		list = append(list, evidence{name: name, observe: func(*testing.T) *seen.Observation { return o }})
	}
	for _, c := range holdsOnSeveral() {
		add(c.name, c.o)
	}
	for _, c := range headersWithEvents() {
		add("headers with events, "+c.name, c.o)
	}
	for _, c := range secondLooks() {
		add("a second look, "+c.name, c.o)
	}
	add("ten bytes of gzip from Varnish", bareCompression("1.1 varnish (Varnish/7.1)"))
	add("ten bytes of gzip", bareCompression(""))
	for _, late := range []int{0, 100, -10, 700, -700} {
		add(fmt.Sprintf("stamps like clockwork, %d ms late", late), clockwork(late))
	}
	add("stamped", seentest.Recording(stamped(0)))
	add("stamped, one event behind", seentest.Recording(stamped(1)))
	add("resumed before the open stream", lead(true))
	add("resumed after the open stream", lead(false))
	add("each start late, then live", lateStarts())
	add("three connections, one of another origin", seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 1), seentest.Steady(seen.RoleSecond, 500, 100, 60, 6), seentest.Steady(seen.RoleIdentity, 700, 100, 60, 9001)))
	add("slow restarts", slowRestart())
	add("another stream, silent", seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 70, 1), seentest.Recorded(seen.RoleSecond, 500, seen.EndClient, 8000)))
	return list
}
