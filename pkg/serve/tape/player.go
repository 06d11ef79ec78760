package tape

import (
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
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
	turns   answer.Turns

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
	p := &Player{options: options, parts: DefaultParts(), turns: answer.NewTurns()}
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
	body, release, err := p.turns.Read(w, r)
	defer release()
	size := int64(len(body))
	if err == nil && size > maxCompared && p.options.Otherwise == nil {
		var rest int64
		rest, err = answer.Drain(w, r)
		size += rest
	}
	if err != nil {
		status := http.StatusBadRequest
		if err == answer.ErrBusy {
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
	key, err := keyOf(request, p.options.Normalize)
	var found *recording
	var after string
	var plan *fault.Plan
	if err == nil {
		found, after, plan = p.next(test, r, request, &key)
	}
	switch {
	case err != nil:
		play.Status, play.End = http.StatusInternalServerError, err.Error()
		p.header(w.Header(), r, nil)
		http.Error(w, "ssectl serve: "+err.Error(), play.Status)
	case found != nil:
		if plan.NoResume && request.lastEventID() != "" {
			found, after = p.noResume(test, found, &key), ""
		}
		if size > maxCompared && p.options.Otherwise != nil {
			answer.Drain(w, r)
		}
		play.Name = found.name()
		p.header(w.Header(), r, found)
		sender := answer.New(answer.Options{
			Wait: p.options.Wait, WriteTimeout: p.options.WriteTimeout, Header: p.options.Header, Watch: p.watch(start, r, body, exchange.Match{Name: play.Name}),
		}, w, r.Context())
		defer func() { // also of a panic that cuts the answer
			play.Status, play.Events, play.Bytes, play.End = sender.Status, sender.Events, sender.Bytes, sender.End
			play.Duration = time.Since(start)
			if sender.Broken != nil {
				p.note(fmt.Sprintf("%s: %v", play.Name, sender.Broken))
			}
			sender.Finish()
			p.played(play)
		}()
		body, request, key = nil, nil, emptyKey // an answer may take hours
		release()
		sender.Send(r, (&playing{found: found, after: after}).answer(), plan)
		return
	case answer.IsPreflight(r) && p.options.CORS != "":
		p.header(w.Header(), r, nil)
		play.Status = http.StatusNoContent
		w.WriteHeader(play.Status)
	case p.options.Otherwise != nil:
		answer.Again(r, body, release)
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

// next returns the recording to play for a request, nil if there is none, the ID of the
// event that a resumed stream goes on after, and the faults.
func (p *Player) next(test *progress, r *http.Request, request *Request, k *key) (found *recording, after string, plan *fault.Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, after, counts := p.find(test, request, k)
	if found == nil {
		return nil, "", nil
	}
	plan = p.faults.Of(r)
	if counts && plan.Status == 0 { // or it is still to be played, when the client comes back
		p.use(test, found)
	}
	return found, after, plan
}

// find returns the recording for a request, and whether it counts as played now. The
// caller holds the mutex.
func (p *Player) find(test *progress, request *Request, k *key) (found *recording, after string, counts bool) {
	id := request.lastEventID()
	found = p.pick(test, k, func(r *recording) bool { return r.request.lastEventID() == id })
	if found == nil && id != "" {
		if found = p.resumed(test, k, request.Method, id); found != nil {
			return found, id, false // which counts as played already
		}
	}
	if found == nil {
		found = p.afresh(test, k)
	}
	if found == nil && request.Method == http.MethodHead {
		// The answer to a GET is that to HEAD, without its body.
		get := *request
		get.Method = http.MethodGet
		if other, err := keyOf(&get, p.options.Normalize); err == nil {
			*k = other
			return p.afresh(test, k), "", false // and it is still to be played
		}
	}
	return found, "", true
}

// test returns the progress of the test that a request is of.
func (p *Player) test(header http.Header) *progress {
	return p.tests.Of(pertest.Name(header), func() *progress { return &progress{played: map[*recording]int64{}} })
}

// use notes that a recording is played.
func (p *Player) use(test *progress, r *recording) {
	test.plays++
	test.played[r] = test.plays
	r.given = true
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
	answer.SetCORS(header, r, p.options.CORS)
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
	number := p.options.Number
	if number == nil {
		number = func() int64 { return p.number.Add(1) }
	}
	return answer.Watch(p.options.Watch.With(match), number, start, r, body)
}

var emptyKey key

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
	var refused refusal
	refused.Error.Type, refused.Error.Code = "no_recording", "no_recording"
	refused.Error.Message, refused.Error.Nearest, refused.Error.Differs = match.Why, match.Nearest, match.Differs
	answer.Refuse(w, watcher, http.StatusNotImplemented, refused)
	p.note(match.Why)
}

// A playing is a recording that is sent.
type playing struct {
	found *recording
	after string // the ID of the event that the stream goes on after
}

// answer returns the recording as an answer.
func (x *playing) answer() *answer.Answer {
	found := x.found
	a := &answer.Answer{
		Status: found.response.Status, Trailer: found.end.Trailer, End: found.end.How, Stream: found.stream,
		Before: gap(found.asked, found.answered), Text: found.response.Body.Bytes, Later: gap(found.answered, found.ended),
	}
	if found.stream || found.pieces {
		a.Body = x.send
	}
	return a
}

// send sends the events of the recording, or the pieces of its body.
func (x *playing) send(to *answer.Sender) error {
	found := x.found
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
			if err := to.Wait(gap(last, r.Time), false); err != nil {
				return err
			}
			if !r.Time.IsZero() {
				last = r.Time
			}
			if err := to.Piece(s.piece); err != nil {
				return err
			}
			continue
		}
		if r.Meta != nil {
			if now.stream || now.pieces { // the end has a time too
				if err := to.Wait(gap(last, r.Time), false); err != nil {
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
			if err := to.Wait(recorded, r.IsEvent && events > 0); err != nil {
				return err
			}
		}
		if r.IsEvent {
			events++
		}
		if err := to.Event(&r); err != nil {
			return err
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
