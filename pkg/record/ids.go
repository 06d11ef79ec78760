package record

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strconv"
)

// IDs is how [NumberIDs] treats the IDs of events.
type IDs string

// The choices for [NumberIDs].
const (
	IDsKeep IDs = "keep" // they stay as they are, if any
	IDsAuto IDs = "auto" // events without one are numbered by their place in the input
	IDsNone IDs = "none" // they are removed
)

// NumberIDs returns the records with the IDs that mode asks for. An automatic ID
// is the place of the event in the input, or one more than the ID before it if
// that is a larger number. An ID of the input that is a number but not above the
// automatic one before it is a [*LineError]: two events could have it.
func NumberIDs(records iter.Seq2[Record, error], mode IDs) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if !slices.Contains([]IDs{"", IDsKeep, IDsAuto, IDsNone}, mode) {
			yield(Record{}, fmt.Errorf("unknown treatment of IDs %q: want keep, auto or none", mode))
			return
		}
		var n numbering
		for r, err := range records {
			if err == nil {
				err = n.apply(&r, mode)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// A numbering is the state of automatic IDs.
type numbering struct {
	place  int64 // of the event in the input
	number int64 // highest ID so far
	auto   int64 // latest automatic ID
}

func (n *numbering) apply(r *Record, mode IDs) error {
	if mode == IDsNone {
		r.ID, r.HasID = "", false
		r.Raw = withoutIDs(r.Raw)
	}
	if mode != IDsAuto {
		return nil
	}
	if r.IsEvent {
		n.place++
	}
	switch id, err := strconv.ParseInt(r.ID, 10, 64); {
	case r.ID == "" && r.IsEvent && !r.HasID:
		n.number = max(n.number+1, n.place)
		n.auto = n.number
		r.ID, r.HasID = strconv.FormatInt(n.auto, 10), true
		r.Raw = withID(r.Raw, r.ID)
	case err == nil && id > 0 && id <= n.auto:
		return &LineError{Line: int(n.place), Err: fmt.Errorf("ID %q is not above the automatic ID %d before it", r.ID, n.auto)}
	case err == nil:
		n.number = max(n.number, id)
	}
	return nil
}

// withID puts an ID in front of the fields of a block. Line ends in front of them
// may be the rest of the block before: an LF whose CR came earlier.
func withID(raw []byte, id string) []byte {
	if raw == nil {
		return nil
	}
	fields := bytes.TrimLeft(bytes.TrimPrefix(raw, bom), "\r\n")
	before := raw[:len(raw)-len(fields)]
	return slices.Concat(before, []byte("id: "+id+"\n"), fields)
}

// withoutIDs returns the lines of raw but for the id fields.
func withoutIDs(raw []byte) []byte {
	if raw == nil {
		return nil
	}
	kept := []byte{}
	if rest, ok := bytes.CutPrefix(raw, bom); ok {
		kept, raw = append(kept, bom...), rest
	}
	for len(raw) > 0 {
		end := len(raw)
		if i := bytes.IndexAny(raw, "\r\n"); i >= 0 {
			end = i + 1
			if raw[i] == '\r' && end < len(raw) && raw[end] == '\n' {
				end++
			}
		}
		line := raw[:end]
		raw = raw[end:]
		name, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if string(name) != "id" {
			kept = append(kept, line...)
		}
	}
	return kept
}
