package tape

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/internal/socket"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

const (
	defaultWriteTimeout = 30 * time.Second

	flushedBytes = 32 << 10 // are written at once, where nothing waits
)

// Options configure a [Player]. The zero value compares method, path, query and
// body, and plays at the recorded pace.
type Options struct {
	// Match are the parts of a request that are compared; nil means
	// [DefaultParts].
	Match []Part

	// Normalize, if not nil, changes requests before they are compared, those
	// on tape and those that come. Its argument is an object with the method,
	// path, query, headers, and json, the value of the body, or body, its text,
	// where that is not JSON; neither for a body that is too large to compare its
	// values. A result without headers takes the place of the body.
	Normalize func(request map[string]any) (any, error)

	// Wait returns how long to wait where the recording has the given time:
	// before an event that is not the first (next), or before the head, the
	// first event, or the end. Nil means the recorded time.
	Wait func(recorded time.Duration, next bool) time.Duration

	// Header is added to every answer, over the recorded one.
	Header http.Header

	// CORS is the origin whose pages may read the answers, with cookies too,
	// or "*" for all without; empty leaves it to the recordings.
	CORS string

	// WriteTimeout is how long a client may take no data. Zero means 30
	// seconds, a negative one forever.
	WriteTimeout time.Duration

	// Faults break answers on purpose, most of them event streams alone. FaultSeed
	// chooses the requests of those that are for a share.
	Faults    []fault.Fault
	FaultSeed uint64

	// FaultControl, if not nil, has the faults in place of Faults, so that they can be
	// changed at any time.
	FaultControl *fault.Control

	// Otherwise answers the requests that no recording matches. Nil means
	// status 501 with the differences from the nearest one.
	Otherwise http.Handler

	// Watch watches each answer that is given, if not nil, and Number is the
	// number of the exchange; nil counts from 1.
	Watch  exchange.Watch
	Number func() int64

	// Note is called with problems, each as a line for people; Played with
	// each answer that was given. Both may be nil.
	Note   func(string)
	Played func(Play)
}

// A Play is an answer that a [Player] gave.
type Play struct {
	Remote   string // address of the client
	Method   string
	Path     string // without secrets
	Status   int
	Name     string // of the recording, empty if none matched
	Events   int64
	Bytes    int64 // of the body
	Start    time.Time
	Duration time.Duration
	End      string // for people; of a request that nothing matches, the differences
}

// A Player answers requests from recordings: each with the first recording that
// matches it. Where several recordings have the same request, they are played
// one after the other, and then the last one again. A request with a Last-Event-ID
// that no recording has is answered with the rest of the stream that has the event.
//
// Tests that use a player at the same time name themselves in the header
// X-Ssectl-Test: each has turns and faults of its own. The header is not compared.
type Player struct {
	options Options
	parts   []Part
	secrets redact.Secrets
	faults  *fault.Set
	number  atomic.Int64
	turns   turns

	list  []*recording
	tests pertest.States[progress]
	mu    sync.Mutex // guards what the tests have got, and the given fields of the recordings
}

// A progress is how far a test has got: each has the recordings from the beginning.
type progress struct {
	plays  int64
	played map[*recording]int64 // which play was the last one of a recording, from 1
}

// Open returns a Player for the recordings in a directory.
func Open(dir string, options Options) (*Player, error) {
	p := &Player{options: options, parts: DefaultParts(), turns: newTurns()}
	control := options.FaultControl
	if control == nil {
		control = fault.NewControl(options.Faults)
	}
	p.faults = control.NewSet(false, options.FaultSeed)
	for i := range options.Faults {
		if err := options.Faults[i].Validate(); err != nil {
			return nil, err
		}
	}
	if options.Match != nil {
		p.parts = nil
		for _, part := range options.Match {
			parsed, err := ParseParts(string(part))
			if err != nil {
				return nil, err
			}
			p.parts = append(p.parts, parsed...)
		}
	}
	if err := checkHeader(options.Header); err != nil {
		return nil, err
	}
	list, err := load(dir, p.note)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		body := &r.request.Body
		body.large = body.Size > 0 || isLarge(body.Bytes, 2) // so that requests at the limit find theirs
		if r.key, err = keyOf(r.request, options.Normalize); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name(), err)
		}
		if body.Known && body.Size == 0 {
			r.key.sum, r.key.hasSum = body.sum(), true
		}
		r.key.empty = r.request.Header == nil
	}
	p.list = list
	return p, nil
}

