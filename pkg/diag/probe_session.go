package diag

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"
)

// A session watches one stream beside others, and resumes it.
type session struct {
	p        *prober
	a        *running
	window   time.Duration
	twin     *running
	identity *running
}

// watchAndResume watches the stream, its twin and its identity form, and asks
// for the past when there is some. Two streams stay open all the time; the
// third place is used by one after the other.
func (p *prober) watchAndResume(ctx context.Context, a *running, window time.Duration) {
	s := &session{p: p, a: a, window: window}
	s.openOthers(ctx)
	half := window / 2
	p.until(ctx, half, s.watched)
	s.freePlace()
	s.otherProtocol(ctx)
	s.resume(ctx)
	p.until(ctx, window, s.decided)
}

// openOthers opens the twin at a phase of its own, so that what a server does
// by the clock of the connection shows.
func (s *session) openOthers(ctx context.Context) {
	p := s.p
	room := p.cfg.connections()
	encoded := contentCoding(s.a.snapshot().Header) != ""
	delay := 1300*time.Millisecond + rand.N(1400*time.Millisecond)
	delay = min(delay, s.window/4)
	// With room for two, the other form is the better witness where there is
	// one, and the twin where not.
	if room >= 3 || room == 2 && encoded {
		p.until(ctx, min(identityDelay, s.window/8), func() bool { return over(s.a) })
		s.identity = p.stream(ctx, RoleIdentity, nil)
	}
	if room >= 3 || room == 2 && !encoded {
		p.until(ctx, delay, func() bool { return over(s.a) })
		s.twin = p.stream(ctx, RoleTwin, nil)
	}
}

// watched reports whether enough has been seen to go on with resuming before
// the half of the window is over.
func (s *session) watched() bool {
	if over(s.a) {
		return (s.twin == nil || over(s.twin)) && (s.identity == nil || over(s.identity))
	}
	return false
}

// freePlace closes the stream that has told what it can: the one in identity
// form, unless the others are compressed and so need the comparison.
func (s *session) freePlace() {
	if s.p.cfg.connections() > 3 {
		return
	}
	if contentCoding(s.a.snapshot().Header) == "" && s.identity != nil {
		s.identity.close()
	} else if s.twin != nil {
		s.twin.close()
	}
}

// otherProtocol asks for the headers over the other version of HTTP.
func (s *session) otherProtocol(ctx context.Context) {
	p := s.p
	transport := p.otherProtocol(s.a.snapshot())
	if transport == nil {
		return
	}
	r := p.start(ctx, RoleProtocol, p.request(RoleProtocol), transport)
	p.await(ctx, r.answered, min(3*time.Second, p.cfg.timeout()))
	r.close()
}

// decided reports whether nothing more can be learned by watching.
func (s *session) decided() bool {
	if over(s.a) && (s.twin == nil || over(s.twin)) {
		return true
	}
	if s.p.clock() < minWatch || s.p.cfg.ExpectEvery > s.p.clock() {
		return false
	}
	// Looking costs time that the arrivals to come are stamped late by, so
	// this is not asked often.
	return s.p.clock().Truncate(pollEvery)%time.Second < pollEvery && enough(s.p.observation())
}

// resume asks with two IDs, without any, and with a strange one, one after the
// other beside the witness.
func (s *session) resume(ctx context.Context) {
	p := s.p
	s.resumeAs(ctx, s.a, RoleResume1, RoleResume2, RoleControl, nil)
	if origin := p.find(RoleOrigin); origin != nil {
		s.resumeAs(ctx, origin, RoleOriginResume1, RoleOriginResume2, RoleOriginControl, p.toOrigin)
	}
	if ctx.Err() != nil {
		return
	}
	x := p.stream(ctx, RoleUnknownID, func(r *http.Request) {
		r.Header.Set("Accept-Encoding", "identity")
		withID("ssectl-" + random())(r)
	})
	p.await(ctx, x.answered, shortLimit)
	p.until(ctx, p.clock()+time.Second, func() bool { return over(x) || x.bytes() > 0 })
	x.close()
	if !over(s.a) {
		return
	}
	if ids := idEvents(s.a.snapshot().timeline().events); len(ids) > 0 {
		last := p.stream(ctx, RoleLastID, withID(ids[len(ids)-1].id))
		p.until(ctx, p.clock()+time.Second, func() bool { return over(last) })
		last.close()
	}
}

// resumeAs waits for events with IDs, and asks for what followed two of them.
func (s *session) resumeAs(ctx context.Context, witness *running, first, second, control Role, edit func(*http.Request)) {
	p := s.p
	id1, id2, ok := s.resumePoints(ctx, witness)
	if !ok {
		return
	}
	for _, ask := range []struct {
		role Role
		id   string
	}{{first, id1}, {second, id2}, {control, ""}} {
		if ctx.Err() != nil {
			return
		}
		r := p.stream(ctx, ask.role, func(req *http.Request) {
			// What a compressor holds is the business of another check.
			req.Header.Set("Accept-Encoding", "identity")
			if ask.id != "" {
				withID(ask.id)(req)
			}
			if edit != nil {
				edit(req)
			}
		})
		if ask.id == "" {
			p.until(ctx, p.clock()+time.Second, func() bool { return over(r) || r.bytes() > 0 })
		} else {
			s.awaitReplay(ctx, witness, r)
		}
		r.close()
	}
}

// resumePoints chooses the ID before the last and one three places before it.
// The events after them are to be past for certain, so they have to be some
// time old.
func (s *session) resumePoints(ctx context.Context, witness *running) (id1, id2 string, ok bool) {
	p := s.p
	const settled = 400 * time.Millisecond
	var ids []event
	p.until(ctx, max(s.window*3/4, s.window-4*time.Second), func() bool {
		x := witness.snapshot()
		ids = idEvents(x.timeline().events)
		ids = before(ids, p.clock()-settled)
		return len(ids) >= 5 || over(witness) && p.clock()-x.Ended >= settled
	})
	if len(ids) < 3 {
		return "", "", false
	}
	last := len(ids) - 1
	return ids[last-1].id, ids[max(0, last-4)].id, true
}

// before returns the events that were there at a time.
func before(events []event, at time.Duration) []event {
	n := len(events)
	for n > 0 && events[n-1].at > at {
		n--
	}
	return events[:n]
}

// awaitReplay watches a stream that was resumed until its first events are
// there. A healthy server replays at once; one behind a buffer is given some
// of the window, because late is not never.
func (s *session) awaitReplay(ctx context.Context, witness, r *running) {
	p := s.p
	p.await(ctx, r.answered, shortLimit)
	x := witness.snapshot()
	var gaps []time.Duration
	for _, gap := range x.timeline().pauses {
		gaps = append(gaps, gap)
	}
	due := max(time.Second, min(5*x.ttfb(), 3*time.Second), min(3*median(gaps)/2, 3*time.Second))
	p.until(ctx, p.clock()+due, func() bool { return over(r) || len(r.snapshot().timeline().events) > 0 })
	if over(r) {
		return
	}
	// The rest of the replay, to see gaps inside it.
	p.until(ctx, p.clock()+300*time.Millisecond, func() bool { return over(r) })
}

func withID(id string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Last-Event-ID"] = []string{id} }
}

// idEvents returns the events that have an ID.
func idEvents(events []event) []event {
	var list []event
	for _, e := range events {
		if e.id != "" {
			list = append(list, e)
		}
	}
	return list
}
