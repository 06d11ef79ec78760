package window

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A queue holds the latest records of a stream, in chunks. Until somebody looks, a
// record is its bytes, and the memory of a chunk is used again: so a fast stream
// costs little more than the copying of its bytes.
type queue struct {
	chunks  []*chunk
	dropped int64 // records before those that are kept
	skip    int   // of them, the ones that the first chunk still holds
	count   int   // records that are kept
	size    int   // bytes that the chunks take
	spare   *chunk
	last    int64 // ID of the newest chunk

	// missed is set where records were dropped that nobody has looked at: a secret
	// may have begun in them.
	missed bool
}

// A chunk holds records one after the other: all as they came, until all of them
// have been opened, and the first ones opened.
type chunk struct {
	id     int64 // which its memory gets anew
	raw    []byte
	packed []packed
	opened []record.Record // without secrets
	extra  int             // bytes that these take
}

// A packed is a record as it came.
type packed struct {
	at    time.Time
	end   int32 // of its bytes, in those of the chunk
	first bool  // of the stream, where a BOM counts
}

// chunkEvents and chunkSize are what a chunk holds at most, if its first record is
// no larger. One of a queue with a small limit holds less.
const (
	chunkEvents = 256
	chunkSize   = 64 << 10
	packedSize  = 32
	openedSize  = 256 // of a record, beside its texts
)

func (c *chunk) size() int { return cap(c.raw) + cap(c.packed)*packedSize + c.extra }

// add adds the bytes of a block, and drops the oldest record if there are more than
// most.
func (q *queue) add(raw []byte, at time.Time, most int) {
	var last *chunk
	if n := len(q.chunks); n > 0 {
		last = q.chunks[n-1]
	}
	if last == nil || len(last.packed) >= min(chunkEvents, max(most/8, 1)) || len(last.packed) > 0 && len(last.raw)+len(raw) > chunkSize {
		if last = q.spare; last == nil {
			last = &chunk{}
		}
		q.spare = nil
		q.last++
		last.id = q.last
		q.chunks = append(q.chunks, last)
		q.size += last.size()
	}
	before := last.size()
	last.raw = append(last.raw, raw...)
	last.packed = append(last.packed, packed{at: at, end: int32(len(last.raw)), first: q.dropped == 0 && q.count == 0})
	q.size += last.size() - before
	if q.count++; q.count > most {
		q.count--
		q.dropped++
		if q.skip++; q.skip == len(q.chunks[0].packed) {
			q.skip = 0
			q.removeChunk()
		}
	}
}

// removeChunk removes the first chunk, of which no record is kept.
func (q *queue) removeChunk() {
	first := q.chunks[0]
	q.chunks = append(q.chunks[:0], q.chunks[1:]...)
	q.size -= first.size()
	q.missed = q.missed || len(first.opened) < len(first.packed)
	if cap(first.raw) <= 2*chunkSize {
		*first = chunk{raw: first.raw[:0], packed: first.packed[:0]}
		q.spare = first
	}
}

// dropChunk drops the oldest records, and reports whether there were any.
func (q *queue) dropChunk() bool {
	if q.count == 0 {
		return false
	}
	n := len(q.chunks[0].packed) - q.skip
	q.count -= n
	q.dropped += int64(n)
	q.skip = 0
	q.removeChunk()
	q.spare = nil
	return true
}

// A batch is what nobody has looked at of a chunk.
type batch struct {
	chunk  int64 // its ID
	opened int   // records before those of the batch
	start  int32 // of the bytes, in those of the chunk
	raw    []byte
	packed []packed
	missed bool // records before it were dropped
}

// next returns the first batch, with memory of its own, and whether there is one.
func (q *queue) next() (b batch, ok bool) {
	i := slices.IndexFunc(q.chunks, func(c *chunk) bool { return len(c.opened) < len(c.packed) })
	if i < 0 {
		return b, false
	}
	c := q.chunks[i]
	b = batch{chunk: c.id, opened: len(c.opened), missed: q.missed}
	q.missed = false
	if b.opened > 0 {
		b.start = c.packed[b.opened-1].end
	}
	b.raw, b.packed = bytes.Clone(c.raw[b.start:]), slices.Clone(c.packed[b.opened:])
	return b, true
}

// open returns the records of a batch without the secrets of an exchange, of which
// all batches have to be opened in order.
func (b *batch) open(s *secrets) (records []record.Record) {
	if b.missed {
		s.missed()
	}
	decoder := stream.NewDecoder(nil)
	start := b.start
	for _, p := range b.packed {
		records = append(records, s.hide(unpack(decoder, b.raw[start-b.start:p.end-b.start], p)))
		start = p.end
	}
	return records
}

// put takes the records of a batch, if their chunk is still kept.
func (q *queue) put(b batch, records []record.Record) {
	i := slices.IndexFunc(q.chunks, func(c *chunk) bool { return c.id == b.chunk })
	if i < 0 {
		return
	}
	c := q.chunks[i]
	before := c.size()
	c.opened = append(c.opened[:b.opened], records...)
	for i := range records {
		c.extra += openedSize + len(records[i].Data) + len(records[i].Comment) + len(records[i].Raw)
	}
	if i < len(q.chunks)-1 && len(c.opened) == len(c.packed) {
		c.raw = nil // nothing will be added
	}
	q.size += c.size() - before
}

// unpack returns the record of a block, with memory of its own.
func unpack(decoder *stream.Decoder, raw []byte, p packed) record.Record {
	text := raw
	if !p.first && bytes.HasPrefix(raw, []byte("\ufeff")) {
		text = slices.Concat([]byte("\n"), raw) // only at the very start a BOM is dropped
	}
	decoder.Reset(bytes.NewReader(text))
	decoder.MaxEventSize = max(len(text)+1, 64<<10) // a small one makes small reads, which part comments
	for b, err := range decoder.Blocks() {
		if err != nil {
			break
		}
		if !b.Incomplete() && len(bytes.Trim(b.Raw(), "\r\n")) == 0 {
			continue // the LF of a CRLF may have come late
		}
		r := record.FromBlock(b, p.at)
		if len(b.Raw()) != len(raw) {
			r.Raw = bytes.Clone(raw)
		}
		return r
	}
	return record.Record{Time: p.at, Raw: bytes.Clone(raw)}
}

// from returns at most n records from a number on, which have been opened, and the
// number of the first.
func (q *queue) from(number int64, n int) (first int64, records []record.Record) {
	first = min(max(number, q.dropped), q.dropped+int64(q.count))
	at := int(first-q.dropped) + q.skip // in all chunks
	for _, c := range q.chunks {
		if at >= len(c.packed) {
			at -= len(c.packed)
			continue
		}
		some := c.opened[min(at, len(c.opened)):]
		records = append(records, some[:min(len(some), n-len(records))]...)
		if at = 0; len(records) == n || len(c.opened) < len(c.packed) {
			break
		}
	}
	return first, records
}

// encode returns a record as the bytes of a block. One with a type or an ID that no
// stream can have is kept without the characters that make it so.
func encode(r *record.Record) []byte {
	text, err := r.AppendText(nil)
	if err != nil {
		plain := *r
		fits := func(c rune) rune {
			if c == '\n' || c == '\r' || c == 0 {
				return -1
			}
			return c
		}
		plain.Type, plain.ID = strings.Map(fits, r.Type), strings.Map(fits, r.ID)
		text, _ = plain.AppendText(nil)
	}
	return text
}
