package diag

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// TestLead has two that come back be given an event before the one that stayed.
func TestLead(t *testing.T) {
	if f := check.Lookup("buffer-tail").Run(lead(true)); f.Status != check.Fail || f.Evidence["method"] != "resumed-early" {
		t.Errorf("late: %s: %s %v", f.Status, f.Title, f.Evidence)
	}
	if f := check.Lookup("buffer-tail").Run(lead(false)); f.Status == check.Fail || f.Status == check.Warn {
		t.Errorf("in time: %s: %s %v", f.Status, f.Title, f.Evidence)
	}
}

// lead is a stream that stays open and two that come back, which are given an
// event before the open one if early.
func lead(early bool) *seen.Observation {
	a := seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000, seentest.Arrive(1000, seentest.Ev(1, 60)), seentest.Arrive(3000, seentest.Ev(2, 60)), seentest.Arrive(5000, seentest.Ev(3, 60)), seentest.Arrive(7000, seentest.Ev(4, 60)))
	first := 1
	if early {
		first = 2
	}
	back := func(role seen.Role, from, first int) *seen.Exchange {
		return seentest.Recorded(role, from, seen.EndClient, from+500, seentest.Arrive(from+5, seentest.Ev(first, 60)+seentest.Ev(first+1, 60)))
	}
	return seentest.Recording(a, back(seen.RoleResume1, 4000, first), back(seen.RoleResume2, 5500, first+1))
}

// withFirstEvent is a stream whose headers wait for its first event.
func withFirstEvent(role seen.Role, startMS int, at ...int) *seen.Exchange {
	x := seentest.Recorded(role, startMS, seen.EndClient, 12000)
	for _, t := range at {
		if t > startMS {
			text := seentest.Ev(t, 60)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, seen.Read{At: seentest.MS(t), N: len(text)})
		}
	}
	x.Answered = x.Reads[0].At
	return x
}

// A statusCase is an observation with the outcome of a check.
type statusCase struct {
	name string
	o    *seen.Observation
	want check.Status
}

// headersWithEvents are headers that come when others get an event: they wait for
// it, however short. Slow headers alone are less certain.
func headersWithEvents() []statusCase {
	events := []int{600, 1700, 2900, 3800, 5000, 6100, 7300}
	answer := seentest.Recorded(seen.RoleHead, 0, seen.EndEOF, 5)
	a := withFirstEvent(seen.RoleMain, 0, events...)
	soon := append([]int{}, events...)
	for i := range soon {
		soon[i] = 600 * (i + 1)
	}
	return []statusCase{
		{"over a second", seentest.Recording(a, answer, withFirstEvent(seen.RoleSecond, 1750, events...), withFirstEvent(seen.RoleJoin, 3850, events...)), check.Fail},
		{"half a second", seentest.Recording(withFirstEvent(seen.RoleMain, 0, soon...), answer, withFirstEvent(seen.RoleSecond, 1250, soon...), withFirstEvent(seen.RoleJoin, 2450, soon...)), check.Warn},
		{"once", seentest.Recording(withFirstEvent(seen.RoleMain, 0, soon...), answer, withFirstEvent(seen.RoleSecond, 1250, soon...)), check.Pass},
		{"slow each time", seentest.Recording(a, answer, seentest.With(withFirstEvent(seen.RoleSecond, 1750, 2500, 3700), func(*seen.Exchange) {}), withFirstEvent(seen.RoleJoin, 4000, 4700, 5900)), check.Pass},
		{"alone elsewhere", seentest.Recording(a, answer, withFirstEvent(seen.RoleSecond, 1750, events...), seentest.Recorded(seen.RoleJoin, 3850, seen.EndClient, 5100, seentest.Arrive(5000, seentest.Ev(5000, 60)))), check.Pass},
		{"compressed only", seentest.Recording(seentest.With(a.As(seen.RoleMain), func(x *seen.Exchange) {
			x.Header = http.Header{"Content-Type": {"text/event-stream"}, "Content-Encoding": {"br"}}
		}), answer, withFirstEvent(seen.RoleSecond, 1750, events...), withFirstEvent(seen.RoleJoin, 3850, events...),
			seentest.Recorded(seen.RoleIdentity, 400, seen.EndClient, 6000, seentest.Arrive(600, seentest.Ev(600, 60)), seentest.Arrive(1700, seentest.Ev(1700, 60)), seentest.Arrive(2900, seentest.Ev(2900, 60)))), check.Fail},
	}
}

// TestHeadersWithEvents holds headers-early to the cases of headersWithEvents.
func TestHeadersWithEvents(t *testing.T) {
	for _, test := range headersWithEvents() {
		if f := check.Lookup("headers-early").Run(test.o); f.Status != test.want {
			t.Errorf("%s: %s, want %s: %s; %s", test.name, f.Status, test.want, f.Title, f.Seen)
		}
	}
}

// secondLooks are holds that a fresh connection shows too, and that it does not.
func secondLooks() []statusCase {
	held := seentest.Pieces(seen.RoleMain, 800, 4096, 8)
	late := func(x *seen.Exchange) *seen.Exchange {
		return seentest.With(x, func(x *seen.Exchange) {
			x.Start += seentest.MS(6000)
			x.Answered, x.Connected, x.Ended = x.Start+seentest.MS(1), x.Start, x.Ended+seentest.MS(6000)
			for i := range x.Reads {
				x.Reads[i].At += seentest.MS(6000)
			}
		})
	}
	return []statusCase{
		{"held again", seentest.Recording(held, late(seentest.Pieces(seen.RoleConfirm, 800, 4096, 8))), check.Fail},
		{"not again", seentest.Recording(held, late(seentest.Steady(seen.RoleConfirm, 0, 500, 12, 100))), check.Inconclusive},
	}
}

// TestSecondLook withdraws a fault that another connection does not show, and
// keeps one that it shows.
func TestSecondLook(t *testing.T) {
	for _, test := range secondLooks() {
		report := weigh(test.o, Options{Only: []string{"buffer-proxy"}})
		if got := report.Checks[0]; got.Status != Status(test.want) {
			t.Errorf("%s: %s, want %s: %s; %s", test.name, got.Status, test.want, got.Actual, fmt.Sprint(got.Evidence))
		}
	}
}
