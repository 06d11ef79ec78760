package coding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

func TestOf(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "none": "", "Identity": "", "GZIP": "gzip", " br ": "br", "identity, gzip": "gzip", "gzip, br": "gzip, br",
	} {
		if got := Of(http.Header{"Content-Encoding": {value}}); got != want {
			t.Errorf("Of(%q) is %q, want %q", value, got, want)
		}
	}
}

// TestNewReader reads each coding from its first byte on, bare deflate too.
func TestNewReader(t *testing.T) {
	const text = "data: hello\n\n"
	for _, test := range []struct {
		name, coding string
		open         func(w io.Writer) io.WriteCloser
	}{
		{"gzip", "gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }},
		{"zlib", "deflate", func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }},
		{"bare deflate", "deflate", func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, -1); return f }},
		{"br", "br", func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }},
		{"zstd", "zstd", func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }},
	} {
		var packed bytes.Buffer
		w := test.open(&packed)
		io.WriteString(w, text)
		w.Close()
		for n := 1; n < packed.Len(); n++ { // a cut is an error, wherever it is
			cut, err := NewReader(test.coding, bytes.NewReader(packed.Bytes()[:n]))
			if err == nil {
				_, err = io.ReadAll(cut)
			}
			if err == nil || err == io.EOF {
				t.Errorf("%s: %d of %d bytes are taken for all", test.name, n, packed.Len())
			}
		}
		r, err := NewReader(test.coding, &packed)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for _, coding := range []string{"gzip", "deflate", "x"} {
		if r, err := NewReader(coding, strings.NewReader("x")); err == nil || r != nil {
			t.Errorf("%s: %v, %v, want an error and no reader", coding, r, err)
		}
	}
}
