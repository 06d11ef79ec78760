package tape

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/ssectl/ssectl/pkg/exchange"
)

// A client that was cut off comes back with the ID of the last event that it has. A
// tape may know that request; it does not where a fault cut the stream, or where the
// client left at another event. Then the stream goes on from the recording itself, as
// a server would go on.

func (r *Request) lastEventID() string { return r.Header.Get("Last-Event-ID") }

// resumed returns the stream that a request goes on with: of those with an event of
// the given ID, the one that was played last. A GET resumes streams of other methods
// too, as that of MCP does
// (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery).
func (p *Player) resumed(test *progress, k *key, method, id string) (found *recording) {
	isAll := false // that the stream has
	for _, r := range p.list {
		if !r.stream || found != nil && test.played[r] <= test.played[found] {
			continue
		}
		differs := func(part Part) bool {
			return !k.same(&r.key, part) && (method != http.MethodGet || part != PartMethod && part != PartBody)
		}
		if slices.ContainsFunc(p.parts, differs) {
			continue
		}
		switch has, isLast, err := r.find(id); {
		case err != nil:
			p.note(fmt.Sprintf("%s: %v", r.name(), err))
		case has:
			found, isAll = r, isLast
		}
	}
	if isAll && found.end.How == exchange.Whole {
		// As for a file: a client that has everything is told not to come back.
		none := *found
		none.stream, none.response = false, &Response{Status: http.StatusNoContent, Header: http.Header{}}
		return &none
	}
	return found
}

// afresh returns the recording for a request as if it had no Last-Event-ID.
func (p *Player) afresh(test *progress, k *key) *recording {
	found := p.pick(test, k, func(r *recording) bool { return r.request.lastEventID() == "" })
	if found == nil {
		found = p.pick(test, k, func(*recording) bool { return true })
	}
	return found
}

// noResume returns the recording that is played in place of the one that was found,
// where the Last-Event-ID is not to count.
func (p *Player) noResume(test *progress, found *recording, k *key) *recording {
	p.mu.Lock()
	defer p.mu.Unlock()
	other := p.afresh(test, k)
	if other == nil {
		return found
	}
	p.use(test, other)
	return other
}

// find reports whether the stream has an event with an ID, and whether it is the last
// one.
func (r *recording) find(id string) (has, isLast bool, err error) {
	file, err := os.Open(r.file)
	if err != nil {
		return false, false, err
	}
	defer file.Close()
	for s := newScan(r.file, file); ; {
		line, now, _, err := s.next()
		switch {
		case err == io.EOF || err == nil && now.number > r.number:
			return has, has, nil
		case err != nil:
			return false, false, err
		case now.number < r.number || line.Meta != nil:
		case has:
			return true, false, nil
		default:
			has = line.HasID && line.ID == id
		}
	}
}