// Len returns the number of recordings.
func (p *Player) Len() int { return len(p.list) }

func (p *Player) note(text string) {
	if p.options.Note != nil {
		p.options.Note(text)
	}
}

// ServeHTTP answers one request.
func (p *Player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if p.options.Otherwise != nil && isWebSocket(r) {
		p.options.Otherwise.ServeHTTP(w, r)
		return
	}
	body, release, err := p.turns.read(w, r)
	defer release()
	size := int64(len(body))
	if err == nil && size > maxCompared && p.options.Otherwise == nil {
		var rest int64
		rest, err = drain(w, r)
		size += rest
	}
	if err != nil {
		status := http.StatusBadRequest
		if err == errBusy {
			status = http.StatusServiceUnavailable
		}
		p.header(w.Header(), r, nil)
		http.Error(w, "ssectl serve: reading the request: "+err.Error(), status)
		return
	}
	own := p.secrets.Own(false)
	request := cleanWith(own, r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header, body[:min(len(body), maxCompared)], size,
		func(contentType, text string, cut int64) Body { return playedBody(own, contentType, text, cut) })
	play := Play{Remote: r.RemoteAddr, Method: r.Method, Path: request.Path, Start: start}
	test := p.test(r.Header)
	found, after, key, err := p.find(test, request)
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	switch {
	case err != nil:
		play.Status, play.End = http.StatusInternalServerError, err.Error()
		p.header(w.Header(), r, nil)
		http.Error(w, "ssectl serve: "+err.Error(), play.Status)
	case found != nil:
		plan := p.faults.Of(r)
		if plan.NoResume && request.lastEventID() != "" {
			found, after = p.noResume(test, found, &key), ""
		}
		if size > maxCompared && p.options.Otherwise != nil {
			drain(w, r)
		}
		play.Name = found.name()
		p.header(w.Header(), r, found)
		x := &playing{
			player: p, w: w, control: http.NewResponseController(w), ctx: r.Context(), play: &play, due: time.Now(),
			watcher: p.watch(start, r, body, exchange.Match{Name: play.Name}), end: exchange.ClientLeft, after: after,
		}
		defer func() { // also of a panic that cuts the answer
			play.Duration = time.Since(start)
			x.watcher.End(exchange.End{How: x.end, Time: time.Now(), First: x.first, Events: play.Events, Bytes: play.Bytes})
			p.played(play)
		}()
		body, request, key = nil, nil, emptyKey // an answer may take hours
		release()
		x.run(r, found, plan)
		return
	case preflight && p.options.CORS != "":
		p.header(w.Header(), r, nil)
		play.Status = http.StatusNoContent
		w.WriteHeader(play.Status)
	case p.options.Otherwise != nil:
		r.Body = &again{begun: body, rest: r.Body, release: release}
		body, request, key = nil, nil, emptyKey
		p.options.Otherwise.ServeHTTP(w, r)
		return
	default:
		play.Status = http.StatusNotImplemented
		p.header(w.Header(), r, nil)
		match := p.miss(request, &key)
		play.End = match.Why
		p.refuse(w, p.watch(start, r, body, match), match)
	}
	play.Duration = time.Since(start)
	p.played(play)
}

// isWebSocket reports whether a request asks for a connection that no tape has. Others
// with an Upgrade field, as curl sends it for h2c, are answered without the upgrade: a
// server may ignore that (https://www.rfc-editor.org/rfc/rfc9110#section-7.8).
func isWebSocket(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Upgrade"], func(value string) bool {
		return slices.ContainsFunc(strings.Split(value, ","), func(name string) bool {
			return strings.EqualFold(strings.TrimSpace(name), "websocket")
		})
	})
}

func (p *Player) played(play Play) {
	if p.options.Played != nil {
		p.options.Played(play)
	}
}

