package record

import "math/bits"

// hasBlocks reports whether escapeBlocks can run.
var hasBlocks = hasSSSE3()

// hasSSSE3 reports whether the processor can shuffle bytes, as all since 2006 and 2011
// can, of Intel and of AMD.
func hasSSSE3() bool

// escapeBlocks escapes blocks of blockSize bytes of src, up to the first one that has more
// to escape than quotes and backslashes. It returns how many it did, and how many
// bytes it wrote. It may overwrite 32 bytes of dst for each block.
//
//go:noescape
func escapeBlocks(dst, src *byte, blocks int) (done, written int)

// escapeShuffles has, for each set of marked bytes among eight, the places that the
// bytes of the escaped text come from: 0 to 7 of the text, 8 a backslash. escapeSizes
// has its size.
var (
	escapeShuffles = shuffles()
	escapeSizes    = sizes()

	escapeQuote, escapeBackslash = all('"'), all('\\')
	escapeDelete, escapeControl  = all(0x7f), all(0x1f)
)

func all(c byte) (block [16]byte) {
	for i := range block {
		block[i] = c
	}
	return block
}

func shuffles() (table [256][16]byte) {
	for marks := range table {
		n := 0
		for i := range byte(8) {
			if marks>>i&1 == 1 {
				table[marks][n] = 8
				n++
			}
			table[marks][n] = i
			n++
		}
	}
	return table
}

func sizes() (table [256]byte) {
	for marks := range table {
		table[marks] = byte(8 + bits.OnesCount(uint(marks)))
	}
	return table
}
