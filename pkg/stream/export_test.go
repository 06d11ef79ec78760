package stream

// StartSmall makes the decoder start with a buffer of n bytes and look at as many
// at once, so that short inputs in tests make it move and grow the buffer too.
func (d *Decoder) StartSmall(n int) { d.buf, d.piece = make([]byte, n+loadSize), n }
