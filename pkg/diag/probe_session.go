package diag

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
)

// A session watches one stream beside others, resumes it, and looks again at
// what seems to be held. Two streams stay open; the third place is used by one
// after the other.
type session struct {
	p        *prober
	a        *running
	window   time.Duration
	twin     *running
	identity *running
	again    *running
	fresh    []*running

	looked *Observation // the last that was weighed
	doubts Doubts       // about that
}

// watchAndResume is the plan of a session.
func (p *prober) watchAndResume(ctx context.Context, a *running) {
	s := &session{p: p, a: a, window: p.cfg.Window, twin: p.find(RoleTwin), identity: p.find(RoleIdentity)}
	s.openOthers(ctx)
	s.watch(ctx)
	s.otherProtocol(ctx)
	s.resume(ctx)
	s.firsts(ctx)
	p.until(ctx, s.window, s.decided)
	s.lookAgain(ctx, false)
	s.awaitSecond(ctx)
}

// openOthers opens the twin at a phase of its own, so that what a server does
// by the clock of the connection shows, and both some time behind a first event
// where one comes soon, so that they show what comes first.
func (s *session) openOthers(ctx context.Context) {
	p := s.p
	room := p.cfg.Connections
	encoded := s.encoded()
	delay := min(1300*time.Millisecond+rand.N(1400*time.Millisecond), s.window/4)
	apart := min(identityDelay, s.window/8)
	// With room for two, the other form is the better witness where there is
	// one, and the twin where not.
	wantsIdentity, wantsTwin := s.identity == nil && (room >= 3 || room == 2 && encoded), s.twin == nil && (room >= 3 || room == 2 && !encoded)
	open := func(role Role, at time.Duration) *running {
		p.until(ctx, at, func() bool { return over(s.a) })
		return p.stream(ctx, role, nil)
	}
	if wantsIdentity && encoded {
		s.identity = open(RoleIdentity, apart)
	}
	if room > 1 {
		p.until(ctx, s.window*2/5, func() bool { return over(s.a) || s.a.bytes() > 0 })
	}
	if wantsIdentity && !encoded {
		s.identity = open(RoleIdentity, p.clock()+apart)
	}
	if wantsTwin {
		s.twin = open(RoleTwin, max(delay, p.clock()+apart/4+rand.N(apart*3/4+1)))
	}
}

func (s *session) encoded() bool { return coding.Of(s.a.snapshot().Header) != "" }

// look weighs what has been seen. That costs time by which the arrivals to come
// are stamped late, so it is not done often.
func (s *session) look() *Observation {
	if s.looked == nil || s.p.clock()-s.looked.Duration >= min(time.Second, s.window/8) {
		s.looked = s.p.observation()
		s.doubts = s.p.cfg.Doubts(s.looked)
	}
	return s.looked
}

// doubtful returns the doubts about what has been seen, as look does.
func (s *session) doubtful() Doubts {
	s.look()
	return s.doubts
}

// watch watches the streams until there is a past to ask for, or the time for
// asking has come. What seems held meanwhile is looked at again; where nothing
// shows what is one event behind, new connections are made for it.
func (s *session) watch(ctx context.Context) {
	p := s.p
	early, half := s.window/4, s.window/2
	p.until(ctx, early, s.allOver)
	for ctx.Err() == nil && !s.allOver() && p.clock() < s.resumeBy() {
		begun := p.clock()
		s.lookAgain(ctx, true)
		if (begun >= half || s.again != nil) && s.resumable() {
			break
		}
		if s.again == nil && (begun >= half || s.compared()) && s.wantsFirst() {
			s.first(ctx, s.resumeBy())
		}
		p.until(ctx, begun+2*pollEvery, func() bool { return false })
	}
	s.freePlace()
}

// compared reports whether the identity form has told what a second connection
// can, so that its place is free.
func (s *session) compared() bool {
	o := s.look()
	x := o.get(RoleIdentity)
	return s.encoded() || x == nil || len(groupShifts(o, o.a().timeline(), x.timeline())) >= 3
}

// allOver reports whether the server has ended all that is watched.
func (s *session) allOver() bool {
	return over(s.a) && (s.twin == nil || over(s.twin)) && (s.identity == nil || over(s.identity))
}

// freePlace closes the stream that has told what it can: the one in identity
// form, unless the others are compressed and so need the comparison.
func (s *session) freePlace() {
	if s.p.cfg.Connections > 3 || s.again != nil {
		return
	}
	if !s.encoded() && s.identity != nil {
		s.identity.close()
	} else if s.twin != nil {
		s.twin.close()
	}
}

// lookAgain opens the stream once more if something seems to be held that no
// other connection has shown: a fault of timing is looked for twice. Early, it
// takes a place beside those that resume.
func (s *session) lookAgain(ctx context.Context, early bool) {
	p := s.p
	room := p.cfg.Connections
	if s.again != nil || early && (over(s.a) || room < DefaultConnections) || ctx.Err() != nil {
		return
	}
	if !early {
		s.looked = nil
	}
	if !s.suspicious(early) {
		return
	}
	if s.twin != nil {
		s.twin.close()
	}
	if !s.encoded() && s.identity != nil {
		s.identity.close()
	}
	if p.cfg.Soak == 0 && (room == 1 || s.encoded() && room <= DefaultConnections) {
		s.a.close() // where there is a plain form, that is the witness from here on
	}
	s.offBeat(ctx)
	s.again = p.stream(ctx, RoleAgain, nil)
}

