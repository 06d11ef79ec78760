package diag

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
)

// noIDs is what the checks of IDs say where there are none.
func noIDs(t *timeline) (Finding, bool) {
	if len(idEvents(t.events)) == 0 {
		return skip("no event has an ID"), true
	}
	return Finding{}, false
}

func checkIDPresent(o *Observation) Finding {
	t := o.a().timeline()
	all, with := len(t.events), 0
	for _, e := range t.events {
		if e.hasID {
			with++
		}
	}
	share := func(f Finding) Finding { return f.with("events", all).with("events_with_id", with) }
	switch {
	case all == 0:
		return inconclusive("no event came")
	case with == all:
		return share(pass("all %d events have one", all))
	case with > 0:
		return share(info("%d of %d events have one", with, all))
	case t.ended:
		return share(info("none; a stream with an end can do without"))
	}
	return share(warn("none: what is sent while a client is away is lost to it"))
}

func checkIDStable(o *Observation) Finding {
	a := o.a().timeline()
	if f, ok := noIDs(a); ok {
		return f
	}
	sums := map[string]uint64{}
	for _, e := range idEvents(a.events) {
		if sum, twice := sums[e.id]; twice && sum != e.sum {
			return fail("ID %q came twice on one connection, with other data", httpx.Clip(e.id, 40))
		} else if twice {
			return warn("ID %q came twice on one connection, with the same data: a replay in a loop?", httpx.Clip(e.id, 40))
		}
		sums[e.id] = e.sum
	}
	common, other, example, connections := 0, 0, "", 1
	for _, role := range []Role{RoleTwin, RoleIdentity, RoleResume1, RoleResume2, RoleControl} {
		x := o.get(role)
		if !x.ok() {
			continue
		}
		connections++
		for _, e := range idEvents(x.timeline().events) {
			if sum, known := sums[e.id]; known {
				common++
				if sum != e.sum {
					other++
					example = e.id
				}
			}
		}
	}
	switch {
	case other > 0 && 2*other >= common:
		return fail("the same ID stands for other data on another connection (%d of %d)", other, common).seen("for example %q", httpx.Clip(example, 40))
	case other > 0:
		return warn("the same ID stands for other data on another connection (%d of %d)", other, common).seen("for example %q", httpx.Clip(example, 40))
	case common == 0:
		return inconclusive("%d different IDs, none of them seen on two connections", len(sums))
	}
	if alien := alienConnections(o); alien > 0 {
		return warn("%d of %d connections shared no ID with the first one at the same time, others did: several origins answer, each with its own IDs", alien, connections)
	}
	return pass("%d IDs, the same data on %d connections", len(sums), connections)
}

// alienConnections returns how many connections got events at the same time as
// the main one and shared no ID with it, though others shared some: a balancer
// sends each to one of several origins. Zero if none shared any, as streams may
// be made for each connection.
func alienConnections(o *Observation) int {
	const least = 3
	alien, kin := 0, 0
	a := o.a()
	for _, x := range o.liveStreams() {
		known := map[string]bool{}
		for _, e := range idEvents(a.timeline().events) {
			if e.at >= x.Answered && e.at <= x.Ended {
				known[e.id] = true
			}
		}
		events, common := idEvents(x.timeline().events), 0
		for _, e := range events {
			if known[e.id] {
				common++
			}
		}
		switch {
		case common > 0:
			kin++
		case len(known) >= least && len(events) >= least:
			alien++
		}
	}
	if kin == 0 {
		return 0
	}
	return alien
}