// find returns the recording to play for a request, nil if there is none, and the ID
// of the event that a resumed stream goes on after.
func (p *Player) find(test *progress, request *Request) (found *recording, after string, k key, err error) {
	if k, err = keyOf(request, p.options.Normalize); err != nil {
		return nil, "", k, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := request.lastEventID()
	found = p.pick(test, &k, func(r *recording) bool { return r.request.lastEventID() == id })
	if found == nil && id != "" {
		if found = p.resumed(test, &k, request.Method, id); found != nil {
			return found, id, k, nil // which counts as played already
		}
	}
	if found == nil {
		found = p.afresh(test, &k)
	}
	if found == nil && request.Method == http.MethodHead {
		// The answer to a GET is that to HEAD, without its body.
		get := *request
		get.Method = http.MethodGet
		if k, err := keyOf(&get, p.options.Normalize); err == nil {
			return p.afresh(test, &k), "", k, nil // and it is still to be played
		}
	}
	p.use(test, found)
	return found, "", k, nil
}

// test returns the progress of the test that a request is of.
func (p *Player) test(header http.Header) *progress {
	return p.tests.Of(pertest.Name(header), func() *progress { return &progress{played: map[*recording]int64{}} })
}

// use notes that a recording is played.
func (p *Player) use(test *progress, r *recording) {
	if r != nil {
		test.plays++
		test.played[r] = test.plays
		r.given = true
	}
}

// Left returns the names of the recordings that were not played so far, in no test.
func (p *Player) Left() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.list {
		if !r.given {
			names = append(names, r.name())
		}
	}
	return names
}

// pick returns the first recording that matches and fits and was not played, of those
// with the same request as the first that matches; else the last of them.
func (p *Player) pick(test *progress, k *key, fits func(*recording) bool) (found *recording) {
	for _, r := range p.list {
		if !p.matches(k, r) || !fits(r) {
			continue
		}
		if found != nil && !p.sameRequest(found, r) {
			continue
		}
		if found = r; test.played[r] == 0 {
			break
		}
	}
	return found
}

func (p *Player) matches(k *key, r *recording) bool {
	return !slices.ContainsFunc(p.parts, func(part Part) bool { return !k.same(&r.key, part) })
}

// sameRequest reports whether two recordings match the same requests.
func (p *Player) sameRequest(a, b *recording) bool {
	for _, part := range p.parts {
		x, isX := a.key.parts[part]
		y, isY := b.key.parts[part]
		if isX != isY || x != y {
			return false
		}
	}
	return true
}

// header sets the header of an answer.
func (p *Player) header(header http.Header, r *http.Request, found *recording) {
	if found != nil {
		for name, values := range found.response.Header {
			if !slices.Contains(unkept, http.CanonicalHeaderKey(name)) {
				header[textproto.CanonicalMIMEHeaderKey(name)] = slices.Clone(values)
			}
		}
		if r.Method == http.MethodHead && found.response.Header.Get("Content-Length") != "" {
			header.Set("Content-Length", found.response.Header.Get("Content-Length"))
		}
		if header.Get("Content-Type") == "" && found.request.Method != "" {
			header["Content-Type"] = nil // or it would be guessed from the body
		}
	}
	if p.options.CORS != "" {
		header.Set("Access-Control-Allow-Origin", p.options.CORS)
		if p.options.CORS != "*" {
			header.Set("Access-Control-Allow-Credentials", "true")
			header.Set("Vary", "Origin")
		}
		if header.Get("Access-Control-Expose-Headers") == "" {
			header.Set("Access-Control-Expose-Headers", "*")
		}
		if method := r.Header.Get("Access-Control-Request-Method"); method != "" {
			header.Set("Access-Control-Allow-Methods", method)
			header.Set("Access-Control-Max-Age", "600")
		}
		if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
			header.Set("Access-Control-Allow-Headers", names)
		}
	}
	httpx.ReplaceFields(header, p.options.Header, found != nil && found.stream)
}

// A refusal is the body of the answer to a request that nothing matches, in the
// form in which APIs of models have their errors.
type refusal struct {
	Error struct {
		Message string       `json:"message"`
		Type    string       `json:"type"`
		Code    string       `json:"code"`
		Nearest string       `json:"nearest,omitempty"`
		Differs []Difference `json:"differs,omitempty"`
	} `json:"error"`
}

