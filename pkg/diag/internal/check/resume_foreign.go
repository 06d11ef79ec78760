package check

import (
	"net/http"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var resumeForeignCheck = Check{
	ID: "resume-foreign", Group: "resume", Title: "an ID opens no stream of another user", Worst: Fail,
	How:   "With Options.OtherRequest: a reconnection with the credentials of another user and an ID of the first, and one without an ID beside it. Events of the first user after the ID fail, unless the other gets them without an ID too.",
	Why:   "An ID is no secret. A server that finds a stream by the ID alone gives it to everybody who guesses or logs one.",
	Cite:  "https://github.com/advisories/GHSA-84j6-jc92-77jm",
	Cures: []Cure{cureBindIDs},
	Needs: NeedsOther,
	run:   checkResumeForeign,
}

var cureBindIDs = Cure{{For: "app", Text: "look for the events after an ID only among those of the user who asks; answer 403 or 404 for an ID that is not theirs"}}

func checkResumeForeign(o *seen.Observation) Finding {
	main, x, own := referenceOf(o), o.Get(seen.RoleForeign), o.Get(seen.RoleForeignNoID)
	if f, ok := noIDs(main.Timeline()); ok {
		return f
	}
	switch {
	case x == nil:
		return inconclusive("too few IDs to ask with; a longer Options.Duration decides")
	case x.Status == 0:
		return inconclusive("the other user was not answered")
	case x.Status >= 500:
		return inconclusive("the other user is answered with %d", x.Status)
	case x.Status != http.StatusOK:
		return pass("%d for another user with that ID", x.Status)
	case !x.OK():
		return pass("no event stream for another user with that ID")
	}
	common := commonIDs(main, x)
	given := func(f Finding) Finding { return f.with("events", common) }
	if common == 0 {
		return pass("another user with that ID gets a stream of their own")
	}
	f := given(fail("another user with that ID gets the events of the first: %d of them", common))
	if !own.OK() {
		return f
	}
	if commonIDs(main, own) > 0 {
		return given(warn("another user gets the same events, without an ID too: a stream for all, or one that is not kept apart"))
	}
	missed := seen.CountFrom(seen.Before(main.Timeline().Events, own.Ended-seen.Settled/2), own.Answered+seen.SettleFirst)
	if missed == 0 {
		return given(warn("another user with that ID gets the same events, and none came to see whether also without it"))
	}
	return f
}

// commonIDs returns how many events of the application x has in common with the
// stream of the first user.
func commonIDs(main, x *seen.Exchange) int {
	sums := map[string]uint64{}
	for _, e := range seen.WithIDs(main.Timeline().Events) {
		if !isControl(&e) {
			sums[e.ID] = e.Sum
		}
	}
	n := 0
	for _, e := range seen.WithIDs(x.Timeline().Events) {
		if sum, ok := sums[e.ID]; ok && sum == e.Sum {
			n++
		}
	}
	return n
}
