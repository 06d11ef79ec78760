package listencmd

import (
	"io"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A har is the file of --save-har: one entry for each connection, without
// secrets.
type har struct {
	*record.HARWriter
	w        io.WriteCloser
	req      *http.Request
	response func() *http.Response
	asked    time.Time
	err      error
}

func newHAR(w io.WriteCloser, req *http.Request, version string, response func() *http.Response) *har {
	return &har{HARWriter: record.NewHARWriter(w, "ssectl", version), w: w, req: req, response: response, asked: time.Now()}
}

func (h *har) change(change listen.Change, at time.Time) {
	switch change.(type) {
	case listen.Connected:
		h.begin(at)
	case listen.Dropped:
		h.End(at)
	case listen.Waiting:
		h.asked = at
	}
}

func (h *har) begin(at time.Time) {
	resp := h.response()
	if resp == nil {
		return
	}
	h.Begin(&record.HARExchange{
		Asked: h.asked, Answered: at,
		Method: resp.Request.Method, URL: redact.URL(resp.Request.URL), Proto: resp.Proto,
		RequestHeader: shown(resp.Request.Header, redact.RequestHeader), RequestSize: max(h.req.ContentLength, 0),
		Status: resp.StatusCode, StatusText: http.StatusText(resp.StatusCode),
		ResponseHeader: shown(resp.Header, redact.ResponseHeader), ContentType: resp.Header.Get("Content-Type"),
	})
}

// shown returns a header with the values that show returns.
func shown(header http.Header, show func(name, value string) string) http.Header {
	copied := http.Header{}
	for name, values := range header {
		for _, value := range values {
			copied[name] = append(copied[name], show(name, value))
		}
	}
	return copied
}

func (h *har) block(b *stream.Block, at time.Time) {
	h.Block(b, at)
	if h.Pending() > maxPending {
		h.err = h.flush()
	}
}

func (h *har) flush() error {
	if h.err == nil {
		h.err = wrapWrite("--save-har", h.Flush())
	}
	return h.err
}

func (h *har) end(string) error {
	if h.err != nil { // which ended the run, and was reported
		h.w.Close()
		return nil
	}
	err := wrapWrite("--save-har", h.Close(time.Now()))
	if closing := h.w.Close(); err == nil {
		err = wrapWrite("--save-har", closing)
	}
	return err
}