// watch reports a request to Options.Watch.
func (p *Player) watch(start time.Time, r *http.Request, body []byte, match exchange.Match) exchange.Watcher {
	if p.options.Watch == nil {
		return nobody{}
	}
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	request := &exchange.Request{Time: start, Remote: r.RemoteAddr, Method: r.Method, URL: &u, Host: r.Host, Header: r.Header.Clone()}
	if p.options.Number != nil {
		request.Number = p.options.Number()
	} else {
		request.Number = p.number.Add(1)
	}
	w := p.options.Watch.With(match)(request)
	if w == nil {
		return nobody{}
	}
	request.Passed(body, maxWatched)
	request.Finished()
	return w
}

// maxWatched bounds the body of a request that a watcher gets, in bytes.
const maxWatched = 1 << 20

var emptyKey key

// nobody watches an exchange.
type nobody struct{}

func (nobody) Response(*exchange.Response) {}
func (nobody) Event(*record.Record)        {}
func (nobody) Body([]byte)                 {}
func (nobody) End(exchange.End)            {}

// miss returns why no recording matches a request.
func (p *Player) miss(request *Request, k *key) (m exchange.Match) {
	target := request.Path
	if request.Query != "" {
		target += "?" + request.Query
	}
	m.Why = fmt.Sprintf("no recording matches %s %s", request.Method, target)
	var nearest *recording
	best := -1
	for _, r := range p.list {
		if score := k.nearness(&r.key, p.parts); score > best {
			nearest, best = r, score
		}
	}
	if nearest == nil {
		m.Why += ": there is none"
		return m
	}
	m.Nearest, m.Differs = nearest.name(), k.differences(&nearest.key, p.parts)
	var words []string
	for _, d := range m.Differs {
		words = append(words, d.String())
	}
	m.Why += fmt.Sprintf("; the nearest is %s: %s", m.Nearest, strings.Join(words, "; "))
	return m
}

// refuse answers a request that no recording matches.
func (p *Player) refuse(w http.ResponseWriter, watcher exchange.Watcher, match exchange.Match) {
	var answer refusal
	answer.Error.Type, answer.Error.Code = "no_recording", "no_recording"
	answer.Error.Message, answer.Error.Nearest, answer.Error.Differs = match.Why, match.Nearest, match.Differs
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	encoder.Encode(answer)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	// The SDKs of OpenAI and Anthropic would ask again, and again.
	header.Set("X-Should-Retry", "false")
	w.WriteHeader(http.StatusNotImplemented)
	w.Write(text.Bytes())
	watcher.Response(&exchange.Response{Time: time.Now(), Status: http.StatusNotImplemented, Header: header.Clone()})
	watcher.Body(text.Bytes())
	watcher.End(exchange.End{How: exchange.Whole, Time: time.Now(), Bytes: int64(text.Len())})
	p.note(match.Why)
}

// A playing is one answer on its way.
type playing struct {
	player  *Player
	w       http.ResponseWriter
	control *http.ResponseController
	ctx     context.Context
	play    *Play
	due     time.Time // of the latest line
	begun   bool      // the head is sent
	pending []byte
	breaker *fault.Writer // makes faults happen; nil if there are none

	watcher exchange.Watcher
	after   string       // the ID of the event that the stream goes on after
	first   time.Time    // of the events
	end     exchange.How // as far as is known
}

var errGone = errors.New("closed by the client")

