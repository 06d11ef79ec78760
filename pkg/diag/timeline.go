package diag

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/stream"
)

// together is how close reads are that count as one arrival: what left the
// server in one piece may come in several.
const together = 6 * time.Millisecond

// longestArrival is where a chain of such reads is cut: a stream that never
// pauses is no single arrival, and its events did not come at its end.
const longestArrival = 50 * time.Millisecond

// A state is where in an event a stream stands.
type state string

const (
	between  state = "between"  // nothing begun
	inLine   state = "in line"  // within a line
	midBlock state = "in block" // behind a line, without data yet
	noBlank  state = "no blank" // all is there but the blank line
)

// An arrival is a group of reads, and the state of the stream when it was over.
type arrival struct {
	from, to time.Duration // first and last read
	bytes    int           // on the wire
	plain    int           // decoded bytes up to its end
	events   int           // that it completed
	comments int
	state    state
	pending  int // bytes of the event that it left unfinished
	largest  int // bytes of the largest event it completed
}

// An event as it arrived.
type event struct {
	at      time.Duration // when its last byte was there
	arrival int
	id      string
	hasID   bool
	typ     string
	data    []byte // a part of timeline.plain, or a copy
	sum     uint64 // of type and data
	size    int    // on the wire, compression undone
	offset  int
	stamp   float64 // when it was published, where serve --stamp says so, in seconds since 1970
}

// key is what the same event has on another connection.
func (e *event) key() string {
	if e.hasID && e.id != "" {
		return "id " + e.id
	}
	var sum [8]byte
	for i := range sum {
		sum[i] = byte(e.sum >> (8 * i))
	}
	return string(sum[:])
}

// A timeline is the body of an exchange, decoded and parsed as far as it went,
// with the time of everything in it.
type timeline struct {
	start     time.Duration // of the exchange
	arrivals  []arrival
	events    []event
	comments  []time.Duration
	noData    []string // the fields of blocks that dispatch nothing: types
	plain     []byte
	tail      []byte // unfinished at the end
	retries   []time.Duration
	ended     bool // by the server
	endedAt   time.Duration
	encoded   string // Content-Encoding, "" for none
	decodeErr error
	stamp     float64 // of the event to come
	most      bound
}

var seed = maphash.MakeSeed()

func newTimeline(x *Exchange) *timeline {
	t := &timeline{start: x.Start, ended: x.End == EndEOF || x.End == EndReset, endedAt: x.Ended}
	t.encoded = coding.Of(x.Header)
	t.most = otherBound
	if x.Role == RoleA {
		t.most = mainBound
	}
	total := 0
	for i, r := range x.Reads {
		last := len(t.arrivals) - 1
		if i > 0 && r.At-t.arrivals[last].to < together && r.At-t.arrivals[last].from < longestArrival {
			t.arrivals[last].to = r.At
			t.arrivals[last].bytes += r.N
		} else {
			t.arrivals = append(t.arrivals, arrival{from: r.At, to: r.At, bytes: r.N})
		}
		total += r.N
	}
	t.decode(x.Body[:min(total, len(x.Body))])
	t.parse()
	return t
}

// decode undoes the compression for each arrival as far as its bytes allow.
func (t *timeline) decode(body []byte) {
	end := 0
	ends := make([]int, len(t.arrivals))
	for i := range t.arrivals {
		end = min(end+t.arrivals[i].bytes, len(body))
		ends[i] = end
	}
	if t.encoded == "" {
		t.plain = body
	} else {
		t.plain, ends, t.decodeErr = decodePrefixes(t.encoded, body, ends, t.most.plain)
	}
	for i := range t.arrivals {
		t.arrivals[i].plain = ends[i]
	}
}

// A bound is how much is kept of a body: a small one that is compressed may hold
// millions of events, and they would tell nothing new.
type bound struct{ plain, blocks int }

var (
	mainBound  = bound{maxPlain, maxBlocks}
	otherBound = bound{maxOtherPlain, maxBlocks / 5}
)

const maxBlocks = 50_000

// parse takes the decoded body apart, and finds the state at the end of each
// arrival.
func (t *timeline) parse() {
	dec := stream.NewDecoder(bytes.NewReader(t.plain))
	dec.MaxEventSize = len(t.plain) + 1
	at, done := 0, 0 // the arrival being filled; the end of the last whole block
	blocks := 0
	for block, err := range dec.Blocks() {
		if err != nil || block.Incomplete() {
			break
		}
		if blocks++; blocks > t.most.blocks {
			t.clip(at, done)
			break
		}
		end := done + len(block.Raw())
		for at < len(t.arrivals) && t.arrivals[at].plain < end {
			t.mark(at, done)
			at++
		}
		if at == len(t.arrivals) {
			break
		}
		t.add(block, at, done)
		done = end
	}
	for ; at < len(t.arrivals); at++ {
		t.mark(at, done)
	}
	if t.ended && done < len(t.plain) {
		t.tail = t.plain[done:]
	}
}