// suspicious reports whether a check of timing finds something that no second
// connection has shown yet.
func (s *session) suspicious(early bool) bool {
	d := s.doubtful()
	if d.ByClock && s.wantsFirst() {
		return false // new connections will show that too
	}
	for _, id := range d.Checks {
		if early && (id == "headers-early" || id == "connect-ttfb") {
			continue // every connection to come may show it
		}
		return true
	}
	return false
}

// offBeat waits for a moment between two arrivals: what is let go by the clock
// of each connection is then out of step on a new one.
func (s *session) offBeat(ctx context.Context) {
	t := s.a.snapshot().timeline()
	gap := min(medianGap(t), 4*time.Second)
	if gap < holdWarn {
		return
	}
	since := s.p.clock() - t.arrivals[len(t.arrivals)-1].to
	s.p.until(ctx, s.p.clock()+(2*gap/5-since%gap+gap)%gap, func() bool { return over(s.a) })
}

// awaitSecond gives the second look the time that it needs.
func (s *session) awaitSecond(ctx context.Context) {
	if s.again == nil {
		return
	}
	opened := s.again.snapshot().Start
	least, most := s.window/4, max(2*s.window/3, min(s.window, 6*medianGap(s.a.snapshot().timeline())))
	s.p.until(ctx, opened+least, func() bool { return over(s.again) })
	s.p.until(ctx, opened+most, func() bool {
		return over(s.again) || len(s.doubtful().Checks) == 0
	})
}

// wantsFirst reports whether method F needs more connections. Those that told
// nothing are a sign that the next will not either.
func (s *session) wantsFirst() bool {
	const most, untold = 6, 3
	if over(s.a) || s.p.cfg.Connections < 2 || len(s.fresh) >= most {
		return false
	}
	told := 0
	for _, r := range s.fresh {
		if s.told(r) {
			told++
		}
	}
	return len(s.fresh)-told < untold && s.doubtful().Join
}

// told reports whether a new connection has shown what comes first on it, or
// what its headers wait for.
func (s *session) told(r *running) bool {
	x := r.snapshot()
	look, _ := lookFirst(&Observation{}, s.a.snapshot(), x)
	return look != firstUntold || len(x.Reads) > 0 && !headersAlone(x)
}

// first makes a new connection right after an event, when the next one is far
// off, or every other time shortly before the next one is due: a server that
// takes long to join a connection shows itself so.
func (s *session) first(ctx context.Context, by time.Duration) {
	p := s.p
	had := s.a.bytes()
	if !p.until(ctx, by, func() bool { return over(s.a) || s.a.bytes() != had }) || over(s.a) {
		return
	}
	gap := medianGap(s.a.snapshot().timeline())
	if len(s.fresh)%2 == 1 {
		part := min(gap-settleFirst-pollEvery, gap*6/7, 3*time.Second)
		p.until(ctx, p.clock()+max(0, part), func() bool { return over(s.a) })
	}
	s.freePlace()
	r := p.stream(ctx, RoleFresh, nil)
	s.awaitFirst(ctx, r)
	r.close()
	s.fresh = append(s.fresh, r)
}

// awaitFirst watches a new connection until it has told what comes first, or
// has had the chance to.
func (s *session) awaitFirst(ctx context.Context, r *running) {
	const most, chances = 5 * time.Second, 4
	had, n := s.a.bytes(), 0
	s.p.until(ctx, s.p.clock()+min(most, s.window/2), func() bool {
		if now := s.a.bytes(); now != had {
			had, n = now, n+1
			if n >= chances || s.told(r) {
				return true
			}
		}
		return over(s.a) || over(r) || s.suspicious(true)
	})
}

// firsts makes new connections while they are needed, a little beyond the
// window where one event more settles it.
func (s *session) firsts(ctx context.Context) {
	for ctx.Err() == nil && s.again == nil && s.wantsFirst() {
		end := s.window
		if s.doubtful().Missed {
			end += s.window / 3
		}
		if s.p.clock() >= end {
			return
		}
		s.freePlace()
		s.first(ctx, end)
		s.looked = nil
	}
}

// otherProtocol asks for the headers over the other version of HTTP, and once
// more if they do not come.
func (s *session) otherProtocol(ctx context.Context) {
	p := s.p
	transport := p.otherProtocol(s.a.snapshot())
	if transport == nil {
		return
	}
	for range 2 {
		r := p.start(ctx, RoleProtocol, p.request(RoleProtocol), transport)
		answered := p.await(ctx, r.answered, min(max(shortLimit, 2*s.a.snapshot().ttfb()), 3*time.Second, p.cfg.Timeout))
		r.close()
		if answered || ctx.Err() != nil {
			return
		}
		transport = p.otherProtocol(s.a.snapshot())
	}
}

// decided reports whether nothing more can be learned by watching.
func (s *session) decided() bool {
	if over(s.a) && (s.twin == nil || over(s.twin)) {
		return true
	}
	if s.p.clock() < minWatch || s.p.cfg.ExpectEvery > s.p.clock() {
		return false
	}
	return s.doubtful().Settled
}
