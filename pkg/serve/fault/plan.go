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
	chunk    int
	split    bool
	bom      bool
	compress bool
	eol      string
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
		p.chunk = int(f.Size)
	case "split-utf8":
		p.split = true
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
