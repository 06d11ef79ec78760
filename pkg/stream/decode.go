package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"time"
)

// DefaultMaxEventSize is the size in bytes that a block may have when
// [Decoder.MaxEventSize] is zero.
const DefaultMaxEventSize = 16 << 20

const (
	firstSize = 2 << 10  // of the buffer: most streams are slow, and a server has many
	roomSize  = 32 << 10 // for a read, in a buffer that has grown

	// maxRead bounds one read. A source that fills its room gets more, up to
	// this, since each read costs a system call.
	maxRead = 512 << 10

	// pieceSize is how many of the bytes read are searched for CR at once: they
	// are still in the nearest cache when they are searched for LF.
	pieceSize = 32 << 10

	loadSize = 8 // a field is recognized by its first eight bytes, read at once
)

// A Decoder reads an event stream.
//
// It follows https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation:
// a line ends at LF, CRLF or a CR, and an event that ends with a CR is handed
// over without waiting for the next byte; one BOM at the very start is dropped.
//
// A Decoder reads from its source only when the bytes at hand hold no further
// block, so a source that does something before it reads (flush, set a
// deadline) does it exactly when there is nothing left to hand over.
type Decoder struct {
	// MaxEventSize bounds one block, line ends and comments in it included.
	// The memory that a hostile stream can take is a small multiple of it. A
	// size below 32 KiB makes reads smaller too. Zero means
	// [DefaultMaxEventSize]. Set it before the first read.
	MaxEventSize int

	r     io.Reader
	err   error // of the source; returned once the buffer is used up
	block Block // the view handed out

	// buf[pos:end] has been searched for CR and not been handed over,
	// buf[end:filled] has only been read; buf[0] is byte base of the stream.
	// buf ends with loadSize bytes that are never filled, so that a field name
	// can be loaded at once wherever its line starts.
	buf              []byte
	pos, end, filled int
	base             int64
	full             bool // the last read filled all it was given
	piece            int  // pieceSize, less in tests

	// clean is the place of the first CR at or after the line being looked
	// at, or end. One search for CR per fill, not per line, keeps it, so it
	// costs next to nothing for a stream without CR.
	clean int

	started bool // the start of the stream is past, and its BOM
	skipLF  bool // the last byte read was a CR that ended a line: a LF belongs to it
	tail    int  // size of the unfinished block at the end

	lastID    []byte // the last event ID, as on the wire
	lastIDStr string // the same for callers, made when asked for
	staleStr  bool   // lastIDStr is not made of lastID
	retry     time.Duration
	hasRetry  bool
}

// NewDecoder returns a Decoder that reads from r.
func NewDecoder(r io.Reader) *Decoder { return &Decoder{r: r} }

// Reset makes the decoder read from r, the next response of the same event
// source. The last event ID and the reconnection time stay, as the standard asks
// for over a reconnection; everything else starts anew.
func (d *Decoder) Reset(r io.Reader) {
	d.r, d.err = r, nil
	d.pos, d.end, d.filled, d.base, d.clean = 0, 0, 0, 0, 0
	d.started, d.skipLF, d.tail = false, false, 0
}

// A SizeError describes a block that is larger than [Decoder.MaxEventSize].
type SizeError struct {
	Offset int64 // where the block starts, in bytes from the start of the stream
	Limit  int   // in bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("event at byte %d is larger than %d bytes", e.Offset, e.Limit)
}

// Next returns the next event, as a view that is valid until the decoder is asked
// for the next one. The error is io.EOF at the end of the stream, a
// [*SizeError], or that of the source; later calls return the same error.
//
// An unfinished block at the end is no event; [Decoder.Unfinished] has it.
func (d *Decoder) Next() (*Block, error) {
	// Nearly all events of nearly all streams are one line, "data: x\n\n".
	// The check of the byte after the line saves a third search.
	if p := d.pos; d.clean-p >= loadSize && binary.LittleEndian.Uint64(d.buf[p:])&mask6 == dataSpace {
		rest := d.buf[p+6 : d.clean]
		i := bytes.IndexByte(rest, '\n')
		n := i + 8
		if i < 0 && d.end-d.clean >= 4 && binary.LittleEndian.Uint32(d.buf[d.clean:]) == crlfCRLF {
			i = len(rest)
			n = i + 10
			d.nextCR(p + n)
		} else if uint(i+1) >= uint(len(rest)) || rest[i+1] != '\n' {
			n = 0
		}
		if n > 0 {
			b := &d.block
			b.raw = d.buf[p : p+n : p+n]
			b.start, b.valueEnd = 6, i+6
			b.flags = hasData
			d.pos = p + n
			return b, nil
		}
	}
	if d.clean > d.pos && (d.buf[d.pos] == 'i' || d.buf[d.pos] == 'e') {
		clean := d.clean
		if b := d.headed(); b != nil {
			return b, nil
		}
		d.clean = clean
	}
	for {
		b, err := d.Block()
		if err != nil || b.IsEvent() {
			return b, err
		}
	}
}

