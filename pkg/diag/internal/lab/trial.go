package lab

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
)

// A Trial is one set-up with one kind of traffic: what was so, and what diag
// made of it.
type Trial struct {
	Setup   string
	Traffic Traffic
	Fault   Fault

	Events  int           // that the lab's own listener saw, or should have
	Hold    time.Duration // nine of ten events were held no longer
	Headers time.Duration // until the headers were there

	Found   []string // checks of buffering that failed or warned
	Failed  bool     // one of them failed
	Resume  string
	Others  []string // other checks that failed or warned
	Remedy  string
	Took    time.Duration
	Stalled bool
	Err     error

	Report *diag.Report
}

// Truth is what the publish times say.
func (t *Trial) Truth() string {
	switch {
	case t.Headers >= time.Second:
		return "headers held"
	case t.Events == 0:
		return "quiet"
	case t.Hold >= 400*time.Millisecond:
		return "held"
	case t.Hold >= 150*time.Millisecond:
		return "slightly"
	}
	return "healthy"
}

// Verdict compares diag with the truth.
func (t *Trial) Verdict() string {
	switch truth := t.Truth(); {
	case t.Err != nil:
		return "error"
	case truth == "slightly":
		return "right" // at the limit either is
	case t.Fault == LateBlank && slices.Equal(t.Found, []string{"terminator-late"}):
		return "right" // however short
	case (truth == "held" || truth == "headers held") && t.Failed:
		return "right"
	case (truth == "held" || truth == "headers held") && len(t.Found) > 0:
		return "right, as a warning"
	case truth == "held" || truth == "headers held":
		return "MISS"
	case len(t.Found) > 0:
		return "FALSE ALARM"
	}
	return "right"
}

// timingChecks are those that tell of a hold.
var timingChecks = []string{"headers-early", "buffer-proxy", "buffer-compression", "buffer-tail", "buffer-timer", "buffer-whole", "terminator-late", "protocol-parity", "connect-ttfb"}

// Run tries a set-up with a kind of traffic.
func Run(ctx context.Context, setup Setup, traffic Traffic, duration time.Duration) *Trial {
	t := &Trial{Setup: setup.Name, Traffic: traffic, Fault: setup.Fault}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "ssectl-lab-")
	if err != nil {
		t.Err = err
		return t
	}
	defer os.RemoveAll(dir)

	publisher := NewPublisher()
	publisher.Fault, publisher.Clock, publisher.Chat = setup.Fault, setup.Clock, traffic == Chat
	for name, values := range setup.Header {
		publisher.Header[name] = values
	}
	var publishing sync.WaitGroup
	publishing.Go(func() { publisher.Publish(ctx, traffic) })
	defer func() { cancel(); publishing.Wait() }()
	upstream := httptest.NewServer(publisher)
	defer upstream.Close()
	defer upstream.CloseClientConnections()
	url, stopped, err := setup.Start(ctx, strings.TrimPrefix(upstream.URL, "http://"), dir)
	if stopped != nil {
		defer func() { cancel(); <-stopped }()
	}
	if err != nil {
		t.Err = err
		return t
	}
	t.measure(ctx, publisher, url, duration)
	return t
}

// measure listens and diagnoses at the same time.
func (t *Trial) measure(ctx context.Context, publisher *Publisher, url string, duration time.Duration) {
	var own sync.WaitGroup
	listening, stop := context.WithCancel(ctx)
	o := &oracle{publisher: publisher, arrived: map[int]time.Time{}}
	own.Go(func() { o.listen(listening, url) })
	own.Go(func() { o.knock(listening, url) })

	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	t.Report = diag.Run(ctx, diag.Config{Client: &http.Client{Transport: transport()}, Request: request, Duration: duration})
	t.Took = t.Report.Duration
	stop()
	own.Wait()
	t.Events, t.Hold, t.Headers = o.result()
	if t.Report.Error != nil {
		t.Err = fmt.Errorf("%s: %s", t.Report.Error.Phase, t.Report.Error.Message)
	}
	t.Stalled = t.Report.Client.StallMax > 0
	for _, c := range t.Report.Checks {
		bad := c.Status == diag.Fail || c.Status == diag.Warn
		switch {
		case bad && slices.Contains(timingChecks, c.ID):
			t.Found = append(t.Found, c.ID)
			t.Failed = t.Failed || c.Status == diag.Fail
			if t.Remedy == "" && len(c.Remedies) > 0 {
				t.Remedy = c.Remedies[0].For + ": " + c.Remedies[0].Text
			}
		case c.ID == "resume":
			t.Resume, _ = c.Evidence["verdict"].(string)
		case bad:
			t.Others = append(t.Others, c.ID)
		}
	}
}

