package record

import (
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// A Record is one block of an event stream, or a note about the recording.
type Record struct {
	stream.Event      // the fields of the block; Type and Data only if IsEvent
	IsEvent      bool // dispatches an event
	Comment      string
	HasComment   bool

	Time  time.Time     // when its last byte was read; zero if unknown
	Delay time.Duration // wait before this record; only in files written by hand

	// Raw is sent in place of the canonical encoding, nil if that is the
	// same. A reader drops the raw bytes of a record that differ in meaning
	// from its other keys: those were edited since.
	Raw        []byte
	Incomplete bool // the stream ended before the block did

	Meta []byte // a JSON object about the recording; nil for a record of the stream
}

// hasFields reports whether the record has any field that a block can have.
func (r *Record) hasFields() bool {
	return r.IsEvent || r.HasComment || r.ID != "" || r.HasID || r.Retry != 0 || r.HasRetry
}

// equals reports whether two records have the same fields.
func (r *Record) equals(other *Record) bool {
	return r.Event == other.Event && r.IsEvent == other.IsEvent && r.Comment == other.Comment &&
		r.HasComment == other.HasComment && !r.Incomplete
}