// run gives the answer of a recording. It panics with [http.ErrAbortHandler] where
// the answer is to be cut.
func (x *playing) run(r *http.Request, found *recording, plan *fault.Plan) {
	w, play := x.w, x.play
	play.Status = found.response.Status
	for name := range found.end.Trailer {
		w.Header().Add("Trailer", name)
	}
	if plan.Lifetime > 0 {
		ctx, cancel := context.WithTimeoutCause(x.ctx, plan.Lifetime, &fault.Cut{Cause: fmt.Sprintf("cut after %v", plan.Lifetime)})
		defer cancel()
		x.ctx = ctx
	}
	if plan.Delay > 0 {
		x.begun = true
		if err := x.sleep(plan.Delay); err != nil {
			play.End = err.Error()
			panic(http.ErrAbortHandler)
		}
		x.due = time.Now()
	}
	if plan.Status != 0 {
		play.Status, play.End, x.end = plan.Status, "refused by a fault", exchange.Fault
		for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
			w.Header().Del(name) // those of the recorded answer
		}
		x.watcher.Response(&exchange.Response{Time: time.Now(), Proto: r.Proto, Status: plan.Status, Header: http.Header{}})
		httpx.WriteError(w, r, plan.Status, http.StatusText(plan.Status), x.player.options.Header)
		return
	}
	if found.stream {
		plan.SetHeader(w.Header())
		if plan.Breaks {
			x.breaker = plan.NewWriter(x)
		}
	}
	x.begun = true // there is nothing to send while the head waits
	if err := x.wait(gap(found.asked, found.answered), false); err != nil {
		play.End = err.Error()
		panic(http.ErrAbortHandler)
	}
	x.begun = false
	body := found.response.Body
	head := r.Method == http.MethodHead || !hasContent(found.response.Status)
	if !found.stream && !found.pieces && !head && found.end.How == exchange.Whole && len(found.end.Trailer) == 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body.Bytes)))
	}
	x.watcher.Response(&exchange.Response{Time: time.Now(), Proto: r.Proto, Status: found.response.Status, Header: w.Header().Clone(), Stream: found.stream})
	w.WriteHeader(found.response.Status)
	err := error(nil)
	if !head {
		if found.stream || found.pieces {
			err = x.stream(found)
		} else if err = x.wait(gap(found.answered, found.ended), false); err == nil {
			x.pending = append(x.pending, body.Bytes...)
			x.watcher.Body(body.Bytes)
		}
	}
	if err == nil {
		err = x.sendAll(found.end.How == exchange.Whole)
	}
	var cut *fault.Cut
	switch {
	case errors.As(err, &cut):
		x.end = exchange.Fault
		if play.End = cut.Cause; cut.Reset {
			reset(x.control)
		}
	case err != nil:
		play.End = err.Error()
		if !errors.Is(err, errGone) {
			x.player.note(fmt.Sprintf("%s: %v", found.name(), err))
		}
		panic(http.ErrAbortHandler)
	case head, found.end.How == exchange.Whole:
		for name, values := range found.end.Trailer {
			w.Header()[name] = values
		}
		play.End, x.end = string(exchange.Whole), exchange.Whole
		return
	case found.end.How == exchange.Reset:
		play.End, x.end = "reset, as recorded", exchange.Reset
		reset(x.control)
	default:
		play.End, x.end = fmt.Sprintf("cut, as recorded (%s)", found.end.How), exchange.Truncated
	}
	panic(http.ErrAbortHandler)
}

// stream sends the events of a recording, or the pieces of its body.
func (x *playing) stream(found *recording) error {
	file, err := os.Open(found.file)
	if err != nil {
		return err
	}
	defer file.Close()
	s := newScan(found.file, file)
	last, events := found.answered, int64(0)
	for {
		r, now, _, err := s.next()
		if err == io.EOF || err == nil && now.number > found.number {
			return nil
		}
		if err != nil {
			return err
		}
		if now.number < found.number {
			continue
		}
		if s.piece != nil {
			if err := x.wait(gap(last, r.Time), false); err != nil {
				return err
			}
			if !r.Time.IsZero() {
				last = r.Time
			}
			x.watcher.Body(s.piece)
			if x.pending = append(x.pending, s.piece...); len(x.pending) >= flushedBytes {
				if err := x.flush(); err != nil {
					return err
				}
			}
			continue
		}
		if r.Meta != nil {
			if now.stream || now.pieces { // the end has a time too
				if err := x.wait(gap(last, r.Time), false); err != nil {
					return err
				}
			}
			continue
		}
		if x.after != "" { // all up to that event was sent before
			if r.HasID && r.ID == x.after {
				x.after = ""
			}
			last = r.Time
			continue
		}
		recorded := gap(last, r.Time)
		if r.Delay > 0 {
			recorded = r.Delay
		}
		switch {
		case !r.Time.IsZero():
			last = r.Time
		case !last.IsZero():
			last = last.Add(recorded)
		}
		if recorded > 0 || r.IsEvent {
			if err := x.wait(recorded, r.IsEvent && events > 0); err != nil {
				return err
			}
		}
		before := len(x.pending)
		if x.pending, err = r.AppendText(x.pending); err != nil {
			return err
		}
		if r.IsEvent {
			events++
		}
		if x.breaker != nil {
			text := bytes.Clone(x.pending[before:])
			x.pending = x.pending[:before]
			if err := x.broken(text, r.IsEvent); err != nil {
				return err
			}
		} else if r.IsEvent {
			x.play.Events++
		}
		r.Time = time.Now()
		if r.IsEvent && x.first.IsZero() {
			x.first = r.Time
		}
		x.watcher.Event(&r)
		if len(x.pending) >= flushedBytes {
			if err := x.flush(); err != nil {
				return err
			}
		}
	}
}

