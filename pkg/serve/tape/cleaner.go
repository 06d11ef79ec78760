package tape

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A cleaner takes the secrets out of the events of one stream. A secret may come
// in pieces, a few letters in each of several events, so an event is held back
// while its end may be the beginning of a secret.
type cleaner struct {
	secrets *redact.Secrets
	out     func(*record.Record)

	reader  textReader
	shapes  []shape // of the stream, the latest first
	changes uint64  // of the secrets, when these were clean
	queue   []*held // in order; the first is held back
	size    int     // bytes of the queue, about
	tails   map[uint64]*pieces
}

// Limits of the held events. Beyond them, texts are decided as they are: a beginning of a
// secret is hidden, unless it is so short that it gives nothing away.
const (
	maxHeld     = 64 // events
	maxHeldSize = 1 << 20
	maxHeldTime = 5 * time.Second
	maxTails    = 4096
)

// A held is an event, and the parts of it to be replaced.
type held struct {
	record record.Record
	texts  []text
	edits  []edit
	waits  int      // tails that it is a part of
	tails  []uint64 // the channels of these, and of some that it is not a part of any more
	size   int
}

type edit struct {
	text int
	redact.Span
}

// Pieces are a text that goes on from event to event, as far as its end is
// undecided.
type pieces struct {
	run  redact.Run
	list []piece // their texts together are the pending bytes of the run
}

type piece struct {
	held     *held // nil if the event is out
	text     int
	from, to int // in the value of the text
}

// event takes the next event of the stream.
func (c *cleaner) event(r *record.Record) {
	if len(c.queue) == 0 && len(c.tails) == 0 && c.isClean(r) {
		c.out(r)
		return
	}
	c.reader.light = false
	c.read(r)
	var now *held // this event, once something holds it
	before := c.tails
	if r.Incomplete {
		before = c.copies()
	}
	hold := func() *held {
		if now == nil {
			now = newHeld(r, c.reader.texts)
		}
		return now
	}
	for i := range c.reader.texts {
		t := &c.reader.texts[i]
		if t.secret && t.value != "" {
			c.secrets.Add(t.value)
			hold().add(i, redact.Span{To: len(t.value), Begins: true})
			continue
		}
		if t.value == "" {
			continue
		}
		for _, span := range c.nested(t.value) {
			c.secrets.Add(unquote(t.value[span.From:span.To]))
			hold().add(i, span)
		}
		var alone redact.Run
		for _, span := range c.secrets.Scan(&alone, t.value) {
			hold().add(i, span)
		}
		if t.kind == jsonName || t.kind == jsonNumber {
			if !alone.Clear() {
				for _, span := range c.secrets.Finish(&alone, len(t.value)) {
					hold().add(i, span)
				}
			}
			continue
		}
		if alone.Clear() && len(c.tails) == 0 {
			continue
		}
		for n, channel := range t.channels {
			if slices.Contains(t.channels[:n], channel) {
				continue
			}
			tail := c.tails[channel]
			if tail == nil {
				if !alone.Clear() {
					c.start(channel, alone, hold(), i, len(t.value))
				}
				continue
			}
			c.goOn(channel, tail, hold(), i, t.value)
			if tail.run.Clear() {
				delete(c.tails, channel)
				if !alone.Clear() {
					c.start(channel, alone, hold(), i, len(t.value))
				}
			}
		}
	}
	if r.Incomplete {
		for i := range c.reader.texts {
			c.endAny(before, hold(), i)
		}
	}
	c.queue = append(c.queue, hold())
	c.size += c.queue[len(c.queue)-1].size
	for len(c.queue) > 0 && (len(c.queue) > maxHeld || c.size > maxHeldSize || c.tooOld(c.queue[0], r)) && c.queue[0].waits > 0 {
		c.force()
	}
	redact.Shed(c.tails, maxTails, func(t *pieces) *redact.Run { return &t.run }, func(_ uint64, t *pieces) {
		// The rest of a secret would not be found: nothing of it is let out.
		mark(t.list, redact.Span{From: -t.run.Pending(), To: 0, Begins: true}, 0)
		c.decide(t)
	})
	c.flush()
}

