package window

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// WriteSSE writes the stream of an exchange as it came, without secrets, as far as
// it is kept.
func (l *Log) WriteSSE(w io.Writer, number int64) error {
	events, _ := l.Events(number, 0, -1)
	var text []byte
	for i := range events.Records {
		var err error
		if text, err = events.Records[i].AppendText(text[:0]); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// WriteJSONLines writes an exchange as a recording, which "ssectl serve" replays.
func (l *Log) WriteJSONLines(w io.Writer, number int64) error {
	d, ok := l.Detail(number)
	if !ok {
		return nil
	}
	events, _ := l.Events(number, 0, -1)
	lines := record.NewWriter(w)
	meta := func(at time.Time, facts any) error {
		text, err := json.Marshal(facts)
		if err != nil {
			return err
		}
		return lines.Write(&record.Record{Time: at, Meta: text})
	}
	err := meta(d.Time, map[string]any{"request": map[string]any{"method": d.Method, "url": d.URL}})
	if err == nil && d.Status != 0 {
		err = meta(after(d.Time, d.Headers), map[string]any{"response": map[string]any{"status": d.Status, "protocol": d.Proto}})
	}
	for i := 0; err == nil && i < len(events.Records); i++ {
		err = lines.Write(&events.Records[i])
	}
	if err == nil && d.Ended != "" {
		err = meta(after(d.Time, d.Total), map[string]any{"ended": d.Ended})
	}
	return err
}

func after(start time.Time, ms *float64) time.Time {
	if ms == nil {
		return start
	}
	return start.Add(time.Duration(*ms * float64(time.Millisecond)))
}

// WriteHAR writes exchanges as a HAR file; those that are not kept are left out.
func (l *Log) WriteHAR(w io.Writer, version string, numbers ...int64) error {
	har := record.NewHARWriter(w, "ssectl", version)
	end := time.Time{}
	for _, number := range numbers {
		d, ok := l.Detail(number)
		if !ok {
			continue
		}
		events, _ := l.Events(number, 0, -1)
		har.Begin(harExchange(&d))
		decoder := stream.NewDecoder(nil)
		for i := range events.Records {
			if err := harBlock(har, decoder, &events.Records[i]); err != nil {
				return err
			}
		}
		end = after(d.Time, d.Total)
		har.End(end)
		if err := har.Flush(); err != nil {
			return err
		}
	}
	return har.Close(end)
}

// harBlock adds the block of a record.
func harBlock(har *record.HARWriter, decoder *stream.Decoder, r *record.Record) error {
	text, err := r.AppendText(nil)
	if err != nil {
		return err
	}
	decoder.Reset(&oneRead{text})
	for block, err := range decoder.Blocks() {
		if err != nil {
			return fmt.Errorf("har: %w", err)
		}
		har.Block(block, r.Time)
	}
	return nil
}

// A oneRead is a reader of a text.
type oneRead struct{ text []byte }

func (r *oneRead) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

func harExchange(d *Detail) *record.HARExchange {
	x := &record.HARExchange{
		Asked: d.Time, Answered: after(d.Time, d.Headers), Method: d.Method, URL: d.URL, Proto: d.Proto,
		RequestHeader: headerOf(d.RequestHeader), Status: d.Status, StatusText: http.StatusText(d.Status),
		ResponseHeader: headerOf(d.ResponseHeader),
	}
	x.ContentType = http.Header(x.ResponseHeader).Get("Content-Type")
	if d.RequestBody != nil {
		x.RequestSize, x.RequestBody = d.RequestBody.Size, d.RequestBody.Text
	}
	if d.ResponseBody != nil {
		x.Body = d.ResponseBody.Text
	}
	return x
}

func headerOf(lines [][2]string) map[string][]string {
	header := map[string][]string{}
	for _, line := range lines {
		header[line[0]] = append(header[line[0]], line[1])
	}
	return header
}

// A Transcript is what a person reads in a stream: its deltas put together.
type Transcript struct {
	Service string `json:"service"` // whose stream it is
	Parts   []Part `json:"parts"`
}

// A Part is a part of a [Transcript].
type Part struct {
	Kind string `json:"kind"` // text, thinking or tool
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
}

// Transcript puts a stream together by means of read, and takes the secrets out
// that show only then.
func (l *Log) Transcript(number int64, read func([]record.Record) Transcript) (Transcript, bool) {
	events, ok := l.Events(number, 0, -1)
	l.mu.Lock()
	e := l.find(number)
	l.mu.Unlock()
	if !ok || e == nil {
		return Transcript{}, false
	}
	t := read(events.Records)
	for i := range t.Parts {
		t.Parts[i].Name = e.secrets.text(t.Parts[i].Name, false)
		t.Parts[i].Text = e.secrets.text(t.Parts[i].Text, false)
	}
	return t, true
}
