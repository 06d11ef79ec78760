package record

import (
	"bytes"
	"testing"
)

// FuzzEscapeBlocks compares the escaping by blocks with that without, into buffers
// with much room and with little.
func FuzzEscapeBlocks(f *testing.F) {
	if !hasBlocks {
		f.Skip("this processor has no shuffle")
	}
	f.Add([]byte(`{"a":"b\\c","d":[1,2,3],"note":"the tide comes in over grey sand"}`), 3)
	f.Add(bytes.Repeat([]byte{'"'}, 64), 40)
	f.Add([]byte("0123456789abcdef\x1f\x7f\x80\xff\u00e9 0123456789abcdef\""), 0)
	f.Fuzz(func(t *testing.T, text []byte, room int) {
		hasBlocks = false
		want := appendEscaped(nil, text, 0)
		hasBlocks = true
		for _, dst := range [][]byte{nil, make([]byte, 0, room&0x3ff), make([]byte, 0, 8*len(text)+64)} {
			if got := appendEscaped(dst, text, 0); !bytes.Equal(got, want) {
				t.Fatalf("%q with room for %d:\ngot  %q\nwant %q", text, cap(dst), got, want)
			}
		}
		for at := range min(len(text), 20) { // any alignment
			hasBlocks = false
			want := appendEscaped([]byte("x"), text, at)
			hasBlocks = true
			if got := appendEscaped([]byte("x"), text, at); !bytes.Equal(got, want) {
				t.Fatalf("%q from %d:\ngot  %q\nwant %q", text, at, got, want)
			}
		}
	})
}

// TestEscapeEveryByte has each byte at each place of a block.
func TestEscapeEveryByte(t *testing.T) {
	if !hasBlocks {
		t.Skip("this processor has no shuffle")
	}
	for c := range 256 {
		for at := range 33 {
			text := bytes.Repeat([]byte("x"), 48)
			text[at], text[47-at] = byte(c), '"'
			hasBlocks = false
			want := appendEscaped(nil, text, 0)
			hasBlocks = true
			if got := appendEscaped(nil, text, 0); !bytes.Equal(got, want) {
				t.Fatalf("%q: got %q, want %q", text, got, want)
			}
		}
	}
}
