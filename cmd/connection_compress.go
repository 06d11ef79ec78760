package cmd

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

// maxWindow bounds what a zstd stream may make us keep: the most that
// https://www.rfc-editor.org/rfc/rfc9659 lets a server ask for.
const maxWindow = 8 << 20

// decompressing asks for a compressed response and decodes it as it comes: what
// the server flushed can be read without waiting for more.
type decompressing struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t decompressing) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Header["Accept-Encoding"]; !ok {
		req = req.Clone(req.Context())
		req.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp.Header.Get("Content-Encoding") == "" {
		return resp, err
	}
	resp.Body = &decodedBody{encoding: strings.ToLower(resp.Header.Get("Content-Encoding")), body: resp.Body}
	resp.ContentLength = -1
	return resp, nil
}

// A decodedBody decodes a body. It opens the decoder at the first read, because
// that waits for bytes, and the headers of a stream come long before.
type decodedBody struct {
	encoding string
	body     io.ReadCloser
	decoder  io.Reader
	close    func()
	err      error
}

func (b *decodedBody) Read(p []byte) (int, error) {
	if b.decoder == nil && b.err == nil {
		b.decoder, b.err = b.open()
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.decoder.Read(p)
}

// Close closes the body as well.
func (b *decodedBody) Close() error {
	err := b.body.Close()
	if b.close != nil {
		b.close()
	}
	return err
}

func (b *decodedBody) open() (io.Reader, error) {
	switch b.encoding {
	case "gzip", "x-gzip":
		return gzip.NewReader(b.body)
	case "deflate":
		return newDeflateReader(b.body)
	case "br":
		return brotli.NewReader(b.body), nil
	case "zstd":
		// One goroutine, ours, is enough for a stream.
		d, err := zstd.NewReader(b.body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		b.close = d.Close
		return d, nil
	case "identity":
		return b.body, nil
	}
	return nil, fmt.Errorf("content encoding %q is none of gzip, deflate, br, zstd", b.encoding)
}

// newDeflateReader reads the zlib form, which the standard means by deflate
// (https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.2), or the bare form,
// which some servers take it for.
func newDeflateReader(r io.Reader) (io.Reader, error) {
	br := bufio.NewReader(r)
	head, err := br.Peek(2)
	if err != nil {
		return nil, err
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(br)
	}
	return flate.NewReader(br), nil
}
