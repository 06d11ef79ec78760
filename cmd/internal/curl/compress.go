package curl

import (
	"io"
	"net/http"

	"github.com/ssectl/ssectl/internal/coding"
)

// decompressing asks for a compressed response and decodes it as it comes.
type decompressing struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t decompressing) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Header["Accept-Encoding"]; !ok {
		req = req.Clone(req.Context())
		req.Header.Set("Accept-Encoding", coding.Accepted)
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	if coding := coding.Of(resp.Header); coding != "" {
		resp.Body = &decodedBody{coding: coding, body: resp.Body}
		resp.ContentLength = -1
	}
	return resp, nil
}

// A decodedBody decodes a body. It opens the decoder at the first read, because
// that waits for bytes, and the headers of a stream come long before. Only the
// goroutine that reads may close it; others cancel the request.
type decodedBody struct {
	coding  string
	body    io.ReadCloser
	decoder io.ReadCloser
	err     error
}

func (b *decodedBody) Read(p []byte) (int, error) {
	if b.decoder == nil && b.err == nil {
		b.decoder, b.err = coding.NewReader(b.coding, b.body)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.decoder.Read(p)
}

// Close closes the body as well.
func (b *decodedBody) Close() error {
	err := b.body.Close()
	if b.decoder != nil {
		b.decoder.Close()
	}
	return err
}
