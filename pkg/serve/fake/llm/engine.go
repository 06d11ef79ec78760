package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// An engine writes the answers of a service.
type engine struct {
	options Options
	slots   chan struct{} // holds one for each answer that is written; nil for no limit
	seed    uint64
	answers atomic.Uint64
	replies atomic.Uint64

	calls string // before the IDs of calls
}

func newEngine(options Options) *engine {
	e := &engine{options: options, seed: options.Seed}
	if e.seed == 0 {
		e.seed = rand.Uint64()
	}
	if options.Slots > 0 {
		e.slots = make(chan struct{}, options.Slots)
	}
	return e
}

// acquire waits for a slot. Those that wait get one in the order in which they came.
func (e *engine) acquire(ctx context.Context) (release func(), err error) {
	if e.slots == nil {
		return func() {}, nil
	}
	select {
	case e.slots <- struct{}{}:
		return func() { <-e.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// An answer is the answer of a model to one prompt.
type answer struct {
	fake.Content
	number  uint64 // of the answer
	key     string // the part of IDs that is its own
	model   string
	created time.Time
	pace    fake.Pace

	thinking words
	text     words
	calls    []call
	cut      bool // the limit of tokens was reached
	usage    fake.Usage
	thought  int // tokens of the output that were thinking
}

// A call is a call of a tool.
type call struct {
	fake.ToolCall
	words // of the arguments
}

// answer makes the answer to a prompt.
func (e *engine) answer(p *prompt, content *fake.Content) *answer {
	n := e.answers.Add(1)
	a := &answer{
		number: n, key: fmt.Sprintf("%08x%06d", uint32(e.seed), n), model: p.model,
		created: time.Now(), pace: e.options.Pace,
	}
	switch {
	case content != nil:
		a.Content = *content
		if a.Text == "" && a.JSON != nil {
			a.Text = encode(a.JSON)
		}
	case e.options.Text != "" || e.options.HasText:
		a.Text = e.options.Text
	default:
		a.Content = p.echo()
	}
	left := p.limit
	if left == 0 {
		left = math.MaxInt
	}
	take := func(text string) words {
		w, whole := newWords(text, token, left, p.choices)
		left -= w.count
		a.cut = a.cut || !whole
		return w
	}
	a.thinking = take(a.Thinking)
	a.text = take(a.Text)
	for i, t := range a.Tools {
		if t.ID == "" {
			t.ID = fmt.Sprintf("%s%s%02d", e.calls, a.key, i+1)
		}
		t.Arguments = arguments(t.Arguments)
		spelled, whole := newWords(string(t.Arguments), argument, left, p.choices)
		if !whole { // a call is whole, or not there
			a.cut = true
			break
		}
		left -= spelled.count
		a.calls = append(a.calls, call{t, spelled})
	}
	a.Thinking, a.Text = a.thinking.text, a.text.text
	a.thought = a.thinking.count
	a.usage = fake.Usage{Input: p.tokens, Output: a.tokens()}
	if a.Usage != nil {
		a.usage, a.thought = *a.Usage, min(a.thought, a.Usage.Output)
	}
	return a
}

// arguments returns the arguments of a call as one line.
func arguments(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return json.RawMessage("{}")
	}
	return b.Bytes()
}

// fails reports whether the answer ends with an error.
func (a *answer) fails() bool {
	return strings.HasSuffix(a.Finish, "error")
}

// memory returns about the bytes that an answer takes.
func (a *answer) memory() int { return 1000 + a.size() }

// size returns the bytes of its texts.
func (a *answer) size() int {
	n := len(a.Text) + len(a.Thinking)
	for _, c := range a.calls {
		n += len(c.text)
	}
	return n
}

// finish returns why the answer ends, as a service names it.
func (a *answer) finish(usual, limit, tools string) string {
	switch {
	case a.Finish != "":
		return a.Finish
	case a.cut:
		return limit
	case len(a.calls) > 0:
		return tools
	}
	return usual
}

// A delays has the time that each token takes: the same each time for the same answer.
type delays struct {
	pace  fake.Pace
	rng   *rand.Rand
	begun bool
}

func (a *answer) delays() *delays {
	return &delays{pace: a.pace, rng: rand.New(rand.NewPCG(a.number, 0x73736563746c))}
}

// next returns the time until the last of the next tokens.
func (d *delays) next(tokens int) (whole time.Duration) {
	for range tokens {
		whole += d.token()
	}
	return whole
}

// token returns the time until the next token.
func (d *delays) token() time.Duration {
	var wait time.Duration
	switch {
	case !d.begun:
		wait = d.pace.First
	case d.pace.Rate > 0:
		wait = time.Duration(float64(time.Second) / d.pace.Rate)
	}
	d.begun = true
	if d.pace.Jitter > 0 {
		wait = time.Duration(float64(wait) * (1 + d.pace.Jitter*(2*d.rng.Float64()-1)))
	}
	return wait
}

// An event is one event of a stream, made but not encoded.
type event struct {
	name   string // its type; empty for none
	data   any    // a text is sent as it is
	tokens int    // whose time it takes
}

// written returns events as they are sent, with the time that each takes.
func (a *answer) written(events iter.Seq[event]) iter.Seq[record.Record] {
	return func(yield func(record.Record) bool) {
		delays := a.delays()
		for e := range events {
			r := record.Record{IsEvent: true}
			r.Type = e.name
			if text, ok := e.data.(string); ok {
				r.Data = text
			} else {
				r.Data = encode(e.data)
			}
			r.Delay = delays.next(e.tokens)
			if !yield(r) {
				return
			}
		}
	}
}

// duration returns how long the answer takes to be written.
func (a *answer) duration() time.Duration {
	return a.delays().next(max(1, a.tokens()))
}

// tokens returns the number of tokens that are written.
func (a *answer) tokens() int {
	n := a.thinking.count + a.text.count
	for _, c := range a.calls {
		n += c.count
	}
	return n
}

// stream returns a reply that sends an answer while it has a slot.
func (e *engine) stream(records iter.Seq[record.Record], done func()) *fake.Reply {
	return &fake.Reply{Stream: func(ctx context.Context, send func(record.Record) error) error {
		release, err := e.acquire(ctx)
		if err != nil {
			return err
		}
		defer release()
		for r := range records {
			if err := send(r); err != nil {
				return err
			}
		}
		if done != nil {
			done()
		}
		return nil
	}}
}

// whole returns a reply that has an answer as one value, after the time that it takes.
func (e *engine) whole(a *answer, value any) *fake.Reply {
	reply := reply(http.StatusOK, value)
	if e.slots == nil && a.pace == (fake.Pace{}) {
		return reply
	}
	reply.Wait = func(ctx context.Context) error {
		release, err := e.acquire(ctx)
		if err != nil {
			return err
		}
		defer release()
		return sleep(ctx, a.duration())
	}
	return reply
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