func transport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DialContext: (&net.Dialer{}).DialContext}
}

// An oracle listens as a browser would, and compares with the publish times.
type oracle struct {
	publisher       *Publisher
	opened, headers time.Time
	closed          time.Time
	first           int // the first event published after it was connected
	arrived         map[int]time.Time
	knocked         time.Duration // the longest that headers took another time
}

// open asks for the stream, on a connection of its own.
func (o *oracle) open(ctx context.Context, url string, mark string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Accept-Encoding", "gzip")
	if mark != "" {
		request.Header.Set(mark, "1")
	}
	t := transport()
	t.DisableCompression, t.DisableKeepAlives = true, true
	return (&http.Client{Transport: t}).Do(request)
}

// knock opens the stream again and again, because how long headers wait for a
// first event depends on when one comes.
func (o *oracle) knock(ctx context.Context, url string) {
	for range 15 {
		timer := time.NewTimer(300 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		opened := time.Now()
		resp, err := o.open(ctx, url, "")
		if err != nil {
			return
		}
		resp.Body.Close()
		o.knocked = max(o.knocked, time.Since(opened))
	}
}

func (o *oracle) listen(ctx context.Context, url string) {
	o.opened, o.first = time.Now(), o.publisher.latest()+1
	defer func() { o.closed = time.Now() }()
	resp, err := o.open(ctx, url, oracleHeader)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	o.headers = time.Now()
	o.first = max(o.first, o.publisher.latest()+1)
	if o.publisher.Chat || time.Since(o.opened) > time.Second {
		o.first = 1 // whatever was held with the headers
	}
	o.read(resp.Body, resp.Header.Get("Content-Encoding") == "gzip")
}

// read notes when the blank line behind each event came. A compressed body is
// decoded anew with each read, because a browser shows what it has, flushed or
// not.
func (o *oracle) read(body io.Reader, zipped bool) {
	var wire, plain []byte
	buf := make([]byte, 256<<10)
	seen := 0 // bytes of plain up to the last event noted
	for {
		n, err := body.Read(buf)
		now := time.Now()
		wire = append(wire, buf[:n]...)
		if plain = wire; zipped {
			plain = inflate(wire)
		}
		for {
			end := bytes.Index(plain[seen:], []byte("\n\n"))
			if end < 0 {
				break
			}
			o.note(plain[seen:seen+end], now)
			seen += end + 2
		}
		if err != nil {
			return
		}
	}
}

// inflate decodes as much as there is.
func inflate(wire []byte) []byte {
	zip, err := gzip.NewReader(bytes.NewReader(wire))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(zip)
	if _, damaged := err.(flate.CorruptInputError); damaged {
		return nil
	}
	return plain
}

// note keeps the first time of an event.
func (o *oracle) note(event []byte, now time.Time) {
	text, ok := bytes.CutPrefix(event, []byte("id: "))
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if !ok {
		_, text, _ = bytes.Cut(event, []byte(`"n":`))
		line, _, _ = bytes.Cut(text, []byte(","))
	}
	id, err := strconv.Atoi(string(line))
	if err != nil {
		return
	}
	if _, twice := o.arrived[id]; !twice {
		o.arrived[id] = now
	}
}

// result weighs all events that were made while the oracle listened. One that
// never came was held at least until the end.
func (o *oracle) result() (events int, hold, headers time.Duration) {
	headers = o.headers.Sub(o.opened)
	if o.headers.IsZero() {
		headers = o.closed.Sub(o.opened)
	}
	headers = max(headers, o.knocked)
	var holds []time.Duration
	for id := o.first; ; id++ {
		made, ok := o.publisher.Published(id)
		if !ok {
			break
		}
		at, came := o.arrived[id]
		switch {
		case came:
			holds = append(holds, at.Sub(made))
		case o.closed.Sub(made) > 50*time.Millisecond:
			holds = append(holds, o.closed.Sub(made))
		}
	}
	if len(holds) == 0 {
		return 0, 0, headers
	}
	slices.Sort(holds)
	return len(holds), holds[min(len(holds)-1, len(holds)*9/10)], headers
}
