package seen

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/stream"
)

// Before returns the events that were there at a time.
func Before(events []Event, at time.Duration) []Event {
	n := len(events)
	for n > 0 && events[n-1].At > at {
		n--
	}
	return events[:n]
}

// WithIDs returns the events that have an ID.
func WithIDs(events []Event) []Event {
	var list []Event
	for _, e := range events {
		if e.ID != "" {
			list = append(list, e)
		}
	}
	return list
}

// Together is the gap below which reads count as one arrival: one write of the
// server may come in several reads.
const Together = 6 * time.Millisecond

// longestArrival is where a chain of such reads is cut: a stream that never
// pauses is no single arrival, and its events did not come at its end.
const longestArrival = 50 * time.Millisecond

// A state is where in an event a stream stands.
type state string

const (
	Between  state = "between"  // nothing begun
	InLine   state = "in line"  // within a line
	midBlock state = "in block" // after a line, without data yet
	NoBlank  state = "no blank" // all is there but the blank line
)

// An arrival is a group of reads, and the state of the stream when it was over.
type arrival struct {
	From, To time.Duration // first and last read
	Bytes    int           // on the wire
	Plain    int           // decoded bytes up to its end
	Events   int           // that it completed
	Comments int
	State    state
	Pending  int // bytes of the event that it left unfinished
	Largest  int // bytes of the largest event it completed
}

// An Event as it arrived.
type Event struct {
	At      time.Duration // when its last byte was there
	Arrival int
	ID      string
	HasID   bool
	Type    string
	Data    []byte // a part of timeline.plain, or a copy
	Sum     uint64 // of type and data
	Size    int    // on the wire, compression undone
	Offset  int
	Stamp   float64 // when it was published, where serve stamps events, in seconds since 1970
}

// Key identifies the event on other connections.
func (e *Event) Key() string {
	if e.HasID && e.ID != "" {
		return "id " + e.ID
	}
	var sum [8]byte
	for i := range sum {
		sum[i] = byte(e.Sum >> (8 * i))
	}
	return string(sum[:])
}

// A Timeline is the body of an exchange, decoded and parsed as far as it went,
// with the time of everything in it.
type Timeline struct {
	Start     time.Duration // of the exchange
	Arrivals  []arrival
	Events    []Event
	Comments  []time.Duration
	NoData    []string // the fields of blocks that dispatch nothing: types
	Plain     []byte
	Tail      []byte // unfinished at the end
	Retries   []time.Duration
	Ended     bool // by the server
	EndedAt   time.Duration
	Encoded   string // Content-Encoding, "" for none
	DecodeErr error
	stamp     float64 // of the event to come
	most      bound
	lastRead  int // the first read of the last arrival
	safe      checkpoint
}

// A checkpoint is the state of a timeline before its last arrival. More reads
// change that arrival, and nothing before it.
type checkpoint struct {
	reads, arrivals, done, blocks     int
	events, comments, noData, retries int
	stamp                             float64
}

var seed = maphash.MakeSeed()

// newTimeline parses the body of an exchange. It goes on from the checkpoint of an
// earlier timeline of the same exchange, if there is one: a stream is looked at
// many times while it is watched, and the time that this takes delays the stamps
// of later reads.
func newTimeline(x *Exchange, earlier *Timeline) *Timeline {
	t := &Timeline{Start: x.Start, Ended: x.End == EndEOF || x.End == EndReset, EndedAt: x.Ended}
	t.Encoded = coding.Of(x.Header)
	t.most = otherBound
	if x.Role == RoleMain {
		t.most = mainBound
	}
	if earlier != nil && t.Encoded == "" && earlier.most == t.most && earlier.safe.reads < len(x.Reads) && !bytes.HasPrefix(x.Body[earlier.safe.done:], byteOrderMark) {
		t.goOn(earlier)
	}
	total := 0
	for i, r := range x.Reads {
		total += r.N
		if i < t.safe.reads {
			continue
		}
		last := len(t.Arrivals) - 1
		if i > t.safe.reads && r.At-t.Arrivals[last].To < Together && r.At-t.Arrivals[last].From < longestArrival {
			t.Arrivals[last].To = r.At
			t.Arrivals[last].Bytes += r.N
		} else {
			t.Arrivals = append(t.Arrivals, arrival{From: r.At, To: r.At, Bytes: r.N})
			t.lastRead = i
		}
	}
	t.decode(x.Body[:min(total, len(x.Body))])
	t.parse()
	return t
}

