package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// HAR files are described at http://www.softwareishard.com/blog/har-12-spec/.
// Chromium adds a list of the events of an EventSource to an entry, by the time
// they came; other browsers, and other requests, have the text of the response.

// A HARExchange is a request and the head of its response, as a HAR file has
// them. The caller replaces the secrets in headers and URLs.
type HARExchange struct {
	Asked    time.Time // when the request was sent
	Answered time.Time // when the head of the response was there

	Method, URL    string
	Proto          string // "HTTP/1.1"
	RequestHeader  map[string][]string
	RequestSize    int64  // of the body, in bytes
	RequestBody    string // empty if it is not to be in the file
	Status         int
	StatusText     string
	ResponseHeader map[string][]string
	ContentType    string
	Body           string // of a response that is no event stream
}

// A HARWriter writes a HAR file as the developer tools of Chromium do for an
// EventSource: one entry for each exchange, with its events. It keeps no more
// than the text since the last [HARWriter.Flush], and nothing is written before
// the first exchange.
type HARWriter struct {
	w       io.Writer
	pending []byte
	err     error

	open            bool // an entry is
	entries, events int  // so far; in the open entry
	asked, answered time.Time
	lastID          []byte
}

// NewHARWriter returns a HARWriter that writes to w. The file names the program
// that made it and its version.
func NewHARWriter(w io.Writer, program, version string) *HARWriter {
	h := &HARWriter{w: w}
	h.text(`{"log":{"version":"1.2","creator":`)
	h.json(harCreator{program, version})
	h.text(`,"pages":[],"entries":[`)
	return h
}

// Begin begins the entry of an exchange, and ends the one before.
func (h *HARWriter) Begin(x *HARExchange) {
	h.End(x.Asked)
	if h.entries > 0 {
		h.text(",")
	}
	h.open, h.asked, h.answered, h.events = true, x.Asked, x.Answered, 0
	h.entries++
	kind := "eventsource"
	if x.Body != "" {
		kind = "fetch"
	}
	h.text(`{"_resourceType":"` + kind + `","cache":{},"startedDateTime":`)
	h.json(x.Asked.UTC().Format(time.RFC3339Nano))
	h.text(`,"request":`)
	h.json(harRequest{
		Method: x.Method, URL: x.URL, HTTPVersion: x.Proto, Headers: harHeaders(x.RequestHeader),
		QueryString: []harPair{}, Cookies: []harPair{}, HeadersSize: -1, BodySize: x.RequestSize, PostData: postData(x),
	})
	h.text(`,"response":`)
	h.json(harResponse{
		Status: x.Status, StatusText: x.StatusText, HTTPVersion: x.Proto, Headers: harHeaders(x.ResponseHeader),
		Cookies: []harPair{}, Content: harContent{MimeType: x.ContentType, Size: len(x.Body), Text: x.Body}, HeadersSize: -1, BodySize: -1,
	})
	h.text(`,"_eventSourceMessages":[`)
}

// Block adds the event of a block, if it is one. It also keeps the last event
// ID, so give it all blocks of the stream.
func (h *HARWriter) Block(b *stream.Block, at time.Time) {
	if b.HasID() {
		h.lastID = append(h.lastID[:0], b.ID()...)
	}
	if !b.IsEvent() || !h.open {
		return
	}
	if h.events > 0 {
		h.text(",")
	}
	h.events++
	h.text("\n{\"time\":")
	h.pending = strconv.AppendFloat(h.pending, float64(at.UnixMicro())/1e6, 'f', 6, 64)
	h.text(`,"eventName":`)
	h.pending = AppendString(h.pending, b.Type())
	h.text(`,"eventId":`)
	h.pending = AppendString(h.pending, h.lastID)
	h.text(`,"data":`)
	h.pending = AppendString(h.pending, b.Data())
	h.text("}")
}

// End ends the entry of the exchange, if one is open.
func (h *HARWriter) End(at time.Time) {
	if !h.open {
		return
	}
	h.open = false
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	h.text(`],"timings":`)
	h.json(harTimings{Wait: ms(h.answered.Sub(h.asked)), Receive: ms(at.Sub(h.answered))})
	h.text(`,"time":`)
	h.json(ms(at.Sub(h.asked)))
	h.text("}\n")
}

// Pending returns how many bytes the next [HARWriter.Flush] writes.
func (h *HARWriter) Pending() int { return len(h.pending) }

