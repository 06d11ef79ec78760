package fault

import (
	"net/http"
	"slices"
	"time"
)

// A Plan is the faults of one connection, sorted by the code that makes them
// happen. It never changes.
type Plan struct {
	Status      int    // to answer with, 0 for the stream
	ContentType string // to claim, "" for the true one
	NoResume    bool

	Changes bool // other bytes are sent than the stream has

	Delay    time.Duration // of all that is sent
	Lifetime time.Duration // of an answer; 0 for any

	// Breaks is true if the stream has to go through a [Writer], which makes the
	// rest happen.
	Breaks bool

	stamp    bool
	onEvent  []Fault
	buffer   int
	parts    Pieces
	bom      bool
	compress bool
	eol      string
	messages bool // a WebSocket carries the stream
}

// Pieces are the sizes in which the faults want a text to be written. The zero value
// is all at once.
type Pieces struct {
	chunk int
	split bool
}

// Next returns the size of the piece that text begins with.
func (p Pieces) Next(text []byte) int {
	n := len(text)
	if p.split && n > 0 {
		n = splitInRune(text)
	}
	if p.chunk > 0 {
		n = min(n, p.chunk)
	}
	return n
}

// OfMessages returns the plan for a stream whose events are messages of a WebSocket.
// Faults of line ends and of codings have no meaning there. The pieces are those of
// each message; the [Writer] of the plan does not write in pieces. garbles reports
// whether some events are overwritten by bytes that are not UTF-8.
func (p *Plan) OfMessages() (plan *Plan, pieces Pieces, garbles bool) {
	q := *p
	q.messages = true
	q.parts, q.bom, q.compress, q.eol, q.stamp = Pieces{}, false, false, "", false
	return &q, p.parts, slices.ContainsFunc(p.onEvent, func(f Fault) bool { return f.Kind == "garble" })
}

// NewPlan returns the plan of faults that all happen, whatever their scopes. The
// [Writer] adds a comment to each event if stamp is true: the time in Unix
// nanoseconds, and the number of bytes sent before.
func NewPlan(list []Fault, stamp bool) *Plan {
	p := &Plan{stamp: stamp, Breaks: stamp, Changes: stamp}
	for _, f := range list {
		p.add(f)
	}
	return p
}

func (p *Plan) add(f Fault) {
	switch f.Kind {
	case "status":
		if p.Status == 0 {
			p.Status = int(f.Size)
		}
		return
	case "type":
		p.ContentType = f.Text
		return
	case "no-resume":
		p.NoResume = true
		return
	case "delay":
		p.Delay += f.Duration
		return
	case "cut":
		if p.Lifetime == 0 || f.Duration < p.Lifetime {
			p.Lifetime = f.Duration
		}
		return
	case "buffer":
		p.buffer = int(f.Size)
	case "chunk":
		p.parts.chunk = int(f.Size)
	case "split-utf8":
		p.parts.split = true
	case "bom":
		p.bom = true
	case "gzip":
		p.compress = true
	case "eol":
		p.eol = f.Text
	default:
		p.onEvent = append(p.onEvent, f)
	}
	p.Breaks = true
	p.Changes = p.Changes || slices.Contains(changing, f.Kind)
}

// changing are the kinds of faults that send other bytes than the stream has, or
// more of them.
var changing = []string{"eol", "bom", "gzip", "duplicate", "garble", "big"}

// SetHeader changes the header of a stream.
func (p *Plan) SetHeader(header http.Header) {
	if p.ContentType != "" {
		header.Set("Content-Type", p.ContentType)
	}
	if p.compress {
		header.Set("Content-Encoding", "gzip")
	}
}

// Cuts reports whether a fault ends the connection within the response.
func (p *Plan) Cuts() bool {
	return p.Lifetime > 0 || slices.ContainsFunc(p.onEvent, func(f Fault) bool {
		return f.Kind == "drop" || f.Kind == "reset" || f.Kind == "truncate"
	})
}
