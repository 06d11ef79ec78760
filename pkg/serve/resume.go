package serve

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// earliest is the Last-Event-ID header of an answer whose first event is the first
// of all. The word is Mercure's.
const earliest = "earliest"

// lastEventID returns the ID that a request resumes after, in UTF-8.
func lastEventID(r *http.Request) string {
	id := httpx.LastEventID(r)
	if utf8.ValidString(id) {
		return id
	}
	return string(stream.AppendValid(nil, []byte(id)))
}

// begin finds the place where the client starts, and states it in the header of
// the answer. It returns a status if the answer has no events.
func (c *client) begin(header http.Header, r *http.Request) (status int) {
	h := c.h
	defer func() { c.moveTo(c.place) }()
	c.status = http.StatusOK
	c.place = h.History.start()
	c.describe(header)
	if status := c.beginRange(header, r); status != 0 || c.status == http.StatusPartialContent {
		return status
	}
	id := c.lastEventID
	if id == "" || c.faults.NoResume {
		if h.StartLive {
			c.place = h.History.live()
		}
		return 0
	}
	at, known := h.History.find(id)
	switch {
	case known:
		c.place = at
		if h.finished(at) {
			return http.StatusNoContent
		}
		h.resumes.Add(1)
	case id == earliest:
		// The start, and no gap.
	case h.OnUnknownID == UnknownLive:
		c.place = h.History.live()
	case h.OnUnknownID == UnknownStop:
		return http.StatusNoContent
	case h.OnUnknownID == UnknownConflict:
		return http.StatusConflict
	case h.OnUnknownID == UnknownGap:
		c.prelude = appendEvent(c.prelude, "gap", string(record.AppendString(nil, []byte(id))))
	}
	position := c.place.seg.lastIDBefore(c.place.index)
	if position == "" {
		position = earliest
	}
	if httpx.IsFieldValue(position) {
		header.Set("Last-Event-ID", position)
	}
	return 0
}

// finished reports whether there is nothing after a place, nor will be.
func (h *Handler) finished(at cursor) bool {
	ended := h.History.Ended() && !h.History.broken.Load()
	b, behind := at.next()
	return ended && b.seg == nil && !behind && h.closesAtEnd()
}

// exact reports whether a response is, byte for byte, the finite content of
// the history: only then do byte ranges of it mean anything.
func (c *client) exact() bool {
	h := c.h
	beat := h.heartbeat()
	inTime := h.Pace.Instant() || beat < 0 || !h.Pace.Recorded && h.Pace.longest() < beat
	return c.ws == nil && inTime && h.History.Ended() && !h.History.broken.Load() && h.History.Limit == 0 && h.endsAfterTail() && h.RetryHint == 0 && !c.faults.Changes
}

// describe announces byte ranges in the header.
func (c *client) describe(header http.Header) {
	if !c.exact() {
		return
	}
	header.Set("ETag", c.h.History.tag())
	header.Set("Accept-Ranges", "bytes")
}

// beginRange looks at the Range header. Ranges to the end of the content are
// served; others may be ignored, as any Range may
// (https://www.rfc-editor.org/rfc/rfc9110#section-14.2).
func (c *client) beginRange(header http.Header, r *http.Request) (status int) {
	text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	text, open := strings.CutSuffix(text, "-")
	if !ok || !open || r.Method != http.MethodGet || !c.exact() {
		return 0
	}
	unsigned, err := strconv.ParseUint(text, 10, 63) // no sign, as the standard has it
	if err != nil {
		return 0
	}
	offset := int64(unsigned)
	if match := r.Header.Get("If-Range"); match != "" && match != c.h.History.tag() {
		return 0
	}
	size := c.h.History.size()
	if offset >= size {
		header.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return http.StatusRequestedRangeNotSatisfiable
	}
	header.Set("Content-Range", "bytes "+text+"-"+strconv.FormatInt(size-1, 10)+"/"+strconv.FormatInt(size, 10))
	place, skip := c.h.History.atOffset(offset)
	if skip > 0 {
		b, _ := place.next()
		c.prelude = append(c.prelude, b.text(b.from)[skip:]...)
		place.index = b.from + 1
	}
	c.place = place
	c.status = http.StatusPartialContent
	return 0
}

func appendEvent(dst []byte, typ, data string) []byte {
	event := stream.Event{Type: typ, Data: data}
	dst, _ = event.AppendText(dst) // the types are ours
	return dst
}
