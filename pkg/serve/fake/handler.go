package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
)

// Options configure a [Handler]. With the zero value, it answers nothing.
type Options struct {
	Answers []Answer

	// Service answers the requests that no answer matches, if it has the endpoint,
	// and tells the contents of answers. ServiceName is its name for people.
	Service     Service
	ServiceName string

	// Otherwise answers what is left. Nil means the error that the service has for an
	// endpoint that it does not have, or without a service status 501 with the nearest
	// answer and why it does not match.
	Otherwise http.Handler

	// Wait is the pace; nil waits as the answers have it.
	Wait Wait

	// FaultControl holds the faults that break answers on purpose; nil means that of
	// Faults. A status that is a fault is told by Service. FaultSeed chooses the
	// requests of faults that are for a share.
	FaultControl *fault.Control
	Faults       []fault.Fault
	FaultSeed    uint64

	// Header is added to every answer, over its own.
	Header http.Header

	// CORS is the origin whose pages may read the answers, with cookies too, or "*"
	// for all without; empty leaves it to the answers.
	CORS string

	// WriteTimeout is how long a client may take no data. Zero means 30 seconds, a
	// negative one forever.
	WriteTimeout time.Duration

	// Watch watches each answer that is given, if not nil, and is told where it comes
	// from, or why there is none. Number is the number of the exchange; nil counts from 1.
	Watch  exchange.Watch
	Number func() int64

	// Note is called with problems, each as a line for people; Played with each request
	// that was answered here. Both may be nil.
	Note   func(string)
	Played func(Play)
}

// A Play is a request that was answered.
type Play struct {
	Remote   string // address of the client
	Method   string
	Path     string
	Status   int
	Name     string // of the answer or the service, empty if none answered
	Events   int64
	Bytes    int64 // of the body
	Start    time.Time
	Duration time.Duration
	End      string // for people; of a request that nothing matches, the differences
}

// A Handler answers requests with answers that were written for them.
type Handler struct {
	options  Options
	answers  []answerer
	turns    answer.Turns
	number   atomic.Int64
	faults   *fault.Set
	noFaults *fault.Plan
	tests    pertest.States[state]

	mu   sync.Mutex // guards the states of tests, the field most of answers, and held
	held int        // bytes of requests and bodies whose answers are under way
}

// An answerer is an Answer that is ready.
type answerer struct {
	Answer
	index int
	match *matcher
	after []int      // indices
	own   *fault.Set // nil if it has none
	most  int64      // times that it was given in one test
}

// NewHandler returns a Handler.
func NewHandler(options Options) (*Handler, error) {
	h := &Handler{options: options, turns: answer.NewTurns(), noFaults: fault.NewPlan(nil, false)}
	if err := validFaults(options.Faults); err != nil {
		return nil, err
	}
	if options.FaultControl == nil {
		h.options.FaultControl = fault.NewControl(options.Faults)
	}
	h.faults = h.options.FaultControl.NewSet(false, options.FaultSeed)
	names := map[string]int{}
	for i, a := range options.Answers {
		if a.Name == "" {
			a.Name = fmt.Sprintf("answer %d", i+1)
		}
		if _, taken := names[a.Name]; taken {
			return nil, fmt.Errorf("two answers have the name %q", a.Name)
		}
		names[a.Name] = i
		h.answers = append(h.answers, answerer{Answer: a, index: i})
	}
	for i := range h.answers {
		a := &h.answers[i]
		var err error
		if a.match, err = a.Match.compile(); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		if err := validFaults(a.Faults); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		if len(a.Faults) > 0 {
			a.own = fault.NewSet(a.Faults, false, options.FaultSeed+uint64(i))
		}
		for _, name := range a.After {
			at, ok := names[name]
			if !ok {
				return nil, fmt.Errorf("%s: it comes after %q, which no answer is called", a.Name, name)
			}
			a.after = append(a.after, at)
		}
	}
	return h, nil
}

