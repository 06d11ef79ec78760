//go:build !amd64

package record

const hasBlocks = false

func escapeBlocks(dst, src *byte, blocks int) (done, written int) { return 0, 0 }