// gap returns the time between two lines, 0 where it is not known.
func gap(from, to time.Time) time.Duration {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return max(to.Sub(from), 0)
}

// wait waits until the next line is due. Pending bytes go out before.
func (x *playing) wait(recorded time.Duration, next bool) error {
	wait := recorded
	if x.player.options.Wait != nil {
		wait = x.player.options.Wait(recorded, next)
	}
	if wait <= 0 {
		return nil
	}
	x.due = x.due.Add(wait)
	left := time.Until(x.due)
	if left <= 0 {
		return nil
	}
	if len(x.pending) > 0 || !x.begun || x.breaker != nil {
		if err := x.sendAll(false); err != nil {
			return err
		}
		left = time.Until(x.due)
	}
	return x.sleep(left)
}

// sleep waits, unless the client leaves or a fault ends the answer.
func (x *playing) sleep(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-x.ctx.Done():
		return x.gone()
	}
}

// gone returns why an answer cannot go on.
func (x *playing) gone() error {
	var cut *fault.Cut
	if errors.As(context.Cause(x.ctx), &cut) {
		return cut
	}
	return errGone
}

// broken sends an event, or other bytes of the stream, as the faults want it.
func (x *playing) broken(text []byte, isEvent bool) error {
	if !isEvent {
		x.breaker.Add(text)
		return nil
	}
	before := x.breaker.Sent
	err := x.breaker.Event(text)
	x.play.Events += x.breaker.Sent - before
	return err
}

// sendAll sends the pending bytes, as far as faults let it pass; last is that of a
// stream that ends in order.
func (x *playing) sendAll(last bool) error {
	if x.breaker != nil {
		if err := x.breaker.Flush(last); err != nil {
			return err
		}
	}
	return x.flush()
}

// Send is for faults.
func (x *playing) Send(text []byte) error {
	x.pending = append(x.pending, text...)
	return x.flush()
}

// Sleep is for faults.
func (x *playing) Sleep(wait time.Duration) error {
	err := x.sleep(wait)
	x.due = time.Now()
	return err
}

func (x *playing) flush() error {
	if x.begun && len(x.pending) == 0 {
		return nil
	}
	if x.ctx.Err() != nil {
		return x.gone()
	}
	x.begun = true
	if limit := x.player.options.WriteTimeout; limit >= 0 {
		if limit == 0 {
			limit = defaultWriteTimeout
		}
		x.control.SetWriteDeadline(time.Now().Add(limit))
		defer x.control.SetWriteDeadline(time.Time{})
	}
	n, err := x.w.Write(x.pending)
	x.play.Bytes += int64(n)
	x.pending = x.pending[:0]
	if err == nil {
		err = x.control.Flush()
	}
	if err != nil {
		return x.gone()
	}
	return nil // also where the client left as soon as it had everything
}

// reset resets the connection of HTTP/1.1. One of HTTP/2 carries other streams:
// there the caller resets the stream.
func reset(control *http.ResponseController) {
	conn, _, err := control.Hijack()
	if err != nil {
		return
	}
	socket.Drain(socket.Raw(conn), func(wait time.Duration) error {
		time.Sleep(wait) // the server no longer knows when the client leaves
		return nil
	})
	socket.Cut(conn, true)
}
