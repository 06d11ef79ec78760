package probe

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// places is how many streams a session wants to have open at once.
const places = 3

// A session watches one stream beside others, resumes it, and opens it again
// where something seems to hold it. Two streams stay open; the third place is
// used by one after the other.
type session struct {
	p        *prober
	a        *running
	window   time.Duration
	second   *running
	identity *running
	confirm  *running
	joins    []*running

	looked *seen.Observation // the last that was weighed
	doubts Doubts            // about that
}

// watchAndResume is the plan of a session.
func (p *prober) watchAndResume(ctx context.Context, a *running) {
	s := &session{p: p, a: a, window: p.cfg.Window, second: p.find(seen.RoleSecond), identity: p.find(seen.RoleIdentity)}
	p.stage("opening more streams to compare", s.window)
	s.openOthers(ctx)
	p.stage("watching the streams: are events held?", s.window)
	s.watch(ctx)
	s.otherProtocol(ctx)
	p.stage("reconnecting: does Last-Event-ID lose or repeat events?", s.window)
	s.resume(ctx)
	s.foreign(ctx)
	p.stage("watching the streams: are events held?", s.window)
	s.firsts(ctx)
	p.until(ctx, s.window, s.decided)
	s.confirmDoubts(ctx, false)
	s.awaitSecond(ctx)
}

// openOthers opens a second stream at a phase of its own, so that timers per
// connection show, and the plain form. Both start some time after a first event
// where one comes soon, so that they show which event comes first on them.
func (s *session) openOthers(ctx context.Context) {
	p := s.p
	room := p.cfg.Connections
	encoded := s.encoded()
	delay := min(1300*time.Millisecond+rand.N(1400*time.Millisecond), s.window/4)
	apart := min(identityDelay, s.window/8)
	// With room for two, the other form is the better reference where there is
	// one, and a second stream where not.
	wantsIdentity, wantsSecond := s.identity == nil && (room >= 3 || room == 2 && encoded), s.second == nil && (room >= 3 || room == 2 && !encoded)
	open := func(role seen.Role, at time.Duration) *running {
		p.until(ctx, at, func() bool { return over(s.a) })
		return p.stream(ctx, role, nil)
	}
	if wantsIdentity && encoded {
		s.identity = open(seen.RoleIdentity, apart)
	}
	if room > 1 {
		p.until(ctx, s.window*2/5, func() bool { return over(s.a) || s.a.bytes() > 0 })
	}
	if wantsIdentity && !encoded {
		s.identity = open(seen.RoleIdentity, p.clock()+apart)
	}
	if wantsSecond {
		s.second = open(seen.RoleSecond, max(delay, p.clock()+apart/4+rand.N(apart*3/4+1)))
	}
}

func (s *session) encoded() bool { return coding.Of(s.a.snapshot().Header) != "" }

// look judges the observation so far. That takes time, by which later arrivals
// are stamped late, so it is not done often.
func (s *session) look() *seen.Observation {
	if s.looked == nil || s.p.clock()-s.looked.Duration >= min(time.Second, s.window/8) {
		s.looked = s.p.observation()
		s.doubts = s.p.cfg.Doubts(s.looked)
	}
	return s.looked
}

// doubtful returns the doubts about the observation so far, as look does.
func (s *session) doubtful() Doubts {
	s.look()
	return s.doubts
}

// watch watches the streams until there is a past to ask for, or the time for
// asking has come. A stream that seems held meanwhile is opened again; new
// connections are made where nothing else can show a server that is one event
// late.
func (s *session) watch(ctx context.Context) {
	p := s.p
	early, half := s.window/4, s.window/2
	p.until(ctx, early, s.allOver)
	for ctx.Err() == nil && !s.allOver() && p.clock() < s.resumeBy() {
		begun := p.clock()
		s.confirmDoubts(ctx, true)
		if (begun >= half || s.confirm != nil) && s.resumable() {
			break
		}
		if s.confirm == nil && (begun >= half || s.compared()) && s.wantsFirst() {
			s.first(ctx, s.resumeBy())
		}
		p.until(ctx, begun+2*pollEvery, func() bool { return false })
	}
	s.freePlace()
}

// compared reports whether the identity form has shown as much as a second
// connection can, so that its place is free.
func (s *session) compared() bool {
	o := s.look()
	x := o.Get(seen.RoleIdentity)
	return s.encoded() || x == nil || len(seen.GroupShifts(o, o.Main().Timeline(), x.Timeline())) >= 3
}

// allOver reports whether the server has ended all that is watched.
func (s *session) allOver() bool {
	return over(s.a) && (s.second == nil || over(s.second)) && (s.identity == nil || over(s.identity))
}

// freePlace closes the stream that has nothing more to show: the one in
// identity form, unless the others are compressed and so need the comparison.
func (s *session) freePlace() {
	if s.p.cfg.Connections > 3 || s.confirm != nil {
		return
	}
	if !s.encoded() && s.identity != nil {
		s.identity.close()
	} else if s.second != nil {
		s.second.close()
	}
}

