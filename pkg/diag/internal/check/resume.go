package check

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var resumeChecks = []*Check{
	&idPresentCheck,
	&idStableCheck,
	&idSyntaxCheck,
	&idOrderCheck,
	&idControlCheck,
	&resumeCheck,
	&resumeHopCheck,
	&resumeUnknownIdCheck,
	&resumeEndCheck,
	&resumeRangeCheck,
	&resumeHeaderCheck,
	&resumeForeignCheck,
}

var idPresentCheck = Check{
	ID: "id-present", Group: "resume", Title: "events have IDs", Worst: Warn,
	How:   "The share of events with an id field.",
	Why:   "Without IDs, clients lose the events of an outage.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header",
	Cures: []Cure{cureLastingIDs},
	run:   checkIDPresent,
}

var cureLastingIDs = Cure{{For: "app", Text: "give each event an ID that means the same on every connection, such as epoch-sequence"}}

// noIDs returns the finding of the checks of IDs where there are none.
func noIDs(t *seen.Timeline) (Finding, bool) {
	if len(seen.WithIDs(t.Events)) == 0 {
		return skip("no event has an ID"), true
	}
	return Finding{}, false
}

func checkIDPresent(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	all, with := len(t.Events), 0
	for _, e := range t.Events {
		if e.HasID {
			with++
		}
	}
	share := func(f Finding) Finding { return f.with("events", all).with("events_with_id", with) }
	switch {
	case all == 0:
		return inconclusive("no event arrived")
	case with == all:
		return share(pass("all %d events have one", all))
	case with > 0:
		return share(info("%d of %d events have one", with, all))
	case t.Ended:
		return share(info("none: a finite stream can do without"))
	}
	return share(warn("none: clients lose the events of an outage"))
}

var idStableCheck = Check{
	ID: "id-stable", Group: "resume", Title: "an ID means one event", Worst: Fail,
	How:   "The same ID has the same data on all connections, and comes once on each.",
	Why:   "IDs counted per connection make clients skip or repeat events silently.",
	Cite:  "https://github.com/jaylfc/taOS/issues/1513",
	Cures: []Cure{cureLastingIDs},
	run:   checkIDStable,
}

