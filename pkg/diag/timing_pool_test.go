package diag

import (
	"fmt"
	"strings"
	"testing"
)

// A methodCase is a recording with the outcome of a check and its method.
type methodCase struct {
	name, id string
	o        *Observation
	want     Status
	method   any
}

// holdsOnSeveral are holds that one connection alone does not prove, and
// streams that look like them.
func holdsOnSeveral() []methodCase {
	onePiece := func(role Role, start, at int) *Exchange {
		return recorded(role, start, EndClient, 9000, step{at, strings.Repeat(ev(1, 250), 17)[:4096]})
	}
	live := func(n int) string { return ev(n, 60) }
	// What the open stream gets at 1, 2, 3 ... s comes on the others at once at 6 s.
	open := func() *Exchange {
		x := recorded(RoleA, 0, EndClient, 9000)
		for n := 1; n < 9; n++ {
			x.Body = append(x.Body, live(n)...)
			x.Reads = append(x.Reads, Read{At: ms(1000 * n), N: len(live(n))})
		}
		return x
	}
	late := func(role Role, start, at int) *Exchange {
		text := ""
		for n := start/1000 + 1; n*1000 <= at; n++ {
			text += live(n)
		}
		return recorded(role, start, EndClient, 9000, step{at, text}, step{7001, live(7)}, step{8001, live(8)})
	}
	timesAt := func(role Role, start int, at, stamp func(n int) int) *Exchange {
		x := recorded(role, start, EndClient, 9000)
		for n := start/700 + 1; n < 12; n++ {
			text := fmt.Sprintf("id: %d\ndata: {\"at\":%d}\n\n", n, stamp(n))
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, Read{At: ms(at(n)), N: len(text)})
		}
		return x
	}
	regular := func(n int) int { return 700 * n }
	irregular := func(n int) int { return 700*n + n*n%5*150 }
	times := func(role Role, start int, stamp func(n int) int) *Exchange {
		return timesAt(role, start, regular, stamp)
	}
	noon := int(recording().Time.UnixMilli())
	vary := func(n int) int { return noon + 700*n - n*n%5*90 }
	return []methodCase{
		{"one piece on each of three", "buffer-proxy", recording(onePiece(RoleA, 0, 1600), onePiece(RoleTwin, 2000, 3600), onePiece(RoleIdentity, 400, 2000)), Fail, "A"},
		{"one piece on one of three", "buffer-proxy", recording(onePiece(RoleA, 0, 1600), steady(RoleTwin, 2000, 500, 13, 3), steady(RoleIdentity, 500, 500, 16, 1)), Inconclusive, nil},
		{"the start of two", "buffer-proxy", recording(open(), late(RoleTwin, 1500, 6001), late(RoleFresh, 2500, 6501)), Fail, "O"},
		{"no start held", "buffer-proxy", recording(open(), late(RoleTwin, 5500, 6001), late(RoleFresh, 4500, 5001)), Pass, "A"},
		{"paced", "buffer-proxy", recording(pieces(RoleA, 200, 819, 30)), Warn, "S"},
		{"in time, at different gaps", "buffer-tail", recording(timesAt(RoleA, 0, irregular, func(n int) int { return noon + irregular(n) })), Pass, "C"},
		{"in time, like clockwork", "buffer-tail", recording(times(RoleA, 0, func(n int) int { return noon + regular(n) })), Inconclusive, nil},
		{"times that vary, one by one", "buffer-proxy", recording(times(RoleA, 0, vary), times(RoleTwin, 1400, vary)), Inconclusive, nil},
	}
}

// TestHoldsOnSeveral holds the checks to the cases of holdsOnSeveral.
func TestHoldsOnSeveral(t *testing.T) {
	for _, test := range holdsOnSeveral() {
		f := Lookup(test.id).Run(test.o)
		if f.Status != test.want || test.method != nil && f.Evidence["method"] != test.method {
			t.Errorf("%s: %s by %v, want %s by %v: %s; %s", test.name, f.Status, f.Evidence["method"], test.want, test.method, f.Title, f.Seen)
		}
	}
}