// byteOrderMark is skipped by a decoder at the start of a stream, and nowhere else.
var byteOrderMark = []byte("\ufeff")

// goOn takes over an earlier timeline up to its checkpoint. The capacities keep
// the two from sharing what comes after it.
func (t *Timeline) goOn(earlier *Timeline) {
	c := earlier.safe
	t.safe, t.stamp = c, c.stamp
	t.Arrivals = earlier.Arrivals[:c.arrivals:c.arrivals]
	t.Events = earlier.Events[:c.events:c.events]
	t.Comments = earlier.Comments[:c.comments:c.comments]
	t.NoData = earlier.NoData[:c.noData:c.noData]
	t.Retries = earlier.Retries[:c.retries:c.retries]
}

// decode undoes the compression for each arrival as far as its bytes allow.
func (t *Timeline) decode(body []byte) {
	end := 0
	ends := make([]int, len(t.Arrivals))
	for i := range t.Arrivals {
		end = min(end+t.Arrivals[i].Bytes, len(body))
		ends[i] = end
	}
	if t.Encoded == "" {
		t.Plain = body
	} else {
		t.Plain, ends, t.DecodeErr = decodePrefixes(t.Encoded, body, ends, t.most.plain)
	}
	for i := range t.Arrivals {
		t.Arrivals[i].Plain = ends[i]
	}
}

// A bound is how much is kept of a body: a small one that is compressed may
// hold millions of events, and they would show nothing new.
type bound struct{ plain, blocks int }

var (
	mainBound  = bound{maxPlain, MaxBlocks}
	otherBound = bound{maxOtherPlain, MaxBlocks / 5}
)

const MaxBlocks = 50_000

// parse takes the decoded body apart, and finds the state at the end of each
// arrival.
func (t *Timeline) parse() {
	at, done := t.safe.arrivals, t.safe.done // the arrival being filled; the end of the last whole block
	blocks := t.safe.blocks
	next := func() {
		t.mark(at, done)
		if at++; at == len(t.Arrivals)-1 {
			t.safe = checkpoint{
				reads: t.lastRead, arrivals: at, done: done, blocks: blocks, stamp: t.stamp,
				events: len(t.Events), comments: len(t.Comments), noData: len(t.NoData), retries: len(t.Retries),
			}
		}
	}
	dec := stream.NewDecoder(bytes.NewReader(t.Plain[done:]))
	dec.MaxEventSize = len(t.Plain) + 1
	for block, err := range dec.Blocks() {
		if err != nil || block.Incomplete() {
			break
		}
		if blocks == t.most.blocks {
			t.clip(at, done)
			break
		}
		end := done + len(block.Raw())
		for at < len(t.Arrivals) && t.Arrivals[at].Plain < end {
			next()
		}
		if at == len(t.Arrivals) {
			break
		}
		t.add(block, at, done)
		blocks++
		done = end
	}
	clipped := blocks == t.most.blocks
	for at < len(t.Arrivals) {
		next()
	}
	if clipped {
		t.safe = checkpoint{} // the rest is gone
	}
	if t.Ended && done < len(t.Plain) {
		t.Tail = t.Plain[done:]
	}
}

// clip drops everything after a block that ends at done, in arrival at.
func (t *Timeline) clip(at, done int) {
	t.Plain, t.Arrivals, t.Ended = t.Plain[:done], t.Arrivals[:min(at+1, len(t.Arrivals))], false
	for i := range t.Arrivals {
		t.Arrivals[i].Plain = min(t.Arrivals[i].Plain, done)
	}
}