// headed returns the next event if it is an ID, a type or both, as "id: x" and
// "event: x", and then one line of data. Else it returns nil, and has taken nothing but
// may have moved d.clean.
func (d *Decoder) headed() *Block {
	b, found := &d.block, flags(0)
	for line := d.pos; d.clean-line >= loadSize; {
		word := binary.LittleEndian.Uint64(d.buf[line:])
		from := line
		switch {
		case word&mask6 == dataSpace && found != 0:
			from += 6
			rest := d.buf[from:d.clean]
			i := bytes.IndexByte(rest, '\n')
			end := from + i + 2
			if i < 0 && d.end-d.clean >= 4 && binary.LittleEndian.Uint32(d.buf[d.clean:]) == crlfCRLF {
				i = len(rest)
				end = from + i + 4
				d.nextCR(end)
			} else if uint(i+1) >= uint(len(rest)) || rest[i+1] != '\n' {
				return nil
			}
			b.start, b.valueEnd = from-d.pos, from-d.pos+i
			b.flags = found | hasData
			return d.done(end)
		case word&mask4 == idSpace:
			from += 4
		case word&mask7 == eventSpace:
			from += 7
		default:
			return nil
		}
		eol, next := d.shortLine(from)
		switch {
		case eol < 0:
			return nil
		case word&mask7 == eventSpace:
			b.typ, b.typEnd = from-d.pos, eol-d.pos
			found |= hasType
		case bytes.IndexByte(d.buf[from:eol], 0) < 0:
			b.id, b.idEnd = from-d.pos, eol-d.pos
			found |= hasID
		}
		line = next
	}
	return nil
}

// shortLine returns the end of a line from a place in it on, and where the next one
// starts, -1 if that is not at hand. The end is mostly among the first eight bytes.
func (d *Decoder) shortLine(from int) (eol, next int) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	left := d.clean - from
	word := binary.LittleEndian.Uint64(d.buf[from:]) ^ ones*'\n'
	if i := bits.TrailingZeros64((word-ones)&^word&highs) / 8; i < min(left, 8) {
		return from + i, from + i + 1
	}
	if left > 8 {
		if i := bytes.IndexByte(d.buf[from+8:d.clean], '\n'); i >= 0 {
			return from + 8 + i, from + 9 + i
		}
	}
	if eol = d.clean; eol+1 >= d.end || d.buf[eol+1] != '\n' {
		return -1, from
	}
	d.nextCR(eol + 2)
	return eol, eol + 2
}

// Event returns the next event, owned by the caller: one allocation, malformed
// UTF-8 replaced as the standard demands. Errors are those of [Decoder.Next].
func (d *Decoder) Event() (Event, error) {
	b, err := d.Next()
	if err != nil {
		return Event{}, err
	}
	return b.Event(), nil
}

// Events ranges over the events, owned by the caller, to the end of the
// stream. An error other than io.EOF is the last thing it yields.
func (d *Decoder) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := d.Event()
			if err == io.EOF || !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Blocks ranges over the blocks of the stream, views that are valid until the
