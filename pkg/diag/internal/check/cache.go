package check

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var cacheChecks = []*Check{
	&sharedCacheCheck,
	&pathCheck,
	&commentsPassCheck,
	&disconnectSeenCheck,
}

var sharedCacheCheck = Check{
	ID: "shared-cache", Group: "cache", Title: "no cache replays a recording", Worst: Fail,
	How:   "A second stream that starts like the first, compared with one that has a cache-busting query; Age and X-Cache.",
	Why:   "Users get the stream of another user, or of last week.",
	Cite:  "https://bunny.net/docs/cdn/server-sent-events",
	Cures: []Cure{cureForbidCaching},
	run:   checkSharedCache,
}

func checkSharedCache(o *seen.Observation) Finding {
	a, b := o.Main(), o.Get(seen.RoleSecond)
	for _, x := range []*seen.Exchange{a, b} {
		if x == nil || x.Answered == 0 {
			continue
		}
		// A hop that held the answer back may count that as age.
		age, _ := strconv.Atoi(x.Header.Get("Age"))
		if time.Duration(age)*time.Second > x.Answered-x.Start+time.Second {
			return fail("Age: %d: the stream comes out of a cache", age)
		}
		for _, name := range []string{"X-Cache", "Cf-Cache-Status", "X-Vercel-Cache", "Cdn-Cache"} {
			if value := x.Header.Get(name); strings.HasPrefix(strings.ToUpper(value), "HIT") {
				return fail("%s: %s: the stream comes out of a cache", name, value)
			}
		}
	}
	if b == nil {
		return skip("only one stream was opened")
	}
	if !b.OK() {
		return inconclusive("a second stream could not be opened")
	}
	switch perConnection, past := seen.Replayed(a.Timeline(), b.Timeline()); {
	case perConnection:
		return pass("each stream starts afresh, at its own pace")
	case !past:
		return pass("a second stream is not a copy of the first")
	}
	if who, _ := hold.Of(o).Attribute(); who != hold.NoCause {
		return inconclusive("streams start alike, but they are held: see %s", who).refer(string(who))
	}
	bust := o.Get(seen.RoleCacheBust)
	if !bust.OK() || len(bust.Timeline().Events) == 0 {
		return pass("a second stream starts as the first did, without a sign of a cache")
	}
	if bust.Timeline().Events[0].Key() == a.Timeline().Events[0].Key() {
		return pass("every stream starts with the same events, cached or not")
	}
	if late := lateStream(o); late == nil || len(late.Timeline().Events) == 0 || late.Timeline().Events[0].Key() != a.Timeline().Events[0].Key() {
		return pass("a second stream starts as the first did, a later one does not: no recording")
	}
	return fail("a second stream gets a recording of the first; with another query it does not")
}

// lateStream is the last of the streams that were asked for as the first was.
func lateStream(o *seen.Observation) *seen.Exchange {
	var late *seen.Exchange
	for _, x := range o.Later() {
		if x.Role != seen.RoleIdentity && (late == nil || x.Start > late.Start) {
			late = x
		}
	}
	return late
}

var pathCheck = Check{
	ID: "path", Group: "cache", Title: "hops on the path", Worst: Info,
	How:    "The servers and networks that the headers of the answer identify. Remedies are chosen by them.",
	Why:    "Each hop has a buffer, a timeout and a cache of its own.",
	Cite:   "https://github.com/robhunter/agentdeals/issues/1098",
	AtOnce: true, AnyAnswer: true, run: checkPath,
}

func checkPath(o *seen.Observation) Finding {
	x := o.Main()
	if x.Status == 0 {
		x = o.Get(seen.RoleHead)
	}
	if x.Silent() {
		return skip("no answer")
	}
	var names []string
	for _, h := range x.Hops() {
		names = append(names, fmt.Sprintf("%s (%s)", h.Name, h.By))
	}
	if len(names) == 0 {
		return info("no hop identifies itself")
	}
	return info("%s", strings.Join(names, ", "))
}

var commentsPassCheck = Check{
	ID: "comments-pass", Group: "cache", Title: "comments pass through", Worst: Info,
	How:   "With Options.OriginURL: comments there and none here.",
	Why:   "Heartbeats made of comments then keep nothing alive.",
	Cite:  "https://github.com/leyabierta/leyabierta/issues/28",
	Cures: []Cure{cureBeat},
	Needs: NeedsOriginURL,
	run:   checkComments,
}

func checkComments(o *seen.Observation) Finding {
	origin := o.Get(seen.RoleOrigin)
	if !origin.OK() {
		return inconclusive("the origin gave no event stream")
	}
	there, here := len(origin.Timeline().Comments), len(o.Main().Timeline().Comments)
	switch {
	case there == 0:
		return inconclusive("the origin sent no comment")
	case here == 0 && there > 1:
		return info("a hop removes comments (%d at the origin): send heartbeats as events", there).cure(cureBeat)
	}
	return pass("comments pass through")
}

var disconnectSeenCheck = Check{
	ID: "disconnect-seen", Group: "cache", Title: "the origin notices disconnects", Worst: Warn,
	How:   "With Options.ConnsURL: the count of streams 10 s after this client left.",
	Why:   "Each client that left keeps a connection to the origin.",
	Cite:  "https://github.com/vitejs/vite/issues/13522",
	Cures: []Cure{cureBeat},
	Needs: NeedsConnsURL,
	run:   checkDisconnect,
}

func checkDisconnect(o *seen.Observation) Finding {
	if len(o.Orphans) < 2 {
		return inconclusive("the count of streams could not be read")
	}
	with, after := o.Orphans[0], o.Orphans[1]
	if after >= with {
		return warn("10 s after the client left, the origin still has %d streams open (%d before)", after, with)
	}
	return pass("the origin noticed that the client left (%d streams, then %d)", with, after)
}
