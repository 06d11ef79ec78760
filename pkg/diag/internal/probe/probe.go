package probe

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

const (
	identityDelay = 370 * time.Millisecond // no part of a round period
	shortLimit    = 2 * time.Second        // for a HEAD, a preflight and the like
	minWatch      = 6 * time.Second        // even when all seems decided before
	pollEvery     = 100 * time.Millisecond
	slowAnswer    = 200 * time.Millisecond // where it is worth a look whether another is quicker
)

// A Config configures a probe.
type Config struct {
	Client      *http.Client
	Request     *http.Request
	Other       *http.Request // the same with the credentials of another user, or nil
	Window      time.Duration // for which the stream is watched
	Timeout     time.Duration // for an answer
	Connections int           // at once
	Once        bool          // a request may cost money, and is not repeated
	seen.Options
	Doubts func(*seen.Observation) Doubts

	// WatchUntil returns the time until which the main stream is watched after all
	// else, zero for not at all.
	WatchUntil func(*seen.Observation) time.Duration

	// Stage, where not nil, is called when the probe goes over to something else, with the
	// time since the start at which it will be done by its plan so far.
	Stage func(doing string, end time.Duration)
}

// A prober makes the exchanges of one observation.
type prober struct {
	cfg    Config
	client *http.Client
	began  time.Time
	all    []*running
	stalls *stallWatch

	orphans []int
}

func (p *prober) clock() time.Duration { return time.Since(p.began) }

// stage reports what the probe does from now on, and until when at most.
func (p *prober) stage(doing string, end time.Duration) {
	if p.cfg.Stage != nil {
		p.cfg.Stage(doing, end)
	}
}

// Observe makes every exchange that the checks need, each once.
func Observe(ctx context.Context, cfg Config) *seen.Observation {
	ctx, cancel := context.WithCancel(ctx)
	p := &prober{cfg: cfg, client: cfg.Client, began: time.Now()}
	if p.client == nil {
		p.client = http.DefaultClient
	}
	p.stalls = watchStalls(ctx, p.began)
	p.whole(ctx)
	for _, r := range p.all {
		r.close()
	}
	cancel()
	<-p.stalls.done
	return p.observation()
}

// observation returns the observation so far.
func (p *prober) observation() *seen.Observation {
	o := &seen.Observation{
		URL: p.cfg.Request.URL.String(), Method: p.method(), Window: p.cfg.Window, Duration: p.clock(),
		Time: p.began, Stalls: p.stalls.seen(), Options: p.cfg.Options, Orphans: p.orphans,
	}
	for _, r := range p.all {
		o.Exchanges = append(o.Exchanges, r.snapshot())
	}
	return o
}

func (p *prober) method() string {
	if p.cfg.Request.Method == "" {
		return http.MethodGet
	}
	return p.cfg.Request.Method
}

// transport returns a transport for one exchange: no compression of its own,
// no connection shared, and a buffer that does not cut the reads short.
func (p *prober) transport() *http.Transport {
	base, ok := p.client.Transport.(*http.Transport)
	if !ok {
		base = http.DefaultTransport.(*http.Transport)
	}
	t := base.Clone()
	t.DisableCompression = true
	t.ReadBufferSize = readBuffer
	t.MaxResponseHeaderBytes = maxHeader
	t.ResponseHeaderTimeout = 0 // the probe has its own
	t.MaxIdleConnsPerHost = -1
	return t
}

