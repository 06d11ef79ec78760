// Package exchange holds what a program that stands between a client and a server
// sees of them: requests, their answers, and the events of the answers, as they
// pass. One package lets them pass, and others keep, show or count them: each is
// a [Watcher].
package exchange

import (
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A Request is what a client asked for.
type Request struct {
	Number int64     // from 1, in the order in which the requests came
	Time   time.Time // when its headers were read
	Remote string    // address of the client

	Method string
	URL    *url.URL // on the server: with its scheme, host and path
	Host   string   // that the client named
	Header http.Header
	Match  Match // where the answer comes from

	mu   sync.Mutex
	body Body
}

// A Body is the beginning of a body. Codings of the content are not undone.
type Body struct {
	Bytes []byte // all of it, if it is Whole and no longer than Size
	Size  int64  // bytes that passed so far
	Whole bool   // the sender has finished it
}

// Complete reports whether Bytes is the whole body.
func (b Body) Complete() bool { return b.Whole && int64(len(b.Bytes)) == b.Size }

// Body returns what has passed of the body. It may be called at any time: the
// server may answer before the client has sent everything.
func (r *Request) Body() Body {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.body
	b.Bytes = b.Bytes[:len(b.Bytes):len(b.Bytes)]
	return b
}

// Passed adds a piece of the body, of which at most limit bytes are kept in all.
func (r *Request) Passed(piece []byte, limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.body.Size += int64(len(piece))
	if room := limit - len(r.body.Bytes); room > 0 {
		r.body.Bytes = append(r.body.Bytes, piece[:min(room, len(piece))]...)
	}
}

// Finished notes that the client has sent the whole body.
func (r *Request) Finished() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.body.Whole = true
}

// A Response is the head of an answer.
type Response struct {
	Time   time.Time // when it was read
	Proto  string    // of the server, such as HTTP/2.0
	Status int
	Header http.Header // as the server sent it, hop-by-hop fields included

	// Stream says that the body is an event stream: its blocks are given to
	// [Watcher.Event], and those of any other body to [Watcher.Body].
	Stream bool
}

// A Watcher is told of one exchange. Its methods are called one after the other,
// from any goroutine, after the client was served: Response at most once, then
// Event or Body any number of times, and End once. What they are given is valid
// until they return, and must not be changed.
type Watcher interface {
	// Response is called with the head of the answer.
	Response(*Response)

	// Event is called with each block of an event stream, as exact as a
	// recording needs it. Codings of the content are undone.
	Event(*record.Record)

	// Body is called with each piece of another body, with codings undone.
	Body(piece []byte)

	// End is called when the exchange is over.
	End(End)
}

// A BlockWatcher is a Watcher that is given the blocks of a stream as they were
// decoded, in place of their records: to make a record takes longer than to keep
// the bytes.
type BlockWatcher interface {
	Watcher

	// Block is called in place of Event. The block is valid until it returns.
	Block(b *stream.Block, at time.Time)
}

// Tell tells a Watcher of a block that was read at the given time.
func Tell(w Watcher, b *stream.Block, at time.Time) {
	if w, ok := w.(BlockWatcher); ok {
		w.Block(b, at)
		return
	}
	r := record.FromBlock(b, at)
	w.Event(&r)
}

// A Watch is called with each request when its headers have come, and returns who
// is told of the rest; nil for nobody.
type Watch func(*Request) Watcher

// Watches returns a Watch that tells all of them, in this order.
func Watches(all ...Watch) Watch {
	return func(r *Request) Watcher {
		var told watchers
		for _, watch := range all {
			if w := watch(r); w != nil {
				told = append(told, w)
			}
		}
		switch len(told) {
		case 0:
			return nil
		case 1:
			return told[0]
		}
		return told
	}
}

type watchers []Watcher

func (all watchers) Response(r *Response) {
	for _, w := range all {
		w.Response(r)
	}
}

func (all watchers) Event(r *record.Record) {
	for _, w := range all {
		w.Event(r)
	}
}

// Block makes the record of a block once, if anybody needs it.
func (all watchers) Block(b *stream.Block, at time.Time) {
	var made *record.Record // where most need none, none is allocated
	for _, w := range all {
		if w, ok := w.(BlockWatcher); ok {
			w.Block(b, at)
			continue
		}
		if made == nil {
			r := record.FromBlock(b, at)
			made = &r
		}
		w.Event(made)
	}
}

func (all watchers) Body(piece []byte) {
	for _, w := range all {
		w.Body(piece)
	}
}

func (all watchers) End(e End) {
	for _, w := range all {
		w.End(e)
	}
}