// copies returns the tails as they are, which have no part in holding events.
func (c *cleaner) copies() map[uint64]*pieces {
	copies := map[uint64]*pieces{}
	for channel, t := range c.tails {
		copies[channel] = &pieces{run: t.run, list: slices.Clone(t.list)}
	}
	return copies
}

// endAny tries the text i of an event that was cut as the end of every text so far:
// the member that tells texts apart may be in the rest of the event.
func (c *cleaner) endAny(tails map[uint64]*pieces, h *held, i int) {
	t := &h.texts[i]
	if t.kind == jsonName || t.kind == jsonNumber || t.value == "" {
		return
	}
	// The end of a secret is near the beginning of the text, which may be as large as an
	// event; and there may be thousands of tails.
	near := t.value[:min(len(t.value), max(minNear, maxNear/(len(tails)+1)))]
	for _, tail := range tails {
		all := append(slices.Clone(tail.list), piece{h, i, 0, len(t.value)})
		run := tail.run
		spans := c.secrets.Scan(&run, near)
		switch {
		case len(near) == len(t.value):
			spans = append(spans, c.secrets.Finish(&run, len(near))...)
		case !run.Clear():
			spans = append(spans, redact.Span{To: len(t.value)}) // whatever it is, nothing of it is let out
		}
		for _, span := range spans {
			mark(all, span, len(t.value))
		}
	}
}

// minNear and maxNear bound the bytes of a text that are tried as the end of others: for each
// of them, and for all.
const (
	minNear = 4 << 10
	maxNear = 16 << 20
)

func (c *cleaner) tooOld(h *held, latest *record.Record) bool {
	return latest.Time.Sub(h.record.Time) > maxHeldTime
}

// isClean reports whether there is nothing secret in an event, nor the possible
// beginning of a secret at the end of a text in it. It is quick.
func (c *cleaner) isClean(r *record.Record) bool {
	isEvent := r.IsEvent && r.Raw == nil && !r.HasComment
	if isEvent && c.hasShape(bytesOf(cmp.Or(r.Type, stream.DefaultType)), bytesOf(r.Data)) {
		return c.isPlain(r.ID)
	}
	changes := c.secrets.Changes()
	c.reader.light = true
	c.read(r)
	for i := range c.reader.texts {
		if t := &c.reader.texts[i]; t.secret && t.value != "" || !c.isPlain(t.value) {
			return false
		}
	}
	if r.Raw != nil {
		// Fields that dispatch nothing are in the raw bytes alone.
		return c.isPlain(string(r.Raw))
	}
	if isEvent {
		c.learn(r, changes)
	}
	return true
}

// nested returns the secret members of JSON that is the whole of a string.
func (c *cleaner) nested(text string) []redact.Span {
	if !redact.IsJSON(text) {
		return nil
	}
	return redact.Members(text, c.reader.request)
}

func (c *cleaner) isPlain(text string) bool {
	var run redact.Run
	return len(c.nested(text)) == 0 && len(c.secrets.Scan(&run, text)) == 0 && run.Clear()
}

// maxLines bounds the lines of a block without an end that are texts of their own;
// those after them are one text, as each takes memory.
const maxLines = 4096

// read collects the texts of the event.
func (c *cleaner) read(r *record.Record) {
	reader := &c.reader
	reader.texts, reader.free = reader.texts[:0], reader.free[:0]
	switch {
	case r.Meta != nil:
		return
	case r.Incomplete || !r.IsEvent && !r.HasComment && !r.HasID:
		offset, eventType := 0, stream.DefaultType
		raw := string(r.Raw)
		for line := range strings.Lines(raw) {
			if len(reader.texts) >= maxLines {
				reader.add(raw[offset:], inRaw, offset, "raw")
				break
			}
			value := strings.TrimRight(line, "\r\n")
			name, rest, _ := strings.Cut(value, ":")
			at := offset + len(value) - len(strings.TrimPrefix(rest, " "))
			switch value := value[at-offset:]; {
			case name == "data":
				reader.add(value, inRaw, at, eventType)
			case name == "":
				reader.comment(value, inRaw, at)
			default:
				if name == "event" {
					eventType = value
				}
				reader.add(value, inRaw, at, "raw "+name)
			}
			offset += len(line)
		}
	default:
		if r.IsEvent {
			reader.add(r.Data, inData, 0, cmp.Or(r.Type, stream.DefaultType))
		}
		if r.Type != "" && r.Type != "message" {
			reader.texts = append(reader.texts, text{place: inType, to: len(r.Type), value: r.Type, kind: jsonName})
		}
		if r.ID != "" {
			reader.texts = append(reader.texts, text{place: inID, to: len(r.ID), value: r.ID, kind: jsonName})
		}
		if r.HasComment {
			reader.comment(r.Comment, inComment, 0)
		}
	}
}