// request returns the user's request for one more exchange.
func (p *prober) request(role seen.Role) *http.Request {
	base := p.cfg.Request
	if isForeign(role) {
		base = p.cfg.Other
	}
	req := base.Clone(context.Background())
	if base.GetBody != nil {
		req.Body, _ = base.GetBody()
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if p.cfg.Profile == seen.ProfileMCP && req.Method == http.MethodPost {
		httpx.SetDefault(req.Header, "Accept", seen.MCPAccept)
	}
	httpx.SetDefault(req.Header, "Accept", "text/event-stream")
	httpx.SetDefault(req.Header, "Cache-Control", "no-cache")
	httpx.SetDefault(req.Header, "User-Agent", "ssectl-diag")
	if p.cfg.WebOrigin != "" {
		httpx.SetDefault(req.Header, "Origin", p.cfg.WebOrigin)
	}
	// A browser asks for these, so the faults of compressors show only so.
	// https://fetch.spec.whatwg.org/#http-network-or-cache-fetch step 8.18
	encodings := "gzip, deflate"
	if req.URL.Scheme == "https" {
		encodings = "gzip, deflate, br, zstd"
	}
	httpx.SetDefault(req.Header, "Accept-Encoding", encodings)
	if role == seen.RoleIdentity {
		req.Header.Set("Accept-Encoding", "identity")
	}
	return req
}

// isForeign reports whether an exchange has the credentials of another user.
func isForeign(role seen.Role) bool { return role == seen.RoleForeign || role == seen.RoleForeignNoID }

// stream starts one more stream; edit may change its request.
func (p *prober) stream(ctx context.Context, role seen.Role, edit func(*http.Request)) *running {
	req := p.request(role)
	if edit != nil {
		edit(req)
	}
	return p.start(ctx, role, req, p.transport())
}

// short makes an exchange of which only the answer counts, and waits for it.
func (p *prober) short(ctx context.Context, role seen.Role, edit func(*http.Request)) *running {
	r := p.stream(ctx, role, edit)
	p.await(ctx, r.answered, shortLimit)
	r.close()
	return r
}

// await waits until done is closed, at most d. It reports whether it was.
func (p *prober) await(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// until polls a condition until it holds, or until the time is end.
func (p *prober) until(ctx context.Context, end time.Duration, holds func() bool) bool {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if holds() {
			return true
		}
		if p.clock() >= end || ctx.Err() != nil {
			return false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// whole is the plan of a run.
func (p *prober) whole(ctx context.Context) {
	window := p.cfg.Window
	paid := p.cfg.Once
	p.stage("connecting", window)
	a := p.stream(ctx, seen.RoleMain, nil)
	if p.cfg.OriginURL != "" && !paid && !p.cfg.Quick {
		p.stream(ctx, seen.RoleOrigin, p.toOrigin)
	}
	var head *running
	if p.cfg.Profile == seen.ProfileMCP {
		p.mcp(ctx)
	}
	if !p.opened(ctx, a, paid || p.cfg.Quick) {
		return
	}
	if !paid {
		// Not before: where one worker serves all and never sees the end of a
		// HEAD (php -S), none would be left for the stream.
		head = p.stream(ctx, seen.RoleHead, func(r *http.Request) { r.Method, r.Body = http.MethodHead, nil })
	}
	if paid || p.cfg.Quick {
		p.stage("watching the stream", window)
		p.until(ctx, window, func() bool { return over(a) })
		p.finishHead(ctx, head)
		p.watchOn(ctx, a)
		return
	}
	p.stage("asking for HEAD and CORS", window)
	p.finishHead(ctx, head)
	p.sideQuestions(ctx)
	p.watchAndResume(ctx, a)
	p.afterwards(ctx, a)
}

// opened waits for the answer, and reports whether it is a stream to watch.
// Where it is slow, it asks a second time beside it, unless once has to do, and
// finds out whether the server answers anything at all. If the answer is no
// stream, it keeps some of it.
func (p *prober) opened(ctx context.Context, a *running, once bool) bool {
	if !p.await(ctx, a.answered, p.cfg.Timeout/4) && ctx.Err() == nil {
		p.stage("waiting for headers: does anything else answer?", max(p.cfg.Window, p.cfg.Timeout))
		room := p.cfg.Connections
		if !once && room >= 3 {
			p.stream(ctx, seen.RoleSecond, nil)
		}
		if !once && room >= 2 {
			// A compressor that does not flush holds the headers too, and a
			// client that asks as curl does would not see it.
			p.stream(ctx, seen.RoleIdentity, nil)
		}
		other := p.stream(ctx, seen.RoleBaseline, elsewhere)
		if !p.await(ctx, a.answered, p.cfg.Timeout-p.cfg.Timeout/4) {
			p.watchOn(ctx, a) // the answer of a gateway that gives up may be near
		}
		other.close()
	}
	x := a.snapshot()
	if x.Answered == 0 && x.End != seen.EndError {
		return false
	}
	if !x.OK() {
		p.await(ctx, a.done, time.Second)
		return false
	}
	return ctx.Err() == nil
}

// elsewhere asks for a path that no server has.
func elsewhere(r *http.Request) {
	r.Method, r.Body = http.MethodGet, nil
	r.URL = r.URL.ResolveReference(&url.URL{Path: "/ssectl-" + random()})
}

func over(r *running) bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (p *prober) finishHead(ctx context.Context, head *running) {
	if head != nil {
		p.await(ctx, head.done, max(0, shortLimit-(p.clock()-head.snapshot().Start)))
		head.close()
	}
}

// sideQuestions are those that need an answer but no stream.
func (p *prober) sideQuestions(ctx context.Context) {
	cors := p.stream(ctx, seen.RoleCORS, func(r *http.Request) { r.Header.Set("Origin", seen.StrangeOrigin) })
	p.short(ctx, seen.RolePreflight, func(r *http.Request) {
		// No browser gives credentials to a preflight
		// (https://fetch.spec.whatwg.org/#cors-preflight-fetch).
		r.Method, r.Body, r.URL.User = http.MethodOptions, nil, nil
		r.Header = http.Header{}
		r.Header.Set("Origin", p.webOrigin())
		r.Header.Set("Access-Control-Request-Method", p.method())
		r.Header.Set("Access-Control-Request-Headers", "authorization,cache-control,last-event-id")
	})
	p.await(ctx, cors.answered, shortLimit)
	cors.close()
	if base, ok := p.observation().Baseline(); !ok || base > slowAnswer {
		p.short(ctx, seen.RoleBaseline, elsewhere)
	}
}

func (p *prober) webOrigin() string {
	if p.cfg.WebOrigin != "" {
		return p.cfg.WebOrigin
	}
	return seen.StrangeOrigin
}

// afterwards makes the requests that depend on the stream.
func (p *prober) afterwards(ctx context.Context, a *running) {
	x := a.snapshot()
	p.stage("asking what the stream left open", max(p.clock()+shortLimit, p.cfg.Soak))
	// These have to be short: the window is over.
	if p.seemsCached(x) {
		p.cacheBust(ctx)
	}
	if p.cfg.Injection {
		p.inject(ctx)
	}
	if x.End == seen.EndEOF && x.Header.Get("Accept-Ranges") == "bytes" && httpx.Validator(x.Header) != "" {
		p.ranges(ctx, x)
	}
	if p.cfg.Soak > 0 {
		p.soak(ctx, a)
	}
	p.watchOn(ctx, a)
	if p.cfg.ConnsURL != "" {
		p.countOrphans(ctx)
	}
}

// seemsCached reports whether the second stream got the events of the first. A
// query that no cache knows then distinguishes a cache from a server that
// replays its past.
func (p *prober) seemsCached(x *seen.Exchange) bool {
	o := p.observation()
	perConnection, past := seen.Replayed(x.Timeline(), o.Get(seen.RoleSecond).Timeline())
	return past && !perConnection
}

func (p *prober) cacheBust(ctx context.Context) {
	r := p.stream(ctx, seen.RoleCacheBust, func(r *http.Request) {
		q := r.URL.Query()
		q.Set("ssectl", random())
		r.URL.RawQuery = q.Encode()
	})
	plain := p.stream(ctx, seen.RoleJoin, nil) // without a cache this one starts anew too
	p.until(ctx, p.clock()+time.Second, func() bool {
		return (over(r) || r.bytes() > 0) && (over(plain) || plain.bytes() > 0)
	})
	r.close()
	plain.close()
}

func random() string { return strconv.FormatUint(rand.Uint64(), 36) }

// watchOn watches the main stream, or waits for its headers, for as long as a limit
// of its age asks for.
func (p *prober) watchOn(ctx context.Context, a *running) {
	if over(a) || ctx.Err() != nil {
		return
	}
	end := p.cfg.WatchUntil(p.observation())
	if end > p.clock() {
		p.stage("watching on: does a limit of its age cut the stream?", end)
	}
	p.until(ctx, end, func() bool { return over(a) })
}

// soak leaves the stream alone, and if it was cut does so once more, to see
// whether the age is the same.
func (p *prober) soak(ctx context.Context, a *running) {
	end := p.cfg.Soak
	p.stage("leaving the stream alone: is it cut?", end)
	p.until(ctx, end, func() bool { return over(a) })
	x := a.snapshot()
	if !over(a) || x.Ended < 2*time.Second {
		return
	}
	p.stage("it was cut: is the next one cut at the same age?", p.clock()+x.Ended+2*time.Second)
	again := p.stream(ctx, seen.RoleSoak, nil)
	p.until(ctx, p.clock()+x.Ended+2*time.Second, func() bool { return over(again) })
	again.close()
}

// otherProtocol returns a transport for the version of HTTP that x did not
// use, or nil where there is no choice.
func (p *prober) otherProtocol(x *seen.Exchange) *http.Transport {
	if x.TLS == nil {
		return nil
	}
	t := p.transport()
	t.Protocols = new(http.Protocols)
	if x.Proto == "HTTP/2.0" {
		t.Protocols.SetHTTP1(true)
		t.ForceAttemptHTTP2 = false
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		if t.TLSClientConfig != nil {
			// The clone of a config shares its slices.
			t.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		return t
	}
	t.Protocols.SetHTTP2(true)
	return t
}
