package record

// hasBlocks reports whether escapeBlocks can run.
var hasBlocks = hasSSSE3()

// hasSSSE3 reports whether the processor can shuffle bytes, as all since 2006 and 2011
// can, of Intel and of AMD.
func hasSSSE3() bool

// escapeBlocks escapes blocks of blockSize bytes of src, up to the first one that has
// more to escape than quotes and backslashes. It returns how many it did, and how many
// bytes it wrote. It may overwrite 32 bytes of dst for each block.
func escapeBlocks(dst, src *byte, blocks int) (done, written int) {
	return shuffleBlocks(dst, src, blocks, &shuffles)
}

//go:noescape
func shuffleBlocks(dst, src *byte, blocks int, tables *shuffleTables) (done, written int)

// shuffleTables are for sets of quotes and backslashes among eight bytes.
type shuffleTables struct {
	// places are where the bytes of the escaped text come from: 0 to 7 are those of
	// the text, 8 is a backslash.
	places [256][16]byte

	quote, backslash, del, control [16]byte // one byte over and over

	sizes [256]byte // of the escaped texts
}

var shuffles = newShuffleTables()

func newShuffleTables() (t shuffleTables) {
	for i := range 16 {
		t.quote[i], t.backslash[i], t.del[i], t.control[i] = '"', '\\', 0x7f, 0x1f
	}
	for marks := range 256 {
		n := 0
		for i := range byte(8) {
			if marks>>i&1 == 1 {
				t.places[marks][n] = 8
				n++
			}
			t.places[marks][n] = i
			n++
		}
		t.sizes[marks] = byte(n)
	}
	return t
}