func newHeld(r *record.Record, texts []text) *held {
	h := &held{record: *r, texts: slices.Clone(texts)}
	rec := &h.record
	// The caller keeps its strings, and the texts are parts of them.
	for _, s := range []*string{&rec.Data, &rec.Type, &rec.ID, &rec.Comment} {
		*s = strings.Clone(*s)
	}
	if rec.Raw != nil {
		rec.Raw = append([]byte{}, rec.Raw...)
	}
	if rec.Meta != nil {
		rec.Meta = append([]byte{}, rec.Meta...)
	}
	for i := range h.texts {
		h.texts[i].value = strings.Clone(h.texts[i].value)
	}
	const perText = 160
	h.size = 2*len(rec.Data) + len(rec.Raw) + len(rec.Comment) + perText*len(texts) + 512
	return h
}

func (h *held) add(text int, span redact.Span) { h.edits = append(h.edits, edit{text, span}) }

// start begins a text that may go on, with the end of the text i of an event.
func (c *cleaner) start(channel uint64, run redact.Run, h *held, i, size int) {
	if c.tails == nil {
		c.tails = map[uint64]*pieces{}
	}
	t := &pieces{run: run}
	if n := run.Pending(); n > 0 {
		t.list = []piece{{h, i, size - n, size}}
		h.waits++
		h.tails = append(h.tails, channel)
	}
	c.tails[channel] = t
}

// goOn adds the text i of an event to the pieces before it.
func (c *cleaner) goOn(channel uint64, t *pieces, h *held, i int, value string) {
	all := append(slices.Clone(t.list), piece{h, i, 0, len(value)})
	for _, span := range c.secrets.Scan(&t.run, value) {
		mark(all, span, len(value))
	}
	h.waits++ // as the latest piece, until it turns out to be none
	h.tails = append(h.tails, channel)
	t.list = all
	t.drop(t.run.Pending())
}

// drop keeps the last n bytes of the pieces.
func (t *pieces) drop(n int) {
	var kept []piece
	for j := len(t.list) - 1; j >= 0; j-- {
		p := t.list[j]
		if size := p.to - p.from; n > 0 && size > 0 {
			p.from = p.to - min(size, n)
			n -= min(size, n)
			kept = append(kept, p)
		} else if p.held != nil {
			p.held.waits--
		}
	}
	slices.Reverse(kept)
	t.list = kept
}

// mark notes a secret in the pieces of which the last one has the given size.
// Places in span count from its beginning.
func mark(list []piece, span redact.Span, size int) {
	end := size
	for j := len(list) - 1; j >= 0; j-- {
		p := list[j]
		start := end - (p.to - p.from)
		from, to := max(span.From, start), min(span.To, end)
		if from < to && p.held != nil {
			begins := span.Begins && span.From >= start
			p.held.edits = append(p.held.edits, edit{p.text, redact.Span{From: p.from + from - start, To: p.from + to - start, Begins: begins}})
		}
		end = start
	}
}

// decide decides about the undecided end of a text, whose pieces go out.
func (c *cleaner) decide(t *pieces) {
	if c.secrets.Force(&t.run) {
		mark(t.list, redact.Span{From: -t.run.Pending(), To: 0, Begins: true}, 0)
	}
	for j := range t.list {
		if h := t.list[j].held; h != nil {
			h.waits--
			t.list[j].held = nil
		}
	}
}