func checkIDSyntax(o *Observation) Finding {
	t := o.a().timeline()
	for _, line := range bytes.FieldsFunc(t.whole(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if bytes.HasPrefix(line, []byte("id:")) && bytes.IndexByte(line, 0) >= 0 {
			return fail("an ID with a NUL, which clients ignore")
		}
	}
	if f, ok := noIDs(t); ok {
		return f
	}
	for _, e := range idEvents(t.events) {
		switch {
		case len(e.id) > 1024:
			return warn("an ID of %d bytes, all of them sent in a header", len(e.id))
		case strings.TrimSpace(e.id) != e.id:
			return warn("ID %q has a space at its end, which HTTP drops from the header", httpx.Clip(e.id, 40))
		case !utf8.ValidString(e.id), strings.ContainsFunc(e.id, func(r rune) bool { return r < 0x20 || r == 0x7f }):
			return warn("ID %q cannot be sent as a header", httpx.Clip(e.id, 40))
		}
	}
	return pass("good to send in a header")
}

func checkIDOrder(o *Observation) Finding {
	t := o.a().timeline()
	if f, ok := noIDs(t); ok {
		return f
	}
	last := int64(-1)
	for _, e := range idEvents(t.events) {
		n, err := strconv.ParseInt(e.id, 10, 64)
		if err != nil {
			return skip("IDs are not numbers, and need no order")
		}
		if n < last {
			return info("ID %d came after %d", n, last)
		}
		last = n
	}
	return pass("rising")
}

func checkResume(o *Observation) Finding {
	a := o.witness()
	if f, ok := noIDs(a.timeline()); ok {
		if len(a.timeline().events) == 0 {
			return inconclusive("no event came")
		}
		return f
	}
	res := judgeResume(o, a, o.get(RoleResume1), o.get(RoleResume2), o.get(RoleControl))
	return res.finding(newWitness(a.timeline()))
}

// finding words a verdict.
func (res resumeResult) finding(w *witness) Finding {
	var f Finding
	switch res.verdict {
	case resumedExact:
		f = pass("exact: nothing lost or repeated, from two places")
	case resumedInclusive:
		f = warn("inclusive: the event that the ID names comes again").cure("AFTER")
	case resumedOverlap:
		f = warn("overlap: %d events come again", res.n).cure("AFTER")
	case resumedGap:
		f = fail("gap: %d events are lost after a drop", res.n)
	case ignoredLiveOnly:
		f = fail("ignored: what was sent during an outage is lost (here %d events)", res.n)
	case ignoredRestarts:
		f = fail("ignored: every reconnection gets the whole past again")
	case ignoredFixedBacklog:
		f = warn("ignored: everybody gets the last %d events, whatever the ID", res.n)
	case idsNotStable:
		f = fail("the IDs mean other events on each connection: resuming skips or repeats, and nobody notices")
	case resumeRefused:
		f = fail("refused: status %d where Last-Event-ID is sent", res.status)
	default:
		return inconclusive("%s", res.why).refer(res.see).with("verdict", string(res.verdict))
	}
	if res.came && res.asked[0] >= 0 && res.asked[1] >= 0 && res.verdict != resumedExact && res.verdict != resumeRefused {
		f.Seen = sprintf("asked after %s and %s, first came %s and %s", w.name(res.asked[0]), w.name(res.asked[1]), w.name(res.first[0]), w.name(res.first[1]))
	}
	return f.with("verdict", string(res.verdict)).with("events", res.n)
}

// name is the ID at a place, for people.
func (w *witness) name(place int) string {
	if place < 0 || place >= len(w.events) {
		return "an older one"
	}
	return strconv.Quote(httpx.Clip(w.events[place].id, 40))
}

func checkResumeHop(o *Observation) Finding {
	origin := o.get(RoleOrigin)
	if !origin.ok() {
		return inconclusive("the origin gave no event stream")
	}
	at := judgeResume(o, origin, o.get(RoleOriginResume1), o.get(RoleOriginResume2), o.get(RoleOriginControl))
	here := judgeResume(o, o.witness(), o.get(RoleResume1), o.get(RoleResume2), o.get(RoleControl))
	switch {
	case at.verdict == resumeUndecided || here.verdict == resumeUndecided:
		return inconclusive("not decided on both sides: %s at the origin, %s here", at.verdict, here.verdict)
	case at.verdict == here.verdict:
		return pass("%s on both sides", at.verdict)
	case at.verdict == resumedExact || at.verdict == resumedInclusive:
		return fail("%s at the origin, %s here: a hop takes the header away, or answers from a cache", at.verdict, here.verdict)
	}
	return warn("%s at the origin, %s here", at.verdict, here.verdict)
}

func checkResumeUnknown(o *Observation) Finding {
	x := o.get(RoleUnknownID)
	if x == nil {
		return skip("not asked")
	}
	a := o.a().timeline()
	f := Finding{}
	switch {
	case x.Answered == 0:
		w := o.headerWaits()
		if w.alone == nil && w.latest.ttfb() > 300*time.Millisecond || o.unanswered(RoleControl) || o.unanswered(RoleIdentity) || o.timing().holds(o) {
			return inconclusive("no headers in %s, as without an ID", roundDuration(x.Ended-x.Start))
		}
		return fail("no answer within %s", roundDuration(x.Ended-x.Start))
	case x.Status >= 500:
		return fail("%d: one stale client ID, and the client is out", x.Status)
	case x.Status == http.StatusNoContent:
		f = info("204: a client with a stale ID stops for good")
	case x.Status != http.StatusOK:
		f = info("%d: a client with a stale ID stops for good", x.Status)
	default:
		events := x.timeline().events
		missed := count(before(a.events, x.Ended-200*time.Millisecond), x.Answered+100*time.Millisecond)
		switch {
		case len(events) == 0 && x.timeline().bytes() == 0 && missed >= 4 && !o.timing().holds(o):
			f = warn("200, and then nothing, while others were sent %d events", missed)
		case len(events) == 0:
			f = pass("200, live events only")
		case len(a.events) > 0 && events[0].key() == a.events[0].key():
			f = pass("200, the past from its start")
		default:
			f = pass("200, going on live")
		}
	}
	return f.with("status", x.Status)
}

// unanswered reports whether the exchange was made and got no headers.
func (o *Observation) unanswered(role Role) bool {
	x := o.get(role)
	return x != nil && x.Answered == 0
}

func checkResumeEnd(o *Observation) Finding {
	if o.a().End != EndEOF {
		return skip("the stream did not end")
	}
	if f, ok := noIDs(o.a().timeline()); ok {
		return f
	}
	x := o.get(RoleLastID)
	if x == nil || x.Answered == 0 {
		return inconclusive("a reconnection with the last ID was not answered")
	}
	switch events := len(x.timeline().events); {
	case x.Status == http.StatusNoContent:
		return pass("204 after the last event, so clients stop")
	case x.Status != http.StatusOK:
		return info("%d after the last event, so clients stop with an error", x.Status)
	case events > 0 && events >= len(o.a().timeline().events):
		return fail("a reconnection with the last ID gets all %d events again, and so forever", events)
	case x.End == EndEOF:
		return warn("200 and an end at once: browsers come back every few seconds, forever")
	}
	return pass("stays open after the last event")
}

func checkResumeRange(o *Observation) Finding {
	part, other, past := o.get(RoleRange), o.get(RoleRangeIf), o.get(RoleRangeEnd)
	if part == nil {
		return skip("not a stored stream")
	}
	total := len(o.a().Body)
	switch {
	case part.Status == http.StatusOK:
		return info("Range is ignored: a client has to skip what it has")
	case part.Status != http.StatusPartialContent:
		return warn("%d for a range that exists", part.Status)
	}
	offset := strings.TrimSuffix(strings.TrimPrefix(header(part, "Range"), "bytes="), "-")
	at, _ := strconv.Atoi(offset)
	switch {
	case !strings.HasPrefix(part.Header.Get("Content-Range"), "bytes "+offset+"-"):
		return warn("206 with another range: %q", part.Header.Get("Content-Range"))
	case coding.Of(part.Header) != "":
		return warn("206 of the compressed form: its offsets mean other bytes")
	case at <= total && !bytes.HasPrefix(o.a().Body[at:], part.Body[:min(len(part.Body), total-at)]):
		return warn("206 with other bytes than the whole has there")
	case other != nil && other.Status != http.StatusOK:
		return warn("%d where If-Range does not match; the whole is due", other.Status)
	case past != nil && past.Status != http.StatusRequestedRangeNotSatisfiable:
		return warn("%d for a range behind the end; 416 is due", past.Status)
	case strings.HasPrefix(o.a().Header.Get("ETag"), "W/"):
		return warn("206, but only a weak ETag: If-Range cannot use it")
	}
	return pass("206 from byte %s on, guarded by If-Range", offset)
}

func checkResumeHeader(o *Observation) Finding {
	x := o.get(RoleResume1)
	if !x.ok() {
		return skip("no resumed stream")
	}
	asked := header(x, "Last-Event-ID")
	for _, name := range []string{"Mercure-Last-Event-ID", "Last-Event-ID"} {
		switch got := x.Header.Get(name); {
		case got == "":
		case got == asked:
			return info("%s confirms the ID: nothing is lost", name)
		default:
			return warn("%s: %s where %s was asked: events in between are lost", name, httpx.Clip(got, 40), httpx.Clip(asked, 40))
		}
	}
	return info("none; only some hubs tell")
}