// confirmDoubts opens the stream once more if something seems to be held that no
// other connection has shown: a fault of timing is looked for twice. Early, it
// takes a place beside those that resume.
func (s *session) confirmDoubts(ctx context.Context, early bool) {
	p := s.p
	room := p.cfg.Connections
	if s.confirm != nil || early && (over(s.a) || room < places) || ctx.Err() != nil {
		return
	}
	if !early {
		s.looked = nil
	}
	if !s.mustConfirm(early) {
		return
	}
	if s.second != nil {
		s.second.close()
	}
	if !s.encoded() && s.identity != nil {
		s.identity.close()
	}
	if p.cfg.Soak == 0 && (room == 1 || s.encoded() && room <= places) {
		s.a.close() // where there is a plain form, that is the reference from here on
	}
	p.stage("something seems to be held: looking once more, on a new connection", max(s.window, p.clock()+s.confirmTime()))
	s.offBeat(ctx)
	s.confirm = p.stream(ctx, seen.RoleConfirm, nil)
}

// mustConfirm reports whether a check of timing finds something that no second
// connection has shown yet.
func (s *session) mustConfirm(early bool) bool {
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

// offBeat waits for a moment between two arrivals: timers per connection are
// then out of step on a new one.
func (s *session) offBeat(ctx context.Context) {
	t := s.a.snapshot().Timeline()
	gap := min(seen.MedianGap(t), 4*time.Second)
	if gap < seen.Noticeable {
		return
	}
	since := s.p.clock() - t.Arrivals[len(t.Arrivals)-1].To
	s.p.until(ctx, s.p.clock()+(2*gap/5-since%gap+gap)%gap, func() bool { return over(s.a) })
}

// awaitSecond gives the second look the time that it needs.
func (s *session) awaitSecond(ctx context.Context) {
	if s.confirm == nil {
		return
	}
	opened := s.confirm.snapshot().Start
	least, most := s.window/4, s.confirmTime()
	p := s.p
	if opened+most > p.clock() {
		p.stage("watching the new connection: is it held as well?", opened+most)
	}
	p.until(ctx, opened+least, func() bool { return over(s.confirm) })
	p.until(ctx, opened+most, func() bool {
		return over(s.confirm) || len(s.doubtful().Checks) == 0
	})
}

// confirmTime is how long a second look takes at most.
func (s *session) confirmTime() time.Duration {
	return max(2*s.window/3, min(s.window, 6*seen.MedianGap(s.a.snapshot().Timeline())))
}

// wantsFirst reports whether hold.First needs more connections. Where some have
// shown nothing, the next will not either.
func (s *session) wantsFirst() bool {
	const most, untold = 6, 3
	if over(s.a) || s.p.cfg.Connections < 2 || len(s.joins) >= most {
		return false
	}
	told := 0
	for _, r := range s.joins {
		if s.told(r) {
			told++
		}
	}
	return len(s.joins)-told < untold && s.doubtful().Join
}

// told reports whether a new connection has shown its first event, or why its
// headers wait.
func (s *session) told(r *running) bool {
	x := r.snapshot()
	look, _ := seen.LookFirst(&seen.Observation{}, s.a.snapshot(), x)
	return look != seen.FirstUnknown || len(x.Reads) > 0 && !seen.HeadersAlone(x)
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
	gap := seen.MedianGap(s.a.snapshot().Timeline())
	if len(s.joins)%2 == 1 {
		part := min(gap-seen.SettleFirst-pollEvery, gap*6/7, 3*time.Second)
		p.until(ctx, p.clock()+max(0, part), func() bool { return over(s.a) })
	}
	s.freePlace()
	r := p.stream(ctx, seen.RoleJoin, nil)
	s.awaitFirst(ctx, r)
	r.close()
	s.joins = append(s.joins, r)
}

// awaitFirst watches a new connection until it has shown its first event, or
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
		return over(s.a) || over(r) || s.mustConfirm(true)
	})
}

// firsts makes new connections while they are needed, a little beyond the
// window where one event more settles it.
func (s *session) firsts(ctx context.Context) {
	for ctx.Err() == nil && s.confirm == nil && s.wantsFirst() {
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
		r := p.start(ctx, seen.RoleProtocol, p.request(seen.RoleProtocol), transport)
		answered := p.await(ctx, r.answered, min(max(shortLimit, 2*s.a.snapshot().TTFB()), 3*time.Second, p.cfg.Timeout))
		r.close()
		if answered || ctx.Err() != nil {
			return
		}
		transport = p.otherProtocol(s.a.snapshot())
	}
}

// decided reports whether nothing more can be learned by watching.
func (s *session) decided() bool {
	if over(s.a) && (s.second == nil || over(s.second)) {
		return true
	}
	if s.p.clock() < minWatch || s.p.cfg.ExpectEvery > s.p.clock() {
		return false
	}
	return s.doubtful().Settled
}
