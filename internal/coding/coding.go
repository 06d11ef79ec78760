// Package coding decodes the content codings of HTTP as a stream comes in: bytes
// that a server flushed can be read without waiting for more.
package coding

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Accepted is the Accept-Encoding header for all codings that NewReader decodes.
const Accepted = "gzip, deflate, br, zstd"

// maxWindow bounds the memory that a zstd stream may claim: the most that
// https://www.rfc-editor.org/rfc/rfc9659 lets a server ask for.
const maxWindow = 8 << 20

// Of returns the content coding of a response, "" if there is none. The
// codings "identity" and "none" stand for none, though no standard has the
// second: GraphQL Yoga sends it to keep compressors away.
func Of(header http.Header) string {
	var codings []string
	for _, value := range header["Content-Encoding"] {
		for coding := range strings.SplitSeq(value, ",") {
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding != "" && coding != "identity" && coding != "none" {
				codings = append(codings, coding)
			}
		}
	}
	return strings.Join(codings, ", ")
}

// NewReader returns a reader that undoes a content coding, as [Of] returns it.
// It waits for the first bytes. Close frees the decoder, but does not close r.
func NewReader(coding string, r io.Reader) (io.ReadCloser, error) {
	switch coding {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err // and not a *gzip.Reader that is nil
		}
		return z, nil
	case "deflate":
		return newDeflateReader(r)
	case "br":
		return io.NopCloser(brotli.NewReader(r)), nil
	case "zstd":
		d, err := newZstdReader(r)
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("content coding %q is none of gzip, deflate, br, zstd", coding)
}

func newZstdReader(r io.Reader) (*zstd.Decoder, error) {
	// One goroutine, that of the caller, is enough for a stream.
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// newDeflateReader reads the zlib form, which the standard means by deflate
// (https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.2), or the bare form,
// which some servers take it for.
func newDeflateReader(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReader(r)
	head, err := br.Peek(2)
	switch {
	case err == io.EOF && len(head) > 0:
		return nil, io.ErrUnexpectedEOF // a cut, and no end
	case err != nil:
		return nil, err
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(br)
	}
	return flate.NewReader(br), nil
}