// force decides about the texts that hold back the first event.
func (c *cleaner) force() {
	first := c.queue[0]
	for _, channel := range first.tails {
		t := c.tails[channel]
		if t != nil && slices.ContainsFunc(t.list, func(p piece) bool { return p.held == first }) {
			c.decide(t)
		}
	}
}

// end decides about everything, and lets it out.
func (c *cleaner) end() {
	for _, t := range c.tails {
		for _, span := range c.secrets.Finish(&t.run, 0) {
			mark(t.list, span, 0)
		}
		for _, p := range t.list {
			if p.held != nil {
				p.held.waits--
			}
		}
	}
	clear(c.tails)
	c.flush()
}

// flush lets out the events that nothing holds back.
func (c *cleaner) flush() {
	for len(c.queue) > 0 && c.queue[0].waits == 0 {
		h := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.size -= h.size
		h.apply(c.secrets)
		c.out(&h.record)
	}
	if len(c.queue) == 0 {
		c.queue = nil
	}
}

// apply replaces the secrets in the record.
func (h *held) apply(secrets *redact.Secrets) {
	rec := &h.record
	data := rec.Data
	for where, part := range map[place]*string{inData: &rec.Data, inType: &rec.Type, inID: &rec.ID, inComment: &rec.Comment} {
		if changed := h.replace(where, *part); changed != *part {
			*part = changed
			if where != inData {
				rec.Raw = nil
			}
		}
	}
	if rec.Raw == nil {
		return
	}
	raw := string(rec.Raw)
	if clean := h.replace(inRaw, raw); clean != raw {
		raw = clean
	}
	if rec.Data != data {
		var ok bool
		if raw, ok = replaceLines(raw, data, rec.Data); !ok {
			rec.Raw = nil
			return
		}
	}
	// Fields that dispatch nothing are in the raw bytes alone.
	rec.Raw = []byte(secrets.Clean(raw))
}

// replace returns a part of the record without its secrets.
func (h *held) replace(where place, part string) string {
	if len(h.edits) == 0 {
		return part
	}
	edits := slices.DeleteFunc(slices.Clone(h.edits), func(e edit) bool { return h.texts[e.text].place != where })
	slices.SortStableFunc(edits, func(a, b edit) int {
		if a.text != b.text {
			return a.text - b.text
		}
		return a.From - b.From
	})
	var b strings.Builder
	at := 0
	for len(edits) > 0 {
		t := &h.texts[edits[0].text]
		var spans []redact.Span
		for len(edits) > 0 && &h.texts[edits[0].text] == t {
			span := edits[0].Span
			if last := len(spans) - 1; last >= 0 && span.From < spans[last].To {
				spans[last].To = max(spans[last].To, span.To)
				spans[last].Begins = spans[last].Begins || span.Begins
			} else {
				spans = append(spans, span)
			}
			edits = edits[1:]
		}
		if t.from < at {
			continue
		}
		b.WriteString(part[at:t.from])
		at = t.to
		clean := redact.Replace(t.value, spans)
		switch t.kind {
		case plainText:
			b.WriteString(clean)
		case openString:
			quoted := record.AppendString(nil, []byte(clean))
			b.Write(quoted[:len(quoted)-1])
		default:
			if where == inType || where == inID {
				b.WriteString(clean)
			} else {
				b.Write(record.AppendString(nil, []byte(clean)))
			}
		}
	}
	b.WriteString(part[at:])
	return b.String()
}

// replaceLines replaces the lines of data in the raw bytes of an event.
func replaceLines(raw, data, clean string) (string, bool) {
	old, lines := strings.Split(data, "\n"), strings.Split(clean, "\n")
	if len(old) != len(lines) {
		return "", false
	}
	var b strings.Builder
	for i := range old {
		if old[i] == lines[i] {
			continue
		}
		at := strings.Index(raw, old[i])
		if at < 0 {
			return "", false
		}
		b.WriteString(raw[:at])
		b.WriteString(lines[i])
		raw = raw[at+len(old[i]):]
	}
	b.WriteString(raw)
	return b.String(), true
}