// Flush writes the text so far, if there was an exchange. The error of a write
// stays.
func (h *HARWriter) Flush() error {
	if h.entries == 0 {
		return nil
	}
	if h.err == nil && len(h.pending) > 0 {
		_, h.err = h.w.Write(h.pending)
	}
	h.pending = h.pending[:0]
	return h.err
}

// Close ends the open entry and the file. It does not close the underlying
// writer.
func (h *HARWriter) Close(at time.Time) error {
	h.End(at)
	h.text("]}}\n")
	return h.Flush()
}

func (h *HARWriter) text(s string) { h.pending = append(h.pending, s...) }

func (h *HARWriter) json(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		h.err = err
	}
	h.pending = append(h.pending, text...)
}

// harHeaders lists headers by name.
func harHeaders(header map[string][]string) []harPair {
	pairs := []harPair{}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			pairs = append(pairs, harPair{name, value})
		}
	}
	return pairs
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harRequest struct {
	Method      string    `json:"method"`
	URL         string    `json:"url"`
	HTTPVersion string    `json:"httpVersion"`
	Headers     []harPair `json:"headers"`
	QueryString []harPair `json:"queryString"`
	Cookies     []harPair `json:"cookies"`
	HeadersSize int       `json:"headersSize"`
	BodySize    int64     `json:"bodySize"`

	PostData *harPostData `json:"postData,omitempty"`
}

type harPostData struct {
	MimeType string `json:"mimeType"`
	Text     string `json:"text"`
}

func postData(x *HARExchange) *harPostData {
	if x.RequestBody == "" {
		return nil
	}
	return &harPostData{MimeType: strings.Join(x.RequestHeader["Content-Type"], ", "), Text: x.RequestBody}
}

type harContent struct {
	Size     int    `json:"size"`
	MimeType string `json:"mimeType"`
	Text     string `json:"text,omitempty"`
	Encoding string `json:"encoding,omitempty"` // only read
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	HTTPVersion string     `json:"httpVersion"`
	Headers     []harPair  `json:"headers"`
	Cookies     []harPair  `json:"cookies"`
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int        `json:"bodySize"`
}

type harTimings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

// A harFile is the part of a HAR file that has event streams.
type harFile struct {
	Log struct {
		Entries []struct {
			Messages []harMessage `json:"_eventSourceMessages"`
			Response struct {
				Content harContent `json:"content"`
			} `json:"response"`
		} `json:"entries"`
	} `json:"log"`
}

type harMessage struct {
	Time float64 `json:"time"` // seconds
	Type string  `json:"eventName"`
	ID   string  `json:"eventId"` // the last event ID in force
	Data string  `json:"data"`
}

// maxHAR bounds a HAR file, which has to be read whole.
const maxHAR = 1 << 30

var errNoStream = errors.New("har: no event stream in it")

// readHAR reads all event streams of a HAR file, one after the other.
func readHAR(r io.Reader) (iter.Seq2[Record, error], error) {
	var file harFile
	decoder := json.NewDecoder(io.LimitReader(r, maxHAR))
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("har: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("har: something follows the archive at byte %d", decoder.InputOffset())
	}
	var streams []iter.Seq2[Record, error]
	for _, e := range file.Log.Entries {
		content := &e.Response.Content
		switch {
		case len(e.Messages) > 0:
			streams = append(streams, readHARMessages(e.Messages))
		case !stream.IsEventStream(content.MimeType) || content.Text == "":
		case content.Encoding == "base64":
			text, err := base64.StdEncoding.DecodeString(content.Text)
			if err != nil {
				return nil, fmt.Errorf("har: %w", err)
			}
			streams = append(streams, readSSE(bytes.NewReader(text), maxHAR))
		default:
			streams = append(streams, readSSE(strings.NewReader(content.Text), maxHAR))
		}
	}
	if len(streams) == 0 {
		return nil, errNoStream
	}
	return func(yield func(Record, error) bool) {
		for _, records := range streams {
			for r, err := range records {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}, nil
}

func readHARMessages(messages []harMessage) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		lastID := ""
		for _, m := range messages {
			seconds, fraction := math.Modf(m.Time)
			r := Record{
				IsEvent: true,
				Event:   stream.Event{Type: m.Type, Data: m.Data},
				Time:    time.Unix(int64(seconds), int64(fraction*1e9)),
			}
			if m.ID != lastID {
				// The browser notes the last event ID in force; the stream
				// had it where it changed.
				r.ID, r.HasID = m.ID, true
				lastID = m.ID
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}
