package stream

// StartSmall makes the decoder start with a buffer of n bytes, so that short
// inputs in tests make it move and grow the buffer too.
func (d *Decoder) StartSmall(n int) { d.buf = make([]byte, n+loadSize) }