// add takes in a block that is whole with arrival at.
func (t *Timeline) add(block *stream.Block, at, offset int) {
	a := &t.Arrivals[at]
	if d, ok := block.Retry(); ok {
		t.Retries = append(t.Retries, d)
	}
	switch text, comment := block.Comment(); {
	case comment && t.takeStamp(text):
	case comment:
		a.Comments++
		t.Comments = append(t.Comments, a.To)
	case block.IsEvent():
		var sum maphash.Hash
		sum.SetSeed(seed)
		sum.Write(block.Type())
		sum.WriteByte(0)
		sum.Write(block.Data())
		var before Event
		if n := len(t.Events); n > 0 {
			before = t.Events[n-1]
		}
		t.Events = append(t.Events, Event{
			At: a.To, Arrival: at, ID: same(before.ID, block.ID()), HasID: block.HasID(), Type: same(before.Type, block.Type()),
			Data: t.view(block, offset), Sum: sum.Sum64(), Size: len(block.Raw()), Offset: offset, Stamp: t.stamp,
		})
		t.stamp = 0
		a.Events++
		a.Largest = max(a.Largest, len(block.Raw()))
	default:
		for field := range block.Fields() {
			if len(field.Name) > 0 {
				t.NoData = append(t.NoData, string(field.Name))
				break
			}
		}
	}
}

// same returns text as a string, that of the event before where it is the same.
func same(before string, text []byte) string {
	if before == string(text) {
		return before
	}
	return string(text)
}

// view returns the data of a block that begins at offset of the plain text, as a
// part of that where it is one.
func (t *Timeline) view(block *stream.Block, offset int) []byte {
	data := block.Data()
	if i := bytes.Index(block.Raw(), data); i >= 0 {
		from := offset + i
		return t.Plain[from : from+len(data) : from+len(data)]
	}
	return bytes.Clone(data)
}

// takeStamp keeps the stamps that serve writes before each event, "t=" and the time
// in nanoseconds. It reports whether the comment is one.
func (t *Timeline) takeStamp(comment []byte) bool {
	text, ok := bytes.CutPrefix(bytes.TrimSpace(comment), []byte("t="))
	digits, _, _ := bytes.Cut(text, []byte(" "))
	ns, err := strconv.ParseInt(string(digits), 10, 64)
	if ok = ok && err == nil; ok {
		t.stamp = float64(ns) / 1e9
	}
	return ok
}

// mark sets the state at the end of arrival i; whole blocks end at done.
func (t *Timeline) mark(i, done int) {
	a := &t.Arrivals[i]
	rest := t.Plain[done:a.Plain]
	a.Pending = len(rest)
	a.State = stateOf(rest)
}

// stateOf returns the state of an unfinished block.
func stateOf(rest []byte) state {
	last := len(rest) - 1
	switch {
	case last < 0:
		return Between
	case rest[last] != '\n' && rest[last] != '\r':
		return InLine
	case rest[0] == ':' && !bytes.Contains(rest, []byte("\ndata")):
		return Between // a comment, which needs no blank line
	case bytes.HasPrefix(rest, []byte("data")) || bytes.Contains(rest, []byte("\ndata")) || bytes.Contains(rest, []byte("\rdata")):
		return NoBlank
	}
	return midBlock
}

// Pauses ranges over the gaps between arrivals, the last one open if the stream
// is.
func (t *Timeline) Pauses(yield func(i int, gap time.Duration) bool) {
	for i := 1; i < len(t.Arrivals); i++ {
		if !yield(i-1, t.Arrivals[i].From-t.Arrivals[i-1].To) {
			return
		}
	}
}

// MedianGap is how long the usual pause is.
func MedianGap(t *Timeline) time.Duration {
	var gaps []time.Duration
	for _, gap := range t.Pauses {
		gaps = append(gaps, gap)
	}
	return Median(gaps)
}

// Bytes is how many came, compression not undone.
func (t *Timeline) Bytes() int {
	n := 0
	for _, a := range t.Arrivals {
		n += a.Bytes
	}
	return n
}

// Whole is the decoded body up to its last whole line; a line that is still
// arriving is nobody's fault.
func (t *Timeline) Whole() []byte {
	if t.Ended {
		return t.Plain
	}
	return t.Plain[:bytes.LastIndexAny(t.Plain, "\r\n")+1]
}

// LongestGap is the longest gap between arrivals that the stream survived.
func (t *Timeline) LongestGap() time.Duration {
	var longest time.Duration
	for _, gap := range t.Pauses {
		longest = max(longest, gap)
	}
	return longest
}

// CountFrom is how many events came after a time.
func CountFrom(events []Event, from time.Duration) int {
	n := 0
	for _, e := range events {
		if e.At >= from {
			n++
		}
	}
	return n
}
