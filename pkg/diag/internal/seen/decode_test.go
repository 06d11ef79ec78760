package seen

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"testing"
)

// TestDecodePrefixesOfBomb wants the readable part never to shrink as more
// bytes come, also where there is too much to try each prefix.
func TestDecodePrefixesOfBomb(t *testing.T) {
	var body bytes.Buffer
	zw := gzip.NewWriter(&body)
	io.Copy(zw, io.LimitReader(zeros{}, maxPlain+1<<20))
	zw.Close()
	var ends []int
	for end := body.Len() / 2; end < body.Len(); end += 500 {
		ends = append(ends, end)
	}
	plain, plainEnds, err := decodePrefixes("gzip", body.Bytes(), append(ends, body.Len()), maxPlain)
	if err != nil || len(plain) != maxPlain {
		t.Fatalf("%d bytes, %v", len(plain), err)
	}
	if !slices.IsSorted(plainEnds) || plainEnds[len(plainEnds)-1] != maxPlain {
		t.Errorf("readable bytes shrink: %v", plainEnds)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
