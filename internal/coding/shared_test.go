package coding

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// TestNewSharedReader decodes bodies one after the other, of which some are cut or
// damaged: none may show in the next.
func TestNewSharedReader(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 2000 {
		text := make([]byte, random.IntN(3000))
		for j := range text {
			text[j] = "data: x\n"[random.IntN(8)]
		}
		var packed bytes.Buffer
		var w io.WriteCloser = brotli.NewWriterLevel(&packed, 1)
		coding := "br"
		if random.IntN(2) == 0 {
			coding = "zstd"
			w, _ = zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
		}
		w.Write(text)
		w.Close()
		body := packed.Bytes()
		whole := true
		switch random.IntN(4) {
		case 0:
			body, whole = body[:random.IntN(len(body))], false
		case 1:
			body[random.IntN(len(body))] ^= 1 << random.IntN(8)
			whole = false
		}
		r, err := NewSharedReader(coding, bytes.NewReader(body))
		if err != nil {
			t.Fatalf("seed %d, body %d: %v", seed, i, err)
		}
		got, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if whole && (err != nil || !bytes.Equal(got, text)) {
			t.Fatalf("seed %d, body %d, %s: %q, %v, want %q", seed, i, coding, got, err, text)
		}
		r.Close()
		if _, err := r.Read(make([]byte, 1)); err != io.ErrClosedPipe {
			t.Fatalf("a closed reader reads: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