// clip leaves out what came behind a block that ends at done, in arrival at.
func (t *timeline) clip(at, done int) {
	t.plain, t.arrivals, t.ended = t.plain[:done], t.arrivals[:min(at+1, len(t.arrivals))], false
	for i := range t.arrivals {
		t.arrivals[i].plain = min(t.arrivals[i].plain, done)
	}
}

// add takes in a block that is whole with arrival at.
func (t *timeline) add(block *stream.Block, at, offset int) {
	a := &t.arrivals[at]
	if d, ok := block.Retry(); ok {
		t.retries = append(t.retries, d)
	}
	switch text, comment := block.Comment(); {
	case comment && t.takeStamp(text):
	case comment:
		a.comments++
		t.comments = append(t.comments, a.to)
	case block.IsEvent():
		var sum maphash.Hash
		sum.SetSeed(seed)
		sum.Write(block.Type())
		sum.WriteByte(0)
		sum.Write(block.Data())
		t.events = append(t.events, event{
			at: a.to, arrival: at, id: string(block.ID()), hasID: block.HasID(), typ: string(block.Type()),
			data: t.view(block, offset), sum: sum.Sum64(), size: len(block.Raw()), offset: offset, stamp: t.stamp,
		})
		t.stamp = 0
		a.events++
		a.largest = max(a.largest, len(block.Raw()))
	default:
		for field := range block.Fields() {
			if len(field.Name) > 0 {
				t.noData = append(t.noData, string(field.Name))
				break
			}
		}
	}
}

// view returns the data of a block that begins at offset of the plain text, as a
// part of that where it is one.
func (t *timeline) view(block *stream.Block, offset int) []byte {
	data := block.Data()
	if i := bytes.Index(block.Raw(), data); i >= 0 {
		from := offset + i
		return t.plain[from : from+len(data) : from+len(data)]
	}
	return bytes.Clone(data)
}

// takeStamp keeps what serve --stamp writes before each event, "t=" and the time
// in nanoseconds. It reports whether the comment is one.
func (t *timeline) takeStamp(comment []byte) bool {
	text, ok := bytes.CutPrefix(bytes.TrimSpace(comment), []byte("t="))
	digits, _, _ := bytes.Cut(text, []byte(" "))
	ns, err := strconv.ParseInt(string(digits), 10, 64)
	if ok = ok && err == nil; ok {
		t.stamp = float64(ns) / 1e9
	}
	return ok
}

// mark sets the state at the end of arrival i; whole blocks end at done.
func (t *timeline) mark(i, done int) {
	a := &t.arrivals[i]
	rest := t.plain[done:a.plain]
	a.pending = len(rest)
	a.state = stateOf(rest)
}

// stateOf tells where an unfinished block stands.
func stateOf(rest []byte) state {
	last := len(rest) - 1
	switch {
	case last < 0:
		return between
	case rest[last] != '\n' && rest[last] != '\r':
		return inLine
	case rest[0] == ':' && !bytes.Contains(rest, []byte("\ndata")):
		return between // a comment, which needs no blank line
	case bytes.HasPrefix(rest, []byte("data")) || bytes.Contains(rest, []byte("\ndata")) || bytes.Contains(rest, []byte("\rdata")):
		return noBlank
	}
	return midBlock
}

// pauses ranges over the gaps between arrivals, the last one open if the stream
// is.
func (t *timeline) pauses(yield func(i int, gap time.Duration) bool) {
	for i := 1; i < len(t.arrivals); i++ {
		if !yield(i-1, t.arrivals[i].from-t.arrivals[i-1].to) {
			return
		}
	}
}

// medianGap is how long the usual pause is.
func medianGap(t *timeline) time.Duration {
	var gaps []time.Duration
	for _, gap := range t.pauses {
		gaps = append(gaps, gap)
	}
	return median(gaps)
}

// bytes is how many came, compression not undone.
func (t *timeline) bytes() int {
	n := 0
	for _, a := range t.arrivals {
		n += a.bytes
	}
	return n
}

// whole is the decoded body up to its last whole line; a line that is still
// arriving is nobody's fault.
func (t *timeline) whole() []byte {
	if t.ended {
		return t.plain
	}
	return t.plain[:bytes.LastIndexAny(t.plain, "\r\n")+1]
}

// longestGap is the longest gap between arrivals that the stream survived.
func (t *timeline) longestGap() time.Duration {
	var longest time.Duration
	for _, gap := range t.pauses {
		longest = max(longest, gap)
	}
	return longest
}
