package window

import (
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A queue holds the latest records of a stream, in chunks: their memory is used
// again, so that a fast stream, of which nearly nothing is looked at, costs little
// more than the copying of its texts.
type queue struct {
	chunks  []*chunk
	dropped int64 // records before those that are kept
	skip    int   // of them, the ones that the first chunk still holds
	count   int   // records that are kept
	size    int   // bytes that the chunks take
	spare   *chunk
}

// A chunk holds records one after the other.
type chunk struct {
	texts   []byte
	records []packed
}

// chunkEvents and chunkSize are what a chunk holds at most, if its first record is no
// larger. One of a queue with a small limit holds less.
const (
	chunkEvents = 256
	chunkSize   = 64 << 10
	packedSize  = 64
)

// A packed is a record, its texts one after the other in those of its chunk.
type packed struct {
	time                        time.Time
	typ, id, data, comment, raw int32 // sizes
	flags                       flags
	retry                       time.Duration
}

type flags uint8

const (
	isEvent flags = 1 << iota
	hasID
	hasRetry
	hasComment
	hasRaw
	incomplete
)

func flag(is bool, f flags) flags {
	if is {
		return f
	}
	return 0
}

// add adds a record, and drops the oldest one if there are more than most.
func (q *queue) add(r *record.Record, most int) {
	size := len(r.Type) + len(r.ID) + len(r.Data) + len(r.Comment) + len(r.Raw)
	var last *chunk
	if n := len(q.chunks); n > 0 {
		last = q.chunks[n-1]
	}
	if last == nil || len(last.records) >= min(chunkEvents, max(most/8, 1)) || len(last.records) > 0 && len(last.texts)+size > chunkSize {
		if last = q.spare; last == nil {
			last = &chunk{}
		}
		q.spare = nil
		q.chunks = append(q.chunks, last)
		q.size += last.size()
	}
	before := last.size()
	last.texts = append(last.texts, r.Type...)
	last.texts = append(last.texts, r.ID...)
	last.texts = append(last.texts, r.Data...)
	last.texts = append(last.texts, r.Comment...)
	last.texts = append(last.texts, r.Raw...)
	last.records = append(last.records, packed{
		time: r.Time, retry: r.Retry,
		typ: int32(len(r.Type)), id: int32(len(r.ID)), data: int32(len(r.Data)), comment: int32(len(r.Comment)), raw: int32(len(r.Raw)),
		flags: flag(r.IsEvent, isEvent) | flag(r.HasID, hasID) | flag(r.HasRetry, hasRetry) | flag(r.HasComment, hasComment) |
			flag(r.Raw != nil, hasRaw) | flag(r.Incomplete, incomplete),
	})
	q.size += last.size() - before
	if q.count++; q.count > most {
		q.count--
		q.dropped++
		if q.skip++; q.skip == len(q.chunks[0].records) {
			q.skip = 0
			q.removeChunk()
		}
	}
}

func (c *chunk) size() int { return cap(c.texts) + cap(c.records)*packedSize }

// removeChunk removes the first chunk, of which no record is kept.
func (q *queue) removeChunk() {
	first := q.chunks[0]
	q.chunks = append(q.chunks[:0], q.chunks[1:]...)
	q.size -= first.size()
	if cap(first.texts) <= 2*chunkSize {
		first.texts, first.records = first.texts[:0], first.records[:0]
		q.spare = first
	}
}

// dropChunk drops the oldest records, and reports whether there were any.
func (q *queue) dropChunk() bool {
	if q.count == 0 {
		return false
	}
	n := len(q.chunks[0].records) - q.skip
	q.count -= n
	q.dropped += int64(n)
	q.skip = 0
	q.removeChunk()
	q.spare = nil
	return true
}

// from returns at most n records from a number on, and the number of the first.
func (q *queue) from(number int64, n int) (first int64, records []record.Record) {
	first = min(max(number, q.dropped), q.dropped+int64(q.count))
	at := int(first-q.dropped) + q.skip // in all chunks
	n = min(n, q.count-int(first-q.dropped))
	records = make([]record.Record, 0, n)
	for _, c := range q.chunks {
		if n == 0 {
			break
		}
		if at >= len(c.records) {
			at -= len(c.records)
			continue
		}
		records = c.append(records, at, n-len(records))
		if at = 0; len(records) == n {
			break
		}
	}
	return first, records
}

// append appends at most n records of the chunk, from one on. Their texts have new
// memory, all the same.
func (c *chunk) append(records []record.Record, from, n int) []record.Record {
	offset, end := 0, 0
	to := min(from+n, len(c.records))
	for i := range to {
		if i == from {
			offset = end
		}
		end += c.records[i].size()
	}
	texts := string(c.texts[offset:end])
	take := func(size int32) (text string) {
		text, texts = texts[:size], texts[size:]
		return text
	}
	for _, p := range c.records[from:to] {
		is := func(f flags) bool { return p.flags&f != 0 }
		r := record.Record{
			Time: p.time, IsEvent: is(isEvent), HasComment: is(hasComment), Incomplete: is(incomplete),
			Event: stream.Event{Type: take(p.typ), ID: take(p.id), Data: take(p.data), Retry: p.retry, HasID: is(hasID), HasRetry: is(hasRetry)},
		}
		r.Comment = take(p.comment)
		if raw := take(p.raw); is(hasRaw) {
			r.Raw = []byte(raw)
		}
		records = append(records, r)
	}
	return records
}

func (p *packed) size() int {
	return int(p.typ) + int(p.id) + int(p.data) + int(p.comment) + int(p.raw)
}