func validFaults(list []fault.Fault) error {
	for i := range list {
		if err := list[i].Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Len returns the number of answers.
func (h *Handler) Len() int { return len(h.answers) }

func (h *Handler) note(text string) {
	if h.options.Note != nil {
		h.options.Note(text)
	}
}

// secretsOf returns the secrets of a request, which no line for people may have.
func secretsOf(r *http.Request, body []byte) *redact.Secrets {
	secrets := new(redact.Secrets).Own(false)
	secrets.Header(r.Header)
	secrets.URL(r.URL)
	secrets.Body(string(body))
	return secrets
}

// A turn is a request on its way through the handler.
type turn struct {
	*Handler
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	body  []byte // as it came
	state *state
	q     question
	held  int // of the bytes that the handler holds

	missed exchange.Match // why nothing was given, if an error is sent as an answer is
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &turn{Handler: h, w: w, r: r, start: time.Now()}
	body, release, err := h.turns.Read(w, r)
	defer release()
	if err == nil && len(body) > answer.MaxBody {
		if h.options.Otherwise != nil {
			answer.Again(r, body, release)
			h.options.Otherwise.ServeHTTP(w, r)
			return
		}
		if _, err = answer.Drain(w, r); err == nil {
			t.body = body[:answer.MaxBody]
			t.refuseWith(http.StatusRequestEntityTooLarge, "too_large", exchange.Match{Why: fmt.Sprintf(
				"the body of %s %s is larger than %d bytes", r.Method, r.URL.Path, answer.MaxBody)})
			return
		}
	}
	if err != nil {
		status := http.StatusBadRequest
		if err == answer.ErrBusy {
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
		}
		t.header(nil)
		http.Error(w, "ssectl serve: reading the request: "+err.Error(), status)
		return
	}
	t.body = body
	request := t.request()
	defer t.q.end()
	defer t.letGo()
	if !t.hold(len(request.Body), maxHeld) {
		t.busy(request, release)
		return
	}
	if given, plan := t.find(); given != nil {
		t.give(given, plan, release)
		return
	}
	if h.options.Service != nil {
		if reply := h.options.Service.Reply(request, nil); reply != nil {
			t.send(nil, reply, h.plan(nil, r), release)
			return
		}
	}
	switch {
	case answer.IsPreflight(r) && h.options.CORS != "":
		t.header(nil)
		w.WriteHeader(http.StatusNoContent)
	case h.options.Otherwise != nil:
		answer.Again(r, body, release)
		t.body, t.q = nil, question{}
		t.letGo()
		h.options.Otherwise.ServeHTTP(w, r)
	default:
		t.refuse(release)
	}
}

// maxHeld bounds the bodies of the requests whose answers are under way, as an answer may
// repeat them, and the bodies of those answers.
const maxHeld = 64 << 20

// hold counts bytes until the end of the answer, and reports whether all there are is within
// a bound. If not, they do not count.
func (t *turn) hold(n, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Handler.held+n > most {
		return false
	}
	t.Handler.held += n
	t.held += n
	return true
}

// letGo counts the bytes of an answer no more.
func (t *turn) letGo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Handler.held -= t.held
	t.held = 0
}

// busy refuses a request for which there is no room.
func (t *turn) busy(request *Request, release func()) {
	const why = "the answers under way hold too many bytes: try again later"
	var reply *Reply
	if t.options.Service != nil {
		reply = t.options.Service.Error(request, http.StatusServiceUnavailable, why)
	}
	if reply == nil {
		reply = JSON(http.StatusServiceUnavailable, map[string]any{"error": map[string]any{"message": why, "type": "busy", "code": "busy"}})
	}
	if reply.Header == nil {
		reply.Header = http.Header{}
	}
	httpx.SetDefault(reply.Header, "Retry-After", "1")
	t.note(fmt.Sprintf("%s %s: %s", t.r.Method, t.r.URL.Path, why))
	t.missed.Why = why
	t.send(nil, reply, t.noFaults, release)
}

// maxValues bounds the values of JSON, about: they take many times the bytes of its
// text.
const maxValues = 200_000

// request reads the request, and counts it.
func (t *turn) request() *Request {
	t.state = t.tests.Of(pertest.Name(t.r.Header), t.newState)
	t.mu.Lock()
	t.state.requests++
	number := t.state.requests
	t.mu.Unlock()
	text, _ := answer.Uncoded(t.r.Header, t.body, 0)
	values, _ := url.ParseQuery(t.r.URL.RawQuery)
	request := &Request{
		Method: t.r.Method, Path: t.r.URL.Path, Query: values, Header: t.r.Header, Host: t.r.Host, Body: text, Number: number,
	}
	if len(text) > 0 {
		if separators(text) <= maxValues {
			request.JSON = query.Parse(text)
		} else {
			t.note(fmt.Sprintf("the body of %s %s has too many values to look at", t.r.Method, t.r.URL.Path))
		}
	}
	t.q.Request = request
	return request
}

// separators returns about the number of values in JSON.
func separators(text []byte) (n int) {
	for _, c := range text {
		if c == ',' || c == '[' || c == '{' {
			n++
		}
	}
	return n
}

// find returns the first answer that matches and can be given, and its faults.
func (t *turn) find() (*answerer, *fault.Plan) {
	ctx := t.r.Context()
	preflight := t.options.CORS != "" && answer.IsPreflight(t.r)
	for i := range t.answers {
		a := &t.answers[i]
		if preflight && a.Match.Method == "" || !a.match.matches(ctx, &t.q) {
			continue
		}
		t.mu.Lock()
		if t.isOpen(t.state, a) != "" {
			t.mu.Unlock()
			continue
		}
		plan := t.plan(a, t.r)
		if plan.Status == 0 { // or it is still to be given
			t.state.use(a)
		}
		t.mu.Unlock()
		return a, plan
	}
	t.q.Params = nil
	return nil, nil
}

// give gives an answer.
func (t *turn) give(a *answerer, plan *fault.Plan, release func()) {
	request := t.q.Request
	if plan.NoResume && request.Header.Get("Last-Event-ID") != "" {
		fresh := *request
		fresh.Header = request.Header.Clone()
		fresh.Header.Del("Last-Event-ID")
		request = &fresh
	}
	var reply *Reply
	var err error
	if plan.Status == 0 {
		reply, err = t.make(a, request)
	}
	if err != nil {
		problem := secretsOf(t.r, request.Body).Message(err.Error())
		t.note(a.Name + ": " + problem)
		t.missed = exchange.Match{Why: "making the answer " + a.Name + ": " + problem, Nearest: a.Name}
		reply = JSON(http.StatusInternalServerError, map[string]any{"error": map[string]any{
			"message": fmt.Sprintf("making the answer %s: %s", a.Name, problem), "type": "bad_answer", "code": "bad_answer",
		}})
	}
	if reply != nil && a.Channel != nil && reply.Status != http.StatusNoContent {
		name, err := a.Channel(request)
		if err != nil {
			t.problem(a, request, err.Error())
		} else {
			t.mu.Lock()
			l := t.state.channels.listen(name)
			t.mu.Unlock()
			defer func() {
				t.mu.Lock()
				t.state.channels.leave(name, l)
				t.mu.Unlock()
			}()
			reply = listening(reply, l)
		}
	}
	if plan.Status == 0 && a.Tell != nil && err == nil {
		t.tell(a, request)
	}
	t.send(a, reply, plan, release)
}

// make makes the reply of an answer.
func (t *turn) make(a *answerer, request *Request) (*Reply, error) {
	return a.reply(request, t.options.Service)
}

// tell tells the channel of an answer.
func (t *turn) tell(a *answerer, request *Request) {
	telling, err := a.Tell(request)
	if err != nil {
		t.problem(a, request, err.Error())
		return
	}
	t.mu.Lock()
	listeners := t.state.channels.tell(telling)
	t.mu.Unlock()
	if listeners == 0 {
		t.problem(a, request, fmt.Sprintf("no stream listens to the channel %q", telling.Channel))
	}
}

// problem notes a problem of an answer, without the secrets of the request.
func (t *turn) problem(a *answerer, request *Request, text string) {
	t.note(a.Name + ": " + secretsOf(t.r, request.Body).Message(text))
}

// header sets the header of an answer.
func (t *turn) header(reply *Reply) {
	header := t.w.Header()
	isStream := reply != nil && reply.Stream != nil
	if reply != nil {
		for name, values := range reply.Header {
			if name = textproto.CanonicalMIMEHeaderKey(name); name != "Content-Length" { // which follows from the body
				header[name] = slices.Clone(values)
			}
		}
	}
	if isStream {
		httpx.SetDefault(header, "Content-Type", "text/event-stream")
		httpx.SetDefault(header, "Cache-Control", "no-cache")
	}
	answer.SetCORS(header, t.r, t.options.CORS)
	httpx.ReplaceFields(header, t.options.Header, isStream)
}

func (t *turn) watch(match exchange.Match) exchange.Watcher {
	number := t.options.Number
	if number == nil {
		number = func() int64 { return t.number.Add(1) }
	}
	return answer.Watch(t.options.Watch.With(match), number, t.start, t.r, t.body)
}

func (t *turn) play() Play {
	return Play{Remote: t.r.RemoteAddr, Method: t.r.Method, Path: t.r.URL.Path, Start: t.start}
}

// send sends a reply: that of an answer, or of the service if there is none. A fault
// that is a status needs no reply.
func (t *turn) send(a *answerer, reply *Reply, plan *fault.Plan, release func()) {
	h := t.Handler
	play := t.play()
	play.Name = h.options.ServiceName
	t.header(reply)
	if reply == nil {
		reply = &Reply{}
	}
	request, service := t.q.Request, h.options.Service
	wait, before := h.options.Wait, time.Duration(0)
	if a != nil {
		before, play.Name = a.Delay, a.Name
		if a.Wait != nil {
			wait = a.Wait
		}
		if a.Service != nil {
			service = a.Service
		}
	}
	status := reply.Status
	if status == 0 {
		status = http.StatusOK
	}
	if status < 200 || status > 999 { // which net/http does not send as an answer
		h.note(fmt.Sprintf("%s: an answer cannot have status %d", play.Name, status))
		status = http.StatusInternalServerError
	}
	match := exchange.Match{Name: play.Name}
	if t.missed.Why != "" {
		match = t.missed
	}
	var secrets *redact.Secrets // of a stream, which may fail after the request is let go
	if reply.Stream != nil && h.options.Note != nil {
		secrets = secretsOf(t.r, request.Body)
	}
	sender := answer.New(answer.Options{
		Wait: wait, WriteTimeout: h.options.WriteTimeout, Header: h.options.Header, Watch: t.watch(match),
	}, t.w, t.r.Context())
	defer func() { // also of a panic that cuts the answer
		play.Status, play.Events, play.Bytes, play.End = sender.Status, sender.Events, sender.Bytes, sender.End
		play.Duration = time.Since(play.Start)
		if sender.Broken != nil {
			problem := sender.Broken.Error()
			if secrets != nil {
				problem = secrets.Message(problem)
			}
			h.note(play.Name + ": " + problem)
		}
		sender.Finish()
		if h.options.Played != nil {
			h.options.Played(play)
		}
	}()
	out := &answer.Answer{Status: status, Stream: reply.Stream != nil, Before: before, Ready: reply.Wait, Text: reply.Body, End: exchange.Whole}
	if reply.Stream != nil {
		stream := reply.Stream
		out.Body = func(s *answer.Sender) error { return sendStream(s, stream) }
	}
	if plan.Status != 0 {
		out.Refuse = func(w http.ResponseWriter, r *http.Request, status int) { h.refuseBy(w, r, service, request, status) }
	}
	if a == nil { // the body is there already: requests that follow are refused for it
		t.hold(len(reply.Body), math.MaxInt)
	}
	t.end(release) // an answer may take hours
	sender.Send(t.r, out, plan)
}

// end frees what a request took, but the request itself, which its reply may need.
func (t *turn) end(release func()) {
	t.q.end()
	t.body, t.q = nil, question{}
	release()
}

// sendStream sends the blocks of a stream.
func sendStream(s *answer.Sender, stream func(context.Context, func(record.Record) error) error) error {
	events := 0
	idle := time.Now() // since when the stream has nothing to send
	err := s.Flush()
	if err == nil {
		err = stream(s.Context(), func(r record.Record) error {
			s.Idle(time.Since(idle))
			defer func() { idle = time.Now() }()
			if err := s.Wait(r.Delay, r.IsEvent && events > 0); err != nil {
				return err
			}
			if r.IsEvent {
				events++
			}
			if err := s.Event(&r); err != nil {
				return err
			}
			return s.Flush()
		})
	}
	if err != nil && s.Context().Err() != nil && !errors.As(err, new(*fault.Cut)) {
		return s.Gone()
	}
	return err
}

// refuseBy sends a status that is a fault, as the service has it.
func (h *Handler) refuseBy(w http.ResponseWriter, r *http.Request, service Service, request *Request, status int) {
	var reply *Reply
	if service != nil {
		reply = service.Error(request, status, "")
	}
	if reply == nil {
		if request.JSON != nil && !strings.Contains(r.Header.Get("Accept"), "application/json") {
			r = r.Clone(r.Context())
			r.Header.Set("Accept", "application/json") // as is sent, so is answered
		}
		httpx.WriteError(w, r, status, http.StatusText(status), h.options.Header)
		return
	}
	header := w.Header()
	for name, values := range reply.Header {
		header[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
	httpx.ReplaceFields(header, h.options.Header, false)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(reply.Body)
	}
}

// A refusal is the body of the answer to a request that nothing matches, in the form
// in which APIs of models have their errors.
type refusal struct {
	Error struct {
		Message string                `json:"message"`
		Type    string                `json:"type"`
		Code    string                `json:"code"`
		Nearest string                `json:"nearest,omitempty"`
		Differs []exchange.Difference `json:"differs,omitempty"`
	} `json:"error"`
}

// refuse answers a request that nothing matches.
func (t *turn) refuse(release func()) {
	match := t.miss()
	if service := t.options.Service; service != nil {
		if reply := service.Error(t.q.Request, http.StatusNotFound, ""); reply != nil {
			t.note(match.Why)
			t.missed = match
			t.send(nil, reply, t.plan(nil, t.r), release)
			return
		}
	}
	t.refuseWith(http.StatusNotImplemented, "no_answer", match)
}

// refuseWith answers a request that gets no answer, with a status and why.
func (t *turn) refuseWith(status int, code string, match exchange.Match) {
	var refused refusal
	refused.Error.Type, refused.Error.Code = code, code
	refused.Error.Message, refused.Error.Nearest, refused.Error.Differs = match.Why, match.Nearest, match.Differs
	t.header(nil)
	answer.Refuse(t.w, t.watch(match), status, refused)
	t.note(match.Why)
	if t.options.Played != nil {
		play := t.play()
		play.Status, play.Duration, play.End = status, time.Since(t.start), match.Why
		t.options.Played(play)
	}
}

// miss returns why no answer matches a request.
func (t *turn) miss() (m exchange.Match) {
	m.Why = fmt.Sprintf("no answer matches %s %s", t.r.Method, t.r.URL.Path)
	secrets := secretsOf(t.r, t.q.Body)
	best, words := -1, []string(nil)
	for i := range t.answers {
		a := &t.answers[i]
		list, nearness := a.match.differences(t.r.Context(), &t.q, secrets)
		if nearness <= best {
			continue
		}
		m.Nearest, m.Differs, best, words = a.Name, nil, nearness, nil
		for _, d := range list {
			m.Differs = append(m.Differs, d.Difference)
			words = append(words, d.String())
		}
		if len(list) == 0 {
			t.mu.Lock()
			words = append(words, t.isOpen(t.state, a))
			t.mu.Unlock()
		}
	}
	if t.options.Service != nil {
		m.Why = fmt.Sprintf("%s has no endpoint %s %s, and %s", cmp.Or(t.options.ServiceName, "the service"), t.r.Method, t.r.URL.Path, m.Why)
	}
	if m.Nearest == "" {
		m.Why += ": there is none"
	} else {
		m.Why += fmt.Sprintf("; the nearest is %s: %s", m.Nearest, strings.Join(words, "; "))
	}
	return m
}