// TestPairsOfOtherEvents has each connection number its events from 1: they are
// not the same, and their times are not compared.
func TestPairsOfOtherEvents(t *testing.T) {
	own := func(role Role, start int, word string) *Exchange {
		x := recorded(role, start, EndClient, 9000)
		for n := 1; start+500*n < 9000; n++ {
			text := fmt.Sprintf("id: %d\ndata: %s %d\n\n", n, word, n)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, Read{At: ms(start + 500*n), N: len(text)})
		}
		return x
	}
	o := recording(own(RoleA, 0, "a"), own(RoleTwin, 1700, "b"), own(RoleIdentity, 400, "c"))
	if found := alarm(o); found != "" {
		t.Error(found)
	}
	if list := pairs(o.a().timeline(), o.get(RoleTwin).timeline()); len(list) > 0 {
		t.Errorf("%d pairs", len(list))
	}
}

// TestBareCompression has ten bytes of gzip and nothing behind them: that means
// something only where headers are never late, and the plain form has none.
func TestBareCompression(t *testing.T) {
	for via, want := range map[string]Status{"1.1 varnish (Varnish/7.1)": Fail, "": Inconclusive} {
		if f := Lookup("buffer-compression").Run(bareCompression(via)); f.Status != want {
			t.Errorf("via %q: %s, want %s: %s", via, f.Status, want, f.Title)
		}
	}
}

func bareCompression(via string) *Observation {
	a := recorded(RoleA, 0, EndClient, 12000, step{5, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"})
	a.Header.Set("Content-Encoding", "gzip")
	a.Header.Set("Via", via)
	plain := with(recorded(RoleIdentity, 400, EndTimeout, 12000), func(x *Exchange) { x.Answered, x.Status, x.Header = 0, 0, nil })
	return recording(a, plain)
}

// TestStampsLikeClockwork has regular events: only where the clocks agree do stamps
// tell that none waited for the next one.
func TestStampsLikeClockwork(t *testing.T) {
	for _, test := range []struct {
		late int // all events, in ms, or the server's clock is slow
		want Status
	}{{0, Pass}, {100, Pass}, {-10, Pass}, {700, Inconclusive}, {-700, Inconclusive}} {
		if f := Lookup("buffer-tail").Run(clockwork(test.late)); f.Status != test.want {
			t.Errorf("%d ms late: %s, want %s: %s", test.late, f.Status, test.want, f.Title)
		}
	}
}

// clockwork is a stream of stamped events, one each 0.7 s, all late by some ms.
func clockwork(late int) *Observation {
	x := recorded(RoleA, 0, EndClient, 9000)
	for n := 1; n < 11; n++ {
		text := fmt.Sprintf(": t=%d off=0\nid: %d\ndata: x\n\n", recordedAt.Add(ms(700*n-late)).UnixNano(), n)
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, Read{At: ms(700 * n), N: len(text)})
	}
	return recording(x)
}

// TestStamps has events as serve --stamp writes them, each held until the next
// one: the stamps tell, and are no heartbeats.
func TestStamps(t *testing.T) {
	for held, want := range []Status{Pass, Fail} {
		x := stamped(held)
		if f := Lookup("buffer-tail").Run(recording(x)); f.Status != want || len(x.timeline().comments) > 0 {
			t.Errorf("held by %d: %s by %v, want %s: %s; %d comments", held, f.Status, f.Evidence["method"], want, f.Title, len(x.timeline().comments))
		}
	}
}

// stamped is a stream of stamped events, each held until so many later ones are
// made.
func stamped(held int) *Exchange {
	x := recorded(RoleA, 0, EndClient, 9000)
	at := func(n int) int { return 700*n + n*n%5*150 }
	for n := 1; n < 11; n++ {
		text := fmt.Sprintf(": t=%d off=0\nid: %d\ndata: x\n\n", recordedAt.Add(ms(at(n))).UnixNano(), n)
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, Read{At: ms(at(n + held)), N: len(text)})
	}
	return x
}

// holdTapes are the recordings of the tests of single methods.
func holdTapes() []evidence {
	var list []evidence
	add := func(name string, o *Observation) {
		list = append(list, evidence{name: name, observe: func(*testing.T) *Observation { return o }})
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
	add("stamped", recording(stamped(0)))
	add("stamped, one event behind", recording(stamped(1)))
	add("resumed before the open stream", lead(true))
	add("resumed after the open stream", lead(false))
	add("each start late, then live", lateStarts())
	add("three connections, one of another origin", recording(steady(RoleA, 0, 100, 70, 1), steady(RoleTwin, 500, 100, 60, 6), steady(RoleIdentity, 700, 100, 60, 9001)))
	add("slow restarts", slowRestart())
	add("another stream, silent", recording(steady(RoleA, 0, 100, 70, 1), recorded(RoleTwin, 500, EndClient, 8000)))
	return list
}