func checkIDStable(o *seen.Observation) Finding {
	a := o.Main().Timeline()
	if f, ok := noIDs(a); ok {
		return f
	}
	sums := map[string]uint64{}
	misplaced := len(misplacedIDs(a)) > 0 // which id-control reports
	for _, e := range seen.WithIDs(a.Events) {
		if misplaced && isControl(&e) {
			continue
		}
		if sum, twice := sums[e.ID]; twice && sum != e.Sum {
			return fail("ID %q came twice on one connection, with other data", httpx.Clip(e.ID, 40))
		} else if twice {
			return warn("ID %q came twice on one connection, with the same data: a replay in a loop?", httpx.Clip(e.ID, 40))
		}
		sums[e.ID] = e.Sum
	}
	common, other, example, connections := 0, 0, "", 1
	for _, role := range []seen.Role{seen.RoleSecond, seen.RoleIdentity, seen.RoleResume1, seen.RoleResume2, seen.RoleNoID} {
		x := o.Get(role)
		if !x.OK() {
			continue
		}
		connections++
		for _, e := range seen.WithIDs(x.Timeline().Events) {
			if sum, known := sums[e.ID]; known {
				common++
				if sum != e.Sum {
					other++
					example = e.ID
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
func alienConnections(o *seen.Observation) int {
	const least = 3
	alien, kin := 0, 0
	a := o.Main()
	for _, x := range o.Later() {
		known := map[string]bool{}
		for _, e := range seen.WithIDs(a.Timeline().Events) {
			if e.At >= x.Answered && e.At <= x.Ended {
				known[e.ID] = true
			}
		}
		events, common := seen.WithIDs(x.Timeline().Events), 0
		for _, e := range events {
			if known[e.ID] {
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

var idSyntaxCheck = Check{
	ID: "id-syntax", Group: "resume", Title: "IDs can be sent back", Worst: Fail,
	How:   "No NUL, no control characters, no space at the ends, at most 1 KiB.",
	Why:   "Clients ignore an ID with a NUL, and cannot send the others in a header.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#processField",
	Cures: []Cure{cureLastingIDs},
	run:   checkIDSyntax,
}

func checkIDSyntax(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	for _, line := range bytes.FieldsFunc(t.Whole(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if bytes.HasPrefix(line, []byte("id:")) && bytes.IndexByte(line, 0) >= 0 {
			return fail("an ID with a NUL, which clients ignore")
		}
	}
	if f, ok := noIDs(t); ok {
		return f
	}
	for _, e := range seen.WithIDs(t.Events) {
		switch {
		case len(e.ID) > 1024:
			return warn("an ID of %d bytes, all of them sent in a header", len(e.ID))
		case strings.TrimSpace(e.ID) != e.ID:
			return warn("ID %q has a space at its end, which HTTP drops from the header", httpx.Clip(e.ID, 40))
		case !utf8.ValidString(e.ID), strings.ContainsFunc(e.ID, func(r rune) bool { return r < 0x20 || r == 0x7f }):
			return warn("ID %q cannot be sent as a header", httpx.Clip(e.ID, 40))
		}
	}
	return pass("valid in a header")
}

var idOrderCheck = Check{
	ID: "id-order", Group: "resume", Title: "IDs rise", Worst: Info,
	How:   "Numbers only; other IDs need no order.",
	Why:   "IDs out of order are legal, and often a sign of two writers.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#concept-event-stream-last-event-id",
	Cures: []Cure{cureLastingIDs},
	run:   checkIDOrder,
}

func checkIDOrder(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if f, ok := noIDs(t); ok {
		return f
	}
	last := int64(-1)
	for _, e := range seen.WithIDs(t.Events) {
		n, err := strconv.ParseInt(e.ID, 10, 64)
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

var resumeCheck = Check{
	ID: "resume", Group: "resume", Title: "Last-Event-ID resumes", Worst: Fail,
	How:   "Beside an open stream, two streams resume from different IDs and one starts without an ID. Their starts must be as far apart as the IDs.",
	Why:   "Clients lose or repeat events after every drop.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header",
	Cures: []Cure{cureKeepPast},
	run:   checkResume,
}

var cureKeepPast = Cure{{For: "app", Text: "keep a ring of past events, and send those after Last-Event-ID before going live"}}

var cureSendAfter = Cure{{For: "app", Text: "send the events after Last-Event-ID, and not that event again"}}

func checkResume(o *seen.Observation) Finding {
	a := referenceOf(o)
	if f, ok := noIDs(a.Timeline()); ok {
		if len(a.Timeline().Events) == 0 {
			return inconclusive("no event arrived")
		}
		return f
	}
	res := judgeResume(o, a, o.Get(seen.RoleResume1), o.Get(seen.RoleResume2), o.Get(seen.RoleNoID))
	return res.finding(newReference(a.Timeline()))
}

// finding words a verdict.
func (res resumeResult) finding(w *reference) Finding {
	var f Finding
	switch res.verdict {
	case resumedExact:
		f = pass("exact: nothing lost or repeated, from two places")
	case resumedInclusive:
		f = warn("inclusive: the event that the ID names comes again").cure(cureSendAfter)
	case resumedOverlap:
		f = warn("overlap: %d events come again", res.n).cure(cureSendAfter)
	case resumedGap:
		f = fail("gap: %d events are lost after a drop", res.n)
	case ignoredLiveOnly:
		f = fail("ignored: the events of an outage are lost (here %d)", res.n)
	case ignoredRestarts:
		f = fail("ignored: every reconnection gets the whole past again")
	case ignoredFixedBacklog:
		f = warn("ignored: every client gets the last %d events, whatever the ID", res.n)
	case idsNotStable:
		f = fail("the IDs mean other events on each connection: resuming silently skips or repeats events")
	case resumeRefused:
		f = fail("refused: status %d where Last-Event-ID is sent", res.status)
	default:
		return inconclusive("%s", res.why).refer(res.see).with("verdict", string(res.verdict))
	}
	if res.came && res.asked[0] >= 0 && res.asked[1] >= 0 && res.verdict != resumedExact && res.verdict != resumeRefused {
		f.Seen = fmt.Sprintf("asked after %s and %s, first came %s and %s", w.name(res.asked[0]), w.name(res.asked[1]), w.name(res.first[0]), w.name(res.first[1]))
	}
	return f.with("verdict", string(res.verdict)).with("events", res.n)
}

// name is the ID at a place, for people.
func (w *reference) name(place int) string {
	if place < 0 || place >= len(w.events) {
		return "an older one"
	}
	return strconv.Quote(httpx.Clip(w.events[place].ID, 40))
}

var resumeHopCheck = Check{
	ID: "resume-hop", Group: "resume", Title: "no hop removes Last-Event-ID", Worst: Fail,
	How:   "The same test at Options.OriginURL and here.",
	Why:   "The server resumes, but not through the proxy.",
	Cite:  "https://github.com/anomalyco/opencode/issues/25658",
	Cures: []Cure{cureForwardID},
	Needs: NeedsOriginURL,
	run:   checkResumeHop,
}

var cureForwardID = Cure{{For: "nginx", Text: "proxy_set_header Last-Event-ID $http_last_event_id;"}, {For: "app", Text: "find the hop that removes Last-Event-ID"}}

func checkResumeHop(o *seen.Observation) Finding {
	origin := o.Get(seen.RoleOrigin)
	if !origin.OK() {
		return inconclusive("the origin gave no event stream")
	}
	at := judgeResume(o, origin, o.Get(seen.RoleOriginResume1), o.Get(seen.RoleOriginResume2), o.Get(seen.RoleOriginNoID))
	here := judgeResume(o, referenceOf(o), o.Get(seen.RoleResume1), o.Get(seen.RoleResume2), o.Get(seen.RoleNoID))
	switch {
	case at.verdict == resumeUndecided || here.verdict == resumeUndecided:
		return inconclusive("not decided on both sides: %s at the origin, %s here", at.verdict, here.verdict)
	case at.verdict == here.verdict:
		return pass("%s on both sides", at.verdict)
	case at.verdict == resumedExact || at.verdict == resumedInclusive:
		return fail("%s at the origin, %s here: a hop removes the header, or answers from a cache", at.verdict, here.verdict)
	}
	return warn("%s at the origin, %s here", at.verdict, here.verdict)
}

var resumeUnknownIdCheck = Check{
	ID: "resume-unknown-id", Group: "resume", Title: "a stale ID does no harm", Worst: Fail,
	How:   "A reconnection with an ID that the server never gave.",
	Why:   "After a deployment, all clients have stale IDs.",
	Cite:  "https://github.com/dunglas/mercure/issues/704",
	Cures: []Cure{cureAnswerStale},
	run:   checkResumeUnknown,
}

var cureAnswerStale = Cure{{For: "app", Text: "answer a stale ID with a reset event, and go on live"}}

func checkResumeUnknown(o *seen.Observation) Finding {
	x := o.Get(seen.RoleUnknownID)
	if x == nil {
		return skip("not asked")
	}
	a := o.Main().Timeline()
	f := Finding{}
	switch {
	case x.Answered == 0:
		w := hold.HeaderWaits(o)
		if w.Alone == nil && w.Latest.TTFB() > 300*time.Millisecond || unanswered(o, seen.RoleNoID) || unanswered(o, seen.RoleIdentity) || hold.Of(o).Holds() {
			return inconclusive("no headers in %s, as without an ID", seen.RoundDuration(x.Ended-x.Start))
		}
		return fail("no answer within %s", seen.RoundDuration(x.Ended-x.Start))
	case x.Status >= 500:
		return fail("%d: a client with a stale ID cannot reconnect", x.Status)
	case x.Status == http.StatusNoContent:
		f = info("204: a client with a stale ID stops for good")
	case x.Status != http.StatusOK:
		f = info("%d: a client with a stale ID stops for good", x.Status)
	default:
		events := x.Timeline().Events
		missed := seen.CountFrom(seen.Before(a.Events, x.Ended-200*time.Millisecond), x.Answered+100*time.Millisecond)
		switch {
		case len(events) == 0 && x.Timeline().Bytes() == 0 && missed >= 4 && !hold.Of(o).Holds():
			f = warn("200, and then nothing, while other streams got %d events", missed)
		case len(events) == 0:
			f = pass("200, live events only")
		case len(a.Events) > 0 && events[0].Key() == a.Events[0].Key():
			f = pass("200, the past from its start")
		default:
			f = pass("200, going on live")
		}
	}
	return f.with("status", x.Status)
}

// unanswered reports whether the exchange was made and got no headers.
func unanswered(o *seen.Observation, role seen.Role) bool {
	x := o.Get(role)
	return x != nil && x.Answered == 0
}

var resumeEndCheck = Check{
	ID: "resume-end", Group: "resume", Title: "a finished stream stays finished", Worst: Fail,
	How:   "A reconnection with the last ID after the end: 204, or an open stream.",
	Why:   "Browsers fetch a finished stream again every few seconds, forever.",
	Cite:  "https://github.com/inaka/EventSource/issues/23",
	Cures: []Cure{cureEndWith204},
	run:   checkResumeEnd,
}

func checkResumeEnd(o *seen.Observation) Finding {
	if o.Main().End != seen.EndEOF {
		return skip("the stream did not end")
	}
	if f, ok := noIDs(o.Main().Timeline()); ok {
		return f
	}
	x := o.Get(seen.RoleLastID)
	if x == nil || x.Answered == 0 {
		return inconclusive("a reconnection with the last ID was not answered")
	}
	switch events := len(x.Timeline().Events); {
	case x.Status == http.StatusNoContent:
		return pass("204 after the last event, so clients stop")
	case x.Status != http.StatusOK:
		return info("%d after the last event, so clients stop with an error", x.Status)
	case events > 0 && events >= len(o.Main().Timeline().Events):
		return fail("a reconnection with the last ID gets all %d events again, each time", events)
	case x.End == seen.EndEOF:
		return warn("200 and an immediate end: browsers reconnect every few seconds, forever")
	}
	return pass("stays open after the last event")
}

var resumeRangeCheck = Check{
	ID: "resume-range", Group: "resume", Title: "a stored stream supports ranges", Worst: Warn,
	How:   "Range at the end of an event, If-Range with a false condition, and a range past the end.",
	Why:   "Without ranges, clients have to read all of it again.",
	Cite:  "https://www.rfc-editor.org/rfc/rfc9110#section-14",
	Cures: []Cure{cureServeRanges},
	run:   checkResumeRange,
}

var cureServeRanges = Cure{{For: "app", Text: "serve the file with Accept-Ranges, a strong ETag and no compression"}}

func checkResumeRange(o *seen.Observation) Finding {
	part, other, past := o.Get(seen.RoleRange), o.Get(seen.RoleRangeIf), o.Get(seen.RoleRangeEnd)
	if part == nil {
		return skip("not a stored stream")
	}
	total := len(o.Main().Body)
	switch {
	case part.Status == http.StatusOK:
		return info("Range is ignored: clients have to skip the part they have")
	case part.Status != http.StatusPartialContent:
		return warn("%d for a range that exists", part.Status)
	}
	offset := strings.TrimSuffix(strings.TrimPrefix(seen.SentHeader(part, "Range"), "bytes="), "-")
	at, _ := strconv.Atoi(offset)
	switch {
	case !strings.HasPrefix(part.Header.Get("Content-Range"), "bytes "+offset+"-"):
		return warn("206 with another range: %q", part.Header.Get("Content-Range"))
	case coding.Of(part.Header) != "":
		return warn("206 of the compressed form: its offsets differ")
	case at <= total && !bytes.HasPrefix(o.Main().Body[at:], part.Body[:min(len(part.Body), total-at)]):
		return warn("206 with other bytes than the full answer")
	case other != nil && other.Status != http.StatusOK:
		return warn("%d where If-Range does not match; want the full answer", other.Status)
	case past != nil && past.Status != http.StatusRequestedRangeNotSatisfiable:
		return warn("%d for a range past the end; want 416", past.Status)
	case strings.HasPrefix(o.Main().Header.Get("ETag"), "W/"):
		return warn("206, but only a weak ETag: If-Range cannot use it")
	}
	return pass("206 from byte %s on, guarded by If-Range", offset)
}

var resumeHeaderCheck = Check{
	ID: "resume-header", Group: "resume", Title: "the answer reports lost events", Worst: Warn,
	How:   "Last-Event-ID and Mercure-Last-Event-ID of the answer.",
	Why:   "Hubs report in it how far back their history reaches.",
	Cite:  "https://github.com/dunglas/mercure/issues/1317",
	Cures: []Cure{cureAnswerStale},
	run:   checkResumeHeader,
}

func checkResumeHeader(o *seen.Observation) Finding {
	x := o.Get(seen.RoleResume1)
	if !x.OK() {
		return skip("no resumed stream")
	}
	asked := seen.SentHeader(x, "Last-Event-ID")
	for _, name := range []string{"Mercure-Last-Event-ID", "Last-Event-ID"} {
		switch got := x.Header.Get(name); {
		case got == "":
		case got == asked:
			return info("%s confirms the ID: nothing is lost", name)
		default:
			return warn("%s: %s instead of %s: events in between are lost", name, httpx.Clip(got, 40), httpx.Clip(asked, 40))
		}
	}
	return info("none; only some hubs send it")
}