// next round. An error other than io.EOF is the last thing it yields.
func (d *Decoder) Blocks() iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		for {
			b, err := d.Block()
			if err == io.EOF || !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// Block returns the next block of the stream, whether it dispatches an event
// or not, as a view like that of [Decoder.Next]. Put together, the Raw bytes of
// all blocks are the stream. There are these kinds:
//
//   - a block with fields, up to and including its blank line. It is an event
//     if [Block.IsEvent] reports it. Comments between its fields are part of it;
//   - a comment outside of a block, handed over as soon as its line ends,
//     because a heartbeat may be all that comes for hours. A blank line after it
//     belongs to it if it is at hand by then;
//   - a blank line more than needed, or the LF of a CRLF whose CR ended the
//     block before, or a BOM and nothing else;
//   - at the end, and before the error, an unfinished block.
func (d *Decoder) Block() (*Block, error) {
	b := &d.block
	b.reset()
	line, first := d.pos, d.pos
	scan := line // the line is known to have no LF before scan

	for {
		var eol, next int
		if i := bytes.IndexByte(d.buf[scan:d.clean], '\n'); i >= 0 {
			eol = scan + i
			next = eol + 1
		} else if d.clean < d.end {
			eol = d.clean
			next = d.afterCR()
		} else {
			scan = d.end
			shift, err := d.fill()
			line, first, scan = line-shift, first-shift, scan-shift
			if err != nil {
				return d.finish(line)
			}
			if at := d.skipStart(line); at != line {
				if first == line {
					first = at
				}
				line, scan = at, at
			}
			continue
		}

		switch {
		case eol == line: // blank: the end of the block
			return d.done(next), nil
		case binary.LittleEndian.Uint64(d.buf[line:])&mask6 == dataSpace:
			b.data(d.buf[d.pos:], line+6-d.pos, eol-d.pos)
			next = b.dataLines(d.buf, next, d.clean)
		case d.buf[line] != ':':
			if b.field(d.buf[d.pos:], line-d.pos, eol-d.pos) {
				d.retry, d.hasRetry = b.retry, true
			}
		case line == first:
			b.comment(d.buf[line:eol], line-d.pos)
			return d.done(d.blankLine(next)), nil
		}
		if end := d.blankLine(next); end > next {
			return d.done(end), nil
		}
		line, scan = next, next
	}
}

// blankLine returns the end of the blank line at next, if there is one already,
// else next. It spares a search for each block.
func (d *Decoder) blankLine(next int) int {
	if next == d.end {
		return next
	}
	switch d.buf[next] {
	case '\n':
		return next + 1
	case '\r':
		return d.afterCR()
	}
	return next
}

// afterCR returns where the line after the CR at d.clean starts, and moves
// d.clean to the next CR.
func (d *Decoder) afterCR() int {
	next := d.clean + 1
	if next == d.end {
		d.skipLF = true
	} else if d.buf[next] == '\n' {
		next++
	}
	d.nextCR(next)
	return next
}

// nextCR moves d.clean to the first CR from on.
func (d *Decoder) nextCR(from int) {
	if from < d.end && d.buf[from] == '\r' { // mostly the blank line: no need for a search
		d.clean = from
	} else if i := bytes.IndexByte(d.buf[from:d.end], '\r'); i >= 0 {
		d.clean = from + i
	} else {
		d.clean = d.end
	}
}

// skipStart returns where the line at line really starts: after the BOM of
// the stream, after the LF of a CRLF that was split over two reads.
func (d *Decoder) skipStart(line int) int {
	if d.skipLF {
		d.skipLF = false
		if d.buf[line] == '\n' {
			line++
		}
	}
	if !d.started {
		have := d.buf[:min(d.end, len(bom))]
		d.started = len(have) == len(bom) || !bytes.HasPrefix(bom, have)
		if bytes.Equal(have, bom) {
			line += len(bom)
			d.block.flags |= hasBOM
		}
	}
	return line
}

var bom = []byte("\ufeff")

// done hands over the block that ends before next.
func (d *Decoder) done(next int) *Block {
	b := &d.block
	b.raw = d.buf[d.pos:next:next]
	d.pos = next
	if b.flags&hasID != 0 {
		d.setLastID(b.ID())
	}
	return b
}

// finish hands over the rest when the source has ended, then its error.
// line is the start of the line that did not end.
func (d *Decoder) finish(line int) (*Block, error) {
	if d.pos == d.end {
		d.block.reset()
		return nil, d.err
	}
	b := &d.block
	blank := d.tailIsBlank(line)
	had := b.flags & hasBOM
	b.reset()
	b.flags = had
	if !blank {
		b.flags |= incomplete
		d.tail = d.end - d.pos
	}
	b.raw = d.buf[d.pos:d.end:d.end]
	d.pos = d.end
	return b, nil
}

// tailIsBlank reports whether skipStart skipped all of the rest.
func (d *Decoder) tailIsBlank(line int) bool {
	rest := d.buf[d.pos:line]
	return line == d.end && (string(rest) == "\n" || bytes.Equal(rest, bom))
}

// fill makes more bytes available after the unfinished block at d.pos, when
// there is no CR left (d.clean == d.end). It returns how far the block moved.
func (d *Decoder) fill() (shift int, err error) {
	if d.end == d.filled {
		if shift, err = d.read(); err != nil {
			return shift, err
		}
	}
	piece := d.buf[d.end:min(d.filled, d.end+d.piece)]
	i := bytes.IndexByte(piece, '\r')
	if i < 0 {
		i = len(piece)
	}
	d.clean += i
	d.end += len(piece)
	return shift, nil
}

// read reads more after the unfinished block. It returns how far the block
// moved to make room.
func (d *Decoder) read() (shift int, err error) {
	if d.err != nil {
		return 0, d.err
	}
	room, shift, err := d.room()
	if err != nil {
		d.err = err
		return shift, err
	}
	for range 100 {
		n, err := d.r.Read(room)
		d.filled, d.full, d.err = d.end+n, n == len(room), err
		if n > 0 {
			return shift, nil
		}
		if err != nil {
			return shift, err
		}
	}
	d.err = io.ErrNoProgress
	return shift, d.err
}

// room returns where to read to: the free end of the buffer. The unfinished
// block moves to the front where that gains room, and the buffer grows for a
// large block or a fast source. The error is a [*SizeError].
func (d *Decoder) room() (room []byte, shift int, err error) {
	limit := d.MaxEventSize
	if limit <= 0 {
		limit = DefaultMaxEventSize
	}
	if d.buf == nil {
		d.buf, d.piece = make([]byte, min(firstSize, limit)+loadSize), pieceSize
	}
	size := len(d.buf) - loadSize
	if d.pos > 0 && size-d.end < min(roomSize, size/2) {
		rest := d.buf[d.pos:d.end]
		if d.full && size < min(maxRead, limit) {
			size = min(2*size, limit)
			d.buf = make([]byte, size+loadSize)
		}
		shift = d.pos
		copy(d.buf, rest)
		d.pos, d.end, d.filled, d.clean = 0, d.end-shift, d.end-shift, d.clean-shift
		d.base += int64(shift)
	}
	most := d.pos + limit
	if d.end > d.pos && d.buf[d.pos] == '\n' {
		most++ // the LF of a CRLF, which belongs to the block before
	}
	if d.end >= most {
		return nil, shift, &SizeError{Offset: d.base + int64(d.pos), Limit: limit}
	}
	if d.end == size {
		size = min(2*size, most)
		grown := make([]byte, size+loadSize)
		copy(grown, d.buf[:d.end])
		d.buf = grown
	}
	return d.buf[d.end:min(size, most, d.end+maxRead)], shift, nil
}

// LastEventID returns the last event ID in force: that of the latest block
// that had one, carried over events without, and over [Decoder.Reset].
// A reconnecting client sends it, unless it is empty.
func (d *Decoder) LastEventID() string {
	if d.staleStr {
		d.lastIDStr, d.staleStr = validString(d.lastID), false
	}
	return d.lastIDStr
}

// SetLastEventID sets the last event ID, as it was kept from an earlier run.
func (d *Decoder) SetLastEventID(id string) {
	d.lastID, d.lastIDStr, d.staleStr = append(d.lastID[:0], id...), id, false
}

func (d *Decoder) setLastID(id []byte) {
	d.lastID, d.staleStr = append(d.lastID[:0], id...), true
}

// Retry returns the reconnection time that the stream set last, if it did. It
// counts from the end of its line on, even if its block is never finished.
func (d *Decoder) Retry() (time.Duration, bool) { return d.retry, d.hasRetry }

// InputOffset returns where the last whole block handed over ends, in bytes
// from the start of the response: where a request for the rest, by a Range
// header, goes on without losing or repeating anything.
func (d *Decoder) InputOffset() int64 { return d.base + int64(d.pos-d.tail) }

// Unfinished returns, once the stream has ended, the bytes of the block that it
// did not finish: no event, by the standard, but a sign that the stream was
// cut. It is empty after an orderly end, and valid until [Decoder.Reset].
func (d *Decoder) Unfinished() []byte { return d.buf[d.end-d.tail : d.end] }
