package probe

import (
	"context"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// reference is the stream that the places of resumed ones are measured by.
func (s *session) reference() *running {
	if over(s.a) && s.encoded() && s.identity != nil && !over(s.identity) {
		return s.identity
	}
	return s.a
}

// resumeBy is when asking for the past has to begin, for it to end in time.
func (s *session) resumeBy() time.Duration { return max(s.window*3/4, s.window-4*time.Second) }

// resumable reports whether there are events enough to ask for.
func (s *session) resumable() bool {
	return len(seen.Before(seen.WithIDs(s.reference().snapshot().Timeline().Events), s.p.clock()-seen.Settled)) >= 5
}

// resume asks with two IDs, without any, and with a strange one, one after the
// other beside the reference stream.
func (s *session) resume(ctx context.Context) {
	p := s.p
	s.resumeAs(ctx, s.reference(), seen.RoleResume1, seen.RoleResume2, seen.RoleNoID, nil)
	if origin := p.find(seen.RoleOrigin); origin != nil {
		s.resumeAs(ctx, origin, seen.RoleOriginResume1, seen.RoleOriginResume2, seen.RoleOriginNoID, p.toOrigin)
	}
	if ctx.Err() != nil {
		return
	}
	x := p.stream(ctx, seen.RoleUnknownID, func(r *http.Request) {
		r.Header.Set("Accept-Encoding", "identity")
		withID("ssectl-" + random())(r)
	})
	p.await(ctx, x.answered, shortLimit)
	p.until(ctx, p.clock()+time.Second, func() bool { return over(x) || x.bytes() > 0 })
	x.close()
	if s.a.snapshot().End != seen.EndEOF {
		return
	}
	if ids := seen.WithIDs(s.a.snapshot().Timeline().Events); len(ids) > 0 {
		last := p.stream(ctx, seen.RoleLastID, withID(ids[len(ids)-1].ID))
		p.until(ctx, p.clock()+time.Second, func() bool { return over(last) })
		last.close()
	}
}

// resumeAs waits for events with IDs, and asks for the events after two of
// them.
func (s *session) resumeAs(ctx context.Context, reference *running, first, second, control seen.Role, edit func(*http.Request)) {
	p := s.p
	id1, id2, ok := s.resumePoints(ctx, reference)
	if !ok {
		return
	}
	for _, ask := range []struct {
		role seen.Role
		id   string
	}{{first, id1}, {second, id2}, {control, ""}} {
		if ctx.Err() != nil {
			return
		}
		r := p.stream(ctx, ask.role, func(req *http.Request) {
			// The faults of compressors are for other checks.
			req.Header.Set("Accept-Encoding", "identity")
			if ask.id != "" {
				withID(ask.id)(req)
			}
			if edit != nil {
				edit(req)
			}
		})
		if ask.id == "" {
			s.awaitControl(ctx, r)
		} else {
			s.awaitReplay(ctx, reference, r)
		}
		r.close()
	}
}

// foreign asks as another user, with an ID of the first one, and without any beside
// it to see whether both have the same stream.
func (s *session) foreign(ctx context.Context) {
	p := s.p
	if p.cfg.Other == nil {
		return
	}
	reference := s.reference()
	_, id, ok := s.resumePoints(ctx, reference)
	if !ok || ctx.Err() != nil {
		return
	}
	identity := func(r *http.Request) { r.Header.Set("Accept-Encoding", "identity") }
	r := p.stream(ctx, seen.RoleForeign, func(r *http.Request) {
		identity(r)
		withID(id)(r)
	})
	s.awaitReplay(ctx, reference, r)
	r.close()
	r = p.stream(ctx, seen.RoleForeignNoID, identity)
	p.await(ctx, r.answered, shortLimit)
	had := len(reference.snapshot().Timeline().Events)
	due := max(time.Second, min(2*seen.MedianGap(reference.snapshot().Timeline()), 5*time.Second))
	p.until(ctx, p.clock()+due, func() bool { return over(r) || len(reference.snapshot().Timeline().Events) >= had+2 })
	p.await(ctx, r.done, seen.Settled)
	r.close()
}

// awaitControl watches a stream without an ID until something comes, and until
// it has shown which event comes first where that is unknown.
func (s *session) awaitControl(ctx context.Context, r *running) {
	p := s.p
	p.until(ctx, p.clock()+time.Second, func() bool { return over(r) || r.bytes() > 0 })
	if r.snapshot().Role == seen.RoleNoID && s.confirm == nil && !s.encoded() && s.wantsFirst() {
		s.awaitFirst(ctx, r)
	}
}

// resumePoints chooses the ID before the last and one three places before it.
// The events after them are to be past for certain, so they have to be some
// time old.
func (s *session) resumePoints(ctx context.Context, reference *running) (id1, id2 string, ok bool) {
	p := s.p
	var ids []seen.Event
	p.until(ctx, s.resumeBy(), func() bool {
		x := reference.snapshot()
		ids = seen.WithIDs(x.Timeline().Events)
		ids = seen.Before(ids, p.clock()-seen.Settled)
		return len(ids) >= 5 || over(reference) && p.clock()-x.Ended >= seen.Settled
	})
	if len(ids) < 3 {
		return "", "", false
	}
	last := len(ids) - 1
	return ids[last-1].ID, ids[max(0, last-4)].ID, true
}

// awaitReplay watches a stream that was resumed until its first events are
// there. A healthy server replays at once; one before a buffer gets some of the
// window, because late is not never.
func (s *session) awaitReplay(ctx context.Context, reference, r *running) {
	p := s.p
	p.await(ctx, r.answered, shortLimit)
	x := reference.snapshot()
	due := max(time.Second, min(5*x.TTFB(), 3*time.Second), min(3*seen.MedianGap(x.Timeline())/2, 3*time.Second))
	p.until(ctx, p.clock()+due, func() bool { return over(r) || len(r.snapshot().Timeline().Events) > 0 })
	if over(r) {
		return
	}
	// The rest of the replay, to see gaps inside it: as long as it goes on
	// without a pause, and the path is given its round trips.
	const pause, most = 300 * time.Millisecond, 2 * time.Second
	end := p.clock() + most
	for had := -1; had != r.bytes() && p.clock() < end && !over(r) && ctx.Err() == nil; {
		had = r.bytes()
		p.until(ctx, min(end, p.clock()+pause+4*x.Dial), func() bool { return over(r) })
		if r.replayed(reference.snapshot()) {
			return
		}
	}
}

// replayed reports whether the replay has come to the last event that the
// reference stream got before the request.
func (r *running) replayed(reference *seen.Exchange) bool {
	x := r.snapshot()
	past := seen.WithIDs(seen.Before(reference.Timeline().Events, x.Start))
	if len(past) == 0 {
		return false
	}
	for _, e := range x.Timeline().Events {
		if e.ID == past[len(past)-1].ID {
			return true
		}
	}
	return false
}

func withID(id string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Last-Event-ID"] = []string{id} }
}
