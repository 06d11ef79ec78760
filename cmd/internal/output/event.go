package output

import (
	"bytes"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// An EventFormat appends a block, which was complete at a time, in the form for a
// reader. A block that has nothing to show in that form appends nothing.
type EventFormat func(dst []byte, b *stream.Block, at time.Time) []byte

// EventOptions say for whom events are formatted.
type EventOptions struct {
	Terminal bool // bytes of the server must not control it
	Colors   term.Colors
	Width    int  // columns to fold long text to, 0 for any
	Pretty   bool // indent JSON data
}

// EventFormats are the forms of an event by name. Each call returns a format for
// one stream, whose state, such as the time of the event before, is in the closure.
var EventFormats = map[string]func(EventOptions) EventFormat{
	"text": newTextFormat,
	"json": newJSONFormat,
	"data": newDataFormat,
	"raw":  newRawFormat,
}

// newJSONFormat returns the JSON lines that serve reads. For a terminal,
// characters that change the direction of text are escaped too, as JSON does it.
func newJSONFormat(options EventOptions) EventFormat {
	var lines record.Writer
	return func(dst []byte, b *stream.Block, at time.Time) []byte {
		if _, comment := b.Comment(); !comment && !b.IsEvent() && !b.HasID() {
			if _, retry := b.Retry(); !retry {
				return dst
			}
		}
		start := len(dst)
		dst = lines.AppendBlock(dst, b, at)
		if options.Terminal && !isPlain(dst[start:len(dst)-1]) {
			line := bytes.Clone(dst[start : len(dst)-1])
			dst = append(AppendSafe(dst[:start], line), '\n')
		}
		return dst
	}
}

// newDataFormat returns the data of events, ended by a line feed.
func newDataFormat(options EventOptions) EventFormat {
	return func(dst []byte, b *stream.Block, _ time.Time) []byte {
		if !b.IsEvent() {
			return dst
		}
		return append(AppendText(dst, b.Data(), options.Terminal), '\n')
	}
}

// newRawFormat returns the bytes as they came.
func newRawFormat(options EventOptions) EventFormat {
	return func(dst []byte, b *stream.Block, _ time.Time) []byte {
		if options.Terminal {
			return AppendText(dst, b.Raw(), true)
		}
		return append(dst, b.Raw()...)
	}
}

// AppendText appends text that a server sent, with its lines. For a terminal it
// is made safe line by line; else malformed UTF-8 alone is replaced.
func AppendText(dst, text []byte, terminal bool) []byte {
	if !terminal {
		return stream.AppendValid(dst, text)
	}
	for start := 0; start < len(text); {
		end := start
		for end < len(text) && text[end] != '\n' {
			end++
		}
		dst = AppendSafe(dst, text[start:end])
		if end < len(text) {
			dst = append(dst, '\n')
		}
		start = end + 1
	}
	return dst
}
